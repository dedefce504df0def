#include "options.hpp"

#include <getopt.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>

#include "commands.hpp"
#include "topics.hpp"

namespace pdm::native {

const char* const HELP = R"(pump-twin: pumps that do not exist, from the firmware's own core.

  pump-twin run [options]      publish pumps in real time, as so many devices
  pump-twin lives [options]    print whole lives, a payload a line, labelled unless the mode is inference

Which pumps
  --pumps N            so many (1); each has a connection of its own
  --number N           number of the first within its seed (0); the others follow
  --prefix TEXT        device ids are TEXT001, TEXT002 ... (twin-)
  --settings JSON      as a command to the device, repeatable:
                         {"mode": "inference" | "data_collection"}
                         {"seed": 7, "speed": "stress" | "accelerated" | "nominal", "interval_s": 0.5}
                         {"failure_mode": "drawn" | "in_turn" | "bearing_wear" ..., "wearing": false}
                         {"repair_after_s": 60}
                         {"chaos": [{"name": "heatwave"}, {"name": "cavitation", "probability": 0.01, "readings": 20}]}

run
  --broker HOST:PORT   (127.0.0.1:1883)
  --ca FILE            TLS, and the authority that signed the broker's certificate
  --username NAME      for all pumps; the password comes from PDM_MQTT_PASSWORD
  --passwords FILE     lines of `device_id password`, an account for each pump
  --root TEXT          root of all topics (factory)
  --state DIR          keep readings that the broker does not have yet, and where each pump's life stands, one file a
                       pump; without it in memory. What commands changed is not kept
  --flash-kib N        room for them, a pump (512)
  --duration-s S       stop after so long; else at Ctrl-C
  --clock-after-s S    until then the clock is not set (0)
  --serial             lines on standard input are commands, to every pump
  A line of progress a second on standard error; at the end one JSON line on standard output. Exit code 1 where
  readings were lost, or wait and nothing keeps them; 2 where an option cannot be.

lives
  --readings N         so many of each pump instead of its whole life
  --generation N       after so many repairs (0)
  --start-ms MS        epoch ms of the first reading (2026-01-01)

Examples
  pump-twin run --pumps 20 --settings '{"speed": "stress", "failure_mode": "in_turn"}' --state var/twins
  pump-twin lives --pumps 8 --settings '{"speed": "stress", "failure_mode": "in_turn"}' | jq .health_percent
)";

namespace {

double number(const char* option, const char* text, double least, double most) {
    char* end = nullptr;
    errno = 0;
    const double value = std::strtod(text, &end);
    if (*text == '\0' || *end != '\0' || errno != 0 || !(value >= least && value <= most)) {
        throw UsageError("--" + std::string(option) + " " + text + " is not a number from " + std::to_string(least) +
                         " to " + std::to_string(most));
    }
    return value;
}

uint64_t whole(const char* option, const char* text, uint64_t least, uint64_t most) {
    char* end = nullptr;
    errno = 0;
    const unsigned long long value = std::strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value < least || value > most) {
        throw UsageError("--" + std::string(option) + " " + text + " is not a whole number from " + std::to_string(least) +
                         " to " + std::to_string(most));
    }
    return value;
}

Settings told(const Settings& now, const std::string& line) {
    const ParseResult result = parse_command(line.data(), line.size(), now);
    if (result.outcome != Parsed::ACCEPTED) {
        throw UsageError("--settings " + line + ": " + (result.outcome == Parsed::EMPTY ? "empty" : result.error));
    }
    if (result.repair || result.report) {
        throw UsageError("--settings " + line + ": repair and report are for a running pump");
    }
    if (result.settings.number != now.number) {
        throw UsageError("--settings " + line + ": --number tells the first pump's number, and the others follow");
    }
    return result.settings;
}

void set_broker(Broker& broker, const std::string& address) {
    const size_t colon = address.rfind(':');
    if (colon == std::string::npos || colon == 0) {
        throw UsageError("--broker " + address + " is not HOST:PORT");
    }
    broker.host = address.substr(0, colon);
    broker.port = static_cast<int>(whole(("broker " + broker.host + ":").c_str(), address.c_str() + colon + 1, 1, 65535));
}

/// Seen before it is needed: libmosquitto would tell no more than that TLS failed.
std::string certificate_file(const std::string& path) {
    std::ifstream file(path);
    std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (!file) {
        throw UsageError("--ca " + path + " cannot be read");
    }
    if (text.find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
        throw UsageError("--ca " + path + " holds no certificate in PEM");
    }
    return path;
}

