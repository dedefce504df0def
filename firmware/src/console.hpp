// The serial line: what a person tells the board, and is told.
#pragma once

#include "line_reader.hpp"
#include "provision.hpp"
#include "wiring.hpp"

namespace pdm::board {

class Board;

/// A line that begins with '{' is a command to the device, as on its command topic. Any other begins with a word of
/// `help`. Nothing that is typed is echoed: it may hold passwords.
class Console {
  public:
    explicit Console(Board& board) : board_(board) {}

    void begin();
    /// Obey the lines that have come.
    void work();

  private:
    static constexpr size_t LINE_ROOM = sizeof "provision " + MAX_PROVISION_BYTES;

    void obey(const char* line, size_t bytes);
    void command(const char* line, size_t bytes);
    void provision(const char* json, size_t bytes);
    void show_provision();
    void wire(const char* json, size_t bytes);
    void calibrate(const char* words);
    void keep(const Wiring& wiring);
    void show_wiring();
    void show_sensors();
    void show_status();
    void erase(const char* what);

    Board& board_;
    LineReader<LINE_ROOM> line_;
    Provision next_;  // too large for the stack
};

}  // namespace pdm::board
