"""Flame graphs of the bridge and the inference service under load."""

import sys
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from benchmarks import servers
from benchmarks.bench import Bench, say
from benchmarks.bridge import DEVICES, stored_hz
from benchmarks.inference import OUTPUTS, Contestant
from benchmarks.model import copy_to, registry_below


def measure(bench: Bench) -> list[Path]:
    """Where the processor's time goes while readings come flat out; the pictures."""
    say("profile: bridge and inference service under the sampler, one round each")
    return [_bridge(bench), *(_inference(bench, output) for output in OUTPUTS)]


def _command(picture: Path, name: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.profiled", str(picture), name]


def _bridge(bench: Bench) -> Path:
    picture = (bench.folder / "flame-bridge.svg").absolute()
    with ExitStack() as stack:
        folder = stack.enter_context(bench.scratch())
        port = stack.enter_context(servers.mosquitto(folder / "broker"))
        command = _command(picture, "bridge")
        bridge = stack.enter_context(servers.service("bridge", folder / "home", port, {}, command=command))
        stored_hz(bench.load, bridge, bench.work.readings, DEVICES, 0)
    return picture


def _inference(bench: Bench, output: str) -> Path:
    picture = (bench.folder / f"flame-inference-{output}.svg").absolute()
    registry = registry_below(bench)
    with ExitStack() as stack:
        folder = stack.enter_context(bench.scratch())
        copy_to(registry, folder / "home")
        settings = {"PDM_INFERENCE_OUTPUT": output}
        port = stack.enter_context(servers.mosquitto(folder / "broker"))
        stack.enter_context(
            servers.service("inference", folder / "home", port, settings, command=_command(picture, "inference"))
        )
        Contestant(bench.load, port, count()).throughput_hz(bench.work.readings, DEVICES)
    return picture
