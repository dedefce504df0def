"""What a container's health check makes of the answers of a service."""

import pytest
from prometheus_client import CollectorRegistry

from pdm_platform.local.processes import free_port
from pdm_platform.runtime.healthz import ask, main
from pdm_platform.runtime.service import Health, serve_health


def _health(**problems: str) -> Health:
    health = Health()
    for name, problem in problems.items():
        health.watch(name, lambda problem=problem: problem)  # type: ignore[misc]
    return health


def test_a_healthy_service_is_healthy_and_its_answer_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()

    with serve_health("bridge", _health(), CollectorRegistry(), port):
        exit_code = main([str(port)])

    assert exit_code == 0
    assert '"healthy": true' in capsys.readouterr().out


def test_an_unhealthy_service_is_unhealthy_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()

    with serve_health("bridge", _health(store="disk full"), CollectorRegistry(), port):
        exit_code = main([str(port)])

    assert exit_code == 1
    assert "disk full" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("problems", "healthy"),
    [({"model": "none yet"}, True), ({"model": "none yet", "broker": "away"}, False), ({"broker": "away"}, False)],
)
def test_a_part_that_does_not_count_excuses_itself_and_nothing_else(problems: dict[str, str], healthy: bool) -> None:
    port = free_port()

    with serve_health("inference", _health(**problems), CollectorRegistry(), port):
        found, _ = ask(port, besides=["model"])

    assert found is healthy


def test_an_error_that_is_no_health_answer_is_never_excused() -> None:
    port = free_port()

    with serve_health("bridge", _health(), CollectorRegistry(), port):
        found, text = ask(port, "/elsewhere", besides=["model"])

    assert not found
    assert "there is /healthz" in text


def test_where_nothing_listens_the_check_fails_with_the_port_named(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()

    assert main([str(port)]) == 1
    assert f"no answer on port {port}" in capsys.readouterr().out
