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
        if (newest->pump == Twin::fingerprint(settings_)) {
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

/// Connect when it is time, and give up on a broker that does not answer.
void Device::reach_broker(uint32_t random) {
    if (state_ == State::CONNECTED) {
        for (const Sent& sent : sent_) {
            if (sent.in_flight && now_ms_ - sent.at_ms > PATIENCE_MS) {
                disconnected("no answer");
                break;
            }
        }
    }
    if (needs_delay_) {
        needs_delay_ = false;
        try_at_ms_ = now_ms_ + backoff_.disconnected(is_refused_, now_ms_, random);
    }
    if (state_ != State::CONNECTED && now_ms_ >= try_at_ms_) {
        if (state_ == State::CONNECTING) {
            disconnected("no answer");
            return;
        }
        state_ = State::CONNECTING;
        try_at_ms_ = now_ms_ + PATIENCE_MS;
        Status will = status(now_ms_);
        will.online = false;
        link_.connect(status_topic_, buffer_, encode(will, buffer_, sizeof buffer_));
    }
}

void Device::connected() {
    state_ = State::CONNECTED;
    ++connections_;
    link_text_ = "ok";
    backoff_.connected(now_ms_);
    outbox_.rewind();
    link_.subscribe(command_topic_);
    status_at_ms_ = now_ms_;
}

void Device::disconnected(const char* why) { lost(why, false); }

void Device::refused(const char* why) { lost(why, true); }

void Device::network_returned() {
    if (state_ == State::WAITING && !is_refused_) {
        backoff_ = Backoff();
        needs_delay_ = true;
    }
}

void Device::lost(const char* why, bool refused) {
    if (state_ == State::WAITING) {
        return;
    }
    state_ = State::WAITING;
    for (Sent& sent : sent_) {
        if (sent.in_flight && sent.token == 0) {
            ++lost_;  // flash did not take it, so it cannot be sent again
        }
        sent.in_flight = false;
    }
    link_text_ = why;
    is_refused_ = refused;
    // the delay is drawn in the next step, which brings the random number
    needs_delay_ = true;
    try_at_ms_ = UINT64_MAX;
}

Device::Sent* Device::free_place() {
    for (Sent& sent : sent_) {
        if (!sent.in_flight) {
            return &sent;
        }
    }
    return nullptr;
}

void Device::acknowledged(int32_t message_id) {
    for (Sent& sent : sent_) {
        if (sent.in_flight && sent.message_id == message_id) {
            outbox_.acknowledge(sent.token);
            sent.in_flight = false;
            ++published_;
            return;
        }
    }
}

void Device::send_waiting() {
    Reading reading;
    uint32_t token;
    // a step does no more than that: those that cannot be dated would else all be marked in one
    for (uint32_t count = 0; count < Outbox::WINDOW && outbox_.next(reading, token); ++count) {
        if (reading.dated == Dated::SINCE_POWER_UP && reading.power_up != power_up_) {
            // nobody knows how long the power was off
            ++undated_;
            outbox_.acknowledge(token);
        } else if (!date(reading) || !send(reading, token)) {
            outbox_.give_back(token);
            return;
        }
    }
}

/// Give a reading of before the clock was set its time. Returns false while the clock is not set.
bool Device::date(Reading& reading) const {
    if (reading.dated == Dated::WALL_CLOCK) {
        return true;
    }
    const int64_t time_ms = clock_.date(static_cast<uint64_t>(reading.time_ms));
    if (time_ms == UNKNOWN_MS) {
        return false;
    }
    reading.time_ms = time_ms;
    reading.dated = Dated::WALL_CLOCK;
    return true;
}

/// token: of the outbox, 0 for a reading that is not stored. Returns false where the link does not take it now.
bool Device::send(Reading& reading, uint32_t token) {
    const size_t bytes = encode(reading, who_.device_id, buffer_, sizeof buffer_);
    if (bytes == 0) {  // no payload can say it, and none ever will
        ++lost_;
        outbox_.acknowledge(token);
        return true;
    }
    Sent* const place = free_place();
    const char* const topic = reading.mode == Mode::DATA_COLLECTION ? training_topic_ : telemetry_topic_;
    const int32_t message_id = place == nullptr ? Link::REFUSED : link_.publish(topic, buffer_, bytes, false);
    if (message_id == Link::REFUSED) {
        return false;
    }
    *place = {message_id, token, now_ms_, true};
    return true;
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

void Device::send_status() {
    const size_t bytes = encode(status(now_ms_), buffer_, sizeof buffer_);
    if (bytes > 0 && link_.publish(status_topic_, buffer_, bytes, true) != Link::REFUSED) {
        status_at_ms_ = now_ms_ + STATUS_EVERY_MS;
    }
}

void Device::send_rest(uint64_t uptime_ms) {
    now_ms_ = uptime_ms;
    if (state_ == State::CONNECTED) {
        send_waiting();
    }
}

void Device::say_goodbye(uint64_t uptime_ms) {
    Status last = status(uptime_ms);
    last.online = false;
    link_.publish(status_topic_, buffer_, encode(last, buffer_, sizeof buffer_), true);
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
