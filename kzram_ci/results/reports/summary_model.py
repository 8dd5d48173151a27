"""What every report shows, derived once from results: grid, controls, crashes, proofs. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, TypeVar

from kzram_ci.base.values import dataclass
from kzram_ci.model.again import AXIS
from kzram_ci.model.blame import Blame
from kzram_ci.model.cell import Plan, evidence_of
from kzram_ci.model.evidence import CellResult, OopsSummary
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.layout import CellFile
from kzram_ci.model.measure import GREW_CLASS
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results.reports.sanitize import one_line
from kzram_ci.results.reports.shown import Shown, Since
from kzram_ci.results.reports.wording import VERDICT_WORDS, word
from kzram_ci.verdict import races
from kzram_ci.verdict.exposure import OVERRUNS, all_counters, counted
from kzram_ci.verdict.judge import principal_oops
from kzram_ci.verdict.power import ALLOWED, boots_of, tally_of
from kzram_ci.verdict.races import RACES, Tally, tally
from kzram_ci.verdict.stats import Rate, phrase, upper_bound

T = TypeVar("T")
RECOMPRESSIONS = "recompressions"
# blocks that were read back while they raced, and those of them whose data could not be read any more
HOT_READS = ("workload.hot_reads", "workload.hot_read_errors")
MOST_LISTED = 24  # cells that share a crash


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What a kernel without remedy did: how many races it had, and how many of them it lost.

    `allowed`: of the faults that found their page under writeback and got it, which a guard would have refused.
    """

    kernel: str
    tally: Tally
    allowed: Tally | None = None

    def beside(self, counter: str) -> Tally | None:
        """The tally in the unit of this counter of races; None where the control has none to compare."""
        found = self.tally if counter == GREW_CLASS else self.allowed
        return found if found is not None and found.lost else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CellView:
    """One cell as reports see it. `files` are paths relative to the run directory."""

    result: CellResult
    floors: tuple[tuple[str, int], ...] = ()
    files: tuple[str, ...] = ()
    console_tail: str = ""
    shown: Shown = Shown()

    @property
    def column(self) -> str:
        """Test and axes: the name of the cell among those of its kernel."""
        return column(self.result)

    @property
    def word(self) -> str:
        """Verdict and outcome in a word or two."""
        return word(self.result.judgement)

    @property
    def oops(self) -> OopsSummary | None:
        """The crash to show first: the first that the kernel dies of, else the first warning."""
        return principal_oops(self.result.evidence.oopses)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashGroup:
    """Crashes that are one: the same signature. `cells` in the order of the plan; `listed`: their ids on one line."""

    signature: str
    oops: OopsSummary
    cells: tuple[CellView, ...]
    listed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A run as reports see it, cells in the order of the plan; unfinished ones are `not-run`.

    What all reports ask of all cells is found once, here: a report costs as much as its cells, not their square.
    """

    name: str
    plan: str
    description: str = ""
    started: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    cells: tuple[CellView, ...] = ()
    specs: Mapping[str, KernelSpec] = field(default_factory=dict)  # what the plan asks for, by kernel
    recorded: tuple[CellView, ...] = ()  # controls of an earlier run
    measured_by: Mapping[str, str] = field(default_factory=dict)  # control of a cell that ends by evidence, both by id
    since: Since | None = None  # the last good run of the plan, where one is known
    blames: Mapping[str, Blame] = field(default_factory=dict)  # whose code the crashes are in, by signature
    kernels: tuple[str, ...] = field(init=False)  # names in the order of the plan
    columns: tuple[str, ...] = field(init=False)  # tests with their axes, likewise
    crash_groups: tuple[CrashGroup, ...] = field(init=False)  # the principal oops of each cell, most frequent first
    _by_kernel: Mapping[str, tuple[CellView, ...]] = field(init=False, repr=False)
    _grid: Mapping[tuple[str, str], CellView] = field(init=False, repr=False)
    _references: Mapping[str, Rate] = field(init=False, repr=False)
    _controls: Mapping[str, Control] = field(init=False, repr=False)
    _by_id: Mapping[str, CellView] = field(init=False, repr=False)
    _groups: Mapping[str, CrashGroup] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_kernel: dict[str, list[CellView]] = {}
        grid: dict[tuple[str, str], CellView] = {}
        columns: dict[str, None] = {}
        for cell in self.cells:
            name = column(cell.result)
            columns.setdefault(name)
            by_kernel.setdefault(cell.result.kernel, []).append(cell)
            shown = grid.setdefault((cell.result.kernel, name), cell)
            if _found(cell) and not _found(shown):  # of a cell and its repeats the worst
                grid[cell.result.kernel, name] = cell
        groups = _crash_groups(self.cells)
        derived = {
            "kernels": tuple(by_kernel),
            "columns": tuple(columns),
            "crash_groups": tuple(sorted(groups.values(), key=lambda group: -len(group.cells))),
            "_by_kernel": {kernel: tuple(cells) for kernel, cells in by_kernel.items()},
            "_grid": grid,
            "_references": _references((*self.cells, *self.recorded)),
            "_controls": _controls((*self.cells, *self.recorded)),
            "_by_id": {cell.result.id: cell for cell in (*self.recorded, *self.cells)},
            "_groups": groups,
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def of(self, kernel: str) -> tuple[CellView, ...]:
        """The cells of a kernel."""
        return self._by_kernel.get(kernel, ())

    def at(self, kernel: str, name: str) -> CellView | None:
        """The cell of a kernel and a column, if the plan has one."""
        return self._grid.get((kernel, name))

    def reference(self, name: str) -> Rate | None:
        """The rate of overruns on the kernel that must crash, in the same column; None when nothing overran."""
        return self._references.get(name)

    def control(self, cell: CellView) -> Control | None:
        """What the kernel that must crash had and lost: the cell's own control, else the best one of its column.

        None when it lost none.
        """
        own = self._by_id.get(self.measured_by.get(cell.result.id, ""))
        return _control(own) if own is not None else self._controls.get(cell.column)

    def same_crash(self, cell: CellView) -> CrashGroup | None:
        """All cells with the crash of this one, itself included; None when it is alone or did not crash."""
        group = None if cell.oops is None else self._groups.get(_crash_key(cell.oops))
        return None if group is None or len(group.cells) < 2 else group

    def blame(self, oops: OopsSummary) -> Blame | None:
        """Whose code a crash is in, where the kernel's source was a tree that says so."""
        return self.blames.get(_crash_key(oops))

    def results(self) -> tuple[CellResult, ...]:
        """The bare results."""
        return tuple(cell.result for cell in self.cells)


