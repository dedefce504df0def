#include "console.hpp"

#include "board.hpp"

#include <string.h>

#include "arduino.hpp"

namespace pdm::board {
namespace {

constexpr unsigned long BAUD = 115200;
constexpr const char* HELP =
    "{...}                a command to the device, as on its command topic; {\"report\": true} publishes the status\n"
    "status               what the device publishes of itself\n"
    "provision            what it was told; `provision {...}` tells it, and starts it anew\n"
    "sensors              what the sensors read, raw and as they are sent, and what is wrong with them\n"
    "wiring               numbers of the sensors; `wiring {...}` changes them, and starts anew\n"
    "calibrate loop_ma|rtd_ohm READ TRUE READ TRUE\n"
    "                     two points of calibration, and starts anew\n"
    "restart              sends what it can first\n"
    "erase outbox         forgets the readings that the broker does not have yet, and how many there were\n"
    "erase all            forgets passwords, settings and wiring as well\n";

struct ChannelForm {
    const char* name;
    const char* unit;
};
constexpr ChannelForm CHANNEL_FORMS[CHANNELS] = {
    {"vibration_x", "mm/s"}, {"vibration_y", "mm/s"}, {"vibration_z", "mm/s"}, {"vibration_rms", "mm/s"},
    {"temperature", "C"},    {"pressure", "bar"},     {"current", "A"},        {"rpm", "1/min"},
};

/// What follows the word in the line, without blanks before it; null where the line begins with another word.
const char* after(const char* line, const char* word) {
    const size_t length = strlen(word);
    if (strncmp(line, word, length) != 0 || (line[length] != '\0' && line[length] != ' ')) {
        return nullptr;
    }
    line += length;
    while (*line == ' ') {
        ++line;
    }
    return line;
}

const char* shown_or_dash(const char* text) { return *text != '\0' ? text : "-"; }

const char* set_or_dash(const char* secret) { return *secret != '\0' ? "(set)" : "-"; }

}  // namespace

void Console::begin() {
    Serial.setRxBufferSize(LINE_ROOM);  // a certificate comes at once
    Serial.setTxBufferSize(2048);       // nobody waits for what is told
    Serial.begin(BAUD);
}

void Console::work() {
    using Came = LineReader<LINE_ROOM>::Came;
    while (Serial.available() > 0) {
        const Came came = line_.take(static_cast<char>(Serial.read()));
        if (came == Came::TOO_LONG) {
            Serial.printf("refused: a line of more than %u bytes\n", static_cast<unsigned>(LINE_ROOM - 1));
        } else if (came == Came::LINE) {
            obey(line_.text(), line_.size());
            return;  // the device has its turn before the next line
        }
    }
}

void Console::obey(const char* line, size_t bytes) {
    const char* const end = line + bytes;
    const char* rest;
    if (*line == '{') {
        command(line, bytes);
    } else if ((rest = after(line, "provision")) != nullptr) {
        *rest == '\0' ? show_provision() : provision(rest, static_cast<size_t>(end - rest));
    } else if ((rest = after(line, "wiring")) != nullptr) {
        *rest == '\0' ? show_wiring() : wire(rest, static_cast<size_t>(end - rest));
    } else if ((rest = after(line, "calibrate")) != nullptr) {
        calibrate(rest);
    } else if ((rest = after(line, "erase")) != nullptr) {
        erase(rest);
    } else if (strcmp(line, "status") == 0) {
        show_status();
    } else if (strcmp(line, "sensors") == 0) {
        show_sensors();
    } else if (strcmp(line, "restart") == 0) {
        board_.restart();
    } else if (strcmp(line, "help") == 0) {
        Serial.print(HELP);
    } else {
        Serial.println("not understood; `help` tells what is");
    }
}

void Console::command(const char* line, size_t bytes) {
    if (!board_.is_running()) {
        Serial.println("not provisioned: nothing obeys");
        return;
    }
    board_.device.obey(line, bytes);
    Serial.println(board_.device.status(uptime_ms()).command);
}

void Console::show_status() {
    char text[STATUS_ROOM];
    if (!board_.is_running() || encode(board_.device.status(uptime_ms()), text, sizeof text) == 0) {
        Serial.println("not provisioned: no device, no status");
        return;
    }
    Serial.println(text);
}

void Console::provision(const char* json, size_t bytes) {
    char text[ERROR_ROOM];
    if (!parse_provision(json, bytes, board_.provision, next_, text)) {
        Serial.printf("refused: %s\n", text);
        return;
    }
    const bool another = strcmp(next_.device_id, board_.provision.device_id) != 0 || next_.sensors != board_.provision.sensors;
    if (const uint32_t waiting = board_.waiting(); another && waiting > 0) {
        Serial.printf("refused: %lu readings of %s wait to be sent; let them, or `erase outbox`\n",
                      static_cast<unsigned long>(waiting), board_.provision.device_id);
        return;
    }
    if (!board_.store.save(next_)) {
        Serial.println("refused: it cannot be stored");
        return;
    }
    if (complete(next_, text)) {
        Serial.println("stored; starts anew");
    } else {
        Serial.printf("stored; starts anew; still missing: %s\n", text);
    }
    board_.restart();
}

void Console::show_provision() {
    const Provision& now = board_.provision;
    Serial.printf("device_id      %s\ntopic_root     %s\nsensors        %s\n", shown_or_dash(now.device_id), now.root,
                  SOURCE_NAMES[static_cast<int>(now.sensors)]);
    Serial.printf("wifi_ssid      %s\nwifi_password  %s\n", shown_or_dash(now.wifi_ssid),
                  set_or_dash(now.wifi_password));
    Serial.printf("broker_host    %s\nbroker_port    %u\ntls            %s\n", shown_or_dash(now.broker_host),
                  now.broker_port, now.tls ? "true" : "false");
    Serial.printf("username       %s\npassword       %s\nca_pem         %s\nntp_server     %s\n",
                  shown_or_dash(now.username), set_or_dash(now.password), set_or_dash(now.ca_pem), now.ntp_server);
}

void Console::wire(const char* json, size_t bytes) {
    char error[ERROR_ROOM];
    Wiring next;
    if (!parse_wiring(json, bytes, board_.wiring, next, error)) {
        Serial.printf("refused: %s\n", error);
        return;
    }
    keep(next);
}

void Console::calibrate(const char* words) {
    Wiring next = board_.wiring;
    if (const char* const wrong = calibrate_by(words, next)) {
        Serial.printf("refused: %s\n", wrong);
        return;
    }
    keep(next);
}

void Console::keep(const Wiring& wiring) {
    if (!board_.store.save(wiring)) {
        Serial.println("refused: it cannot be stored");
        return;
    }
    Serial.println("stored; starts anew");
    board_.restart();
}

void Console::show_wiring() {
    for (int field = 0; field < WIRING_FIELDS; ++field) {
        Serial.printf("%-30s %.9g\n", wiring_name(field), wiring_value(board_.wiring, field));
    }
}

void Console::show_sensors() {
    if (!board_.is_running() || !board_.is_real()) {
        Serial.println("no real sensors: `provision {\"sensors\": \"real\"}`");
        return;
    }
    for (int index = 0; index < CHANNELS; ++index) {
        const auto channel = static_cast<Channel>(index);
        Serial.printf("%-14s %10.3f %-6s", CHANNEL_FORMS[index].name,
                      static_cast<double>(board_.real.newest(channel)), CHANNEL_FORMS[index].unit);
        const Faults faults = board_.real.faults(channel);
        for (int fault = 0; fault < FAULTS; ++fault) {
            Serial.print((faults >> fault & 1) != 0 ? " " : "");
            Serial.print((faults >> fault & 1) != 0 ? FAULT_NAMES[fault] : "");
        }
        Serial.println();
    }
    const RealSensors::Raw raw = board_.real.raw();
    Serial.printf("raw, means of 10 s: acceleration %.1f %.1f %.1f counts, %.1f samples/s, current %.2f counts\n",
                  static_cast<double>(raw.counts[0]), static_cast<double>(raw.counts[1]),
                  static_cast<double>(raw.counts[2]), static_cast<double>(raw.samples_per_s),
                  static_cast<double>(raw.current_count));
    Serial.printf("raw, now: loop %.1f mV, rtd %.0f counts, %lu pulses since the start\n",
                  static_cast<double>(raw.loop_mv), static_cast<double>(raw.rtd_count),
                  static_cast<unsigned long>(raw.pulses));
}

void Console::erase(const char* what) {
    const bool all = strcmp(what, "all") == 0;
    if (!all && strcmp(what, "outbox") != 0) {
        Serial.println("refused: erase outbox, or erase all");
        return;
    }
    board_.flash.begin();  // a board that is not provisioned has not done so yet
    Serial.println(board_.flash.erase_all() ? "outbox erased" : "the outbox cannot be erased");
    if (all) {
        Serial.println(board_.store.erase() ? "passwords, settings and wiring erased" : "the storage cannot be erased");
    }
    board_.restart();
}

}  // namespace pdm::board
