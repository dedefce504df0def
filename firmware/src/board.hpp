// All parts of the board, put together.
#pragma once

#include "device.hpp"
#include "outbox.hpp"
#include "twin.hpp"

#include "console.hpp"
#include "led.hpp"
#include "mqtt_link.hpp"
#include "network.hpp"
#include "partition_flash.hpp"
#include "real_sensors.hpp"
#include "store.hpp"

namespace pdm::board {

extern const char* const FIRMWARE;

uint64_t uptime_ms();

/// Made in setup(): it reads the storage, and what is there decides which sensors the device has.
class Board {
  public:
    Board();

    void start();
    /// One turn of the loop.
    void turn();
    /// Say goodbye to the broker and start anew.
    [[noreturn]] void restart();

    bool is_running() const { return is_running_; }
    /// Readings in flash that the broker does not have; of a board that runs.
    uint32_t waiting() const { return outbox_.waiting(); }
    bool is_real() const { return provision.sensors == Source::REAL; }

    // in this order: each needs those before it
    Store store;
    Provision provision;
    const Store::Found provision_found = store.load(provision);
    Wiring wiring = usual_wiring();
    const Store::Found wiring_found = store.load(wiring);
    PartitionFlash flash;
    Network network;
    RealSensors real;

  private:
    Twin twin_;
    Outbox outbox_{flash};
    MqttLink link_{provision, network.is_up()};

  public:
    Device device;

  private:
    void start_device();
    void tell_news();
    void keep_settings(uint64_t now_ms);
    Condition condition(uint64_t now_ms) const;

    Led led_;
    Console console_{*this};
    const char* flash_trouble_ = nullptr;
    bool is_running_ = false, was_up_ = false, unsaved_ = false, was_deaf_ = false;
    uint32_t commands_lost_ = 0;
    uint64_t save_at_ms_ = 0, look_at_ms_ = 0;
    Condition condition_ = Condition::NOT_PROVISIONED;
};

}  // namespace pdm::board
