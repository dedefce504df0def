#include "board.hpp"

#include "arduino.hpp"

namespace {

constexpr uint32_t TURN_MS = 5;

pdm::board::Board& board() {
    static pdm::board::Board parts;
    return parts;
}

}  // namespace

SET_LOOP_TASK_STACK_SIZE(12 * 1024);  // TLS writes in this task

void setup() { board().start(); }

void loop() {
    board().turn();
    delay(TURN_MS);
}
