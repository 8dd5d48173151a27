"""Do guests that start from a saved one behave as those that boot? Runs a racy cell both ways, in turn, same seeds.

    python bench/snapshots.py [--pairs 200] [--cell unstable/anonmutate-failslab] [--probability 20] [--seconds 4]

Prints, for booted and restored guests: how many crashed, with the exact 95 % interval; recompressions until the end,
mean and coefficient of variation over boots; time to the guest's first word. Then the differences with their 95 %
intervals: of the shares of crashes by Newcombe's method, of recompressions (geometric mean, variation, share that
grew) by bootstrap over boots. A pair of which one did not reach its workload is left out: what was too slow to boot
would have raced little. All restored guests start from one saved guest. Exits 1 when an interval leaves out
"no difference".
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from kzram_ci.base.clock import Deadline
from kzram_ci.base.library import Library
from kzram_ci.base.proc import temporary_prefix
from kzram_ci.kernel.workshop import KernelContext, image_for
from kzram_ci.model.cell import Cell
from kzram_ci.model.events import silent
from kzram_ci.model.evidence import Evidence
from kzram_ci.model.machine import Snapshot
from kzram_ci.plan.load import load_plan
from kzram_ci.results.layout import CellDir
from kzram_ci.run.job import CellJob
from kzram_ci.run.stages import QemuBoot, real_stages
from kzram_ci.verdict.stats import lower_bound, upper_bound

RESAMPLES = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """What is compared of one boot."""

    crashed: bool
    work: float  # natural logarithm of recompressions
    grew: float  # share of them that grew
    began: float  # seconds until the guest's first word


def of(evidence: Evidence) -> Boot | None:
    """None where the guest did not reach its workload: a busy host is no behaviour."""
    if not evidence.ready or evidence.host_error:
        return None
    done = max(1, evidence.counters.get("recompressions", 0))
    grew = evidence.counters.get("grew", 0) / done
    return Boot(crashed=bool(evidence.oopses), work=math.log(done), grew=grew, began=evidence.boot_seconds)


def newcombe(a: int, n: int, b: int, m: int) -> tuple[float, float]:
    """The 95 % interval of a/n - b/m (Newcombe 1998, method 10: from Wilson's intervals)."""

    def wilson(events: int, trials: int) -> tuple[float, float]:
        z, share = 1.959964, events / trials
        middle = share + z * z / (2 * trials)
        half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
        return (middle - half) / (1 + z * z / trials), (middle + half) / (1 + z * z / trials)

    (low1, high1), (low2, high2), p, q = wilson(a, n), wilson(b, m), a / n, b / m
    return p - q - math.hypot(p - low1, high2 - q), p - q + math.hypot(high1 - p, q - low2)


def bootstrap(one: list[float], other: list[float], of: Callable[[list[float]], float]) -> tuple[float, float]:
    """The 95 % interval of the difference of a statistic, boots drawn again."""
    dice = random.Random(1)

    def again(values: list[float]) -> float:
        return of(dice.choices(values, k=len(values)))

    found = sorted(again(one) - again(other) for _ in range(RESAMPLES))
    return found[RESAMPLES // 40], found[-RESAMPLES // 40]


def variation(logs: list[float]) -> float:
    """The logarithm of the coefficient of variation of what these are logarithms of."""
    values = [math.exp(value) for value in logs]
    return math.log(max(statistics.pstdev(values), 1e-9) / statistics.fmean(values))


def shown(name: str, boots: list[Boot]) -> str:
    """A line about one kind of guests."""
    crashes, count = sum(boot.crashed for boot in boots), len(boots)
    low, high = lower_bound(crashes, count, 0.975), upper_bound(crashes, count, 0.975)
    work = [math.exp(boot.work) for boot in boots]
    spread = statistics.pstdev(work) / statistics.fmean(work)
    began = statistics.median(boot.began for boot in boots)
    return (
        f"{name:9} {crashes}/{count} crashed ({crashes / count:.0%}, {low:.0%} to {high:.0%}); "
        f"recompressions mean {statistics.fmean(work):,.0f}, cv {spread:.2f}, "
        f"{statistics.fmean(boot.grew for boot in boots):.1%} grew; first word after {began:.2f} s (median)"
    )


def compared(booted: list[Boot], restored: list[Boot]) -> bool:
    """Print the differences; whether all intervals hold 0."""
    share = newcombe(sum(b.crashed for b in restored), len(restored), sum(b.crashed for b in booted), len(booted))
    one, other = [boot.work for boot in restored], [boot.work for boot in booted]
    work, spread = bootstrap(one, other, statistics.fmean), bootstrap(one, other, variation)
    grew = bootstrap([boot.grew for boot in restored], [boot.grew for boot in booted], statistics.fmean)
    print(f"restored - booted: share of crashes {share[0]:+.1%} to {share[1]:+.1%}")
    print(f"restored / booted: recompressions {math.exp(work[0]):.2f} to {math.exp(work[1]):.2f}")
    print(f"restored / booted: their variation over boots {math.exp(spread[0]):.2f} to {math.exp(spread[1]):.2f}")
    print(f"restored - booted: share that grew {grew[0]:+.2%} to {grew[1]:+.2%}")
    return all(low <= 0 <= high for low, high in (share, work, spread, grew))


def ending(cell: Cell, probability: int, seconds: int) -> Cell:
    """The cell, so that it ends by a crash or by its time, and not by exposure."""
    fault = replace(cell.workload.fault, probability=probability)
    return replace(cell, workload=replace(cell.workload, fault=fault, stop=(), duration_s=seconds))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--plan", default="testplans/overrun.yaml")
    parser.add_argument("--cell", default="unstable/anonmutate-failslab")
    parser.add_argument("--probability", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=4)
    args = parser.parse_args()
    context = KernelContext()
    cell = next(cell for cell in load_plan(Path(args.plan), Library()).cells if cell.id == args.cell)
    stages, _ = real_stages(context, None)
    kernel, rootfs, accel = image_for(cell.kernel, context), stages.rootfs(cell), stages.accel(cell.machine)
    cell = ending(stages.fit(cell, kernel), args.probability, args.seconds)
    print(f"{kernel.release}, {cell.workload.fault.kind} {cell.workload.fault.probability} %", flush=True)
    lost = 0
    found: dict[Snapshot, list[Boot]] = {Snapshot.OFF: [], Snapshot.ON: []}
    with tempfile.TemporaryDirectory(prefix=temporary_prefix()) as directory:
        for number in range(args.pairs):
            pair: dict[Snapshot, Boot | None] = {}
            for how in (Snapshot.OFF, Snapshot.ON)[:: 1 if number % 2 else -1]:
                seeded = replace(cell, seed=number + 1)
                place = CellDir(path=Path(directory) / "cell", relative="cell")
                job = CellJob(cell=seeded, kernel=kernel, rootfs=rootfs, accel=accel, place=place)
                pair[how] = of(QemuBoot(cache=context.cache, snapshot=how)(job, Deadline.after(300), silent))
            lost += any(boot is None for boot in pair.values())
            for how, boot in pair.items():
                found[how] += [boot] if boot is not None and all(pair.values()) else []
            if number % 10 == 9:
                print(
                    f"{number + 1} pairs: {[sum(boot.crashed for boot in boots) for boots in found.values()]}",
                    flush=True,
                )
    if lost:
        print(f"{lost} pairs left out: the host did not get one of the two to its workload")
    print(shown("booted", found[Snapshot.OFF]))
    print(shown("restored", found[Snapshot.ON]))
    return 0 if compared(found[Snapshot.OFF], found[Snapshot.ON]) else 1


if __name__ == "__main__":
    sys.exit(main())
