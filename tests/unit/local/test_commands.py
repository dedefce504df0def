"""pdmctl's tools: export, models, config, doctor; each tells what is wrong and what to do."""

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.errors import PromotionRefusedError, SettingsError
from pdm_platform.contract.measurements import PUMP_LABELS, PUMP_TELEMETRY, Measurement
from pdm_platform.core.evidence import Evidence, Pair
from pdm_platform.local import doctor
from pdm_platform.local.config import PARTS, markdown_table, print_settings
from pdm_platform.local.export import balance, run_export
from pdm_platform.local.models import list_versions, promote_version, roll_back, show_version
from pdm_platform.local.processes import free_port, pdmctl
from pdm_platform.stores.registry import Manifest, Registry
from pdm_platform.stores.sqlite import SqliteStore
from tests.good_evidence import MEASURED

Registered = Callable[..., tuple[Registry, Manifest]]
START_NS = 1_800_000_000 * 10**9


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, and a broker's port where nobody listens."""
    for name in [name for name in os.environ if name.startswith("PDM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PDM_HOME", str(tmp_path))
    monkeypatch.setenv("PDM_MQTT_PORT", str(free_port()))
    (tmp_path / "store").mkdir()
    return tmp_path


def stored(home: Path, measurement: Measurement, *items: dict[str, Any]) -> None:
    store = SqliteStore(home / "store" / "telemetry.sqlite")
    filled = [{**dict.fromkeys(measurement.schema.names), **item} for item in items]
    store.write(measurement, pa.Table.from_pylist(filled, measurement.schema))
    store.close()


def reading(second: int, **fields: Any) -> dict[str, Any]:
    channels = dict.fromkeys(CHANNEL_NAMES, 1.0)
    return {"device_id": "p", "time_ns": START_NS + second * 10**9, "measurement_id": second, **channels, **fields}


# -- export


def test_readings_are_written_with_their_time_for_people_and_for_programs(
    home: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    stored(home, PUMP_TELEMETRY, reading(0), reading(1, pressure=None))

    run_export("telemetry", "csv", "", "2027-01-16", None, balanced=False)

    written = capsysbinary.readouterr()
    lines = list(csv.DictReader(io.StringIO(written.out.decode())))
    assert [line["timestamp"] for line in lines] == ["2027-01-15 08:00:00.000000000Z", "2027-01-15 08:00:01.000000000Z"]
    assert [line["time_ns"] for line in lines] == [str(START_NS), str(START_NS + 10**9)]
    assert [line["pressure"] for line in lines] == ["1", ""]
    assert b"2 rows of telemetry" in written.err


def test_a_window_is_half_open_and_parquet_keeps_the_types(home: Path) -> None:
    stored(home, PUMP_TELEMETRY, *(reading(second) for second in range(10)))

    run_export(
        "telemetry",
        "parquet",
        "2027-01-15T08:00:02Z",
        "2027-01-15T08:00:05Z",
        home / "out.parquet",
        balanced=False,
    )

    rows = pq.read_table(home / "out.parquet")
    assert rows.column("measurement_id").to_pylist() == [2, 3, 4]
    assert rows.schema.field("timestamp").type == pa.timestamp("ns", tz="UTC")


@given(st.lists(st.sampled_from(["HEALTHY", "WARNING", "FAULTY", "BROKEN"]), max_size=60))
def test_balanced_rows_are_as_many_of_each_state_in_their_order(labels: list[str]) -> None:
    rows = pa.table({"ground_truth": pa.array(labels, pa.string()), "place": range(len(labels))})

    kept = balance(rows)

    places = kept.column("place").to_pylist()
    rarest = min(Counter(labels).values(), default=0)
    assert Counter(kept.column("ground_truth").to_pylist()) == dict.fromkeys(labels, rarest)
    assert places == sorted(set(places))
    assert [labels[place] for place in places] == kept.column("ground_truth").to_pylist()


def test_training_rows_can_be_balanced_on_the_way_out(home: Path) -> None:
    states = ["HEALTHY"] * 6 + ["BROKEN"] * 2
    stored(home, PUMP_LABELS, *(reading(second, ground_truth=state) for second, state in enumerate(states)))

    run_export("training", "parquet", "", "2027-01-16", home / "out.parquet", balanced=True)

    assert Counter(pq.read_table(home / "out.parquet").column("ground_truth").to_pylist()) == {
        "HEALTHY": 2,
        "BROKEN": 2,
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("weather", "csv", "", ""), "'weather'"),
        (("telemetry", "xlsx", "", ""), "'xlsx'"),
        (("telemetry", "csv", "yesterday", ""), "--from: timestamp 'yesterday'"),
        (("telemetry", "csv", "", "12:00"), "--to: timestamp '12:00'"),
        (("telemetry", "csv", "2027-01-02", "2027-01-01"), "is after --to"),
    ],
)
def test_what_cannot_be_exported_is_named(arguments: tuple[str, str, str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        run_export(*arguments, None, balanced=False)


def test_only_labelled_rows_can_be_balanced() -> None:
    with pytest.raises(SettingsError, match="need"):
        run_export("telemetry", "csv", "", "", None, balanced=True)


def test_an_output_that_cannot_be_written_is_named(home: Path) -> None:
    with pytest.raises(SettingsError, match=r"no-such-folder.*No such file"):
        run_export("telemetry", "csv", "", "", home / "no-such-folder" / "out.csv", balanced=False)


# -- models


def test_all_versions_are_listed_with_their_figures_and_the_one_in_production_marked(
    home: Path, registered: Registered, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    registry, old = registered(home / "registry")
    _, new = registered(home / "registry", note_txt=b"2")
    registry.promote(old.version, actor="ana", reason="first")

    list_versions()

    lines = capsys.readouterr().out.splitlines()
    [first] = [line for line in lines if old.version in line]
    [second] = [line for line in lines if new.version in line]
    assert all(part in first for part in ("production", "0.900", "5.000"))
    assert "production" not in second


def test_a_version_is_shown_only_when_it_is_whole(
    home: Path, registered: Registered, capsys: pytest.CaptureFixture[str]
) -> None:
    _, manifest = registered(home / "registry")

    show_version(manifest.version)

    assert json.loads(capsys.readouterr().out)["metrics"] == manifest.metrics


def test_without_a_broker_a_promotion_holds_and_says_that_services_look_themselves(
    home: Path, registered: Registered, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdm_platform.local.models._CONNECT_WITHIN_S", 0.2)
    registry, old = registered(home / "registry")
    alike = Pair(candidate=MEASURED, production=MEASURED)
    beside = msgspec.json.encode(Evidence(production=old.version, unseen_pumps=alike))
    _, new = registered(home / "registry", comparison_json=beside)

    promote_version(old.version, "first")
    promote_version(new.version, "better")
    roll_back("worse after all")

    pointer = registry.production()
    assert pointer is not None
    assert pointer.version == old.version
    assert [entry.reason for entry in registry.ledger()] == ["first", "better", "worse after all"]
    assert "look for themselves" in capsys.readouterr().err


def test_a_version_without_good_evidence_is_not_promoted(home: Path, registered: Registered) -> None:
    registry, manifest = registered(home / "registry", {"metrics": {"macro_f1": 0.5, "baseline_macro_f1": 0.5}})

    with pytest.raises(PromotionRefusedError, match="beats_every_baseline"):
        promote_version(manifest.version, "please")

    assert registry.production() is None


# -- config


def test_settings_are_printed_with_secrets_masked_and_patterns_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setenv("PDM_MQTT_PASSWORD", "hunter2-not-to-be-seen")
    monkeypatch.setenv("PDM_ALLOWED_DEVICES", "[red]pump-[0-9]+")

    print_settings(markdown=False)

    printed = capsys.readouterr().out
    assert "hunter2" not in printed
    assert "********" in printed
    assert "[red]pump-[0-9]+" in printed


def test_the_readmes_table_has_every_setting_once_with_a_meaning() -> None:
    lines = markdown_table().splitlines()[2:]

    names = [line.split("`")[1] for line in lines]
    assert len(names) == len(set(names)) == sum(len(settings.model_fields) for _, settings in PARTS)
    assert all(line.rstrip(" |").rsplit("|", 1)[1].strip() for line in lines)


# -- doctor


def test_the_doctor_names_each_fault_and_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_CONNECT_WITHIN_S", 0.2)
    monkeypatch.setenv("PDM_STORE_URL", f"sqlite:///{home / 'nowhere' / 'telemetry.sqlite'}")

    found = {diagnosis.name: diagnosis for diagnosis in doctor.diagnose()}

    assert {name for name, diagnosis in found.items() if not diagnosis.fine} == {"broker", "store", "registry"}
    assert "pdmctl broker" in found["broker"].advice
    assert "nowhere" in found["store"].seen
    assert "retrain" in found["registry"].advice


def test_the_doctor_sees_a_damaged_model(home: Path, registered: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_CONNECT_WITHIN_S", 0.2)
    registry, manifest = registered(home / "registry")
    registry.promote(manifest.version, actor="ana", reason="first")
    whole = doctor.diagnose()[-1]
    path = registry.folder(manifest.version) / "state.onnx"
    path.chmod(0o644)
    path.write_bytes(b"other")

    damaged = doctor.diagnose()[-1]

    assert (whole.fine, damaged.fine) == (True, False)
    assert "state.onnx" in damaged.seen
    assert "roll back" in damaged.advice


def test_the_doctor_stops_at_settings_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PDM_INFERENCE_MAX_BATCH", "many")

    code = doctor.run_doctor()

    assert code == 1
    assert "PDM_INFERENCE_MAX_BATCH='many'" in capsys.readouterr().out


# -- the program itself


def pdmctl_says(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        pdmctl(*arguments), env={**os.environ, **changes}, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize("command", ["inference", "bridge"])
def test_a_setting_that_cannot_be_used_is_an_error_in_two_lines_before_anything_is_written(
    home: Path, command: str
) -> None:
    said = pdmctl_says(command, PDM_MQTT_PORT="99999", PDM_HOME=str(home / "untouched"))

    assert said.returncode == 1
    assert said.stderr.startswith("PDM-CONFIG-001 PDM_MQTT_PORT='99999'")
    assert len(said.stderr.splitlines()) == 2
    assert not (home / "untouched").exists()


def test_every_command_is_in_the_help_and_starts_quickly() -> None:
    began_s = time.monotonic()
    said = pdmctl_says("--help")
    took_s = time.monotonic() - began_s

    assert said.returncode == 0
    for command in (
        "broker",
        "bridge",
        "inference",
        "simulate",
        "job",
        "demo",
        "dev",
        "doctor",
        "config",
        "export",
        "models",
    ):
        assert command in said.stdout
    assert took_s < 5.0


def test_no_command_imports_dagster_unless_it_runs_a_job() -> None:
    modules = "pdm_platform.cli, pdm_platform.inference.main, sensors_bridge.main, simulators.cli"
    script = f"import sys, {modules}; print('dagster' in sys.modules)"

    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert said.stdout == "False\n"
