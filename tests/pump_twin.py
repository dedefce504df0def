"""The firmware on this computer: built once, where a C++ compiler is, and run as its users run it."""

import fcntl
import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from pdm_platform.contract.payloads import Labelled, Telemetry, decode

ROOT: Final = Path(__file__).parents[1]
BUILDS: Final = ROOT / "var" / "firmware"
_TOOLS: Final = ("cmake", "make", "g++")
_BUILD_WITHIN_S: Final = 600

needs_compiler = pytest.mark.skipif(
    not all(shutil.which(tool) for tool in _TOOLS) or not Path("/usr/include/mosquitto.h").exists(),
    reason="no C++ compiler: Debian's packages g++, cmake and libmosquitto-dev bring what the firmware needs",
)


@cache
def built(name: str, *options: str, target: str = "all") -> Path:
    """The folder of a build with these options of CMake, brought up to date. Fails with the compiler's words."""
    folder = BUILDS / name
    folder.mkdir(parents=True, exist_ok=True)
    with (BUILDS / f"{name}.lock").open("w") as lock:  # test workers side by side must not build it twice
        fcntl.flock(lock, fcntl.LOCK_EX)
        _run("cmake", "-S", str(ROOT / "firmware"), "-B", str(folder), *options)
        _run("cmake", "--build", str(folder), "--parallel", "2", "--target", target)
    return folder


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_BUILD_WITHIN_S, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"


def program() -> Path:
    """The program `pump-twin`."""
    return built("native", target="pump-twin") / "pump-twin"


def printed_lives(settings: dict[str, Any], **options: object) -> list[bytes]:
    """Payloads that `pump-twin lives` prints: settings as of a command, options by name, `start_ms` as --start-ms."""
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    done = subprocess.run(
        [str(program()), "lives", "--settings", json.dumps(settings), *words],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


def labelled_lives(settings: dict[str, Any], **options: object) -> list[Labelled]:
    """The same with their truth, decoded by the contract."""
    lines = printed_lives({**settings, "mode": "data_collection"}, **options)
    return [decode(Labelled, line) for line in lines]


def telemetry_lives(settings: dict[str, Any], **options: object) -> list[Telemetry]:
    """The same as a device sends them in inference mode, decoded by the contract."""
    return [decode(Telemetry, line) for line in printed_lives({**settings, "mode": "inference"}, **options)]


def fields_of(payload: msgspec.Struct) -> dict[str, Any]:
    """A payload's fields by name."""
    return {name: getattr(payload, name) for name in payload.__struct_fields__}
