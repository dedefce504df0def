"""The promotion decision: what a model version's own evidence must show before it may serve."""

from collections.abc import Mapping
from dataclasses import dataclass

from pdm_platform.contract.errors import PromotionRefusedError

MIN_MARGIN_OVER_BASELINE = 0.05
MIN_UNSEEN_PUMPS = 3
MAX_HEALTH_MAE_PERCENT = 15.0


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition: what was observed in the evidence, what is expected, whether it holds."""

    name: str
    observed: float | None
    expected: str
    passed: bool


def gates(metrics: Mapping[str, float]) -> list[Gate]:
    """Judge the metrics of one version's manifest. A metric that is missing or NaN fails its gate."""
    macro_f1, baseline = metrics.get("macro_f1"), metrics.get("baseline_macro_f1")
    margin = None if macro_f1 is None or baseline is None else macro_f1 - baseline
    pumps, health_mae = metrics.get("unseen_pumps"), metrics.get("health_mae_percent")
    return [
        Gate(
            "beats_every_baseline",
            margin,
            f">= {MIN_MARGIN_OVER_BASELINE}",
            margin is not None and margin >= MIN_MARGIN_OVER_BASELINE,
        ),
        Gate("enough_unseen_pumps", pumps, f">= {MIN_UNSEEN_PUMPS}", pumps is not None and pumps >= MIN_UNSEEN_PUMPS),
        Gate(
            "health_error",
            health_mae,
            f"<= {MAX_HEALTH_MAE_PERCENT}",
            health_mae is not None and health_mae <= MAX_HEALTH_MAE_PERCENT,
        ),
    ]


def require_promotable(metrics: Mapping[str, float]) -> None:
    """Raise PromotionRefusedError naming each gate that does not hold, with observed and expected."""
    failed = [gate for gate in gates(metrics) if not gate.passed]
    if failed:
        raise PromotionRefusedError(
            "; ".join(f"{gate.name}: observed {gate.observed}, expected {gate.expected}" for gate in failed),
            hint="The version stays in the registry; the one in production goes on serving.",
        )
