"""What a run takes of its own host does not grow with its cells (10,000 of them: `KZRAM_CELLS=10000`)."""

import json
import os
import threading
from itertools import pairwise
from pathlib import Path

import psutil
from builders import a_cell, a_workload
from fake_stages import stages
from house import House

from kzram_ci.model.cell import Plan
from kzram_ci.model.evidence import CellResult
from kzram_ci.results import rundir
from kzram_ci.run.plan_run import PlanRun
from kzram_ci.run.pool import Budget

CELLS = int(os.environ.get("KZRAM_CELLS", "600"))
MOST_MIB = 150


def taken() -> tuple[int, int, int]:
    """Memory in MiB, open files and threads of this process."""
    process = psutil.Process()
    return process.memory_info().rss >> 20, process.num_fds(), threading.active_count()


def test_memory_files_and_threads_stay_as_they_are_over_many_cells(tmp_path: Path) -> None:
    cells = tuple(
        a_cell(id=f"k/t{number}", test=f"t{number}", workload=a_workload(duration_s=1)) for number in range(CELLS)
    )
    where = rundir.create(tmp_path, Plan(name="p", cells=cells))
    seen: list[tuple[int, int, int]] = []

    def sink(result: CellResult) -> None:
        where.finish(result)
        seen.append(taken())

    before = taken()
    PlanRun(
        plan=where.plan,
        stages=stages(),
        budget=Budget(cpus=4, memory_mib=4096),
        place=where.cell_dir,
        sink=sink,
        listener=lambda event: None,
    ).execute()
    assert len(seen) == CELLS
    early, late = seen[CELLS // 10], seen[-1]
    assert late[0] - early[0] <= 12, (early, late)
    assert max(memory for memory, _, _ in seen) - before[0] <= MOST_MIB
    assert max(files for _, files, _ in seen) - before[1] <= 16
    assert max(threads for _, _, threads in seen) - before[2] <= 8


def test_a_run_that_is_given_one_processor_uses_one(tmp_path: Path) -> None:
    """By `taskset`, as cpusets and containers do it: make gets one job, and guests of two processors run one by one."""
    house = House(tmp_path / "house", tmp_path / "cache")
    house.plan(good="FAKE pass", other="FAKE pass")
    plan = house.path / "whole.yaml"
    plan.write_text(plan.read_text().replace("cpus: 1", "cpus: 2"))
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(mine)})
    try:
        child = house.start("whole.yaml", "--trace", "trace.json")
    finally:
        os.sched_setaffinity(0, mine)
    assert house.finish(child).code == 0
    calls = [line for line in (house.path / "make-calls").read_text().splitlines() if "bzImage" in line]
    assert calls and all("-j1 " in line for line in calls), calls
    events = json.loads((house.path / "trace.json").read_text())["traceEvents"]
    boots = sorted((event["ts"], event["ts"] + event["dur"]) for event in events if event["name"] == "boot")
    assert len(boots) == 4
    assert all(end <= begin for (_, end), (begin, _) in pairwise(boots)), boots
