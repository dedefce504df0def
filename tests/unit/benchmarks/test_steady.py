"""Memory of a process under a load that lasts: which looks are compared, and what cannot be looked at."""

import os
import subprocess
import sys

import pytest

from benchmarks.__main__ import GROWTH, STEADY_PARTS, SUBJECTS, parser
from benchmarks.figures import STEADY
from benchmarks.load import LoadError
from benchmarks.steady import Look, memory, rss_mib

needs_proc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from Linux's /proc")


def test_the_minute_after_the_warm_up_is_compared_with_the_last_by_their_medians() -> None:
    # grows by a MiB a minute, after a start that is left out; one look is far off
    looks = [Look(float(at_s), 500.0 if at_s in (0, 90, 570) else 100.0 + at_s / 60) for at_s in range(0, 601, 5)]

    found = memory(looks, 60.0)

    assert found["first_minute_mib"] == pytest.approx(101.5, abs=0.1)
    assert found["last_minute_mib"] == pytest.approx(109.5, abs=0.1)
    assert found["highest_mib"] == 500.0


def test_a_minute_in_which_nobody_looked_is_no_growth_of_zero() -> None:
    with pytest.raises(LoadError, match="nobody looked at the memory from 60 s on for 60 s"):
        memory([Look(0.0, 100.0), Look(599.0, 100.0)], 60.0)


@needs_proc
def test_a_process_that_has_ended_has_no_memory() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()

    assert rss_mib(os.getpid()) > 1.0
    with pytest.raises(LoadError, match="has ended under the load"):
        rss_mib(process.pid)


def test_half_an_hour_is_spent_on_demand_only() -> None:
    given = parser().parse_args(["--only", "steady"])

    assert given.only == ["steady"]
    assert list(STEADY_PARTS) == list(STEADY)
    assert not {*SUBJECTS, GROWTH} & {"steady", *STEADY}
    assert "is measured with this option only" in " ".join(parser().format_help().split())