def _found(cell: CellView) -> bool:
    return cell.result.judgement.verdict is Verdict.FINDING


def _crash_groups(cells: Sequence[CellView]) -> dict[str, CrashGroup]:
    found: dict[str, tuple[OopsSummary, list[CellView]]] = {}
    for cell in cells:
        if (oops := cell.oops) is not None:
            found.setdefault(_crash_key(oops), (oops, []))[1].append(cell)
    return {
        key: CrashGroup(signature=key, oops=oops, cells=tuple(same), listed=listed(same))
        for key, (oops, same) in found.items()
    }


def listed(cells: Sequence[CellView]) -> str:
    """Ids of cells, of many the first: each of them may show the whole list."""
    names = [cell.result.id for cell in cells[:MOST_LISTED]]
    more = len(cells) - len(names)
    return one_line(", ".join(names), 500) + (f" and {more:,} more" if more else "")


def _crash_key(oops: OopsSummary) -> str:
    return oops.signature or oops.title


def _references(cells: Sequence[CellView]) -> dict[str, Rate]:
    """For each column the rate that a fix has to beat."""
    return {name: rate for name, (_, rate) in _best(cells, exposure, lambda rate: rate.events).items()}


def _controls(cells: Sequence[CellView]) -> dict[str, Control]:
    """For each column the races that a fix has to survive."""
    found = _best(cells, lambda cell: _tally(cell.result, GREW_CLASS), lambda tally: tally.lost)
    return {name: control for name, (cell, _) in found.items() if (control := _control(cell)) is not None}


