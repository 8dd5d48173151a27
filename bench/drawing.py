"""What does it cost to keep a run's results and to draw its reports, and does it grow with the cells, not their square?

    python bench/drawing.py [--cells 50 200 1000]

Cells of many kernels, a fifth of them crashed, each with a console log. CPU seconds of this process: to store all
results one after another while reports are kept up as in a run, and of one drawing of the full run.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time  # CPU time of this process; the project's own clock is a wall clock
from pathlib import Path

from kzram_ci.model.cell import Cell, Expectation, Plan
from kzram_ci.model.evidence import CellResult, Evidence, Judgement, OopsSummary
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.model.source import DebianSource
from kzram_ci.model.workload import WorkloadSpec
from kzram_ci.results import rundir
from kzram_ci.results.draw import Reports

TITLE = "BUG: kernel NULL pointer dereference, address: 0000000000000028"
TEXT = f"{TITLE}\n" + "".join(f" function_{number}+0x1e7/0x4f0\n" for number in range(100))
CONSOLE = b"[    1.0] a line of a console, as long as they are\n" * 400


def plan(cells: int) -> Plan:
    kernels = max(1, cells // 10)
    made = []
    for number in range(cells):
        kernel, test = f"kernel-{number % kernels}", f"test-{number // kernels}"
        proof = Expectation(floors=(("recompressions", 50_000),))
        made.append(
            Cell(
                id=f"{kernel}/{test}",
                kernel=KernelSpec(name=kernel, source=DebianSource(package="linux-source-6.12")),
                test=test,
                workload=WorkloadSpec(program="anonmutate", stop=(("recompressions", 50_000),)),
                expect=Expectation(outcome="oops") if number % 5 == 0 else proof,
                seed=number,
            )
        )
    return Plan(name="drawing", cells=tuple(made))


def result(cell: Cell, directory: str) -> CellResult:
    crashed = cell.expect.outcome == "oops"
    oops = OopsSummary(
        title=TITLE,
        type="null_deref",
        function="obj_malloc",
        signature=f"null_deref:obj_malloc<{cell.seed % 3}",
        decoded=TEXT,
        text=TEXT,
        file="oops-1.txt",
    )
    counters = {"recompressions": 51_234, "grew": 812, "overruns": 4 if crashed else 0, "vmstat.pswpout": 60_000}
    outcome = Outcome.OOPS if crashed else Outcome.PASS
    return CellResult(
        id=cell.id,
        kernel=cell.kernel.name,
        test=cell.test,
        seed=cell.seed,
        expected=cell.expect.outcome,
        judgement=Judgement(outcome=outcome, verdict=Verdict.OK, reason="as expected"),
        evidence=Evidence(booted=True, ready=True, oopses=(oops,) if crashed else (), counters=counters),
        attempts=1,
        kernel_key="f00d" * 16,
        kernel_release="6.12.117",
        accel="tcg",
        seconds=10.0,
        started="2026-01-02T03:04:05+00:00",
        directory=directory,
    )


def measure(cells: int, scratch: Path) -> dict[str, float]:
    run = rundir.create(scratch, plan(cells))
    for cell in run.plan.cells:
        (run.cell_dir(cell).path / "console.log").write_bytes(CONSOLE)
    began = time.process_time()
    with Reports(run=run).kept_up():
        for cell in run.plan.cells:
            run.finish(result(cell, run.cell_dir(cell).relative))
    stored = time.process_time()
    Reports(run=run).draw()
    drawn = time.process_time()
    return {"cells": cells, "run_cpu_s": round(stored - began, 2), "one_drawing_cpu_s": round(drawn - stored, 3)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, nargs="+", default=[50, 200, 1000])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kzram-drawing.") as scratch:
        measure(1, Path(scratch))  # imports are not what is measured
        for cells in args.cells:
            print(json.dumps(measure(cells, Path(scratch))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
