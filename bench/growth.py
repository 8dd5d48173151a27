"""How the cost of a run, of the history, of a log and of a bisection grows with their size.

    python bench/growth.py [--most 100000] [--only cells|history|console|commits|guests] [--plots DIR]

Each row runs in a process of its own. Cells: a plan of cells that boot nothing, from the scheduler to records,
history and reports as in a run. History: what is asked of a file of so many results, a fifth of them crashes of 50
signatures. Console: a clean log with one oops at its end, read as `kzram-ci oops` reads it. Commits: the decisions of a
whole bisection of a line of commits whose crash is certain. Guests: so many cells of one kernel, `--jobs` as many, each
until it has come through 300 races; with --all all at a time, whatever this host has, and with --raw without the
window. Processor time, and the memory beyond the first row's.

Below each table: the exponent of the growth, fitted to the sizes within a hundredth of the largest (1: linear).
--plots writes growth-SUBJECT.svg.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time  # processor time of this process; the project's own clock is a wall clock
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import drawing
from oops_throughput import clean_log
from plot import plot

from kzram_ci.model.events import silent
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.kernel import KernelImage, RootfsImage
from kzram_ci.model.machine import Accel, AccelChoice

SIZES = {
    "cells": (1, 10, 100, 1_000),
    "history": (10, 1_000, 10_000, 100_000, 1_000_000),
    "console": (1_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000),
    "commits": (10, 100, 1_000, 10_000),
    "guests": (1, 2, 4, 8),
}
UNITS = {
    "cells": "cells of a run",
    "history": "results of a history",
    "console": "bytes of a log",
    "commits": "commits of a bisection",
    "guests": "guests at a time",
}
COUNTS = ("MiB", "boots")  # columns that are no seconds
RACES = """\
name: guests
kernels:
  - {name: saved-clen, base: unstable-window, add_series: [saved-clen, saved-clen-counters]}   # as overrun has it
defaults:
  workload: anonmutate
  args: {pages: 8192, mutators: 2, window-us: 100}
  machine: {memory: 512M}
  zram: {size: 256M}
  fault: {kind: failslab}
  stop: {grew_class: 300}
  duration: 300s
  expect: {floors: {grew_class: 300}}
