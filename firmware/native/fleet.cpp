#include "fleet.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <vector>

#include "device.hpp"
#include "file_flash.hpp"
#include "lives.hpp"
#include "mosquitto_link.hpp"

namespace pdm::native {
namespace {

const char* const FIRMWARE = "native";
constexpr int LONGEST_WAIT_MS = 20;
constexpr uint64_t TELL_TIME_EVERY_MS = 60000;
constexpr uint64_t FAREWELL_MS = 5000;

volatile std::sig_atomic_t asked_to_stop = 0;

void ask_to_stop(int) { asked_to_stop = 1; }

uint64_t uptime_ms() {
    static const auto power_up = std::chrono::steady_clock::now();
    const auto up = std::chrono::steady_clock::now() - power_up;
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(up).count());
}

int64_t time_of_day_ms() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

/// A device and all its parts; they stay where they are made.
struct Pump {
    Pump(const Options& options, const Broker& broker, uint32_t index)
        : name(device_id(options, index)),
          flash(options.state.empty() ? "" : options.state + "/" + name + ".flash", options.flash_kib / 4),
          outbox(flash),
          link(broker, name),
          device({name.c_str(), options.root.c_str(), FIRMWARE}, twin, &twin, outbox, link) {
        link.attach(&device);
    }

    const std::string name;
    FileFlash flash;
    Outbox outbox;
    Twin twin;
    MosquittoLink link;
    Device device;
};
using Pumps = std::vector<std::unique_ptr<Pump>>;

std::map<std::string, std::string> passwords_of(const std::string& path) {
    std::map<std::string, std::string> passwords;
    std::ifstream file(path);
    if (!path.empty() && !file) {
        throw UsageError("--passwords " + path + " cannot be read");
    }
    for (std::string name, password; file >> name >> password;) {
        passwords[name] = password;
    }
    return passwords;
}

Pumps build(const Options& options) {
    std::error_code wrong;
    if (!options.state.empty() && (std::filesystem::create_directories(options.state, wrong), wrong)) {
        throw UsageError("--state " + options.state + " cannot be made: " + wrong.message());
    }
    const auto passwords = passwords_of(options.passwords);
    Pumps pumps;
    for (uint32_t index = 0; index < options.pumps; ++index) {
        Broker broker = options.broker;
        if (const auto own = passwords.find(device_id(options, index)); own != passwords.end()) {
            broker.username = own->first;
            broker.password = own->second;
        } else if (!passwords.empty()) {
            throw UsageError("--passwords " + options.passwords + " has no line for " + device_id(options, index));
        }
        Settings settings = options.settings;
        settings.number = options.first_number + index;
        auto pump = std::make_unique<Pump>(options, broker, index);
        if (!pump->device.start(settings, uptime_ms())) {
            throw UsageError("pump " + pump->name + " cannot start with these settings");
        }
        pumps.push_back(std::move(pump));
    }
    return pumps;
}

/// Spread over one interval, so that they do not all publish at the same moment.
void begin(Pumps& pumps) {
    const uint64_t now_ms = uptime_ms();
    for (size_t index = 0; index < pumps.size(); ++index) {
        pumps[index]->device.sample_from(now_ms + index * pumps[index]->twin.interval_ms() / pumps.size());
    }
}

/// Hand lines of standard input to every pump, as its serial line.
class Serial {
  public:
    void read_into(Pumps& pumps) {
        char piece[1024];
        const ssize_t bytes = ::read(STDIN_FILENO, piece, sizeof piece);
        open_ = bytes > 0;
        waiting_.append(piece, static_cast<size_t>(std::max<ssize_t>(bytes, 0)));
        for (size_t end; (end = waiting_.find('\n')) != std::string::npos; waiting_.erase(0, end + 1)) {
            for (const auto& pump : pumps) {
                pump->device.obey(waiting_.data(), end);
            }
            std::fprintf(stderr, "%s\n", pumps.front()->device.status(uptime_ms()).command);
        }
    }
    bool is_open() const { return open_; }

