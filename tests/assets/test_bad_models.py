"""Bad models that someone tries to slip through the gate: none comes into production, and it is told why."""

import json
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pdm_platform.contract.errors import RegistryError
from pdm_platform.contract.failure_modes import NO_FAILURE_MODE, FailureMode
from pdm_platform.contract.measurements import DEVICE, MODEL_EVENT
from pdm_platform.core.evidence import EVIDENCE_FILE, Evidence, Pair
from pdm_platform.core.promotion import gates
from pdm_platform.local.models import promote_version
from pdm_platform.local.processes import pdmctl
from pdm_platform.stores.files import sha256_of
from pdm_platform.stores.ledger import Action, LedgerEntry
from pdm_platform.stores.manifest import MANIFEST, Manifest, ManifestFacts
from tests.world import FLOW, SMALL, WHOLE, Run, World, changed, rewrite_labels

TRAINING, JUDGING, PROMOTING = FLOW[4:]
Promote = Callable[[World, str], str]


def by_the_asset(world: World, version: str) -> str:
    """What the asset says when it is asked to promote a version that it must not."""
    run = world.materialize(PROMOTING, config={PROMOTING: {"version": version}})
    return "\n".join(run.failures)


def by_the_command(_: World, version: str) -> str:
    """What `pdmctl models promote` says when it is asked to promote a version that it must not."""
    with pytest.raises(RegistryError) as raised:
        promote_version(version, "it looks good")
    return str(raised.value)


both_ways = pytest.mark.parametrize("promote", [by_the_asset, by_the_command])


def served(world: World) -> Manifest:
    manifest = world.registry.production_manifest()
    assert manifest is not None
    return manifest


def trained_again(world: World) -> tuple[Run, Manifest]:
    """The flow from the store on, and the version that it registered."""
    run = world.materialize(*FLOW[1:], config={"telemetry_window": SMALL["telemetry_window"]})
    return run, world.registry.versions()[0]


def refused(world: World, candidate: Manifest) -> LedgerEntry:
    """The refusal as it stands in the ledger, when someone asks for the candidate although its checks failed."""
    before = served(world)
    assert candidate.version != before.version
    said = {promote: promote(world, candidate.version) for promote in (by_the_asset, by_the_command)}
    assert served(world) == before
    *_, first, second = world.registry.ledger()
    for entry in (first, second):
        assert (entry.action, entry.from_version, entry.to_version) == (
            Action.REFUSE,
            before.version,
            candidate.version,
        )
        assert entry.evidence == first.evidence
    assert all("PDM-REGISTRY-003" in text for text in said.values()), said
    assert {first.actor, second.actor} >= {"dagster"}
    assert first.reason in said[by_the_asset]
    return first


def whole_lives(keep: Callable[[str, set[str]], bool]) -> Callable[[pa.Table], pa.Table]:
    """Only the lives that `keep` chooses by device and by what wore them."""

    def chosen(table: pa.Table) -> pa.Table:
        modes: dict[str, set[str]] = {}
        for device, mode in zip(table[DEVICE].to_pylist(), table["failure_mode"].to_pylist(), strict=True):
            modes.setdefault(device, set()).add(mode or NO_FAILURE_MODE)
        kept = [device for device, shown in modes.items() if keep(device, shown)]
        return table.filter(pc.is_in(table[DEVICE], pa.array(kept)))

    return chosen


def number(device: str) -> int:
    return int(device.rpartition("-")[2])


# -- models that are bad


@pytest.mark.usefixtures("hurried")
def test_a_model_taught_by_few_lives_is_no_match_for_the_one_that_serves(trained: World) -> None:
    run = trained.materialize(TRAINING, JUDGING, PROMOTING, config={TRAINING: {"unseen_share": 0.9}})

    candidate = trained.registry.versions()[0]
    failed = [gate.name for gate in gates(candidate.metrics) if not gate.passed]
    assert failed
    assert not run.success
    assert {name: run.checks[name] for name in failed} == dict.fromkeys(failed, False)
    assert [entry.action for entry in trained.registry.ledger()] == [Action.PROMOTE], "nobody asked for it in that run"
    entry = refused(trained, candidate)
    beside = msgspec.json.decode(trained.registry.verified(candidate.version).contents[EVIDENCE_FILE], type=Evidence)
    assert beside.production == served(trained).version
    assert beside.unseen_pumps is not None
    new, old = beside.unseen_pumps.candidate, beside.unseen_pumps.production
    assert new["macro_f1"] < old["macro_f1"]
    assert entry.evidence["macro_f1_no_worse_on_unseen_pumps"] == new["macro_f1"]
    assert entry.evidence["cost_no_worse_on_unseen_pumps"] == new["cost_per_pump_year"]
    assert entry.evidence["same_lives_on_unseen_pumps"] == 0.0
    assert "no_worse_on_unseen_pumps: observed " in entry.reason


