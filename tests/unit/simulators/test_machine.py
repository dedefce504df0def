"""The physics of the pump."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import machine
from simulators.machine import CURVE_FALL, SHUT_OFF_HEAD, STATIC_HEAD

speeds = st.floats(0.8, 1.1)
losses = st.floats(0.0, 0.4)


def one(value: float) -> machine.Array:
    return np.array([value])


def point(
    speed: float = 1.0, resistance: float = 0.65, trim: float = 1.0, leak: float = 0.0, clog: float = 0.0
) -> tuple[float, float]:
    flow, head = machine.operating_point(one(speed), one(resistance), one(trim), one(leak), one(clog))
    return float(flow[0]), float(head[0])


@given(speed=speeds, resistance=st.floats(0.2, 20.0), loss=losses, leak=losses, clog=st.floats(0.0, 3.0))
def test_the_operating_point_lies_on_the_curves_of_pump_and_system(
    speed: float, resistance: float, loss: float, leak: float, clog: float
) -> None:
    flow, head = point(speed, resistance, 1.0 - loss, leak, clog)

    pump = SHUT_OFF_HEAD * (1.0 - loss) * speed**2 - CURVE_FALL * flow**2
    system = STATIC_HEAD + resistance * ((1.0 - leak) * flow) ** 2 + clog * flow**2
    assert head == pytest.approx(pump)
    assert head == pytest.approx(system)


@given(speed=speeds, flow=st.floats(0.1, 1.4))
def test_speed_changes_flow_head_and_power_by_the_affinity_laws(speed: float, flow: float) -> None:
    head = SHUT_OFF_HEAD - CURVE_FALL * flow**2
    power = machine.shaft_power(one(1.0), one(flow), one(head), one(1.0))

    faster = machine.shaft_power(one(speed), one(flow * speed), one(head * speed**2), one(1.0))

    assert SHUT_OFF_HEAD * speed**2 - CURVE_FALL * (flow * speed) ** 2 == pytest.approx(head * speed**2)
    assert faster == pytest.approx(power * speed**3)


def test_the_rated_point_is_rated() -> None:
    flow, head = point()
    power = machine.shaft_power(one(1.0), one(flow), one(head), one(1.0))

    assert (flow, head, float(power[0])) == pytest.approx((1.0, 1.0, 1.0))
    assert machine.motor_current(power, one(1.0)) == pytest.approx(1.0)
    assert machine.motor_rpm(one(1.0), power, one(1.0)) == pytest.approx(2_850.0)
    assert machine.temperature_rise(one(1.0), one(0.0), one(0.0)) == pytest.approx(machine.RATED_RISE_C)


def test_a_pump_that_cannot_lift_the_static_head_delivers_nothing() -> None:
    assert point(speed=0.5) == pytest.approx((0.0, SHUT_OFF_HEAD / 4))


def test_efficiency_is_best_at_the_rated_flow() -> None:
    flow = np.linspace(0.4, 1.4, 101)

    efficiency = flow * 1.0 / machine.shaft_power(np.ones(101), flow, np.ones(101), np.ones(101))

    assert flow[efficiency.argmax()] == pytest.approx(1.0)


def test_a_heavier_load_takes_more_current_and_slows_the_motor() -> None:
    load = np.array([0.6, 1.0, 1.3])

    assert (np.diff(machine.motor_current(load, np.ones(3))) > 0).all()
    assert (np.diff(machine.motor_rpm(np.ones(3), load, np.ones(3))) < 0).all()


def test_the_flow_shakes_least_at_the_best_efficiency_point_and_more_on_both_sides() -> None:
    low, best, high = machine.hydraulic_excitation(np.ones(3), np.array([0.6, 1.0, 1.3]))

    assert best < low
    assert best < high
