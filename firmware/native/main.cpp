#include <cstdio>
#include <exception>

#include "fleet.hpp"
#include "lives.hpp"
#include "options.hpp"

int main(int count, char** words) {
    using namespace pdm::native;
    try {
        const Options options = parse(count, words);
        switch (options.task) {
            case Options::Task::HELP: std::fputs(HELP, stdout); return 0;
            case Options::Task::LIVES: print_lives(options); return 0;
            case Options::Task::RUN: return run_fleet(options) ? 0 : 1;
        }
    } catch (const UsageError& error) {
        std::fprintf(stderr, "pump-twin: %s\n", error.what());
        return 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "pump-twin: %s\n", error.what());
        return 1;
    }
    return 0;
}
