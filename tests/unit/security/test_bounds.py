"""What a run takes of its own host does not grow with its cells (10,000 of them: `KZRAM_CELLS=10000`)."""

import os
import threading
from pathlib import Path

import psutil
from builders import a_cell, a_workload
from fake_stages import stages

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
