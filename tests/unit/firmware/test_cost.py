"""What the core costs on a chip stays within what is asked of it: counted on an emulated chip, the same everywhere."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from firmware.cost.chips import PACKAGES, BuildError
from firmware.cost.measured import FIGURES, PARTS, counts_of
from tests.pump_twin import ROOT

MISSING = [f"{program} (Debian's {package})" for program, package in PACKAGES.items() if not shutil.which(program)]
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"nothing compiles or runs for a chip: {', '.join(MISSING)} missing"),
    pytest.mark.timeout(300),
]
CLOCK_MHZ, CYCLES = 160, 1.32


def told(*options: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "firmware.cost", *options]
    environment = None if path is None else {"PATH": path}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=280, check=False, env=environment)


@pytest.fixture(scope="module")
def cost(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = told("--json", "--build", str(tmp_path_factory.mktemp("cost")))
    # recursion, a stack deeper than its bound, a target missed: all of them end it with 1
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_device_takes_less_than_40_kb_of_static_memory(cost: dict[str, Any]) -> None:
    static = cost["static_bytes"]

    assert set(static) == {"device", "twin", "outbox", "instruments", "provision", "variables"}
    assert static["twin"] > 4_000  # the paths of wear alone
    assert sum(static.values()) < 40 * 1_024


@pytest.mark.parametrize("figure", ["inference", "data_collection"])
def test_a_reading_takes_less_than_200_us_at_worst_without_floating_point(cost: dict[str, Any], figure: str) -> None:
    counted = cost["counts"][figure]

    assert counted["times"] > 1_000
    assert 5_000 < counted["mean"] <= counted["worst"]
    assert counted["worst"] * CYCLES / CLOCK_MHZ < 200.0


def test_a_loop_of_known_length_is_counted_to_the_instruction(cost: dict[str, Any]) -> None:
    # 100,000 rounds of two instructions, and what calls them
    assert 200_000 <= cost["counts"]["known_loop"]["worst"] <= 200_016


def test_a_reading_costs_about_what_its_parts_cost(cost: dict[str, Any]) -> None:
    counts = cost["counts"]
    parts = ("twin_measure", "outbox_put", "outbox_next", "encode_telemetry", "outbox_acknowledge", "idle_step")

    assert sum(counts[part]["mean"] for part in parts) == pytest.approx(counts["inference"]["mean"], rel=0.1)


def test_floats_in_hardware_save_what_the_filters_cost_in_software(cost: dict[str, Any]) -> None:
    in_software, in_hardware = (cost[key]["axes_3200_hz"]["mean"] for key in ("counts", "counts_with_floats"))

    assert in_hardware < in_software / 5


def test_the_stack_that_was_used_lies_below_its_bound_and_not_far(cost: dict[str, Any]) -> None:
    bounds, counts = cost["stack"], cost["counts"]

    for entry, figure in (
        ("step", "step_that_sends_16"),
        ("obey", "command_full"),
        ("start", "life_nominal"),
    ):
        assert counts[figure]["stack"] <= bounds[entry]["bytes"] + 64
        assert bounds[entry]["bytes"] < 4_096
    # a new life begins within a step, so a step goes as deep
    assert counts["life_nominal"]["stack"] <= bounds["step"]["bytes"] <= 2 * counts["life_nominal"]["stack"]
    assert 0 < bounds["step"]["at_link"] < bounds["step"]["bytes"]
    assert bounds["step"]["at_flash"] >= bounds["acknowledged"]["at_flash"] > 0


def test_every_file_of_the_core_is_weighed_for_both_chips(cost: dict[str, Any]) -> None:
    known = {stem for stems in PARTS.values() for stem in stems}
    assert known == {file.stem for file in (ROOT / "firmware" / "core").glob("*.cpp")}
    for parts in cost["sizes"].values():
        assert set(parts) == {*PARTS, "core", "core with libraries"}
        assert (
            sum(parts[part]["text"] for part in PARTS) == parts["core"]["text"] < parts["core with libraries"]["text"]
        )
        assert parts["core"]["data"] == parts["core"]["bss"] == 0


def test_without_qemu_the_counts_are_left_out_and_without_a_compiler_the_package_is_named(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for program in Path("/usr/bin").glob("riscv64-unknown-elf-*"):
        (tools / program.name).symlink_to(program)

    without = told("--json", "--build", str(tmp_path / "build"), path=str(tools))
    assert without.returncode == 0, without.stderr
    found = json.loads(without.stdout)
    assert found["counts"] is None
    assert [target["name"] for target in found["targets"]] == ["a device with its twin and real sensors, static"]
    assert len(found["left_out"]) == 2
    assert "qemu-system-misc" in found["left_out"][1]

    nothing = told("--build", str(tmp_path / "none"), path=str(tmp_path))
    assert nothing.returncode == 2
    assert "gcc-riscv64-unknown-elf" in nothing.stderr


def test_a_count_that_is_not_of_instructions_is_refused() -> None:
    rows = [f"{name} {name} 1 1 1 0" for name in FIGURES]
    with pytest.raises(BuildError, match="a loop of 200,000 instructions was counted as 6"):
        counts_of("\n".join(["known_loop loop 1 6 6 0", *rows]))
    with pytest.raises(BuildError, match="nothing was counted of inference"):
        counts_of("\n".join(["known_loop loop 1 200005 200005 0", *rows[1:]]))
