"""Where the lines of a report's pictures go; charts.html.j2 draws them. Numbers only, no text of a guest. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import ceil, floor, log10

from kzram_ci.base.values import dataclass
from kzram_ci.results.reports.timeline import Series, Timeline
from kzram_ci.verdict.survival import Survival

SMALL_WIDTH, SMALL_HEIGHT = 240, 64
FOREST_WIDTH, FOREST_LEFT, FOREST_RIGHT, FOREST_ROW = 860, 230, 220, 22
CURVE_WIDTH, CURVE_HEIGHT, CURVE_LEFT = 560, 200, 44
DASHES = ("none", "7 3", "2 3", "9 3 2 3", "14 4", "4 4")  # told apart without colour
_LEAST_RATE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Small:
    """One of the small multiples of a cell: a step line, marks of the boot, and the oops."""

    words: str
    unit: str
    last: str
    most: str
    line: str
    ready: float | None
    oopses: tuple[float, ...]
    seconds: str

    @property
    def label(self) -> str:
        """What a screen reader says of it."""
        unit = f" {self.unit}" if self.unit else ""
        peak = f", at most {self.most}{unit}" if self.most != self.last else ""
        oops = f", {len(self.oopses)} marked oops" if self.oopses else ""
        return f"{self.words}: {self.last}{unit} after {self.seconds} s{peak}{oops}"


def small_multiples(time: Timeline, oopses: Sequence[float]) -> tuple[Small, ...]:
    """All of a cell on one axis of time: from the kernel's start to its last sample, oops or end."""
    ends = [at for series in time.series for at, _ in series.points[-1:]]
    end = max([*ends, *oopses, time.stopped or 0.0, time.ready or 0.0], default=0.0)
    return tuple(_small(series, time, end, oopses) for series in time.series) if end > 0 else ()


def _small(series: Series, time: Timeline, end: float, oopses: Sequence[float]) -> Small:
    most = series.most or 1.0

    def x(at: float) -> float:
        return round(SMALL_WIDTH * at / end, 1)

    return Small(
        words=series.words,
        unit=series.unit,
        last=figure(series.last),
        most=figure(series.most),
        line=" ".join(f"{x(at):g},{round(SMALL_HEIGHT * (1 - value / most), 1):g}" for at, value in series.points),
        ready=None if time.ready is None else x(time.ready),
        oopses=tuple(x(at) for at in oopses),
        seconds=f"{end:.1f}",
    )


def figure(value: float) -> str:
    """A number for people: 51,234 · 10.5 · 0.03."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 1 else f"{value:.2g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A rate to draw: `value` None where the bounds are all that can be said."""

    name: str
    low: float
    high: float
    value: float | None
    text: str
    control: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestRow:
    """An interval on the picture: x of its ends and middle; `open_left`: it reaches down to 0."""

    interval: Interval
    y: int
    low: float
    high: float
    middle: float | None
    open_left: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """Rates with their bounds below each other, on one logarithmic axis."""

    rows: tuple[ForestRow, ...]
    ticks: tuple[tuple[float, str], ...]
    height: int


def forest(intervals: Sequence[Interval]) -> Forest | None:
    """The picture; None of none."""
    if not intervals:
        return None
    shown = [value for one in intervals for value in (one.low, one.high, one.value) if value and value > 0]
    decade = floor(log10(max(_LEAST_RATE, min(shown, default=1.0))))
    decade = min(decade, -1)

    def x(rate: float) -> float:
        place = (log10(max(rate, 10.0**decade)) - decade) / -decade
        return round(FOREST_LEFT + place * (FOREST_WIDTH - FOREST_LEFT - FOREST_RIGHT), 1)

    rows = tuple(
        ForestRow(
            interval=one,
            y=FOREST_ROW * at + FOREST_ROW // 2,
            low=x(one.low),
            high=x(one.high),
            middle=None if one.value is None else x(one.value),
            open_left=one.low < 10.0**decade,
        )
        for at, one in enumerate(intervals)
    )
    ticks = tuple((x(10.0**power), f"{10.0 ** (power + 2):g} %") for power in range(decade, 1))
    return Forest(rows=rows, ticks=ticks, height=FOREST_ROW * len(rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The survival of one kernel as a path, with the ticks of boots that were ended."""

    name: str
    path: str
    ended: tuple[tuple[float, float], ...]
    dash: str
    number: int
    label_y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Survival curves on one axis; `ticks` of (x, words)."""

    curves: tuple[Curve, ...]
    ticks: tuple[tuple[float, str], ...]


def curves(found: Sequence[tuple[str, Survival]]) -> Curves:
    """The picture. The axis is logarithmic where lives differ by more than two decades: races come by the thousand."""
    end = max((survival.end for _, survival in found), default=0.0) or 1.0
    deaths = [step.at for _, survival in found for step in survival.steps]
    logarithmic = bool(deaths) and end / max(1.0, min(deaths)) > 100.0

    def x(at: float) -> float:
        share = log10(max(at, 0.0) + 1.0) / log10(end + 1.0) if logarithmic else at / end
        return round(CURVE_LEFT + share * (CURVE_WIDTH - CURVE_LEFT), 1)

    marks: Iterable[float] = (end * part / 4 for part in range(5))
    if logarithmic:
        marks = (0.0, *(10.0**power for power in range(ceil(log10(end + 1.0)))))
    drawn, used = [], list[float]()
    for number, (name, survival) in enumerate(found):
        last = survival.steps[-1].share if survival.steps else 1.0
        label = _free(_y(last) - 4, used)
        used.append(label)
        drawn.append(
            Curve(
                name=name,
                path=_path(survival, x),
                ended=tuple((x(at), _y(_share(survival, at))) for at in sorted(set(survival.ended))[-200:]),
                dash=DASHES[number % len(DASHES)],
                number=number,
                label_y=label,
            )
        )
    return Curves(curves=tuple(drawn), ticks=tuple((x(at), figure(round(at, 2))) for at in marks))


def _y(share: float) -> float:
    return round(CURVE_HEIGHT * (1.0 - share), 1)


def _share(survival: Survival, at: float) -> float:
    return next((step.share for step in reversed(survival.steps) if step.at <= at), 1.0)


def _path(survival: Survival, x: Callable[[float], float]) -> str:
    parts = [f"M{CURVE_LEFT} 0"]
    for step in survival.steps:
        parts.append(f"H{x(step.at):g}V{_y(step.share):g}")
    return "".join([*parts, f"H{x(survival.end):g}"])


def _free(wanted: float, used: Sequence[float]) -> float:
    """A height for a label that no other label has."""
    place = max(10.0, wanted)
    while any(abs(place - other) < 12 for other in used):
        place += 12
    return place
