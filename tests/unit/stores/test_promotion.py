"""Promotion by evidence: what a version's own files show decides, and the ledger remembers it either way."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from pdm_platform.contract.errors import IntegrityError, PromotionRefusedError, RegistryError
from pdm_platform.core.evidence import EVIDENCE_FILE, Evidence, Pair
from pdm_platform.stores.promotion import promote_on_evidence
from pdm_platform.stores.registry import Action, ManifestFacts, Registry
from tests.good_evidence import GOOD_METRICS, MEASURED

WHO_AND_WHY: dict[str, Any] = {"actor": "ana", "reason": "better on unseen pumps"}
ALIKE = Pair(MEASURED, MEASURED)
WORSE = Pair({**MEASURED, "cost_per_pump_year": 3_000.0}, MEASURED)


def version(
    folder: Path,
    content: bytes,
    *,
    metrics: dict[str, float] | None = None,
    evidence: Evidence | None = None,
    feature_contract: str = "f" * 64,
) -> str:
    """Registers a version whose one model is `content`; returns its name."""
    staged = folder / f"staged-{content.hex()}"
    staged.mkdir()
    (staged / "state.onnx").write_bytes(content)
    if evidence is not None:
        (staged / EVIDENCE_FILE).write_bytes(msgspec.json.encode(evidence))
    facts = ManifestFacts(
        feature_contract=feature_contract,
        feature_names=["rpm"],
        classes=["HEALTHY"],
        libraries={},
        training_window=(0, 1),
        data_fingerprint="d" * 64,
        metrics=metrics or GOOD_METRICS,
        parent_run="run-1",
        opset={"": 18},
    )
    return registry_in(folder).register(staged, facts).version


def registry_in(folder: Path) -> Registry:
    return Registry(folder / "registry")


def serving(registry: Registry) -> str | None:
    pointer = registry.production()
    return None if pointer is None else pointer.version


def test_the_first_good_version_serves_and_the_ledger_says_what_was_observed(tmp_path: Path) -> None:
    registry, first = registry_in(tmp_path), version(tmp_path, b"1")

    pointer = promote_on_evidence(registry, first, **WHO_AND_WHY)

    (entry,) = registry.ledger()
    assert pointer.version == serving(registry) == first
    assert (entry.action, entry.reason) == (Action.PROMOTE, WHO_AND_WHY["reason"])
    assert entry.evidence["health_error"] == 5.0
    assert entry.evidence["beats_every_baseline"] == pytest.approx(0.4)


def test_a_version_that_fails_its_own_gates_is_refused_and_the_ledger_says_why(tmp_path: Path) -> None:
    registry = registry_in(tmp_path)
    taught_one_mode = version(tmp_path, b"1", metrics={**GOOD_METRICS, "modes_trained": 1.0})

    with pytest.raises(PromotionRefusedError, match="enough_modes_trained"):
        promote_on_evidence(registry, taught_one_mode, **WHO_AND_WHY)

    (entry,) = registry.ledger()
    assert serving(registry) is None
    assert (entry.action, entry.actor, entry.from_version) == (Action.REFUSE, "ana", None)
    assert entry.to_version == taught_one_mode
    assert "enough_modes_trained: observed 1.0, expected >= 3" in entry.reason
    assert entry.evidence["enough_modes_trained"] == 1.0


def test_a_candidate_as_good_as_what_serves_takes_its_place(tmp_path: Path) -> None:
    registry, first = registry_in(tmp_path), version(tmp_path, b"1")
    promote_on_evidence(registry, first, **WHO_AND_WHY)
    beside = Evidence(production=first, unseen_pumps=ALIKE, live_window=ALIKE)

    second = version(tmp_path, b"2", evidence=beside)
    promote_on_evidence(registry, second, **WHO_AND_WHY)

    assert serving(registry) == second
    assert registry.ledger()[-1].evidence["cost_no_worse_on_live_window"] == 2_000.0


@pytest.mark.parametrize(
    ("measured", "why"),
    [
        (
            {"unseen_pumps": ALIKE, "live_window": WORSE},
            r"cost_no_worse_on_live_window: observed 3000\.0, expected <= 2040",
        ),
        ({"unseen_pumps": WORSE, "live_window": ALIKE}, "cost_no_worse_on_unseen_pumps"),
        ({"production": "v20200101T000000-00000000"}, "was measured beside v20200101T000000-00000000"),
        ({"production": None}, "was measured beside no version"),
        ({"live_window": ALIKE}, "was not measured on unseen pumps"),
        (None, "was never measured beside"),
    ],
)
def test_a_candidate_that_is_not_shown_to_be_as_good_is_refused_and_the_old_one_serves(
    tmp_path: Path, measured: dict[str, Any] | None, why: str
) -> None:
    registry, first = registry_in(tmp_path), version(tmp_path, b"1")
    promote_on_evidence(registry, first, **WHO_AND_WHY)
    evidence = None if measured is None else Evidence(**{"production": first, **measured})
    second = version(tmp_path, b"2", evidence=evidence)

    with pytest.raises(PromotionRefusedError, match=why):
        promote_on_evidence(registry, second, **WHO_AND_WHY)

    last = registry.ledger()[-1]
    assert serving(registry) == first
    assert (last.action, last.from_version, last.to_version) == (Action.REFUSE, first, second)


def test_a_version_of_a_new_release_takes_the_place_of_one_that_it_cannot_run(tmp_path: Path) -> None:
    registry, first = registry_in(tmp_path), version(tmp_path, b"1", feature_contract="0" * 64)
    promote_on_evidence(registry, first, **WHO_AND_WHY)
    second = version(tmp_path, b"2", evidence=Evidence(production=first))

    promote_on_evidence(registry, second, **WHO_AND_WHY)

    assert serving(registry) == second


def test_what_was_decided_beside_another_version_moves_nothing(tmp_path: Path) -> None:
    registry, first, second = registry_in(tmp_path), version(tmp_path, b"1"), version(tmp_path, b"2")
    registry.promote(first, **WHO_AND_WHY)

    with pytest.raises(RegistryError, match=f"{second} was to replace no version, but {first} serves by now"):
        registry.promote(second, **WHO_AND_WHY, beside=None)

    assert serving(registry) == first
    assert registry.promote(second, **WHO_AND_WHY, beside=first).version == second


def test_a_version_measured_before_the_last_promotion_must_be_measured_again(tmp_path: Path) -> None:
    registry, first = registry_in(tmp_path), version(tmp_path, b"1")
    promote_on_evidence(registry, first, **WHO_AND_WHY)
    second, third = (
        version(tmp_path, content, evidence=Evidence(production=first, unseen_pumps=ALIKE)) for content in (b"2", b"3")
    )
    promote_on_evidence(registry, second, **WHO_AND_WHY)

    with pytest.raises(PromotionRefusedError, match=f"was measured beside {first}, but {second} serves"):
        promote_on_evidence(registry, third, **WHO_AND_WHY)


def test_a_refusal_does_not_disturb_what_a_rollback_goes_back_to(tmp_path: Path) -> None:
    registry, first = registry_in(tmp_path), version(tmp_path, b"1")
    promote_on_evidence(registry, first, **WHO_AND_WHY)
    second = version(tmp_path, b"2", evidence=Evidence(production=first, unseen_pumps=ALIKE))
    worse = version(tmp_path, b"3", evidence=Evidence(production=first, unseen_pumps=WORSE))
    with pytest.raises(PromotionRefusedError):
        promote_on_evidence(registry, worse, **WHO_AND_WHY)
    promote_on_evidence(registry, second, **WHO_AND_WHY)
    with pytest.raises(PromotionRefusedError):
        promote_on_evidence(registry, worse, **WHO_AND_WHY)

    registry.rollback(**WHO_AND_WHY)

    assert serving(registry) == first
    assert [entry.action for entry in registry.ledger()] == [
        Action.PROMOTE,
        Action.REFUSE,
        Action.PROMOTE,
        Action.REFUSE,
        Action.ROLLBACK,
    ]


def test_what_serves_is_promoted_again_without_another_entry(tmp_path: Path) -> None:
    registry, first = registry_in(tmp_path), version(tmp_path, b"1")
    pointer = promote_on_evidence(registry, first, **WHO_AND_WHY)

    assert promote_on_evidence(registry, first, **WHO_AND_WHY) == pointer
    assert len(registry.ledger()) == 1


def test_a_version_whose_evidence_was_changed_is_not_even_judged(tmp_path: Path) -> None:
    registry, first = registry_in(tmp_path), version(tmp_path, b"1")
    promote_on_evidence(registry, first, **WHO_AND_WHY)
    worse = version(tmp_path, b"2", evidence=Evidence(production=first, unseen_pumps=WORSE))
    path = registry.folder(worse) / EVIDENCE_FILE
    path.chmod(0o644)
    path.write_bytes(msgspec.json.encode(Evidence(production=first, unseen_pumps=ALIKE)))

    with pytest.raises(IntegrityError, match=r"comparison\.json"):
        promote_on_evidence(registry, worse, **WHO_AND_WHY)

    assert len(registry.ledger()) == 1


def test_a_version_that_there_is_not_cannot_be_refused_either(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="there is no model version"):
        promote_on_evidence(registry_in(tmp_path), "v20200101T000000-00000000", **WHO_AND_WHY)

    assert registry_in(tmp_path).ledger() == []


# -- the registry's own part


def test_a_refusal_moves_nothing_and_keeps_what_was_observed(tmp_path: Path) -> None:
    registry, first, second = registry_in(tmp_path), version(tmp_path, b"1"), version(tmp_path, b"2")
    pointer = registry.promote(first, **WHO_AND_WHY, evidence={"macro_f1": 0.9})

    registry.refuse(second, actor="ben", reason="worse", evidence={"cost": 3.0, "unknown": None})

    promoted, refused = registry.ledger()
    assert registry.production() == pointer
    assert (promoted.evidence, refused.evidence) == ({"macro_f1": 0.9}, {"cost": 3.0, "unknown": None})
    assert (refused.actor, refused.from_version, refused.to_version) == ("ben", first, second)


def test_a_refusal_without_who_or_why_is_an_error(tmp_path: Path) -> None:
    registry, first = registry_in(tmp_path), version(tmp_path, b"1")

    for missing in ({"actor": " "}, {"reason": ""}):
        with pytest.raises(RegistryError, match="who and why"):
            registry.refuse(first, **{**WHO_AND_WHY, **missing}, evidence={})

    assert registry.ledger() == []
