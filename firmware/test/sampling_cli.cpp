// Acceleration in, velocity out: reads float32 samples (m/s^2) from stdin and prints the RMS velocity (mm/s) of each
// window, or nan and the reasons. For comparing VelocityRms with a reference in another language.
#include <stdio.h>
#include <stdlib.h>

#include "vibration.hpp"

namespace {

constexpr float M_S2_PER_COUNT = 1e-4f;
constexpr int32_t FULL_SCALE = 1 << 22;  // 419 m/s^2

void print(const pdm::Measured& window) {
    printf("%.9g", static_cast<double>(window.value));
    for (int fault = 0; fault < pdm::FAULTS; ++fault) {
        if ((window.faults >> fault) & 1) {
            printf(" %s", pdm::FAULT_NAMES[fault]);
        }
    }
    printf("\n");
}

}  // namespace

int main(int arguments, char** argument) {
    if (arguments != 2) {
        fprintf(stderr, "usage: sampling-cli RATE_HZ < float32-samples\n");
        return 2;
    }
    pdm::VelocityRms velocity;
    const char* wrong = velocity.start({strtof(argument[1], nullptr), M_S2_PER_COUNT, FULL_SCALE});
    if (wrong != nullptr) {
        fprintf(stderr, "%s, not %s\n", wrong, argument[1]);
        return 2;
    }
    float sample;
    while (fread(&sample, sizeof sample, 1, stdin) == 1) {
        const float counts = sample / M_S2_PER_COUNT;
        if (!(counts > -2e9f && counts < 2e9f)) {
            fprintf(stderr, "sample: %g is no acceleration\n", static_cast<double>(sample));
            return 1;
        }
        if (velocity.add(static_cast<int32_t>(lroundf(counts)))) {
            print(velocity.window());
        }
    }
    return 0;
}
