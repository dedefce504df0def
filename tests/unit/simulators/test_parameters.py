"""The firmware's twin has the simulator's parameters: its header is made from them."""

from simulators.parameters import HEADER, header


def test_the_firmware_s_parameters_are_the_simulator_s() -> None:
    made = header()

    assert HEADER.read_text(encoding="utf-8") == made, "run: python -m simulators.parameters"
    assert "{120, 200, 1000, 50.0, 5, 4, 16, 1, 4, 5.0, 120},  // stress" in made
