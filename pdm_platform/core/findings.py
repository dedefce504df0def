"""What a validation found, and how a person reads it."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pdm_platform.contract.measurements import Window
from pdm_platform.contract.times import iso_of


@dataclass(frozen=True, slots=True)
class Finding:
    """One expectation and what was found instead. `examples` are rows, with device and time, that fail it."""

    name: str
    passed: bool
    expectation: str
    column: str
    observed: str
    expected: str
    unexpected_count: int
    examples: tuple[dict[str, Any], ...]

    def __str__(self) -> str:
        text = f"{self.name}: {self.expectation} on {self.column}: expected {self.expected}, observed {self.observed}"
        return f"{text}; examples: {list(self.examples)}" if self.examples else text


def render_html(findings: Sequence[Finding], *, window: Window) -> str:
    """One self-contained page, failures first."""
    # Great Expectations' own page loads its style, scripts and logo from the network
    failed = sum(not finding.passed for finding in findings)
    rows = "".join(_row(finding) for finding in sorted(findings, key=lambda finding: finding.passed))
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Validation</title><style>"
        "body{font:15px system-ui;margin:2em}td,th{padding:.3em .8em;text-align:left;border-bottom:1px solid #ddd}"
        ".failed{background:#fdd}</style>"
        f"<h1>{len(findings) - failed} of {len(findings)} expectations met</h1>"
        f"<p>Labelled readings from {iso_of(window.start_ns)} to {iso_of(window.end_ns)}</p><table>"
        "<tr><th>check<th>column<th>expected<th>observed<th>expectation<th>examples</tr>"
        f"{rows}</table></html>\n"
    )


def _row(finding: Finding) -> str:
    examples = "; ".join(str(example) for example in finding.examples)
    cells = (finding.name, finding.column, finding.expected, finding.observed, finding.expectation, examples)
    body = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
    return f"<tr class='{'passed' if finding.passed else 'failed'}'>{body}</tr>"