@pytest.mark.usefixtures("hurried")
def test_a_model_taught_with_shuffled_labels_is_refused_beside_the_one_that_serves(trained: World) -> None:
    split = json.loads(trained.registry.verified(served(trained).version).contents["split.json"])
    shuffled = set(split["train_devices"])
    draw = np.random.default_rng(1)

    def mislabelled(table: pa.Table) -> pa.Table:
        order = np.arange(table.num_rows)
        devices = table[DEVICE].to_numpy()
        for device in shuffled:
            rows = np.flatnonzero(devices == device)
            order[rows] = draw.permutation(rows)
        for name in ("ground_truth", "health_percent"):
            table = changed(table, name, lambda column: column.take(pa.array(order)))
        return table.filter(pa.array([number(device) % 2 == 0 for device in table[DEVICE].to_pylist()]))

    rewrite_labels(trained, mislabelled)

    run, candidate = trained_again(trained)

    entry = refused(trained, candidate)
    assert run.checks["health_error"] is False
    observed = entry.evidence["macro_f1_no_worse_on_unseen_pumps"]
    assert observed is not None
    assert observed < 0.5
    assert f"macro_f1_no_worse_on_unseen_pumps: observed {observed}, expected >= " in entry.reason


@pytest.mark.usefixtures("hurried")
def test_a_model_that_knows_one_failure_mode_only_is_refused(trained: World) -> None:
    known = {FailureMode.BEARING_WEAR.value, NO_FAILURE_MODE}
    rewrite_labels(trained, whole_lives(lambda _, shown: shown <= known))

    run, candidate = trained_again(trained)

    entry = refused(trained, candidate)
    assert run.checks["enough_modes_trained"] is False
    assert run.check("enough_modes_trained")["observed"] == 1.0
    assert "enough_modes_trained: observed 1.0, expected >= 3" in entry.reason
    assert entry.evidence["enough_modes_trained"] == 1.0


# -- leaks


@pytest.mark.usefixtures("hurried")
def test_a_life_published_again_under_another_name_is_a_leak(trained: World) -> None:
    def republished(table: pa.Table) -> pa.Table:
        few = whole_lives(lambda device, _: "stress" in device and number(device) < 16)(table)
        renamed = pc.replace_substring(few[DEVICE], "life-7-stress", "again")
        return pa.concat_tables([few, changed(few, DEVICE, lambda _: renamed).cast(few.schema)])

    rewrite_labels(trained, republished)

    run, candidate = trained_again(trained)

    split = json.loads(trained.registry.verified(candidate.version).contents["split.json"])
    assert set(split["train_devices"]).isdisjoint(split["unseen_devices"])
    twins = {number(device) for device in split["train_devices"]} & {
        number(device) for device in split["unseen_devices"]
    }
    entry = refused(trained, candidate)
    assert run.checks["no_leak"] is False
    assert twins
    assert candidate.metrics["split_leak"] >= 100 * len(twins)
    assert f"no_leak: observed {candidate.metrics['split_leak']}, expected 0" in entry.reason


