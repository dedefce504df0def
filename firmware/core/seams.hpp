// The device's edges. The core calls these and nothing else of the world; a board, a host program or a test implements
// them. None of the calls may block for long: sampling waits for nobody.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "measured.hpp"
#include "reading.hpp"

namespace pdm {

/// What is measured. Real sensors take the twin's place by implementing this.
class Sensors {
  public:
    /// Fill in `reading.channels` (and what else is known of the pump: see Twin). measurement_id, times and mode are
    /// set by the caller. Returns false where there is nothing to tell, as of a pump that has failed and stands still.
    virtual bool measure(Reading& reading) = 0;

    /// Why a channel of the last reading is NaN; 0 where nothing is wrong with it.
    virtual Faults faults(Channel) const { return 0; }

  protected:
    ~Sensors() = default;
};

/// NOR flash: an erased byte is 0xFF, a write only clears bits, and a sector is erased as a whole. Power may fail within
/// any call. Offsets are bytes from the start of the area.
class Flash {
  public:
    virtual uint32_t sectors() const = 0;
    virtual uint32_t sector_bytes() const = 0;
    virtual bool read(uint32_t offset, void* into, size_t bytes) = 0;
    virtual bool write(uint32_t offset, const void* from, size_t bytes) = 0;
    virtual bool erase(uint32_t sector) = 0;

  protected:
    ~Flash() = default;
};

/// The way to the broker, MQTT at QoS 1. When to try again is the device's business, not the link's.
class Link {
  public:
    /// Begin to connect, with this last will, retained. The outcome comes later, as Device::connected,
    /// disconnected or refused. What an earlier attempt left is given up.
    virtual void connect(const char* will_topic, const char* will_payload, size_t will_bytes) = 0;
    /// Hand over one message. Returns the id under which the broker's acknowledgement comes through
    /// Device::acknowledged, or REFUSED where the link cannot take it now. Ids of messages under way differ.
    virtual int32_t publish(const char* topic, const char* payload, size_t bytes, bool retained) = 0;
    /// Ask for commands. Where that fails the link ends the connection, or says so: the device cannot mend it.
    virtual void subscribe(const char* topic) = 0;

    static constexpr int32_t REFUSED = -1;

  protected:
    ~Link() = default;
};

}  // namespace pdm
