"""One HTML page of a bisection, with a picture of what is believed of each commit; no external resource. Pure."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from math import ceil
from urllib.parse import quote

from kzram_ci.base.values import dataclass
from kzram_ci.bisect.reports.model import BisectView, CommitView
from kzram_ci.results.reports.sanitize import one_line, visible

TEMPLATE = "report.html.j2"
WIDTH, HEIGHT, MARGIN, LANE = 960, 220, 46, 40  # of the picture, in its own units
MOST_BARS = 240  # more commits share bars
_COLOURS = {"bad": "#d33", "good": "#2a9", "skip": "#999", "": "#68b"}
_cached: list[object] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One or several neighbouring commits of the picture."""

    probability: float
    commits: tuple[CommitView, ...]

    @property
    def side(self) -> str:
        """The side of the commits that were visited; bad wins, since it is rarer."""
        sides = {commit.side for commit in self.commits if commit.visited}
        return next((side for side in ("bad", "good", "skip") if side in sides), "")

    def title(self) -> str:
        """The text that a pointer on it shows."""
        first, last = self.commits[0], self.commits[-1]
        name = first.name[:12] if first is last else f"{first.name[:12]} to {last.name[:12]}"
        tally = "; ".join(commit.tally() for commit in self.commits if commit.boots)
        return one_line(f"{name} {first.subject if first is last else ''}: {self.probability:.2%}. {tally}")


def bars(view: BisectView) -> tuple[Bar, ...]:
    """The candidates as at most MOST_BARS bars, oldest first."""
    commits = [commit for commit in view.commits if commit.candidate]
    size = max(1, ceil(len(commits) / MOST_BARS))
    groups = [tuple(commits[at : at + size]) for at in range(0, len(commits), size)]
    return tuple(Bar(probability=sum(commit.probability for commit in group), commits=group) for group in groups)


def picture(view: BisectView) -> str:
    """SVG: the probability of being the culprit against the commits, and under it the outcome of each boot."""
    drawn = bars(view)
    step = (WIDTH - MARGIN) / max(1, len(drawn))
    lines = [_frame()]
    for at, bar in enumerate(drawn):
        x, width = MARGIN + at * step, max(1.0, step * 0.8)
        high = bar.probability * HEIGHT
        body = (
            f'<rect x="{x:.1f}" y="{HEIGHT - high:.1f}" width="{width:.1f}" height="{max(high, 0.5):.1f}" fill="#57c"/>'
        )
        if bar.side:
            body += f'<rect x="{x:.1f}" y="{HEIGHT + 4}" width="{width:.1f}" height="8" fill="{_COLOURS[bar.side]}"/>'
        body += _boots(bar, x, width)
        lines.append(f"<g><title>{escape(bar.title())}</title>{body}</g>")
    return "\n".join([*lines, _foot(view), "</svg>"])


def _frame() -> str:
    head = (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + LANE + 24}" role="img" xmlns="http://www.w3.org/2000/svg" '
        f'font-family="system-ui, sans-serif" font-size="11" fill="currentColor">'
        "<title>probability of being the culprit, by commit</title>"
    )
    for percent in (0, 25, 50, 75, 100):
        y = HEIGHT * (1 - percent / 100)
        head += f'<line x1="{MARGIN}" y1="{y:.1f}" x2="{WIDTH}" y2="{y:.1f}" stroke="#8884"/>'
        head += f'<text x="{MARGIN - 6}" y="{max(y, 8) + 3:.1f}" text-anchor="end">{percent} %</text>'
    return head


def _boots(bar: Bar, x: float, width: float) -> str:
    """Crashes and clean boots as two little columns: how much stands behind the side."""
    crashes = sum(commit.count("crash") for commit in bar.commits)
    clean = sum(commit.count("clean") for commit in bar.commits)
    total = crashes + clean
    if not total:
        return ""
    high = min(LANE - 18.0, 2.0 + total)
    red = high * crashes / total
    top = HEIGHT + 16
    return (
        f'<rect x="{x:.1f}" y="{top}" width="{width:.1f}" height="{red:.1f}" fill="#d33"/>'
        f'<rect x="{x:.1f}" y="{top + red:.1f}" width="{width:.1f}" height="{high - red:.1f}" fill="#2a9"/>'
    )


def _foot(view: BisectView) -> str:
    y = HEIGHT + LANE + 16
    none = f"no commit of the range: {view.none:.2%}"
    return (
        f'<text x="{MARGIN}" y="{y}">oldest</text><text x="{WIDTH}" y="{y}" text-anchor="end">newest</text>'
        f'<text x="{(WIDTH + MARGIN) / 2:.0f}" y="{y}" text-anchor="middle">{escape(none)}</text>'
    )


def _template() -> object:
    if not _cached:
        from jinja2 import Environment, StrictUndefined

        environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        environment.filters["visible"] = lambda value: visible(str(value))
        environment.filters["line"] = lambda value, limit=300: one_line(str(value), limit)
        environment.filters["path"] = lambda value: quote(str(value), errors="backslashreplace")
        _cached.append(environment.from_string(files("kzram_ci.bisect.reports").joinpath(TEMPLATE).read_text("utf-8")))
    return _cached[0]


def render(view: BisectView) -> str:
    """The whole page."""
    from markupsafe import Markup

    # The picture is made of our own numbers; the only text in it, titles, is escaped where it enters.
    text: str = _template().render(view=view, picture=Markup(picture(view)))  # type: ignore[attr-defined]
    return text