def test_a_pump_on_both_sides_of_a_doctored_split_is_a_leak(trained: World) -> None:
    staged = next((trained.home / "lake" / "candidate_model").rglob("staging/split.json"))
    split = json.loads(staged.read_bytes())
    known = split["train_devices"][:24]
    split |= {"train_devices": known, "unseen_devices": [*known[:3], *split["unseen_devices"][:21]]}
    staged.write_text(json.dumps(split), encoding="utf-8")
    current = trained.home / "lake" / "candidate_model" / "current.json"
    record = json.loads(current.read_bytes())
    record["facts"] |= split
    current.write_text(json.dumps(record), encoding="utf-8")

    run = trained.materialize(JUDGING, PROMOTING)

    candidate = trained.registry.versions()[0]
    entry = refused(trained, candidate)
    assert run.checks["no_leak"] is False
    assert entry.evidence["no_leak"] == candidate.metrics["split_leak"] > 3
    assert "no_leak: observed " in entry.reason


# -- evidence that is not this version's, beside what serves now


def registered_again(world: World, **files: bytes | None) -> str:
    """The version in production registered again, its models the same, with other files; None leaves one out."""
    verified = world.registry.verified(served(world).version)
    staged = world.home / f"staged-{len(world.registry.versions())}"
    staged.mkdir()
    given = {name.replace("_json", ".json").replace("_joblib", ".joblib"): content for name, content in files.items()}
    for name, content in {**verified.contents, **given}.items():
        if content is not None:
            (staged / name).write_bytes(content)
    names = ManifestFacts.__struct_fields__
    return world.registry.register(
        staged, ManifestFacts(**{name: getattr(verified.manifest, name) for name in names})
    ).version


def beside(production: str | None, unseen_pumps: Pair | None = None, live_window: Pair | None = None) -> bytes:
    return msgspec.json.encode(Evidence(production=production, unseen_pumps=unseen_pumps, live_window=live_window))


@both_ways
def test_a_version_never_measured_beside_the_one_that_serves_is_refused(trained: World, promote: Promote) -> None:
    before = served(trained)
    version = registered_again(trained, comparison_json=None)

    said = promote(trained, version)

    assert f"{version} was never measured beside {before.version}" in said
    assert "PDM-REGISTRY-003" in said
    assert served(trained) == before
    assert trained.registry.ledger()[-1].action is Action.REFUSE


def test_what_serves_can_be_promoted_again_after_a_refusal_and_is_told_as_what_it_is(trained: World) -> None:
    before = served(trained)
    by_the_asset(trained, registered_again(trained, comparison_json=None))

    told = trained.materialize(PROMOTING, config={PROMOTING: {"version": before.version}}).metadata(PROMOTING)

    assert (told["version"], told["previous"]) == (before.version, "-")
    assert "never measured" not in told["reason"]
    with trained.store() as store:
        assert [row["event"] for row in store.read(MODEL_EVENT, WHOLE).to_pylist()] == ["promote"]


def test_the_command_ends_with_an_error_and_says_what_failed(trained: World) -> None:
    version = registered_again(trained, comparison_json=None)

    command = pdmctl("models", "promote", version, "--reason", "it looks good")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stdout) == (1, "")
    assert "PDM-REGISTRY-003" in done.stderr
    assert "Traceback" not in done.stderr


@both_ways
@pytest.mark.parametrize("other", [None, "v20200101T000000-00000000"])
def test_evidence_beside_another_version_is_refused(trained: World, promote: Promote, other: str | None) -> None:
    before = served(trained)
    good = Pair(candidate=before.metrics, production=before.metrics)
    version = registered_again(trained, comparison_json=beside(other, unseen_pumps=good))

    said = promote(trained, version)

    assert f"was measured beside {other or 'no version'}, but {before.version} serves" in said
    assert served(trained) == before
    assert trained.registry.ledger()[-1].to_version == version


@both_ways
def test_evidence_beside_a_version_that_no_longer_serves_is_refused(trained: World, promote: Promote) -> None:
    first = served(trained)
    alike = Pair(candidate=first.metrics, production=first.metrics)
    second, third = (
        registered_again(trained, comparison_json=beside(first.version, unseen_pumps=alike), note_json=note)
        for note in (b"2", b"3")
    )
    assert trained.materialize(PROMOTING, config={PROMOTING: {"version": second}}).success

    said = promote(trained, third)

    assert f"{third} was measured beside {first.version}, but {second} serves" in said
    assert served(trained).version == second
    assert [entry.action for entry in trained.registry.ledger()] == [Action.PROMOTE, Action.PROMOTE, Action.REFUSE]


