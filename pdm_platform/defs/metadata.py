"""How every asset shows what it did: rows, window, versions, plots, links; and how it fails."""

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from pdm_platform.contract.errors import PdmError
from pdm_platform.contract.times import iso_of
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.stores.lake import Artifact

PREVIEW_ROWS = 5


def describe(artifact: Artifact, preview: pa.Table | None = None, *, summary: str = "", **more: Any) -> dict[str, Any]:
    """Metadata of a stored artifact, and what else the asset has to say. Rows under Dagster's own name for them.

    summary: what was done, in a few words; the number of rows where left out.
    """
    found: dict[str, Any] = {
        "summary": summary or f"{artifact.rows:,} rows",
        "window_start": iso_of(artifact.window.start_ns),
        "window_end": iso_of(artifact.window.end_ns),
        "sha256": artifact.sha256,
        "path": dg.MetadataValue.path(artifact.path),
    }
    if preview is not None:
        found["dagster/row_count"] = artifact.rows
        found["preview"] = dg.MetadataValue.md(markdown_table(preview.slice(0, PREVIEW_ROWS)))
    return {**found, **more}


def markdown_table(table: pa.Table) -> str:
    """The table in Markdown, numbers with five digits."""
    rows = [[_shown(value) for value in row.values()] for row in table.to_pylist()]
    lines = [table.schema.names, ["---"] * table.num_columns, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value).replace("|", "\\|")


def image(png: bytes, name: str) -> dg.MarkdownMetadataValue:
    """A plot that the UI shows in place, without a file to serve."""
    return dg.MetadataValue.md(f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})")


def report(path: Path) -> dict[str, Any]:
    """Where a report lies, as a link and as a path to copy: browsers do not follow links from a site to a file."""
    url = PlatformSettings.load().url_of(path)
    return {"report": dg.MetadataValue.url(url), "report_path": dg.MetadataValue.path(path)}


def counts(values: Mapping[str, object]) -> dg.MarkdownMetadataValue:
    """Names and numbers as a small table."""
    rows = [{"name": name, "value": value} for name, value in values.items()]
    lines = ["| | |", "|---|---|", *(f"| {row['name']} | {_shown(row['value'])} |" for row in rows)]
    return dg.MetadataValue.md("\n".join(lines))


@contextmanager
def explained() -> Iterator[None]:
    """Turns what a user can mend into a failure that says so, without a retry that would fail the same way."""
    try:
        yield
    except PdmError as error:
        raise dg.Failure(
            description=str(error),
            metadata={"code": error.code, "what": error.what, "hint": error.hint or "-"},
            allow_retries=False,
        ) from error
