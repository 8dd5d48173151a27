"""One HTML page without any external resource; jinja2 with autoescape, so guest text stays text. Pure."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from urllib.parse import quote

from kzram_ci.base.units import say_count
from kzram_ci.results.reports import controls, memory, points, summary_model, tested
from kzram_ci.results.reports.sanitize import cut, one_line, visible
from kzram_ci.results.reports.summary_model import RunView
from kzram_ci.results.reports.wording import LEGEND

OOPS_LIMIT = 64 << 10
TEMPLATE = "report.html.j2"
_cached: list[object] = []


def _template() -> object:
    if not _cached:
        from jinja2 import Environment, FunctionLoader, StrictUndefined

        environment = Environment(
            loader=FunctionLoader(_text),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["visible"] = lambda value: visible(str(value))
        environment.filters["line"] = lambda value, limit=300: one_line(str(value), limit)
        environment.filters["oops"] = lambda value: cut(str(value), OOPS_LIMIT)
        environment.filters["path"] = lambda value: quote(str(value), errors="backslashreplace")
        _cached.append(environment.get_template(TEMPLATE))
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
    given = {**rooms, "legend": LEGEND}
    text: str = _template().render(view=view, **given)  # type: ignore[attr-defined]
    return text
