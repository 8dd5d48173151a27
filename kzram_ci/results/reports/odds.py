"""How a verdict is known: what each cell was exposed to, what it lost, what its control lost, and for how long boots
lived. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kzram_ci.base.values import dataclass
from kzram_ci.model.evidence import BootCounts, CellResult
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results.reports.charts import Curves, Forest, Interval, curves, figure, forest
from kzram_ci.results.reports.summary_model import RECOMPRESSIONS, CellView, RunView, exposure, proof, race_tally
from kzram_ci.verdict.power import boots_of
from kzram_ci.verdict.races import RACES, Tally, lost_words, percent, tally
from kzram_ci.verdict.stats import lower_bound, upper_bound
from kzram_ci.verdict.survival import Life, Survival, kaplan_meier

LEAST_BOOTS = 3  # of a kernel, for a curve
_SILENT = frozenset(
    {Outcome.NOT_RUN, Outcome.SKIPPED, Outcome.PATCH_FAILED, Outcome.CONFIG_UNMET, Outcome.BUILD_FAILED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Odds:
    """One cell: opportunities to go wrong, losses, and the bounds on their share."""

    cell: CellView
    unit: str  # what an opportunity is
    opportunities: int
    lost: int
    least: float | None
    bound: float | None
    rate: float | None
    control: str  # what the control lost, in words
    proof: str

    @property
    def exposed(self) -> str:
        """`1,203 races`."""
        return of(self.opportunities, self.unit)

    @property
    def bounds(self) -> str:
        """`at most 0.25 %`, `82 % to 100 %`."""
        if self.bound is None:
            return "nothing was at stake"
        if not self.lost:
            return f"at most {percent(self.bound)}"
        return f"{percent(self.least or 0.0)} to {percent(self.bound)}"


def of(number: float, unit: str) -> str:
    """`1 race`, `1,203 races`."""
    return f"{figure(number)} {unit.removesuffix('s') if number == 1 else unit}"


def odds(view: RunView) -> tuple[Odds, ...]:
    """Of each cell that counted something, in the order of the plan."""
    return tuple(one for cell in view.cells if (one := _odds(view, cell)) is not None)


def _odds(view: RunView, cell: CellView) -> Odds | None:
    if cell.result.judgement.outcome in _SILENT:
        return None
    found = race_tally(cell)
    if found is not None and found[1].races:
        return _of_races(view, cell, *found)
    rate = exposure(cell)
    if rate is None:
        return None
    events = max(0, min(rate.events, rate.trials))
    return Odds(
        cell=cell,
        unit=RECOMPRESSIONS,
        opportunities=rate.trials,
        lost=rate.events,
        least=lower_bound(events, rate.trials),
        bound=upper_bound(events, rate.trials),
        rate=events / rate.trials,
        control=_control_words(view, cell, ""),
        proof=proof(view, cell),
    )


def _of_races(view: RunView, cell: CellView, counter: str, seen: Tally) -> Odds:
    return Odds(
        cell=cell,
        unit="races",
        opportunities=seen.races,
        lost=seen.lost,
        least=seen.at_least(),
        bound=seen.bound(),
        rate=seen.rate(),
        control=_control_words(view, cell, counter),
        proof=proof(view, cell),
    )


def _control_words(view: RunView, cell: CellView, counter: str) -> str:
    control = view.control(cell)
    if control is None or control.kernel == cell.result.kernel:
        return ""
    lost = control.beside(counter) if counter else control.tally
    return "" if lost is None or not lost.lost else lost_words(lost, control.kernel)


def forests(view: RunView, known: Sequence[Odds]) -> Iterator[tuple[str, Forest]]:
    """A picture for each test: the share of lost opportunities of its kernels, with the bounds."""
    rows: dict[str, list[Interval]] = {column: [] for column in view.columns}
    for one in known:
        if one.bound is not None:
            rows[one.cell.column].append(_interval(one))
    for column, intervals in rows.items():
        if len(intervals) > 1 and (drawn := forest(intervals)) is not None:
            yield column, drawn


def _interval(one: Odds) -> Interval:
    result = one.cell.result
    return Interval(
        name=result.kernel,
        low=one.least or 0.0,
        high=one.bound or 0.0,
        value=one.rate if one.lost else None,
        text=f"{one.lost:,} of {one.exposed}",
        control=result.control,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Survivors:
    """How long the boots of each kernel lived in one test: pictures, and the same in a table."""

    column: str
    unit: str
    found: tuple[tuple[str, Survival], ...]
    picture: Curves

    def words(self, survival: Survival) -> str:
        """`3 of 5 boots crashed, half of them by 12 races` and how many live at the end."""
        text = f"{survival.deaths:,} of {survival.boots:,} boots crashed"
        median = survival.median()
        if median is not None:
            return f"{text}, half of them by {of(median, self.unit)}"
        if not survival.steps:
            least = lower_bound(survival.boots, survival.boots)
            return f"{text} in {of(survival.end, self.unit)} at most; at least {percent(least)} of boots live so long"
        last = survival.steps[-1]
        share = f"{percent(last.share)} lived ({percent(last.low)} to {percent(last.high)})"
        return f"{text}; after {of(last.at, self.unit)} {share}"


def survivors(view: RunView) -> tuple[Survivors, ...]:
    """For each test with a kernel that was booted several times."""
    found = []
    for column in view.columns:
        cells = [cell for kernel in view.kernels if (cell := view.at(kernel, column)) is not None]
        if (one := survivors_of(column, [(cell.result.kernel, lived([cell.result])) for cell in cells])) is not None:
            found.append(one)
    return tuple(found)


def survivors_of(column: str, kernels: Sequence[tuple[str, Sequence[BootCounts]]]) -> Survivors | None:
    """Of one test: kernels with their boots; None where none has enough of them."""
    many = [(kernel, boots) for kernel, boots in kernels if len(boots) >= LEAST_BOOTS]
    unit = "races" if all(any(map(_boot_races, boots)) for _, boots in many) else RECOMPRESSIONS
    curved = tuple((kernel, kaplan_meier(_lives(boots, unit))) for kernel, boots in many)
    if not any(survival.end for _, survival in curved):
        return None
    return Survivors(column=column, unit=unit, found=curved, picture=curves(curved))


def lived(results: Iterable[CellResult]) -> tuple[BootCounts, ...]:
    """The boots that say how long a kernel lives: those of results with a verdict, or without proof."""
    judged = (Verdict.OK, Verdict.FINDING, Verdict.INCONCLUSIVE)
    return tuple(boot for result in results if result.judgement.verdict in judged for boot in boots_of(result))


def _boot_races(boot: BootCounts) -> int:
    """By the counter that saw most of them, as for the whole cell."""
    counters = {**boot.counters, "overruns": max(boot.counters.get("overruns", 0), boot.overrun_lines)}
    found = [one.races for name in RACES if (one := tally(counters, names=(name,))) is not None]
    return max(found, default=0)


def _lives(boots: Sequence[BootCounts], unit: str) -> Sequence[Life]:
    return [
        Life(
            units=float(_boot_races(boot) if unit == "races" else max(0, boot.counters.get(RECOMPRESSIONS, 0))),
            died=boot.crashed,
        )
        for boot in boots
    ]
