"""One HTML page without any external resource; jinja2 with autoescape, so guest text stays text. Pure.

Its own style and script are in it, and its policy names them by digest: nothing else can act, whatever a guest wrote.
Without the script (a viewer that forbids all of them) everything is there, but for filters, keys and the search.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from kzram_ci.base.units import say_count
from kzram_ci.base.values import dataclass
from kzram_ci.results.reports import charts, controls, memory, points, summary_model, tested
from kzram_ci.results.reports.page import OUTPUT_LIMIT, page_of
from kzram_ci.results.reports.sanitize import cut, one_line, visible
from kzram_ci.results.reports.summary_model import RunView
from kzram_ci.results.reports.wording import LEGEND

COMMAND_LIMIT = 8 << 10
TEMPLATE, STYLE, SCRIPT = "report.html.j2", "page.css", "page.js"
_cached: list[Any] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Inline:
    """A style or script of ours: the text that goes into the page, and its digest for the page's policy."""

    text: Any  # markup
    digest: str


def inline(name: str) -> Inline:
    """One of the files beside this module."""
    from markupsafe import Markup

    text = _text(name)
    return Inline(
        text=Markup(text), digest=f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
    )


def environment() -> Any:
    """Of all pages, with their filters, style and pictures."""
    if not _cached:
        from jinja2 import Environment, FunctionLoader, StrictUndefined

        made = Environment(
            loader=FunctionLoader(_text),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        made.filters["visible"] = lambda value: visible(str(value))
        made.filters["line"] = lambda value, limit=300: one_line(str(value), limit)
        made.filters["output"] = lambda value: cut(str(value), OUTPUT_LIMIT)
        made.filters["command"] = lambda value: cut(str(value), COMMAND_LIMIT)
        made.filters["path"] = lambda value: quote(str(value), errors="backslashreplace")
        made.globals["style"], made.globals["script"] = inline(STYLE), inline(SCRIPT)
        made.globals["smalls"] = {"width": charts.SMALL_WIDTH, "height": charts.SMALL_HEIGHT}
        made.globals["sizes"] = {
            "width": charts.FOREST_WIDTH,
            "left": charts.FOREST_LEFT,
            "right": charts.FOREST_RIGHT,
        }
        made.globals["curve"] = {
            "width": charts.CURVE_WIDTH,
            "height": charts.CURVE_HEIGHT,
            "left": charts.CURVE_LEFT,
        }
        _cached.append(made)
    return _cached[0]


def _text(name: str) -> str:
    return files("kzram_ci.results.reports").joinpath(name).read_text("utf-8")


def newborn(view: RunView) -> str:
    """The page before any cell is done; without the template, whose loading would delay the first boot."""
    text = escape(f"{one_line(view.name)}: {say_count(len(view.cells), 'cell')}, none finished")
    return f'<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><title>{text}</title><p>{text}</html>\n'


def render(view: RunView) -> str:
    """The whole page."""
    rooms = {"summary_model": summary_model, "controls": controls, "tested": tested, "points": points, "memory": memory}
    given = {**rooms, "legend": LEGEND, "page": page_of(view)}
    text: str = environment().get_template(TEMPLATE).render(view=view, **given)
    return text
