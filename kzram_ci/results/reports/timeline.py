"""What a cell's counters did over time, from the lines of its control.log. Pure.

The guest chooses every byte of them, so a line that is not a sample, a time that runs backwards and a value that is
not a number are passed over; the rest is thinned to what a small picture can show.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kzram_ci.base.values import dataclass
from kzram_ci.guest.messages import NUMBER
from kzram_ci.model.evidence import OopsSummary
from kzram_ci.verdict.races import RACES

POINTS = 60  # of a series
_LATEST_MS = 10 * 24 * 3600 * 1000  # a guest that claims more is wrong
_KERNEL_TIME = re.compile(r"(?:<\d+>)?\[\s*(\d{1,7}\.\d{1,6})\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A series: its counters (the first that grew), words and unit; `level`: it also falls."""

    counters: tuple[str, ...]
    words: str
    unit: str = ""
    divide: float = 1.0
    level: bool = False


KINDS = (
    Kind(counters=("recompressions",), words="recompressions"),
    Kind(counters=(*RACES, "reuse_refused"), words="races"),
    Kind(counters=("overruns",), words="overruns"),
    Kind(counters=("vmstat.pswpout", "zram.writes"), words="pages written to zram"),
    Kind(counters=("zram.mem_used_total",), words="memory used by zram", unit="MiB", divide=1 << 20, level=True),
    Kind(counters=("psi.memory.some_us",), words="time that tasks waited for memory", unit="s", divide=1e6),
)
_WANTED = frozenset(name for kind in KINDS for name in kind.counters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One counter over time: points of (seconds since the kernel started, value)."""

    counter: str
    words: str
    unit: str
    points: tuple[tuple[float, float], ...]

    @property
    def last(self) -> float:
        """The value at the end."""
        return self.points[-1][1]

    @property
    def most(self) -> float:
        """The highest value."""
        return max(value for _, value in self.points)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A boot over the kernel's own clock, in seconds; what did not happen is None."""

    booted: float | None = None
    ready: float | None = None
    stopped: float | None = None
    samples: int = 0
    series: tuple[Series, ...] = ()


def timeline(lines: Iterable[bytes]) -> Timeline:
    """The timeline of one boot."""
    marks: dict[str, float] = {}
    seen: dict[str, list[tuple[float, int]]] = {}
    samples, now = 0, 0.0
    for line in lines:
        fields = _fields(line)
        at = fields.get("t")
        if not isinstance(at, int) or not 0 <= at <= _LATEST_MS or at / 1000 < now:
            continue
        now = at / 1000
        word, counters = fields.get("ev"), fields.get("counters")
        if word in ("boot", "ready", "stop"):
            marks.setdefault(str(word), now)
        elif word == "sample" and isinstance(counters, dict):
            samples += 1
            for name in _WANTED & counters.keys():
                if _number(counters[name]):
                    seen.setdefault(name, []).append((now, counters[name]))
    return Timeline(
        booted=marks.get("boot"),
        ready=marks.get("ready"),
        stopped=marks.get("stop"),
        samples=samples,
        series=tuple(one for kind in KINDS if (one := _series(kind, seen)) is not None),
    )


def oops_times(oopses: Sequence[OopsSummary]) -> tuple[tuple[float, OopsSummary], ...]:
    """When each oops came, by the time stamp that the kernel put before it; those without one are left out."""
    found = ((_KERNEL_TIME.match(oops.text), oops) for oops in oopses)
    return tuple((float(match[1]), oops) for match, oops in found if match)


def _fields(line: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -NUMBER <= value < NUMBER


def _series(kind: Kind, seen: Mapping[str, list[tuple[float, int]]]) -> Series | None:
    """The counter that grew most stands for the kind; one that was never other than 0 has no picture."""
    name = max((name for name in kind.counters if name in seen), key=lambda name: seen[name][-1][1], default="")
    if not name or len(seen[name]) < 2 or not any(value for _, value in seen[name]):
        return None
    points = _thinned(seen[name], level=kind.level)
    scaled = tuple((at, max(0.0, value / kind.divide)) for at, value in points)
    return Series(counter=name, words=kind.words, unit=kind.unit, points=scaled)


def _thinned(points: Sequence[tuple[float, int]], *, level: bool) -> list[tuple[float, int]]:
    """At most POINTS of them, the first and the last as well; of a level the peaks."""
    if len(points) <= POINTS:
        return list(points)
    inner, size = points[1:-1], (len(points) - 2) / (POINTS - 2)
    buckets = [inner[int(at * size) : int((at + 1) * size)] for at in range(POINTS - 2)]
    kept = [max(bucket, key=lambda point: point[1]) if level else bucket[-1] for bucket in buckets if bucket]
    return [points[0], *kept, points[-1]]