@both_ways
def test_figures_that_are_worse_on_the_live_window_alone_are_refused(trained: World, promote: Promote) -> None:
    before = served(trained)
    alike = Pair(candidate=before.metrics, production=before.metrics)
    dearer = {**before.metrics, "cost_per_pump_year": 1.1 * before.metrics["cost_per_pump_year"]}
    live = Pair(candidate=dearer, production=before.metrics)
    version = registered_again(trained, comparison_json=beside(before.version, unseen_pumps=alike, live_window=live))

    said = promote(trained, version)

    assert "cost_no_worse_on_live_window: observed " in said
    assert "no_worse_on_unseen_pumps" not in said
    assert trained.registry.ledger()[-1].evidence["cost_no_worse_on_live_window"] == dearer["cost_per_pump_year"]
    assert served(trained) == before


# -- versions that were doctored after they were registered


class Opens:
    """A pickle that leaves a file when it is opened."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self._marker), "w"))


def doctored(world: World, version: str, name: str, change: Callable[[bytes], bytes]) -> None:
    path = world.registry.folder(version) / name
    path.chmod(0o644)
    path.write_bytes(change(path.read_bytes()))


def flattered(manifest: bytes) -> bytes:
    """A manifest with better metrics."""
    told = json.loads(manifest)
    told["metrics"] |= {"macro_f1": 0.99, "health_mae_percent": 1.0}
    return json.dumps(told).encode()


def flattered_beside(comparison: bytes) -> bytes:
    """A comparison in which the candidate costs nothing."""
    told = json.loads(comparison)
    told["unseen_pumps"]["candidate"]["cost_per_pump_year"] = 0.0
    return json.dumps(told).encode()


@both_ways
@pytest.mark.parametrize(
    ("name", "change"),
    [
        (EVIDENCE_FILE, flattered_beside),
        (MANIFEST, flattered),
        ("split.json", lambda content: content.replace(b'"seed": 7', b'"seed": 8')),
        ("health.onnx", lambda content: content[:-1] + bytes([content[-1] ^ 1])),
    ],
)
def test_a_version_doctored_after_its_registration_is_not_promoted_and_nothing_of_it_is_opened(
    trained: World, tmp_path: Path, promote: Promote, name: str, change: Callable[[bytes], bytes]
) -> None:
    before, marker = served(trained), tmp_path / "opened"
    alike = Pair(candidate=before.metrics, production=before.metrics)
    version = registered_again(
        trained,
        comparison_json=beside(before.version, unseen_pumps=alike),
        pipeline_joblib=pickle.dumps(Opens(marker)),
    )
    doctored(trained, version, name, change)

    said = promote(trained, version)

    assert "PDM-REGISTRY-002" in said
    assert f"{name}'" in said
    assert served(trained) == before
    assert [entry.action for entry in trained.registry.ledger()] == [Action.PROMOTE]
    assert not marker.exists()


def test_metrics_written_anew_with_a_manifest_that_fits_them_are_not_what_was_promoted(trained: World) -> None:
    """The manifest's name holds part of its hash; the pointer holds all of it."""
    manifest = served(trained)
    doctored(
        trained, manifest.version, MANIFEST, lambda content: content.replace(b'"parent_run": "', b'"parent_run": "x')
    )

    run = trained.evaluate_check(PROMOTING, "production_is_intact")

    assert run.checks == {"production_is_intact": False}
    assert "its SHA-256 differs" in run.check("production_is_intact")["observed"]


def test_a_pickle_in_a_good_version_is_never_opened_on_its_way_to_production(trained: World, tmp_path: Path) -> None:
    before, marker = served(trained), tmp_path / "opened"
    alike = Pair(candidate=before.metrics, production=before.metrics)
    bomb = pickle.dumps(Opens(marker))
    version = registered_again(
        trained, comparison_json=beside(before.version, unseen_pumps=alike), pipeline_joblib=bomb
    )

    run = trained.materialize(PROMOTING, config={PROMOTING: {"version": version}})

    assert run.success, run.failures
    assert served(trained).files["pipeline.joblib"] == sha256_of(bomb)
    assert all(gate.passed for gate in gates(served(trained).metrics))
    assert not marker.exists()
