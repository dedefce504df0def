#include "device.hpp"

namespace pdm {
namespace {

uint32_t within_32_bits(uint64_t count) { return count < UINT32_MAX ? static_cast<uint32_t>(count) : UINT32_MAX; }

}  // namespace

bool Device::start(const Settings& settings, uint64_t uptime_ms) {
    const auto name = [&](Topic topic, char(&into)[TOPIC_ROOM]) {
        return topic_of(topic, who_.root, who_.device_id, into, sizeof into) > 0;
    };
    if (!valid(settings) || !name(Topic::TELEMETRY, telemetry_topic_) || !name(Topic::TRAINING_DATA, training_topic_) ||
        !name(Topic::STATUS, status_topic_) || !name(Topic::COMMAND, command_topic_)) {
        return false;
    }
    settings_ = settings;
    if (twin_ == nullptr) {
        settings_.mode = Mode::INFERENCE;  // nobody knows the truth: a twin's settings may have been left here
    }
    now_ms_ = try_at_ms_ = uptime_ms;
    outbox_.mount();
    resume();
    return true;
}

/// What the newest reading tells of the time before the power went.
void Device::resume() {
    const Reading* const newest = outbox_.newest();
    Twin::Place place;
    if (newest != nullptr) {
        next_id_ = newest->measurement_id + 1;
        power_up_ = newest->power_up + 1;
        if (newest->dated == Dated::WALL_CLOCK) {
            clock_.resume_after(newest->time_ms);
        }
        if (newest->pump == fingerprint(settings_)) {
            place = {newest->generation, newest->life_step + 1, newest->last_maintenance_ms};
        }
    }
    if (twin_ != nullptr) {
        twin_->start(settings_, place);
    }
}

uint32_t Device::interval_ms() const {
    if (twin_ != nullptr) {
        return twin_->interval_ms();
    }
    return settings_.interval_ms > 0 ? settings_.interval_ms : REAL_INTERVAL_MS;
}

void Device::step(uint64_t uptime_ms, uint32_t random) {
    now_ms_ = uptime_ms;
    sample();
    reach_broker(random);
    if (state_ == State::CONNECTED) {
        send_waiting();
        if (now_ms_ >= status_at_ms_) {
            send_status();
        }
    }
}

/// Take the reading that is due and keep it. What is not stored is sent at once, or lost and counted.
void Device::sample() {
    Due due;
    if (!schedule_.take(now_ms_, due)) {
        return;
    }
    Reading reading;
    reading.measurement_id = next_id_ + due.missed;
    reading.mode = settings_.mode;
    reading.power_up = power_up_;
    reading.time_ms = clock_.stamp(due.uptime_ms);
    if (reading.time_ms == UNKNOWN_MS) {
        reading.dated = Dated::SINCE_POWER_UP;
        reading.time_ms = static_cast<int64_t>(due.uptime_ms);
    }
    if (!sensors_.measure(reading)) {
        return;
    }
    next_id_ = reading.measurement_id + 1;
    if (!outbox_.put(reading) && !(state_ == State::CONNECTED && date(reading) && send(reading, 0))) {
        ++lost_;
    }
}

Status Device::status(uint64_t uptime_ms) const {
    Status status;
    status.device_id = who_.device_id;
    status.firmware = who_.firmware;
    status.mode = settings_.mode;
    status.uptime_s = uptime_ms / 1000;
    status.time_ms = clock_.at(uptime_ms);
    status.power_ups = power_up_;
    status.measurement_id = next_id_ > 0 ? next_id_ - 1 : 0;
    status.waiting = outbox_.waiting();
    status.dropped = outbox_.dropped() + lost_;
    status.torn = outbox_.torn();
    status.undated = undated_;
    status.skipped = within_32_bits(schedule_.skipped());
    status.flash_failures = outbox_.failures();
    for (int channel = 0; channel < CHANNELS; ++channel) {
        status.sensor_faults[channel] = sensors_.faults(static_cast<Channel>(channel));
    }
    status.reconnects = connections_ > 0 ? connections_ - 1 : 0;
    status.link = link_text_;
    status.sensors = twin_ != nullptr ? Source::TWIN : Source::REAL;
    status.speed = settings_.speed;
    status.generation = twin_ != nullptr ? twin_->generation() : 0;
    status.chaos = twin_ != nullptr ? chaos_at_work(settings_) : uint8_t{0};
    status.command = command_text_;
    return status;
}

/// Why a command that can be read cannot be done; null where it can.
const char* Device::what_forbids(const ParseResult& told, bool retained) const {
    if (retained && told.repair) {
        return "repair in a retained command would be done again at each connection";
    }
    Settings but_interval = told.settings;
    but_interval.interval_ms = settings_.interval_ms;
    if (twin_ == nullptr && (told.repair || !(but_interval == settings_))) {
        return "only interval_s and report are for real sensors: the rest needs the twin";
    }
    return nullptr;
}

void Device::obey(const char* text, size_t bytes, bool retained) {
    const ParseResult told = parse_command(text, bytes, settings_);
    if (told.outcome == Parsed::EMPTY) {
        return;
    }
    status_at_ms_ = now_ms_;
    const char* const error = told.outcome == Parsed::REFUSED ? told.error : what_forbids(told, retained);
    Text(command_text_, sizeof command_text_).add(error != nullptr ? error : "ok");
    if (error != nullptr) {
        return;
    }
    settings_changed_ = settings_changed_ || !(told.settings == settings_);
    settings_ = told.settings;
    if (twin_ != nullptr) {
        twin_->change(settings_);
        if (told.repair) {
            twin_->repair();
        }
    }
    schedule_.change_interval(interval_ms(), now_ms_);
}

bool Device::settings_changed() {
    const bool changed = settings_changed_;
    settings_changed_ = false;
    return changed;
}

}  // namespace pdm
