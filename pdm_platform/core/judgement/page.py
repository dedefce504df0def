"""The bricks of a page: escaped text, tables, pictures inside the page. It loads nothing from elsewhere."""

import base64
import html
from collections.abc import Iterable
from typing import Any

import numpy as np

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:68rem;margin:2rem auto;padding:0 1rem;color:#1c2733}"
    "table{border-collapse:collapse;margin:.5rem 0 1.5rem;font-size:14px}"
    "td,th{padding:.25rem .7rem;border-bottom:1px solid #d5dce3;text-align:right}"
    "td:first-child,th:first-child{text-align:left;white-space:nowrap}img{max-width:100%}h2{margin-top:2.5rem}"
    "p.read{color:#4a5866;margin:.2rem 0 .8rem}li.bad{color:#a33a12}"
)


def page(title: str, parts: Iterable[str]) -> str:
    """One whole page, without a date, so that the same figures give the same bytes."""
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>{text(title)}</title><style>{_STYLE}</style>"
    return "".join([head, f"<h1>{text(title)}</h1>", *parts, "</html>\n"])


def section(title: str, how_to_read: str, *parts: str) -> str:
    """A heading, one sentence on how to read what follows, and that."""
    return "".join([f"<h2>{text(title)}</h2><p class=read>{text(how_to_read)}</p>", *parts])


def findings(lines: Iterable[tuple[bool, str]]) -> str:
    """A list of sentences; those that say what is bad stand out."""
    return "<ul>" + "".join(f"<li{' class=bad' if bad else ''}>{text(line)}</li>" for bad, line in lines) + "</ul>"


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Numbers to three digits, NaN as 'not known'."""
    top = "".join(f"<th>{text(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{shown(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def image(png: bytes, alternative: str) -> str:
    """A picture inside the page."""
    return f'<p><img alt="{text(alternative)}" src="data:image/png;base64,{base64.b64encode(png).decode()}"></p>'


def shown(cell: Any) -> str:
    """A cell as a person reads it."""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return number(cell)
    return text(str(cell))


def number(value: float) -> str:
    """Three digits, whole above 1,000."""
    if np.isnan(value):
        return "not known"
    return f"{value:,.0f}" if 1_000.0 <= abs(value) < np.inf else f"{value:.3g}"


def percent(share: float) -> str:
    """A share of 0 to 1."""
    return "not known" if np.isnan(share) else f"{share:.1%}"


def text(value: str) -> str:
    """Escaped: names of devices come from outside."""
    return html.escape(value)
