"""What each cell did over its recorded runs, and how flaky it is. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from kzram_ci.base.values import dataclass
from kzram_ci.model.again import base_id
from kzram_ci.model.outcome import Verdict
from kzram_ci.results.history import Record
from kzram_ci.verdict.power import boots_of
from kzram_ci.verdict.significance import differs, interval
from kzram_ci.verdict.stats import Rate
from kzram_ci.verdict.together import folded

LEAST_FOR_TREND = 8  # verdicts: with fewer hardly any difference is beyond chance

_LETTERS = {
    Verdict.OK: ".",
    Verdict.FINDING: "F",
    Verdict.INCONCLUSIVE: "i",
    Verdict.ERROR: "e",
    Verdict.SKIPPED: "s",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One result of a cell: when, in which run, of which kernel from which source."""

    recorded: str
    run: str
    outcome: str
    verdict: str
    reason: str
    kernel_key: str
    kernel_release: str
    source: str  # "" when an older version recorded it
    commit: str
    dirty: bool
    setup_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """So many of so many, and the rates that this does not rule out (95 %, both sides)."""

    events: int
    trials: int
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """One cell of one plan over its runs. `flake_rate` is None without two verdicts on one kernel and set-up."""

    plan: str
    cell: str
    runs: int
    trail: str  # a letter a run, oldest first
    verdicts: dict[str, int]
    outcomes: dict[str, int]
    flake_rate: float | None
    last_run: str
    results: tuple[Step, ...] = ()
    passed: Share | None = None  # results that were as expected, of those with a verdict on the kernel
    crashed: Share | None = None  # boots that the kernel did not survive, of those that came to the workload
    trend: str = ""  # of verdicts: better, worse, steady; "" where they are too few to say


def trails(records: Sequence[Record], *, last: int = 0) -> tuple[Trail, ...]:
    """Records, oldest first, to a trail a cell; `last` > 0 keeps only that many of each."""
    cells: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        cells.setdefault((record.plan, base_id(record.result.id)), []).append(record)
    return tuple(
        _trail(plan, cell, group[-last:] if last > 0 else group) for (plan, cell), group in sorted(cells.items())
    )


def _by_run(group: Sequence[Record]) -> Iterator[Record]:
    """What a run repeated, because there was time, as the one result that it is of that run."""
    runs: dict[str, list[Record]] = {}
    for record in group:
        runs.setdefault(record.run, []).append(record)
    for records in runs.values():
        if all(record.result.id == base_id(record.result.id) for record in records):
            yield from records
        else:
            yield from (replace(records[-1], result=one) for one in folded(record.result for record in records))


def _trail(plan: str, cell: str, every: Sequence[Record]) -> Trail:
    group = tuple(_by_run(every))
    judgements = [record.result.judgement for record in group]
    return Trail(
        plan=plan,
        cell=cell,
        runs=len(group),
        trail="".join(_LETTERS[judgement.verdict] for judgement in judgements),
        verdicts=dict(Counter(str(judgement.verdict) for judgement in judgements)),
        outcomes=dict(Counter(str(judgement.outcome) for judgement in judgements)),
        flake_rate=flake_rate(every),
        last_run=group[-1].run,
        results=tuple(_step(record) for record in group),
        passed=_share(_verdicts(every)),
        crashed=_share(_boots(every)),
        trend=trend(group),
    )


def _verdicts(group: Sequence[Record]) -> Rate:
    verdicts = [record.result.judgement.verdict for record in group]
    counted = [verdict for verdict in verdicts if verdict in (Verdict.OK, Verdict.FINDING)]
    return Rate(events=counted.count(Verdict.OK), trials=len(counted))


def _boots(group: Sequence[Record]) -> Rate:
    boots = [boot for record in group for boot in boots_of(record.result)]
    return Rate(events=sum(boot.crashed for boot in boots), trials=len(boots))


def _share(rate: Rate) -> Share | None:
    if not rate.trials:
        return None
    low, high = interval(rate)
    return Share(events=rate.events, trials=rate.trials, low=low, high=high)


def trend(group: Sequence[Record]) -> str:
    """Whether the newer half of the verdicts differs from the older one by more than chance."""
    told = [record for record in group if record.result.judgement.verdict in (Verdict.OK, Verdict.FINDING)]
    older, newer = _verdicts(told[: len(told) // 2]), _verdicts(told[len(told) // 2 :])
    if len(told) < LEAST_FOR_TREND:
        return ""
    if not differs(older, newer):
        return "steady"
    return "better" if newer.value > older.value else "worse"


def _step(record: Record) -> Step:
    result, made = record.result, record.result.provenance
    return Step(
        recorded=record.recorded,
        run=record.run,
        outcome=str(result.judgement.outcome),
        verdict=str(result.judgement.verdict),
        reason=result.judgement.reason,
        kernel_key=result.kernel_key,
        kernel_release=result.kernel_release,
        source=made.source if made is not None else "",
        commit=made.commit if made is not None else "",
        dirty=made.dirty if made is not None else False,
        setup_key=result.setup_key,
    )


def flake_rate(group: Sequence[Record]) -> float | None:
    """Verdicts off the majority of their kernel and set-up, over all verdicts on those that have at least two.

    A changed kernel, root file system, machine, workload or expectation is a change, not chance.
    """
    keys: dict[tuple[str, str], Counter[Verdict]] = {}
    for record in group:
        if record.result.judgement.verdict in (Verdict.OK, Verdict.FINDING):
            key = (record.result.kernel_key, record.result.setup_key)
            keys.setdefault(key, Counter())[record.result.judgement.verdict] += 1
    repeated = [counts for counts in keys.values() if counts.total() > 1]
    total = sum(counts.total() for counts in repeated)
    return sum(counts.total() - max(counts.values()) for counts in repeated) / total if total else None