def _control(cell: CellView) -> Control | None:
    lost = _tally(cell.result, GREW_CLASS)
    if lost is None:
        return None
    return Control(kernel=cell.result.kernel, tally=lost, allowed=_tally(cell.result, ALLOWED))


def _best(
    cells: Sequence[CellView], measure: Callable[[CellView], T | None], lost: Callable[[T], int]
) -> dict[str, tuple[CellView, T]]:
    """For each column what was measured where it was lost: on a control of `unstable` if there is one."""
    best: dict[str, tuple[tuple[bool, bool, bool], CellView, T]] = {}
    for cell in cells:
        value, result = measure(cell), cell.result
        if value is None or not lost(value):
            continue
        wanted = result.expected == "oops"
        rank = (wanted and result.kernel == "unstable", wanted and result.control, wanted)
        known = best.get(cell.column)
        if known is None or rank > known[0]:
            best[cell.column] = (rank, cell, value)
    return {name: (cell, value) for name, (_, cell, value) in best.items()}


def make_view(
    plan: Plan,
    results: Sequence[CellResult],
    *,
    name: str,
    started: str = "",
    environment: Mapping[str, Any] | None = None,
    blames: Mapping[str, Blame] | None = None,
) -> RunView:
    """A view of results without what lies on disk; the run directory adds files and console tails."""
    floors = {cell.id: cell.expect.floors for cell in plan.cells}
    cells = tuple(CellView(result=result, floors=floors.get(result.id, ())) for result in results)
    return RunView(
        name=name,
        plan=plan.name,
        description=plan.description,
        started=started,
        environment=environment or {},
        blames=blames or {},
        cells=cells,
        specs={cell.kernel.name: cell.kernel for cell in plan.cells},
        recorded=tuple(CellView(result=result) for result in plan.controls),
        measured_by={cell.id: against.control for cell in plan.cells for against in evidence_of(cell)},
    )


