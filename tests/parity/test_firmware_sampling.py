"""The firmware's vibration velocity, filtered sample by sample in float, against the analogue filter it stands for.

The reference is computed in double precision in the frequency domain: third-order Butterworth corners at 7.5 and
1,400 Hz, as instruments by ISO 2954 have them, and the integral, exactly.
"""

import subprocess
from typing import Any, Final

import numpy as np
import pytest
from scipy import signal

from tests.pump_twin import built, needs_compiler

pytestmark = needs_compiler
GRAVITY_M_S2: Final = 9.81
SETTLING_WINDOWS: Final = 1


def measured_mm_s(rate_hz: int, acceleration_m_s2: np.ndarray[Any, Any]) -> list[float]:
    """RMS velocity of each window of a second, as the firmware tells it."""
    cli = built("sanitized", "-DPDM_TESTS=ON", "-DPDM_SANITIZE=ON", "-DCMAKE_BUILD_TYPE=Debug", target="sampling-cli")
    samples = acceleration_m_s2.astype(np.float32).tobytes()
    done = subprocess.run([str(cli / "sampling-cli"), str(rate_hz)], input=samples, capture_output=True, check=True)
    lines = done.stdout.decode().splitlines()
    assert lines[:SETTLING_WINDOWS] == ["nan settling"] * SETTLING_WINDOWS
    return [float(line) for line in lines[SETTLING_WINDOWS:]]


def analogue_mm_s(rate_hz: int, acceleration_m_s2: np.ndarray[Any, Any]) -> list[float]:
    """The same by the analogue filter, through the spectrum of the whole record."""
    hertz = np.fft.rfftfreq(len(acceleration_m_s2), 1 / rate_hz)
    omega = 2 * np.pi * hertz[1:]
    high = signal.butter(3, 2 * np.pi * 7.5, "high", analog=True)
    low = signal.butter(3, 2 * np.pi * min(1_400.0, rate_hz / 2.4), "low", analog=True)
    response = signal.freqs(*high, omega)[1] * signal.freqs(*low, omega)[1] / (1j * omega)
    spectrum = np.fft.rfft(acceleration_m_s2 - acceleration_m_s2.mean())
    velocity = np.fft.irfft(spectrum * np.concatenate([[0.0], response]), len(acceleration_m_s2)) * 1_000
    windows = velocity[: len(velocity) // rate_hz * rate_hz].reshape(-1, rate_hz)
    return [float(value) for value in np.sqrt((windows**2).mean(axis=1))[SETTLING_WINDOWS:]]


@pytest.mark.parametrize("rate_hz", [3_200, 6_667])
def test_noise_of_all_frequencies_gives_the_velocity_of_the_analogue_filter(rate_hz: int) -> None:
    noise = np.random.default_rng(1).normal(0.0, 2.0, rate_hz * 12) + GRAVITY_M_S2

    assert measured_mm_s(rate_hz, noise) == pytest.approx(analogue_mm_s(rate_hz, noise), rel=0.002)


@pytest.mark.parametrize(("hertz", "low", "high"), [(10, 0.8, 1.1), (48, 0.9, 1.1), (500, 0.9, 1.1), (1_000, 0.8, 1.1)])
def test_within_the_band_a_sine_has_its_own_velocity(hertz: int, low: float, high: float) -> None:
    rate_hz, amplitude_m_s2 = 3_200, 5.0
    time_s = np.arange(rate_hz * 6) / rate_hz

    told = measured_mm_s(rate_hz, amplitude_m_s2 * np.sin(2 * np.pi * hertz * time_s) + GRAVITY_M_S2)

    true_mm_s = amplitude_m_s2 / (2 * np.pi * hertz) / np.sqrt(2) * 1_000
    assert all(low < value / true_mm_s < high for value in told)


def test_below_the_band_nothing_is_measured() -> None:
    time_s = np.arange(3_200 * 6) / 3_200

    told = measured_mm_s(3_200, 2.0 * np.sin(2 * np.pi * 1.0 * time_s) + GRAVITY_M_S2)

    assert max(told) < 0.01 * 2.0 / (2 * np.pi) / np.sqrt(2) * 1_000
