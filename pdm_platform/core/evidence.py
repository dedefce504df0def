"""What a version was measured beside: the one in production, on the same unseen pumps and on the last live window."""

from collections.abc import Mapping

import msgspec

from pdm_platform.contract.errors import PromotionRefusedError
from pdm_platform.core.promotion import Gate, compare, gates

EVIDENCE_FILE = "comparison.json"
_AGAIN = "Materialise 'model_evaluation' again: the version must be measured beside the one that serves now."


class Pair(msgspec.Struct, frozen=True):
    """Figures of candidate and production, measured on the same readings."""

    candidate: dict[str, float]
    production: dict[str, float]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """`comparison.json` of a version. production: the version beside which it was measured, None where none served.

    unseen_pumps, live_window: None where it could not be measured there, and `notes` say why.
    """

    production: str | None
    unseen_pumps: Pair | None = None
    live_window: Pair | None = None
    notes: list[str] = []


def decide(
    metrics: Mapping[str, float],
    evidence: bytes | None,
    *,
    version: str,
    production: str | None,
    comparable: bool = True,
) -> list[Gate]:
    """All conditions that a version must meet to serve, by its own evidence.

    metrics: of its manifest; evidence: its `comparison.json`; production: what serves now; comparable: whether that can
    be run on the same features. Raises PromotionRefusedError where it was measured beside another version than the one
    that serves, or not on unseen pumps although that was possible.
    """
    judged = gates(metrics)
    if production in (None, version):
        return judged
    if evidence is None:
        raise PromotionRefusedError(f"{version} was never measured beside {production}, which serves", hint=_AGAIN)
    try:
        found = msgspec.json.decode(evidence, type=Evidence)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PromotionRefusedError(f"{EVIDENCE_FILE} of {version} cannot be read: {error}", hint=_AGAIN) from None
    if found.production != production:
        beside = found.production or "no version"
        raise PromotionRefusedError(f"{version} was measured beside {beside}, but {production} serves", hint=_AGAIN)
    if comparable and found.unseen_pumps is None:
        raise PromotionRefusedError(f"{version} was not measured on unseen pumps beside {production}", hint=_AGAIN)
    for name, pair in (("unseen_pumps", found.unseen_pumps), ("live_window", found.live_window)):
        if pair is not None:
            judged += compare(pair.candidate, pair.production, measured_on=name)
    return judged