def facts(view: RunView) -> dict[str, str]:
    """The environment as flat words: `{"host": {"cpus": 2}}` gives `host.cpus: 2`. Empty ones are left out.

    So are details at length, which stand in environment.json.
    """
    found: dict[str, str] = {}

    def add(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                add(f"{name}.{key}" if name else str(key), inner)
        elif value not in ("", None):
            found[name] = str(value)

    add("", {name: value for name, value in view.environment.items() if not name.endswith("_detail")})
    return found


def column(result: CellResult) -> str:
    """`anonmutate` or `anonmutate[algorithm=lz4]`: test and axes, without those that name kernel, test and repeat."""
    axes = ",".join(f"{name}={value}" for name, value in result.axes if name not in ("kernel", "test", AXIS))
    return f"{result.test}[{axes}]" if axes else result.test


def totals(view: RunView) -> dict[str, int]:
    """How many cells have which verdict; `not run` apart from other errors. Only words that occur."""
    words: Counter[str] = Counter()
    for cell in view.cells:
        judgement = cell.result.judgement
        not_run = judgement.outcome is Outcome.NOT_RUN
        words["not run" if not_run else VERDICT_WORDS[judgement.verdict]] += 1
    order = (*VERDICT_WORDS.values(), "not run")
    return {word: words[word] for word in order if words[word]}


def counters(cell: CellView) -> tuple[tuple[str, int | None, int | None], ...]:
    """(name, value, floor) of what counts for this cell: floors first, then the detector's other counters, then reads.

    Of all its boots together; a floor is for each of them, so with several it is left out here.
    """
    result = cell.result
    if result.judgement.outcome in (Outcome.NOT_RUN, Outcome.SKIPPED):
        return ()
    floors = dict(cell.floors)
    detector = sorted(name for name in all_counters(result) if "." not in name)  # see the guest contract
    overruns = (OVERRUNS,) if counted(result, OVERRUNS) is not None else ()
    reads = HOT_READS if counted(result, HOT_READS[0]) is not None else ()
    names = dict.fromkeys((*floors, *overruns, *detector, *reads))
    return tuple((name, counted(result, name), None if result.totals else floors.get(name)) for name in names)


def exposure_text(cell: CellView) -> str:
    """The counters on one line: `recompressions 51,234/50,000, overruns 0`, or `recompressions 152,880 in 3 boots`."""
    parts = []
    floors = dict(cell.floors)
    for name, value, floor in counters(cell):
        if value is None:
            parts.append(f"{name} not reported" + (f"/{floor:,}" if floor is not None else ""))
        elif floor is not None:
            parts.append(f"{name} {value:,}/{floor:,}")
        elif value or name in (OVERRUNS, *HOT_READS) or name in floors:
            parts.append(f"{name} {value:,}")
    text = ", ".join(parts)
    return f"{text}, in {cell.result.attempts} boots" if text and cell.result.totals else text


def exposure(cell: CellView) -> Rate | None:
    """Overruns among the recompressions of a cell; None where nothing was counted."""
    overruns, trials = counted(cell.result, OVERRUNS), counted(cell.result, RECOMPRESSIONS)
    if overruns is None or trials is None or trials <= 0:
        return None
    return Rate(events=overruns, trials=trials, name=cell.result.kernel, boots=max(1, cell.result.attempts))


def race_tally(cell: CellView) -> tuple[str, Tally] | None:
    """The races of all boots of a cell and how many were lost, by the counter that saw them; None where none does."""
    found = [(name, one) for name in RACES if (one := _tally(cell.result, name)) is not None]
    return max(found, key=lambda item: item[1].races, default=None)


def _tally(result: CellResult, name: str) -> Tally | None:
    """By one counter; of results from before each boot was kept, all boots as one."""
    if result.attempts > 1 and not result.each:
        overruns = counted(result, OVERRUNS) or 0
        one = tally({**all_counters(result), OVERRUNS: overruns}, names=(name,))
        return None if one is None else replace(one, boots=result.attempts)
    return tally_of(boots_of(result), name)


def proof(view: RunView, cell: CellView) -> str:
    """What a pass proves, beside what the kernel that must crash lost; empty for anything but a proved pass.

    In races where the kernel counts them, else in recompressions, most of which could not have failed.
    """
    judgement = cell.result.judgement
    rate = exposure(cell)
    if judgement.verdict is not Verdict.OK or judgement.outcome is not Outcome.PASS or rate is None:
        return ""
    return "; ".join(part for part in (_race_words(view, cell, rate), hot_read_words(cell.result)) if part)


def _race_words(view: RunView, cell: CellView, rate: Rate) -> str:
    seen, control = race_tally(cell), view.control(cell)
    if seen is None or not seen[1].races:
        return phrase(rate, reference=view.reference(cell.column))
    if control is None:
        return races.phrase(seen[1])
    return races.phrase(seen[1], control.beside(seen[0]), control.kernel)


def hot_read_words(result: CellResult) -> str:
    """How many blocks that raced could not be read back, with the bound on their share; "" where none was read."""
    reads, errors = (counted(result, name) for name in HOT_READS)
    if reads is None or reads <= 0 or errors is None:
        return ""
    bound = races.percent(upper_bound(max(0, min(errors, reads)), reads))
    return f"{errors:,} of {reads:,} racing blocks could not be read back (95 % bound {bound})"


def crash_text(oops: OopsSummary) -> str:
    """What a person wants to read of a crash: the decoded stack, then the console."""
    return f"{oops.decoded}\n{oops.text}" if oops.decoded else oops.text


def oops_path(cell: CellView, oops: OopsSummary) -> str:
    """Where the oops text is, relative to the run directory; the console log when it has no file of its own."""
    return f"{cell.result.directory}/{oops.file or CellFile.CONSOLE}"
