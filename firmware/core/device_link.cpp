// The part of the device that has to do with the broker: reaching it, sending, and taking its answers.
#include "device.hpp"

namespace pdm {

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

}  // namespace pdm
