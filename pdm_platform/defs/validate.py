"""Third stage: the gate. Only what passes every expectation may teach a model."""

from collections.abc import Iterator, Sequence
from functools import partial

import dagster as dg
import pyarrow as pa

from pdm_platform.contract.measurements import EXPECTATION_RESULT, Window
from pdm_platform.core.expectations import ValidationLimits
from pdm_platform.core.findings import Finding, render_html
from pdm_platform.core.observations import PartJudgement, findings_of
from pdm_platform.core.validation import FINDING_NAMES, judge
from pdm_platform.defs.extract import telemetry_window
from pdm_platform.defs.metadata import PREVIEW_ROWS, describe, explained, report
from pdm_platform.defs.progress import Progress
from pdm_platform.defs.resources import Platform
from pdm_platform.runtime.compute import computing
from pdm_platform.stores.lake import Artifact


class ValidatedTelemetryConfig(dg.Config):
    """How much is tolerated; see `ValidationLimits`."""

    max_null_share: float = ValidationLimits().max_null_share
    max_fault_share: float = ValidationLimits().max_fault_share
    min_rows_per_state: int = ValidationLimits().min_rows_per_state
    min_lives: int = ValidationLimits().min_lives
    max_age_hours: float = ValidationLimits().max_age_hours


@dg.asset(
    group_name="validate",
    kinds={"greatexpectations", "parquet"},
    deps=[telemetry_window],
    check_specs=[dg.AssetCheckSpec(name, asset="validated_telemetry", blocking=True) for name in FINDING_NAMES],
)
def validated_telemetry(
    context: dg.AssetExecutionContext, config: ValidatedTelemetryConfig, platform: Platform
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
    """The same readings, once schema, ranges, nulls, labels, classes, time, freshness and number of pumps are good.

    One check for each expectation. Where one fails, nothing is stored and the stages after it do not run.
    """
    with explained():
        lake = platform.lake
        extracted = lake.current("telemetry_window")
        parts = _judged(platform, extracted, Progress(context.log.info, "judged", extracted.rows))
        findings = findings_of(parts, limits=ValidationLimits(**config.model_dump()))
        page = lake.folder("validated_telemetry", extracted.window) / "validation.html"
        page.write_text(render_html(findings, window=extracted.window), encoding="utf-8")
        with platform.store() as store:
            store.write(EXPECTATION_RESULT, _as_rows(findings, extracted.window, extracted.rows))
    for finding in findings:
        yield _as_check(finding)
    failed = [finding for finding in findings if not finding.passed]
    if failed:
        raise dg.Failure(
            description="the readings may not teach a model:\n" + "\n".join(f"  {finding}" for finding in failed),
            metadata={"failed": [finding.name for finding in failed], **report(page)},
            allow_retries=False,
        )
    with explained():
        # the rows as they were extracted, which are not written a second time
        stored = lake.share(extracted, "validated_telemetry", expectations=len(findings))
        preview = next(lake.parts(stored)).slice(0, PREVIEW_ROWS)
    summary = f"{stored.rows:,} readings met {len(findings)} expectations"
    yield dg.MaterializeResult(
        metadata=describe(stored, preview, summary=summary, expectations=len(findings), **report(page))
    )


def _judged(platform: Platform, extracted: Artifact, progress: Progress) -> list[PartJudgement]:
    """What each part showed, in their order; a part is in memory only while it is looked at."""
    found: list[PartJudgement] = []
    with computing(platform.settings.compute) as compute:
        for part in compute.map(partial(judge, window=extracted.window), platform.lake.parts(extracted)):
            found.append(part)
            progress.tell(sum(one.rows for one in found))
    return found


def _as_rows(findings: Sequence[Finding], window: Window, rows: int) -> pa.Table:
    """What the store keeps of a validation, failed or not, so that its history can be looked at."""
    return pa.Table.from_pylist(
        [
            {
                "expectation": finding.name,
                "column": finding.column,
                "time_ns": window.end_ns,
                "passed": int(finding.passed),
                "unexpected_rows": finding.unexpected_count,
                "rows": rows,
                "observed": finding.observed,
                "expected": finding.expected,
                "window_start_ns": window.start_ns,
            }
            for finding in findings
        ],
        schema=EXPECTATION_RESULT.schema,
    )


def _as_check(finding: Finding) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=finding.name,
        passed=finding.passed,
        description=None if finding.passed else str(finding),
        metadata={
            "observed": finding.observed,
            "expected": finding.expected,
            "column": finding.column,
            "expectation": finding.expectation,
            "unexpected": finding.unexpected_count,
            "examples": list(finding.examples),
        },
    )
