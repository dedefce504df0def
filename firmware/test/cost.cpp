// What the core costs on a chip: instructions and stack of everything a device does, counted on an emulated one. QEMU
// with `-icount shift=0` takes each instruction for one, so the figures are the same on every computer. firmware/cost/
// builds this, runs it and reads what it prints.
//
// What lies behind the seams is not counted: flash is plain memory here, and the link takes everything.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.hpp"
#include "instruments.hpp"
#include "outbox_format.hpp"
#include "parameters.hpp"

using namespace pdm;

// the C++ library would bring these two
extern "C" void __cxa_pure_virtual() { abort(); }
void* operator new(size_t, void* place) { return place; }

// read off the object file: the static memory of each part of a device
extern "C" {
char size_of_device[sizeof(Device)], size_of_twin[sizeof(Twin)], size_of_outbox[sizeof(Outbox)];
char size_of_instruments[sizeof(Instruments)], size_of_provision[sizeof(Provision)];
}

namespace {

uint32_t instructions() {
    uint32_t count;
    __asm__ volatile(".option push\n.option arch, +zicsr\ncsrr %0, minstret\n.option pop" : "=r"(count)::"memory");
    return count;
}

uint32_t behind_the_seams = 0;

/// While it lives, what is done is not the core's work.
struct Seam {
    const uint32_t from = instructions();
    ~Seam() { behind_the_seams += instructions() - from; }
};

constexpr uint32_t SECTOR_BYTES = 4096;
constexpr uint32_t USUAL_SECTORS = 128, FEW_SECTORS = 4;
uint8_t area[USUAL_SECTORS * SECTOR_BYTES];

class MemoryFlash final : public Flash {
  public:
    explicit MemoryFlash(uint32_t sectors) : sectors_(sectors) {}
    uint32_t sectors() const override { return sectors_; }
    uint32_t sector_bytes() const override { return SECTOR_BYTES; }
    bool read(uint32_t offset, void* into, size_t bytes) override {
        const Seam seam;
        memcpy(into, area + offset, bytes);
        return true;
    }
    bool write(uint32_t offset, const void* from, size_t bytes) override {
        const Seam seam;
        for (size_t i = 0; i < bytes; ++i) {
            area[offset + i] &= static_cast<const uint8_t*>(from)[i];
        }
        return true;
    }
    bool erase(uint32_t sector) override {
        const Seam seam;
        memset(area + size_t{sector} * SECTOR_BYTES, 0xFF, SECTOR_BYTES);
        return true;
    }

  private:
    const uint32_t sectors_;
};

/// Takes everything, and keeps what is to be acknowledged.
class EagerLink final : public Link {
  public:
    void connect(const char*, const char*, size_t) override {}
    void subscribe(const char*) override {}
    int32_t publish(const char*, const char*, size_t, bool retained) override {
        const Seam seam;
        if (retained) {
            ++statuses;
        } else {
            waiting[sent++] = ++last_id_;
        }
        return last_id_;
    }

    int32_t waiting[Outbox::WINDOW];
    uint32_t sent = 0, statuses = 0;

  private:
    int32_t last_id_ = 0;
};

/// A device and all its parts, as a board has them.
struct Pump {
    explicit Pump(uint32_t sectors)
        : flash(sectors), outbox(flash), device({"pump-001", "factory", "1.0.0"}, twin, &twin, outbox, link) {}

    MemoryFlash flash;
    Outbox outbox;
    Twin twin;
    EagerLink link;
    Device device;
};
alignas(Pump) uint8_t pump_memory[sizeof(Pump)];
Pump& pump = *reinterpret_cast<Pump*>(pump_memory);

int64_t now_us() {
    const Seam seam;
    return 12345678;
}

// what the work below is given
Settings settings;
uint64_t now_ms;
Reading reading;
uint32_t token;
char buffer[STATUS_ROOM];
const char* text;
Provision provision, next_provision;
Status status;
Instruments instruments(now_us);
int32_t count;
volatile bool done;

}  // namespace