tests:
"""
HOW = os.environ.get("KZRAM_GROWTH_GUESTS", "").split()  # for the process of a row
OOPS = b"[ 99.000000][ T41] BUG: kernel NULL pointer dereference, address: 0000000000000028\n"


def cells(size: int) -> dict[str, float]:
    """A run of so many cells, with nothing to boot."""
    from kzram_ci.results import rundir
    from kzram_ci.results.draw import Reports
    from kzram_ci.results.history import history_at
    from kzram_ci.run.job import Stages
    from kzram_ci.run.plan_run import PlanRun
    from kzram_ci.run.pool import Budget

    stages = Stages(
        image=lambda spec: KernelImage(key=spec.name, name=spec.name, arch="x86_64", release="6.12", image="/nowhere"),
        rootfs=lambda cell: RootfsImage(key="r", path="/nowhere"),
        accel=lambda machine: AccelChoice(accel=Accel.TCG, why="bench", proved=True),
        boot=lambda job, deadline, listener: drawing.result(job.cell, "").evidence,
    )
    with tempfile.TemporaryDirectory() as scratch:
        began = time.process_time()
        run = rundir.create(Path(scratch), drawing.plan(size))
        history = history_at(Path(scratch) / "history.sqlite")
        history.add_run(run.path.name, run.plan, run.path)

        def sink(result: CellResult) -> None:
            run.finish(result)
            history.add_result(run.path.name, result)

        budget = Budget(cpus=4, memory_mib=8192)
        with Reports(run=run).kept_up():
            PlanRun(
                plan=run.plan, stages=stages, budget=budget, place=run.cell_dir, sink=sink, listener=silent
            ).execute()
        return {"run": time.process_time() - began}


def history(size: int) -> dict[str, float]:
    """What commands ask of a history."""
    import sqlite3

    from kzram_ci.results import crashes, trails
    from kzram_ci.results.history import history_at

    with tempfile.TemporaryDirectory() as scratch:
        kept = history_at(Path(scratch) / "history.sqlite")
        plan = drawing.plan(5)
        kept.add_run("run-0", plan, Path("/runs"))
        for cell in plan.cells:
            kept.add_result("run-0", drawing.result(cell, "cells/x"))
        with sqlite3.connect(Path(str(kept.database))) as db:  # copies: adding each on its own is what `add` measures
            db.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
                " INSERT INTO runs (id, plan, directory, recorded, environment)"
                " SELECT 'run-' || i, plan, directory, recorded, environment FROM n, runs",
                (size // 100,),
            )
            db.execute(
                "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
                " INSERT INTO results"
                " (run, cell, kernel, test, outcome, verdict, signature, kernel_key, recorded, result)"
                " SELECT 'run-' || (i / 100), 'cell-' || (i % 100), kernel, test, outcome, verdict,"
                " CASE signature WHEN '' THEN '' ELSE signature || (i % 50) END, kernel_key, recorded, result"
                " FROM n JOIN results ON results.seq = 1 + i % 5",
                (size - 6,),
            )
        asked: dict[str, Callable[[], object]] = {
            "history": lambda: trails.trails(kept.records()),
            "of a cell": lambda: trails.trails(kept.records(cell="cell-7")),
            "--runs": kept.runs,
            "--crashes": lambda: crashes.crashes(kept.crashes()),
            "add": lambda: kept.add_result("run-0", drawing.result(plan.cells[0], "cells/x")),
        }
        return {name: timed(work) for name, work in asked.items()}


def timed(work: Callable[[], object]) -> float:
    """Processor seconds of a call."""
    began = time.process_time()
    work()
    return time.process_time() - began


def console(size: int) -> dict[str, float]:
    """A log of so many bytes."""
    from kzram_ci.oops import StreamParser

    piece = clean_log(1)
    parser, left, found = StreamParser(settle=True), size, 0
    began = time.process_time()
    while left > 0:
        parser.feed(piece[:left])
        left -= len(piece)
    found += len(parser.feed(b"\n" + OOPS)) + len(parser.finish())
    assert found == 1, found
    return {"oops": time.process_time() - began}


def commits(size: int) -> dict[str, float]:
    """All decisions of a bisection."""
    from kzram_ci.bisect.belief.decide import Done, next_step
    from kzram_ci.bisect.belief.model import Observation, observe, start

    names = [f"{number:040x}" for number in range(size, -1, -1)]
    text = "".join(f"{name} {parent}\n" for name, parent in pairwise(names))
    culprit, steps = size // 3, 0
    began = time.process_time()
    state = start(text, bad=names[0], goods=(names[-1],))
    while not isinstance(step := next_step(state), Done):
        for _ in range(step.times):
            bad = int(step.commit, 16) > culprit
            state = observe(state, step.commit, Observation.CRASH if bad else Observation.CLEAN)
            steps += 1
            if bad:
                break
    assert step.answer.commits == (f"{culprit + 1:040x}",), step
    return {"decisions": time.process_time() - began, "boots": float(steps)}


def guests(size: int) -> dict[str, float]:
    """So many cells at a time."""
    with tempfile.TemporaryDirectory() as scratch:
        plan = Path(scratch) / "guests.yaml"
        races = RACES.replace(", window-us: 100", "") if "raw" in HOW else RACES
        plan.write_text(races + "".join(f"  race-{number}: {{}}\n" for number in range(size)))
        more = ("--cpus", str(2 * size)) if "all" in HOW else ()
        words = ("run", str(plan), *more, "--jobs", str(size), "--runs", scratch, "--no-history", "--quiet")
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run((sys.executable, "-m", "kzram_ci", *words), stdout=sys.stderr, check=True)
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"run": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, "wall": wall}


def exponent(points: Sequence[tuple[int, float]]) -> float:
    """Of the power law through what the larger sizes cost: the slope in a plot with logarithmic axes."""
    most = max(size for size, _ in points)
    used = [(math.log(size), math.log(max(cost, 1e-6))) for size, cost in points if size * 100 >= most]
    x, y = (statistics.fmean(column) for column in zip(*used, strict=True))
    return sum((a - x) * (b - y) for a, b in used) / sum((a - x) ** 2 for a, _ in used)


def measured(what: str, size: int) -> dict[str, float]:
    """A row, by a process of its own."""
    argv = (sys.executable, __file__, "--row", what, str(size))
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """A table and a plot a subject."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument(
        "--most", type=int, default=0, help="no larger sizes (of the console, a thousand times that)"
    )
    arguments.add_argument("--only", choices=SIZES)
    arguments.add_argument("--plots", type=Path, metavar="DIR", help="where the plots go")
    arguments.add_argument("--all", action="store_true", help="guests: all at a time, by --cpus")
    arguments.add_argument("--raw", action="store_true", help="guests: races without a window")
    arguments.add_argument("--row", nargs=2, metavar=("WHAT", "SIZE"), help=argparse.SUPPRESS)
    args = arguments.parse_args()
    if args.all or args.raw:
        os.environ["KZRAM_GROWTH_GUESTS"] = " ".join(name for name in ("all", "raw") if getattr(args, name))
    work = {"cells": cells, "history": history, "console": console, "commits": commits, "guests": guests}
    if args.row:
        row = work[args.row[0]](int(args.row[1]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({**row, "MiB": peak}))
        return
    for what, sizes in SIZES.items():
        if args.only not in (None, what):
            continue
        curves = table(what, [size for size in sizes if not args.most or size <= most(what, args.most)])
        for name, points in curves.items():
            print(f"  {name}: grows with exponent {exponent(points):.2f}")
        if args.plots:
            (args.plots / f"growth-{what}.svg").write_text(plot(f"What {UNITS[what]} cost", UNITS[what], curves))


def most(what: str, size: int) -> int:
    """The largest size that is asked for."""
    return size * 1000 if what == "console" else size


def table(what: str, sizes: Sequence[int]) -> dict[str, list[tuple[int, float]]]:
    """Print it, row by row; the points of each column that is seconds."""
    least, curves = 0.0, dict[str, list[tuple[int, float]]]()
    print(f"\n{what}")
    for size in sizes:
        row = measured(what, size)
        least = least or row["MiB"]
        row["MiB"] -= least
        words = []
        for name, value in row.items():
            words.append(f"{name} {value:,.0f}" if name in COUNTS else f"{name} {value:.3f} s")
            if name not in COUNTS:
                curves.setdefault(name, []).append((size, value))
        print(f"  {size:>13,}  " + "  ".join(words), flush=True)
    return curves


if __name__ == "__main__":
    main()