Options::Task task_of(const std::string& word) {
    if (word == "run") {
        return Options::Task::RUN;
    }
    if (word == "lives") {
        return Options::Task::LIVES;
    }
    if (word == "--help" || word == "-h" || word == "help") {
        return Options::Task::HELP;
    }
    throw UsageError("'" + word + "' is neither run nor lives; --help tells more");
}

enum Choice {
    PUMPS = 1, NUMBER, PREFIX, SETTINGS, BROKER, CA, USERNAME, PASSWORDS, ROOT, STATE, FLASH, DURATION, CLOCK, SERIAL,
    READINGS, GENERATION, START, HELP_ASKED
};
const option OPTIONS[] = {
    {"pumps", required_argument, nullptr, PUMPS},           {"number", required_argument, nullptr, NUMBER},
    {"prefix", required_argument, nullptr, PREFIX},         {"settings", required_argument, nullptr, SETTINGS},
    {"broker", required_argument, nullptr, BROKER},         {"ca", required_argument, nullptr, CA},
    {"username", required_argument, nullptr, USERNAME},     {"passwords", required_argument, nullptr, PASSWORDS},
    {"root", required_argument, nullptr, ROOT},             {"state", required_argument, nullptr, STATE},
    {"flash-kib", required_argument, nullptr, FLASH},       {"duration-s", required_argument, nullptr, DURATION},
    {"clock-after-s", required_argument, nullptr, CLOCK},   {"serial", no_argument, nullptr, SERIAL},
    {"readings", required_argument, nullptr, READINGS},     {"generation", required_argument, nullptr, GENERATION},
    {"start-ms", required_argument, nullptr, START},        {"help", no_argument, nullptr, HELP_ASKED},
    {nullptr, 0, nullptr, 0},
};

void take(Options& options, int choice, const char* name, const char* text) {
    switch (choice) {
        case PUMPS: options.pumps = static_cast<uint32_t>(whole(name, text, 1, 10000)); break;
        case NUMBER: options.first_number = static_cast<uint32_t>(whole(name, text, 0, UINT32_MAX - 10000)); break;
        case PREFIX: options.prefix = text; break;
        case SETTINGS: options.settings = told(options.settings, text); break;
        case BROKER: set_broker(options.broker, text); break;
        case CA: options.broker.ca_file = certificate_file(text); break;
        case USERNAME: options.broker.username = text; break;
        case PASSWORDS: options.passwords = text; break;
        case ROOT: options.root = text; break;
        case STATE: options.state = text; break;
        case FLASH: options.flash_kib = static_cast<uint32_t>(whole(name, text, 8, 65536)); break;
        case DURATION: options.duration_s = number(name, text, 0.001, 1e9); break;
        case CLOCK: options.clock_after_s = number(name, text, 0.0, 1e9); break;
        case SERIAL: options.serial = true; break;
        case READINGS: options.readings = static_cast<uint32_t>(whole(name, text, 1, UINT32_MAX)); break;
        case GENERATION: options.generation = static_cast<uint32_t>(whole(name, text, 0, UINT32_MAX - 1)); break;
        case START: options.start_ms = static_cast<int64_t>(whole(name, text, 100000000000, 4102444800000)); break;
        case HELP_ASKED: options.task = Options::Task::HELP; break;
        default: throw UsageError("--help tells which options there are");
    }
}

}  // namespace

Options parse(int count, char** words) {
    Options options;
    options.settings = usual_settings();
    if (count < 2) {
        return options;
    }
    options.task = task_of(words[1]);
    if (options.task == Options::Task::LIVES) {
        options.settings.mode = Mode::DATA_COLLECTION;
    }
    int choice, index = 0;
    while ((choice = getopt_long(count - 1, words + 1, "", OPTIONS, &index)) != -1) {
        take(options, choice, OPTIONS[index].name, optarg);
    }
    if (optind < count - 1) {
        throw UsageError("'" + std::string(words[1 + optind]) + "' is no option");
    }
    if (!valid_device_id((options.prefix + "00000").c_str())) {
        throw UsageError("--prefix " + options.prefix + " makes no device id: letters, digits, '.', '_' and '-', up to 59");
    }
    if (!valid_root(options.root.c_str())) {
        throw UsageError("--root " + options.root + " is no root of topics");
    }
    if (!options.broker.username.empty()) {
        const char* const password = std::getenv("PDM_MQTT_PASSWORD");
        if (password == nullptr) {
            throw UsageError("--username " + options.broker.username + " needs its password in PDM_MQTT_PASSWORD");
        }
        options.broker.password = password;
    }
    return options;
}

}  // namespace pdm::native
