"""A whole plant on a real InfluxDB: broker, bridge, inference service, Dagster's jobs, simulated pumps.

What it leaves in the store went the way that it goes in a plant, so that a dashboard which shows it shows a plant.
"""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
import pytest

from pdm_platform.contract.channels import CHANNELS
from pdm_platform.contract.measurements import PUMP_PREDICTION, PUMP_TELEMETRY, Window
from pdm_platform.contract.payloads import Telemetry, decode, encode
from pdm_platform.contract.times import NS_PER_MS, iso_of
from pdm_platform.contract.topics import Kind, Topics
from pdm_platform.defs.automation import record_runs
from pdm_platform.defs.resources import Platform
from pdm_platform.local.processes import Process, Processes, free_port, pdmctl
from pdm_platform.runtime.mqtt import Link
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.runtime.usage_data import NO_TELEMETRY
from pdm_platform.stores.registry import Registry
from pdm_platform.stores.telemetry import TelemetryStore, open_store
from simulators.live import LiveFleet
from simulators.plans import FleetPlan
from simulators.speeds import Speed
from tests.grafana.sayings import say_more
from tests.grafana.site_store import SiteStore, made_ready
from tests.servers.influxd import Influxd

HOURS = 36.0
NAMES = tuple(f"{site}.pump-{number:02d}" for site in ("north", "south") for number in range(1, 7))
GAPPY, DEAF, STUCK, ODD, SILENT = NAMES[0], NAMES[1], NAMES[2], NAMES[3], NAMES[4]
# Lives of about twenty hours: the last six hours hold pumps in every state, and repaired ones.
PLAN = FleetPlan(
    pumps=len(NAMES),
    seed=4,
    speed=Speed.ACCELERATED,
    interval_s=120.0,
    failing=len(NAMES),
    chaos_pumps=1,
    stagger_s=3_600,
    repair_after_s=7_200,
)
# too few for a model that passes its gates
FEW_LIVES = "stress:4,accelerated:6"
_TOPICS = Topics()


