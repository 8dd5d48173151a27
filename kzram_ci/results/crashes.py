"""The crashes of the history: equal signatures, and those of builds that only inline differently, as one. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from kzram_ci.base.units import say_count
from kzram_ci.base.values import dataclass
from kzram_ci.oops import similar
from kzram_ci.oops.similar import DEPTH, OTHER, SAME, Homes, Seen
from kzram_ci.results.history import Crashed
from kzram_ci.results.reports.sanitize import one_line

MOST_CELLS = 12  # that are listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A signature of a crash; `differs`: how its stacks differ from the one the crash was first seen with."""

    signature: str
    count: int
    differs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """One crash over all runs: how often, when, in which cells, and by which signatures it is known."""

    signature: str
    title: str
    count: int
    first: str
    last: str
    cells: tuple[str, ...]
    forms: tuple[Form, ...]


def crashes(found: Sequence[Crashed]) -> tuple[Crash, ...]:
    """The crashes, the most frequent first."""
    homes, gathered = Homes(), dict[str, list[Crashed]]()
    for one in found:
        gathered.setdefault(homes.of(_seen(one)), []).append(one)
    made = [_crash(signature, forms) for signature, forms in gathered.items()]
    return tuple(sorted(made, key=lambda crash: -crash.count))


def _seen(one: Crashed) -> Seen:
    oops = one.newest[0] if one.newest else None
    if oops is None:  # its record does not hold it any more
        return Seen(signature=one.signature, type="", function=None, path=(), corrupted=True)
    return Seen(
        signature=one.signature,
        type=oops.type,
        function=oops.function,
        path=similar.way(oops.frames),
        corrupted=oops.corrupted,
    )


def _crash(signature: str, forms: Sequence[Crashed]) -> Crash:
    first = _seen(forms[0]).path
    cells = dict.fromkeys(name for form in forms for name in form.cells)
    shown = next((oops for form in forms for oops in form.newest), None)
    return Crash(
        signature=signature,
        title=shown.title if shown is not None else signature,
        count=sum(form.count for form in forms),
        first=min(form.first for form in forms),
        last=max(form.last for form in forms),
        cells=tuple(cells),
        forms=tuple(Form(signature=form.signature, count=form.count, differs=_differs(first, form)) for form in forms),
    )


def _differs(first: Sequence[str], form: Crashed) -> str:
    """The most that any of its stacks differs."""
    found = {similar.differs(first, similar.way(oops.frames)) for oops in form.newest}
    return OTHER if OTHER in found else DEPTH if DEPTH in found else SAME


def lines(found: Sequence[Crash]) -> list[str]:
    """For people: how often, what, when and where."""
    told = []
    for crash in found:
        cells = [one_line(name) for name in crash.cells[:MOST_CELLS]]
        more = len(crash.cells) - len(cells)
        told += [
            f"{crash.count} x {one_line(crash.title)}",
            f"  {_day(crash.first)} to {_day(crash.last)}, {say_count(len(crash.cells), 'cell')}: "
            + ", ".join(cells)
            + (f" and {more:,} more" if more else ""),
        ]
        for form in crash.forms:
            words = similar.WORDS[form.differs]
            often = f" ({form.count} x)" if len(crash.forms) > 1 else ""
            told.append(f"  signature {one_line(form.signature)}{often}" + (f": {words}" if words else ""))
    count = sum(crash.count for crash in found)
    return [*told, f"{say_count(count, 'crashed result')}, {len(found):,} crash{'' if len(found) == 1 else 'es'}"]


def _day(recorded: str) -> str:
    return recorded[:16].replace("T", " ")
