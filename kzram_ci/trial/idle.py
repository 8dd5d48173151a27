"""When a boot with the series need not go on: what the proof counts has not happened once. Pure.

The kernel without the series shows on the same host how soon the workload is under way. After twice that, and as long
as a pace that would just reach the floor in the plan's time brings seven on average, none at all has a chance below one
in a thousand: the floor will not be reached, and the boot is not going to prove anything.
"""

from __future__ import annotations

from collections.abc import Iterable

from kzram_ci.guest.messages import WORKLOAD_PREFIX
from kzram_ci.model.outcome import Outcome
from kzram_ci.trial.decide import Side
from kzram_ci.trial.model import BootRecord, Test
from kzram_ci.verdict.exposure import OVERRUNS

_LEAST_SECONDS = 10.0
_TIMES = 2.0  # the time that a boot without the series took to crash, its last words included
_MEAN = 7.0  # exp(-7) < 0.001


def idle_limits(test: Test, boots: Iterable[BootRecord]) -> tuple[tuple[str, float], ...]:
    """Counters, and after how many seconds of work at 0 to end a boot of the kernel with the series.

    None before a boot without the series crashed in this test: how long the workload takes to begin is not known yet.
    """
    crashed = [
        boot.worked
        for boot in boots
        if (boot.test, boot.side) == (test.id, Side.BEFORE)
        and boot.ready
        and boot.crashes
        and boot.outcome in (Outcome.OOPS, Outcome.CORRUPTION, Outcome.FAIL)
    ]
    if not crashed:
        return ()
    least = max(_LEAST_SECONDS, _TIMES * min(crashed))
    whole = test.cell.workload.duration_s
    found = []
    for name, bound in test.cell.expect.floors:
        seconds = max(least, whole * _MEAN / bound) if bound > 0 else whole
        # What a test tells of itself it may tell at its end.
        if name != OVERRUNS and not name.startswith(WORKLOAD_PREFIX) and seconds < whole:
            found.append((name, round(seconds, 3)))
    return tuple(found)