/// What is counted. firmware/cost finds each by its name, to compare the stack it used with the most that it can use.
namespace work {

#define PDM_WORK __attribute__((noinline)) void
PDM_WORK loop() {
    uint32_t rounds = 100000;
    __asm__ volatile("1: addi %0, %0, -1\n bnez %0, 1b" : "+r"(rounds));
}
PDM_WORK step() { pump.device.step(now_ms, 0x12345678); }
PDM_WORK acknowledge() {
    while (pump.link.sent > 0) {
        pump.device.acknowledged(pump.link.waiting[--pump.link.sent]);
    }
}
PDM_WORK whole_reading() {
    step();
    acknowledge();
}
PDM_WORK start() {
    done = pump.device.start(settings, now_ms);
    pump.device.sample_from(now_ms);
}
PDM_WORK command() { pump.device.obey(text, strlen(text)); }
PDM_WORK live() { pump.twin.start(settings); }
PDM_WORK measure() { done = pump.twin.measure(reading); }
PDM_WORK put() { done = pump.outbox.put(reading); }
PDM_WORK next() { done = pump.outbox.next(reading, token); }
PDM_WORK mark() { done = pump.outbox.acknowledge(token); }
PDM_WORK crc() { token = outbox_format::record_crc(1, 2, reading); }
PDM_WORK encode_reading() { done = encode(reading, "pump-001", buffer, sizeof buffer) > 0; }
PDM_WORK encode_status() { done = encode(status, buffer, sizeof buffer) > 0; }
PDM_WORK provide() {
    char error[ERROR_ROOM];
    done = parse_provision(text, strlen(text), provision, next_provision, error);
}
PDM_WORK acceleration() { instruments.acceleration(count, -count, count / 2); }
PDM_WORK current() { instruments.current(count + 2048); }
PDM_WORK instruments_measure() { done = instruments.measure(reading); }

}  // namespace work

namespace {

struct Spent {
    uint32_t instructions, stack;
};

/// Paints the stack below its own frame, does the work and looks how far down the paint is gone.
__attribute__((noinline)) Spent spent_by(void (*work)()) {
    constexpr uint32_t WORDS = 2048, PAINT = 0xC0FFEE11;
    volatile uint32_t* top;
    __asm__ volatile("mv %0, sp" : "=r"(top));
    for (volatile uint32_t* word = top - WORDS; word < top; ++word) {
        *word = PAINT;
    }
    behind_the_seams = 0;
    const uint32_t from = instructions();
    work();
    const uint32_t until = instructions();
    volatile uint32_t* deepest = top - WORDS;
    while (deepest < top && *deepest == PAINT) {
        ++deepest;
    }
    return {until - from - behind_the_seams, static_cast<uint32_t>((top - deepest) * 4)};
}

/// Mean and worst of one kind of work; told when it goes out of scope.
class Figure {
  public:
    Figure(const char* name, const char* work_name, void (*work)()) : name_(name), work_name_(work_name), work_(work) {}
    ~Figure() {
        printf("%s %s %lu %lu %lu %lu\n", name_, work_name_, static_cast<unsigned long>(times_),
               static_cast<unsigned long>(sum_ / times_), static_cast<unsigned long>(worst_),
               static_cast<unsigned long>(stack_));
    }
    void add(const Spent& spent) {
        ++times_;
        sum_ += spent.instructions;
        worst_ = spent.instructions > worst_ ? spent.instructions : worst_;
        stack_ = spent.stack > stack_ ? spent.stack : stack_;
    }
    void take() { add(spent_by(work_)); }