  private:
    std::string waiting_;
    bool open_ = true;
};

/// Let the network work until something happens, for at most so long.
void work(Pumps& pumps, int wait_ms, Serial* serial) {
    std::vector<pollfd> sockets;
    for (const auto& pump : pumps) {
        const short wanted = static_cast<short>(POLLIN | (pump->link.wants_write() ? POLLOUT : 0));
        sockets.push_back({pump->link.socket(), wanted, 0});
    }
    sockets.push_back({serial != nullptr && serial->is_open() ? STDIN_FILENO : -1, POLLIN, 0});
    if (poll(sockets.data(), static_cast<nfds_t>(sockets.size()), wait_ms) < 0 && errno != EINTR) {
        throw std::runtime_error("poll() failed");
    }
    for (size_t index = 0; index < pumps.size(); ++index) {
        const short found = sockets[index].revents;
        pumps[index]->link.work(found & POLLIN, found & POLLOUT, found & (POLLERR | POLLHUP));
    }
    if (sockets.back().revents != 0) {
        serial->read_into(pumps);
    }
}

struct Totals {
    uint64_t acknowledged = 0, waiting = 0, dropped = 0, undated = 0, skipped = 0, torn = 0, reconnects = 0;
    uint32_t connected = 0;
    const char* trouble = "";  // of the first pump that is not connected
};

Totals add_up(const Pumps& pumps) {
    Totals totals;
    for (const auto& pump : pumps) {
        const Status status = pump->device.status(uptime_ms());
        totals.acknowledged += pump->device.published();
        totals.waiting += status.waiting;
        totals.dropped += status.dropped;
        totals.undated += status.undated;
        totals.skipped += status.skipped;
        totals.torn += status.torn;
        totals.reconnects += status.reconnects;
        totals.connected += pump->device.is_connected();
        if (!pump->device.is_connected() && *totals.trouble == '\0') {
            totals.trouble = status.link;
        }
    }
    return totals;
}

void tell(const Pumps& pumps) {
    const Totals now = add_up(pumps);
    std::fprintf(stderr, "%5llu s  %u of %zu connected  acknowledged %llu  waiting %llu  dropped %llu  %s\n",
                 static_cast<unsigned long long>(uptime_ms() / 1000), now.connected, pumps.size(),
                 static_cast<unsigned long long>(now.acknowledged), static_cast<unsigned long long>(now.waiting),
                 static_cast<unsigned long long>(now.dropped), now.trouble);
}

bool sum_up(const Pumps& pumps, bool lasting) {
    const Totals all = add_up(pumps);
    std::ostringstream line;
    line << "{\"pumps\":" << pumps.size() << ",\"acknowledged\":" << all.acknowledged << ",\"waiting\":" << all.waiting
         << ",\"dropped\":" << all.dropped << ",\"undated\":" << all.undated << ",\"skipped\":" << all.skipped
         << ",\"torn\":" << all.torn << ",\"reconnects\":" << all.reconnects << "}\n";
    std::fputs(line.str().c_str(), stdout);
    std::fflush(stdout);
    // without a folder what waits goes with the program
    return all.dropped + all.undated + (lasting ? 0 : all.waiting) == 0;
}

/// Send what waits, as far as the broker takes it, and say goodbye.
void leave(Pumps& pumps) {
    const uint64_t until_ms = uptime_ms() + FAREWELL_MS;
    const auto is_busy = [](const auto& pump) { return pump->device.is_connected() && pump->outbox.waiting() > 0; };
    while (uptime_ms() < until_ms && std::any_of(pumps.begin(), pumps.end(), is_busy)) {
        work(pumps, LONGEST_WAIT_MS, nullptr);
        for (const auto& pump : pumps) {
            pump->device.send_rest(uptime_ms());
        }
    }
    for (const auto& pump : pumps) {
        if (pump->device.is_connected()) {
            pump->device.say_goodbye(uptime_ms());
            pump->link.leave();
        }
    }
    for (int round = 0; round < 10; ++round) {
        work(pumps, 5, nullptr);
    }
}

}  // namespace

bool run_fleet(const Options& options) {
    std::signal(SIGINT, ask_to_stop);
    std::signal(SIGTERM, ask_to_stop);
    std::signal(SIGPIPE, SIG_IGN);
    mosquitto_lib_init();
    Pumps pumps = build(options);
    begin(pumps);
    std::mt19937 random{std::random_device{}()};
    Serial serial;
    const uint64_t end_ms = options.duration_s ? uptime_ms() + static_cast<uint64_t>(*options.duration_s * 1000) : UINT64_MAX;
    uint64_t tell_time_ms = static_cast<uint64_t>(options.clock_after_s * 1000), report_ms = 0;
    while (!asked_to_stop && uptime_ms() < end_ms) {
        const uint64_t now_ms = uptime_ms();
        for (const auto& pump : pumps) {
            if (now_ms >= tell_time_ms) {
                pump->device.time_told(time_of_day_ms(), now_ms);
            }
            pump->device.step(now_ms, static_cast<uint32_t>(random()));
        }
        tell_time_ms = now_ms >= tell_time_ms ? now_ms + TELL_TIME_EVERY_MS : tell_time_ms;
        if (now_ms >= report_ms) {
            tell(pumps);
            report_ms = now_ms + 1000;
        }
        work(pumps, LONGEST_WAIT_MS, options.serial ? &serial : nullptr);
    }
    tell(pumps);
    leave(pumps);
    return sum_up(pumps, !options.state.empty());
}

}  // namespace pdm::native
