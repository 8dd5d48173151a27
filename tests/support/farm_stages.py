"""Boots for workers in other processes: at once, slow, or held until the cell is given up."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import fake_stages

from kzram_ci.base import clock, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.model.events import CellProgress, Listener
from kzram_ci.model.evidence import Evidence
from kzram_ci.run.job import CellJob

MARK = "a-guest-of-a-farm"
VARIABLE = "KZRAM_TEST_FARM"  # in the environment: whose guests they are


def boot(job: CellJob, deadline: Deadline, listener: Listener) -> Evidence:
    """As `fake_stages.boot`; `napping-*` takes a moment, `hold-*` waits for a process as for QEMU."""
    kind = job.cell.test.partition("-")[0]
    if kind == "napping":
        clock.sleep(0.5)
    if kind == "hold":
        listener(CellProgress(cell=job.cell.id, counters={"held": 1}))
        argv = (sys.executable, "-c", "import time; time.sleep(600)", MARK, str(job.place.path))
        proc.run(argv, deadline=deadline)
    return fake_stages.boot(job, deadline, listener)


def guests() -> list[int]:
    """The processes that `hold-*` started for this test and that are still there."""
    found, ours = [], f"{VARIABLE}={os.environ[VARIABLE]}".encode()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
            around = path.with_name("environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if MARK.encode() in words and ours in around:
            found.append(int(path.parent.name))
    return found