  private:
    const char* const name_;
    const char* const work_name_;
    void (*const work_)();
    uint64_t sum_ = 0;
    uint32_t times_ = 0, worst_ = 0, stack_ = 0;
};
#define PDM_FIGURE(name, work_name) Figure name(#name, #work_name, work::work_name)

constexpr int64_t NEW_YEAR_MS = 1767225600000;
constexpr uint32_t LIVES = 8;

/// Every disturbance, often.
Settings disturbed(Mode mode, Speed speed, uint32_t number) {
    Settings made;
    made.mode = mode;
    made.speed = speed;
    made.number = number;
    made.failure_mode = IN_TURN;
    for (uint8_t kind = 0; kind < DISTURBANCES; ++kind) {
        made.chaos[kind] = {kind, 0.03, 7};
    }
    made.chaos_rules = DISTURBANCES;
    return made;
}

/// A new device with erased flash, that knows the time.
void build(uint32_t sectors, const Settings& wanted) {
    memset(area, 0xFF, sizeof area);
    new (pump_memory) Pump(sectors);
    settings = wanted;
    now_ms = 1000;
    work::start();
    pump.device.time_told(NEW_YEAR_MS, now_ms);
}

void connect() {
    work::step();
    pump.device.connected();
    work::step();
    work::acknowledge();
}

/// Whole lives, each reading from the sensor to the broker's acknowledgement.
void readings(Figure& alone, Figure& with_status, Figure& idle, Mode mode, Speed speed, uint32_t lives) {
    for (uint32_t number = 0; number < lives; ++number) {
        build(USUAL_SECTORS, disturbed(mode, speed, number));
        connect();
        for (uint32_t step = 1; step < pump.twin.readings_of_life(); ++step) {
            now_ms += pump.twin.interval_ms() - 20;
            idle.take();
            now_ms += 20;
            const uint32_t statuses = pump.link.statuses;
            const Spent spent = spent_by(work::whole_reading);
            (pump.link.statuses > statuses ? with_status : alone).add(spent);
        }
    }
}

void readings_online() {
    PDM_FIGURE(idle_step, step);
    PDM_FIGURE(reading_and_status, whole_reading);
    PDM_FIGURE(inference, whole_reading);
    PDM_FIGURE(data_collection, whole_reading);
    readings(inference, reading_and_status, idle_step, Mode::INFERENCE, Speed::STRESS, LIVES);
    readings(inference, reading_and_status, idle_step, Mode::INFERENCE, Speed::ACCELERATED, 2);
    readings(data_collection, reading_and_status, idle_step, Mode::DATA_COLLECTION, Speed::STRESS, LIVES);
}

/// The broker is away and the ring is full; then it is back, and all that waits is sent as fast as it goes.
void readings_offline() {
    PDM_FIGURE(offline_ring_full, step);
    PDM_FIGURE(step_that_sends_16, step);
    PDM_FIGURE(acknowledge_16, acknowledge);
    build(FEW_SECTORS, disturbed(Mode::INFERENCE, Speed::ACCELERATED, 3));
    for (uint32_t step = 0; step < 450; ++step) {
        now_ms += pump.twin.interval_ms();
        if (pump.outbox.dropped() > 0) {
            offline_ring_full.take();
        } else {
            work::step();
        }
    }
    work::step();
    pump.device.connected();
    while (pump.outbox.waiting() > Outbox::WINDOW) {
        ++now_ms;
        step_that_sends_16.take();
        acknowledge_16.take();
    }
}

/// The parts of a reading, over the same lives.
void parts() {
    PDM_FIGURE(twin_measure, measure);
    PDM_FIGURE(outbox_put, put);
    PDM_FIGURE(outbox_next, next);
    PDM_FIGURE(outbox_acknowledge, mark);
    PDM_FIGURE(encode_telemetry, encode_reading);
    PDM_FIGURE(encode_labelled, encode_reading);
    PDM_FIGURE(record_crc, crc);
    for (uint32_t number = 0; number < LIVES; ++number) {
        build(USUAL_SECTORS, disturbed(Mode::INFERENCE, Speed::STRESS, number));
        for (uint32_t step = 0; step < pump.twin.readings_of_life(); ++step) {
            reading = Reading();
            reading.measurement_id = step;
            reading.time_ms = NEW_YEAR_MS + int64_t{step} * 1000;
            twin_measure.take();
            outbox_put.take();
            outbox_next.take();
            encode_telemetry.take();
            reading.mode = Mode::DATA_COLLECTION;
            encode_labelled.take();
            outbox_acknowledge.take();
        }
        record_crc.take();
    }
}

void starts() {
    PDM_FIGURE(life_stress, live);
    PDM_FIGURE(life_accelerated, live);
    PDM_FIGURE(life_nominal, live);
    PDM_FIGURE(life_nominal_of_one_mode, live);
    PDM_FIGURE(start_with_full_ring, start);
    Figure* const of_speed[SPEEDS] = {&life_stress, &life_accelerated, &life_nominal};
    for (int speed = 0; speed < SPEEDS; ++speed) {
        settings = Settings();
        settings.speed = static_cast<Speed>(speed);
        for (settings.number = 0; settings.number < (settings.speed == Speed::NOMINAL ? 2 : LIVES); ++settings.number) {
            of_speed[speed]->take();
        }
    }
    settings.failure_mode = 0;
    life_nominal_of_one_mode.take();

    build(USUAL_SECTORS, disturbed(Mode::INFERENCE, Speed::STRESS, 0));
    reading = Reading();
    for (uint32_t index = 0; index < 2 * USUAL_SECTORS * outbox_format::slots_in(SECTOR_BYTES); ++index) {
        ++reading.measurement_id;
        work::put();
    }
    start_with_full_ring.take();
}

/// The longest of each that a user would send.
void texts() {
    PDM_FIGURE(command_full, command);
    PDM_FIGURE(command_refused, command);
    PDM_FIGURE(provisioning, provide);
    PDM_FIGURE(status_encoded, encode_status);
    build(FEW_SECTORS, disturbed(Mode::INFERENCE, Speed::STRESS, 0));
    text = "{\"mode\":\"inference\",\"seed\":7,\"number\":0,\"speed\":\"stress\",\"failure_mode\":\"in_turn\","
           "\"wearing\":true,\"interval_s\":0.25,\"repair_after_s\":3600.5,\"chaos\":["
           "{\"name\":\"heatwave\",\"probability\":0.0123456789,\"readings\":40},"
           "{\"name\":\"mechanical_spike\",\"probability\":0.02,\"readings\":1},"
           "{\"name\":\"cavitation\",\"probability\":1e-3,\"readings\":12},"
           "{\"name\":\"voltage_drop\",\"probability\":0.5,\"readings\":100},"
           "{\"name\":\"sensor_freeze\"}],\"report\":true}";
    command_full.take();
    text = "{\"speed\":\"\\u0066ast\"}";
    command_refused.take();
    text = "{\"device_id\":\"pump-001\",\"topic_root\":\"factory\",\"wifi_ssid\":\"plant\","
           "\"wifi_password\":\"correct horse\",\"broker_host\":\"broker.example.org\",\"broker_port\":8883,\"tls\":true,\"username\":\"pump-001\","
           "\"password\":\"battery staple\",\"ntp_server\":\"pool.ntp.org\",\"sensors\":\"twin\"}";
    provisioning.take();
    status = pump.device.status(now_ms);
    status_encoded.take();
}

/// Two seconds of noise.
void take_samples(Figure& axes, Figure& current, float rate_hz) {
    Wiring wiring;
    wiring.accelerometer = {rate_hz, 0.04f, 4096};
    wiring.clamp = {4000.0f, 0.018f, 0.05f, -1, 4096};
    wiring.pressure.at_4_ma = 0.0f;
    wiring.pressure.at_20_ma = 10.0f;
    wiring.tacho = {1.0f, 3600.0f, 2000};
    if (instruments.start(wiring) != nullptr) {
        abort();
    }
    uint32_t noise = 1;
    for (int sample = 0; sample < static_cast<int>(2.0f * rate_hz); ++sample) {
        noise = noise * 1664525u + 1013904223u;
        count = static_cast<int32_t>(noise >> 20) - 2048;
        axes.take();
        if (sample < 8000) {
            current.take();
        }
    }
}

void sensors() {
    PDM_FIGURE(axes_3200_hz, acceleration);
    PDM_FIGURE(axes_26667_hz, acceleration);
    PDM_FIGURE(current_4000_hz, current);
    PDM_FIGURE(instruments_measure, instruments_measure);
    take_samples(axes_26667_hz, current_4000_hz, 26667.0f);
    take_samples(axes_3200_hz, current_4000_hz, 3200.0f);
    instruments.pressure(12.0f);
    instruments.temperature(1200.0f);
    for (int64_t pulse = 1; pulse < 10; ++pulse) {
        instruments.pulse(now_us() - 200000 + pulse * 20000);
    }
    instruments_measure.take();
}

}  // namespace

int main() {
    {
        PDM_FIGURE(known_loop, loop);
        known_loop.take();
    }
    readings_online();
    readings_offline();
    parts();
    starts();
    texts();
    sensors();
    return 0;
}
