"""What follows from the facts: which series have a meaning, which amplifier works, what a test must expect."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from kzram_ci.base.values import dataclass
from kzram_ci.kernel.mechanism.data import Row, reported, rows, series_known
from kzram_ci.kernel.mechanism.facts import Fact, Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Amplifier:
    """What makes the slow path frequent; `cmdline` must be on the kernel's command line for it."""

    kind: str
    cmdline: str = ""
    because: str = ""
    probability: int = 0  # in percent, at most; 0: any


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """`outcome` is "pass", "oops" or "skipped"."""

    outcome: str
    because: str
    proof: tuple[tuple[str, int], ...] = ()  # (counter, at least): shows that this is why
    limits: tuple[tuple[str, int], ...] = ()  # (counter, at most)


def meaning(facts: Facts, series: Sequence[str]) -> str:
    """Why a kernel with these series is not worth building on this source; "" when it is."""
    for name in series:
        for row in rows("variant"):
            asked = name in row.series and not set(row.without) & set(series)
            if asked and not _holds(row, facts):
                return f"{name}: {row.because}{_shown(row, facts)}"
    return ""


def met(facts: Facts, series: Sequence[str]) -> dict[str, str]:
    """The series whose effect the source has by itself, and why: others may stand on them as if they were applied."""
    held = [row for row in rows("met") if _holds(row, facts)]
    return {
        name: f"{row.because}{_where(row, facts)}" for row in reversed(held) for name in row.series if name in series
    }


def openings(facts: Facts, series: Collection[str]) -> dict[str, str]:
    """Series that open the race on this source, where one of these would have nothing to do without; and why."""
    return {row.word: row.because for row in rows("opening") if _concerns(row, series, "") and _holds(row, facts)}


def opened(facts: Facts, series: Sequence[str]) -> tuple[str, ...]:
    """The series with those that open the race, in front of what they open it for."""
    result, needed = list(dict.fromkeys(series)), openings(facts, series)
    for row in rows("opening"):
        if row.word in needed and row.word not in result:
            result.insert(result.index(row.before) if row.before in result else len(result), row.word)
    return tuple(result)


def boot_words(facts: Facts, series: Collection[str], workload: str) -> tuple[str, ...]:
    """What a test whose expectation is derived adds to the kernel's command line."""
    tool = amplifier(facts)
    found = [row.cmdline for row in rows("boot") if _concerns(row, series, workload) and _holds(row, facts)]
    return tuple(word for word in (tool.cmdline, *found) if word)


def amplifier(facts: Facts) -> Amplifier:
    """The fault injection that reaches zram's slow path on this kernel."""
    row = next(row for row in rows("amplifier") if _holds(row, facts))
    cmdline = row.cmdline.format(**{name: fact.value for name, fact in facts.items()})
    return Amplifier(kind=row.word, cmdline=cmdline, because=row.because, probability=row.probability)


def unreachable(facts: Facts, series: Collection[str], workload: str, floors: Collection[str]) -> str:
    """Why a test with these floors proves nothing on a kernel of this source; "" when nothing is known against it."""
    if not set(series) <= series_known():
        return ""
    for row in rows("unreachable"):
        named = [name for name in floors if name in row.floors]
        if named and _concerns(row, series, workload) and _holds(row, facts):
            where = "; ".join(f"{name}: {facts[name].where}" for name in row.when)
            return f"{named[0]} cannot be reached: {row.because} ({where})"
    return ""


def expected(facts: Facts, series: Collection[str], workload: str) -> Expected:
    """What a workload must come to on a kernel of this source with these series."""
    if reason := meaning(facts, tuple(series)):
        return Expected(outcome="skipped", because=reason)
    for row in rows("expect"):
        if _concerns(row, series, workload) and _holds(row, facts):
            counters = reported(series)
            return Expected(
                outcome=row.word,
                because=row.because,
                proof=tuple(item for item in row.proof if item[0] in counters),
                limits=tuple(item for item in row.limits if item[0] in counters),
            )
    raise AssertionError("the last row of `expect` has no condition")


def _concerns(row: Row, series: Collection[str], workload: str) -> bool:
    """Whether a row is about this workload on a kernel with these series."""
    listed = not row.workload or workload in row.workload
    return listed and (not row.having or bool(set(row.having) & set(series))) and not set(row.without) & set(series)


def _holds(row: Row, facts: Facts) -> bool:
    return _all(row.when, facts) or (bool(row.instead) and _all(row.instead, facts))


def _all(wanted: Mapping[str, str], facts: Facts) -> bool:
    return all(_is(facts[name].value, want) for name, want in wanted.items())


def _is(value: str, want: str) -> bool:
    if want.startswith("!"):
        return value != want[1:]
    return value == want or (want == "any" and bool(value))


def _shown(row: Row, facts: Facts) -> str:
    """Where the source says so, for the facts that do not hold."""
    return _told([facts[name] for name, want in row.when.items() if not _is(facts[name].value, want)])


def _where(row: Row, facts: Facts) -> str:
    """Where the source says so, for all facts that a row asks for."""
    return _told([facts[name] for name in row.when])


def _told(facts: Sequence[Fact]) -> str:
    return f" ({'; '.join(f'{fact.name}: {fact.where}' for fact in facts)})" if facts else ""
