"""Where one boot more tells most. Pure.

What is known of a cell is an interval: the rates of failing boots that its boots do not rule out (Jeffreys, 95 %; see
Brown, Cai and DasGupta, 2001). A boot is worth what it is expected to take off the width of that interval, for each
second it costs. So cells that are new come first, since their interval is wide, then those that are flaky, since it
narrows slowly around the middle, then those with few boots; a cell that passed for weeks on this kernel comes last.

Boots count in full on the kernel and set-up of the newest result; those on others only say what to expect, and count
for `CARRY` boots together. A question that no boot can change is closed: a finding, an expected crash that came, a
kernel that is not there, an interval narrower than `NARROW`. A cell that is flaky by the history stays open.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from kzram_ci.base.values import dataclass
from kzram_ci.model.cell import Cell
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.verdict.stats import beta_cdf

CARRY = 4.0
NARROW = 0.05
LEAST_SECONDS = 0.5  # of a boot, so that one that took no time is not worth more than all others
_CRASHED = frozenset({Outcome.OOPS, Outcome.CORRUPTION, Outcome.FAIL, Outcome.HANG})
_HALVINGS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a cell: failing boots of all that had a verdict; `unclear`: those that had none."""

    events: float = 0.0
    trials: float = 0.0
    unclear: int = 0
    seconds: float = 1.0  # of one boot
    flaky: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A cell that may be booted again; `running`: boots of it that have not ended."""

    id: str
    known: Known
    running: int = 0


def known(results: Sequence[CellResult], seconds: float) -> Known:
    """Of all results of a cell, oldest first. `seconds`: what a boot is taken for until one was timed."""
    if not results:
        return Known(seconds=max(LEAST_SECONDS, seconds))
    here = _key(results[-1])
    own, other = [one for one in results if _key(one) == here], [one for one in results if _key(one) != here]
    events, trials = _counted(own)
    other_events, other_trials = _counted(other)
    weight = min(1.0, CARRY / other_trials) if other_trials else 0.0
    timed = [one for one in results if one.attempts and one.seconds > 0][-10:]
    took = sum(one.seconds for one in timed) / sum(one.attempts for one in timed) if timed else seconds
    return Known(
        events=events + weight * other_events,
        trials=trials + weight * other_trials,
        unclear=sum(one.attempts for one in own if one.judgement.verdict is Verdict.INCONCLUSIVE),
        seconds=max(LEAST_SECONDS, took),
        flaky=is_flaky(results),
    )


def is_flaky(results: Iterable[CellResult]) -> bool:
    """Whether one kernel in one set-up was both as expected and not."""
    seen: dict[tuple[str, str], set[Verdict]] = {}
    for one in results:
        if one.judgement.verdict in (Verdict.OK, Verdict.FINDING):
            seen.setdefault(_key(one), set()).add(one.judgement.verdict)
    return any(len(verdicts) > 1 for verdicts in seen.values())


def is_open(cell: Cell, now: Sequence[CellResult], known: Known) -> bool:
    """Whether another boot could tell something; `now`: the results of the cell in this run."""
    verdicts = {one.judgement.verdict for one in now}
    if not now or verdicts & {Verdict.SKIPPED, Verdict.ERROR} or width(known.events, known.trials) <= NARROW:
        return False
    crash_came = now[0].expected == "oops" and Verdict.OK in verdicts
    return known.flaky or not (Verdict.FINDING in verdicts or crash_came)


def choose(candidates: Iterable[Candidate], seconds: float) -> str:
    """The cell whose next boot is worth most, of those whose boot fits into the time; "" for none."""
    fitting = [one for one in candidates if one.known.seconds <= seconds]
    best = max(fitting, key=lambda one: worth(one.known, one.running), default=None)
    return best.id if best is not None and worth(best.known, best.running) > 0 else ""


def worth(known: Known, running: int = 0) -> float:
    """What the next boot is expected to take off the interval, for a second."""
    return gain(known, running) / known.seconds


def gain(known: Known, running: int = 0) -> float:
    """What the next boot is expected to take off the interval. Boots that run count as expected."""
    rate = (known.events + 0.5) / (known.trials + 1.0)
    events, trials = known.events + rate * running, known.trials + running
    expected = rate * width(events + 1, trials + 1) + (1 - rate) * width(events, trials + 1)
    clear = (known.trials + 1.0) / (known.trials + known.unclear + 1.0)
    return max(0.0, width(events, trials) - expected) * clear


@lru_cache(maxsize=1 << 14)
def width(events: float, trials: float) -> float:
    """The width of the interval of rates that so many events of so many trials do not rule out."""
    a, b = events + 0.5, trials - events + 0.5
    low = 0.0 if events <= 0 else _quantile(a, b, 0.025)
    high = 1.0 if events >= trials else _quantile(a, b, 0.975)
    return high - low


def _quantile(a: float, b: float, share: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if beta_cdf(a, b, middle) < share else (low, middle)
    return (low + high) / 2


def _key(result: CellResult) -> tuple[str, str]:
    return result.kernel_key, result.setup_key


def _counted(results: Iterable[CellResult]) -> tuple[float, float]:
    """Failing boots, and all with a verdict."""
    events = trials = 0
    for one in results:
        crashed = one.judgement.outcome in _CRASHED and one.judgement.verdict is not Verdict.ERROR
        failed = crashed or (one.judgement.outcome is Outcome.BOOT_FAILED and one.judgement.verdict is Verdict.FINDING)
        if failed or one.judgement.outcome is Outcome.PASS:
            events += max(int(failed), sum(boot.crashed for boot in one.each))
            trials += max(1, one.attempts)
    return float(events), float(trials)