def flawed(reading: Telemetry, age_s: float) -> Telemetry | None:
    """What real sensors do and simulated ones do not: lost readings, no value, ever the same, a wrong one, silence."""
    number = reading.measurement_id or 0
    if (reading.device_id == GAPPY and number % 50 in (7, 8)) or (reading.device_id == SILENT and age_s < 1_200):
        return None
    if reading.device_id == DEAF and number % 4 == 0:
        return msgspec.structs.replace(reading, temperature=None)
    if reading.device_id == STUCK:
        return msgspec.structs.replace(reading, pressure=4.2)
    if reading.device_id == ODD and number % 3 == 0:
        channel = CHANNELS[number // 3 % len(CHANNELS)]
        return msgspec.structs.replace(reading, **{channel.name: 1.3 * channel.plausible_max})
    return reading


@dataclass
class Plant:
    """The running processes, and the store that they write to."""

    home: Path
    environment: Mapping[str, str]
    processes: Processes
    site: SiteStore
    store: TelemetryStore

    @property
    def settings(self) -> PlatformSettings:
        """How its broker is reached."""
        return PlatformSettings(home=self.home, mqtt_port=int(self.environment["PDM_MQTT_PORT"]))

    @property
    def of_dagster(self) -> dict[str, str]:
        """The environment of what runs jobs."""
        return {**self.environment, "PDM_STORE_TOKEN": self.site.token("dagster-code")}

    def start_job(self, job: str, config: dict[str, dict[str, Any]], *select: str) -> Process:
        """Start a run of one Dagster job, as `pdmctl job` does, or of some of its assets."""
        path = self.home / f"job-{len(self.processes.children)}.json"
        ops = {name: {"config": values} for name, values in config.items()}
        path.write_text(json.dumps({"ops": ops}), encoding="utf-8")
        command, log = pdmctl("job", job, "--config", str(path)), path.with_suffix(".log")
        if select:
            command = [sys.executable, "-m", "pdm_platform.execute", job, "--config", str(path)]
            command += ["--select", ",".join(select)]
        process = Process(path.stem, command, self.of_dagster, log, restart=False, stdout=subprocess.PIPE)
        self.processes.start(process)
        return process

    def simulate(self, duration_s: float) -> Process:
        """Start a small live fleet in real time."""
        command = pdmctl("simulate", "production", "--pumps", "4", "--failing", "0", "--duration-s", str(duration_s))
        return self.processes.start(
            Process("simulators", command, self.environment, self.home / "simulators.log", restart=False)
        )

    def publish_history(self, end_ms: int) -> int:
        """Publish what the pumps of PLAN said in the hours before end_ms; returns the readings published."""
        fleet = LiveFleet(PLAN, end_ms - int(HOURS * 3_600_000))
        fleet.device_ids = NAMES
        messages = []
        while (due_ms := fleet.next_due_ms) is not None and due_ms <= end_ms:
            batch = fleet.take(due_ms)
            assert batch is not None
            for payload in batch.payloads:
                reading = flawed(decode(Telemetry, payload), (end_ms - due_ms) / 1_000)
                if reading is not None:
                    messages.append((_TOPICS.of(Kind.TELEMETRY, reading.device_id), encode(reading)))
        self.publish(messages)
        return len(messages)

    def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish, and wait until the broker has taken all."""
        link = Link(self.settings, "test-pumps", persistent=False)
        link.start()
        try:
            link.wait_ready(10.0)
            for topic, payload in messages:
                link.publish(topic, payload)
            assert link.flush(30.0)
        finally:
            link.stop()

    def record_runs(self) -> None:
        """Tell the store of the jobs' runs, by the sensor that Dagster's daemon evaluates in a plant."""
        with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.from_config(str(self.home / "dagster")) as known:
            for name, value in self.of_dagster.items():
                patch.setenv(name, value)
            record_runs(dg.build_sensor_context(instance=known), platform=Platform())


@contextmanager
def running_plant(home: Path, influxd: Influxd) -> Iterator[Plant]:
    """The processes, healthy, with nothing in the store yet. influxd: started, and not set up."""
    bridge_port, inference_port = free_port(), free_port()
    site = made_ready(influxd, home, *(f"http://127.0.0.1:{port}/metrics" for port in (bridge_port, inference_port)))
    environment = {
        **NO_TELEMETRY,
        "PDM_HOME": str(home),
        "PDM_MQTT_PORT": str(free_port()),
        "PDM_BROKER_NATS_PORT": str(free_port()),
        "PDM_BRIDGE_HTTP_PORT": str(bridge_port),
        "PDM_INFERENCE_HTTP_PORT": str(inference_port),
        "PDM_INFERENCE_RELOAD_S": "0.5",
        "PDM_STORE_URL": site.url,
        "DAGSTER_HOME": str(home / "dagster"),
    }
    (home / "dagster").mkdir(parents=True)
    (home / "dagster" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    store = open_store(site.url, token=influxd.operator_token)
    plant = Plant(home, environment, Processes(), site, store)
    try:
        _start(plant)
        yield plant
    finally:
        plant.processes.stop()
        store.close()


def _start(plant: Plant) -> None:
    environment, home, processes = plant.environment, plant.home, plant.processes
    bridge_port, inference_port = (int(environment[f"PDM_{name}_HTTP_PORT"]) for name in ("BRIDGE", "INFERENCE"))
    broker = processes.start(Process("broker", pdmctl("broker"), environment, home / "broker.log"))
    processes.wait_listening(broker, int(environment["PDM_MQTT_PORT"]))
    writer = {**environment, "PDM_STORE_TOKEN": plant.site.token("bridge")}
    bridge = processes.start(Process("bridge", pdmctl("bridge"), writer, home / "bridge.log", bridge_port))
    command = pdmctl("inference")
    inference = processes.start(Process("inference", command, environment, home / "inference.log", inference_port))
    processes.wait_healthy(bridge)
    processes.wait_healthy(inference, besides="model")


def ended(job: Process, *, succeeds: bool = True) -> None:
    """Wait for a job's end."""
    assert job.handle is not None
    said, _ = job.handle.communicate()
    assert (job.handle.returncode == 0) is succeeds, said[-3_000:] + job.log_tail()


def fill(plant: Plant, trained: Path) -> None:
    """A day and a half of a plant: a model promoted, pumps predicted, drift reported, flaws, a retraining refused.

    trained: home of a platform whose model this one takes over.
    """
    live = plant.simulate(600.0)
    shutil.copytree(trained / "registry", plant.home / "registry", dirs_exist_ok=True)
    version = Registry(plant.home / "registry").production_manifest()
    assert version is not None
    ended(plant.start_job("retrain", {"production_model": {"version": version.version}}, "production_model"))
    refused = plant.start_job("retrain", {"simulated_lifecycles": {"seed": 7, "plan": FEW_LIVES}})
    wait_until(lambda: not _inference(plant).problems(), "the model serves")
    plant.publish([("factory/pumps/north.pump-01/telemetry", b"{"), ("factory/nonsense", b"1")])
    end_ms = time.time_ns() // NS_PER_MS
    published = plant.publish_history(end_ms)
    window = Window((end_ms - int(HOURS * 3_600_000)) * NS_PER_MS, end_ms * NS_PER_MS + 1)
    wait_until(lambda: plant.store.count(PUMP_PREDICTION, window, devices=NAMES) == published, "all is predicted", 60.0)
    assert plant.store.count(PUMP_TELEMETRY, window, devices=NAMES) == published
    say_more(plant.store, window, NAMES)
    span = {"window_start": iso_of(window.start_ns), "window_end": iso_of(window.end_ns)}
    ended(plant.start_job("monitor", dict.fromkeys(("drift_report", "prediction_quality"), span)))
    ended(refused, succeeds=False)
    plant.record_runs()
    plant.site.downsample(window)
    live.signal(signal.SIGTERM)


def _inference(plant: Plant) -> Process:
    return next(process for process in plant.processes.children if process.name == "inference")


def wait_until(done: Callable[[], bool], what: str, within_s: float = 30.0) -> None:
    """Look ten times a second until it is so."""
    deadline_s = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline_s, f"waited {within_s:g} s in vain: {what}"
        time.sleep(0.1)
