"""How far a scheduler carries: the real scheduler of dask, the run's own, and workers whose cells only take time.

`python bench/farm.py --workers 100 --cells 1000 --seconds 30 --to 60` prints how long that took against the ideal.
Workers are real ones of dask, many in a process, by TCP on the loopback; a cell sleeps, tells its counters as often as
a real one, and returns a console of 30 KB. Nothing is built, nothing boots: what is measured is everything in between.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import fake_stages
from builders import a_cell, a_kernel

from kzram_ci.farm import security
from kzram_ci.farm.child import PROGRESS_SECONDS
from kzram_ci.farm.client import FarmExecutor, Terms
from kzram_ci.farm.messages import Began, render
from kzram_ci.farm.parcel import Packed, Parcel, Returned
from kzram_ci.model.cell import Plan
from kzram_ci.model.events import CellProgress, silent
from kzram_ci.model.machine import MachineSpec
from kzram_ci.results import rundir
from kzram_ci.results.layout import CellDir
from kzram_ci.run.cell_run import run_cell
from kzram_ci.run.elsewhere import Elsewhere
from kzram_ci.run.plan_run import PlanRun
from kzram_ci.run.pool import Budget
from kzram_ci.store.shared import NO_STORES

COUNTERS = {f"counter-{number}": number for number in range(20)}
CONSOLE = zlib.compress(b"[    0.000000] a line of a console, as kernels print them\n" * 520, 1)
IN_A_PROCESS = 250
# A host on which hundreds of machines are at work besides is slow to answer, and nobody is gone.
ENVIRONMENT = {**os.environ, **security.PATIENT, "DASK_LOGGING__DISTRIBUTED": "critical"}


def cell(parcel: Parcel, topic: str) -> Returned:
    """What a worker does with a cell here: what `there.cell` tells and returns, but no guest."""
    from distributed import get_worker

    worker = get_worker()
    name, pace = parcel.job.cell.id, max(PROGRESS_SECONDS, parcel.pace)
    worker.log_event(topic, render(Began(cell=name, worker=str(worker.name))))
    left = float(parcel.job.cell.workload.duration_s) / 1000
    while left > pace:
        time.sleep(pace)
        left -= pace
        worker.log_event(topic, render(CellProgress(cell=name, counters=COUNTERS)))
    time.sleep(left)
    with tempfile.TemporaryDirectory() as name:
        place = CellDir(path=Path(name), relative=parcel.job.place.relative)
        result = run_cell(replace(parcel.job, place=place), fake_stages.boot, silent)
    return Returned(worker=str(worker.name), result=result, files=(Packed(path="console.log", data=CONSOLE),))


async def host(address: str, count: int, first: int) -> None:
    """Workers, until the scheduler ends."""
    import dask

    distributed = security.needed()
    has = {"vm": 1.0, "vm-x86_64": 1.0, "cpu": 2.0, "memory": 4096.0}
    words: dict[str, Any] = {"nthreads": 1, "resources": has, "memory_limit": 0, "host": "127.0.0.1"}
    words["dashboard_address"] = "127.0.0.1:0"
    dask.config.set(
        {  # what a machine looks at of itself, for hundreds of machines that are one
            "distributed.admin.system-monitor.interval": "1h",
            "distributed.admin.tick.interval": "10s",
        }
    )
    with tempfile.TemporaryDirectory() as name:
        workers = [
            distributed.Worker(address, name=f"w{number}", local_directory=name, **words)
            for number in range(first, first + count)
        ]
        for batch in range(0, count, 25):
            await asyncio.gather(*workers[batch : batch + 25])
        await workers[0].finished()


def measure(workers: int, cells: int, least: float, most: float) -> None:
    """One run of cells that take something between two durations, and a line about it."""
    distributed = security.needed()
    security.patient()
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as free:
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        free.close()
        words = ("--host", address, "--dashboard-address", "127.0.0.1:0")
        scheduler = subprocess.Popen((sys.executable, "-m", "distributed.cli.dask_scheduler", *words), env=ENVIRONMENT)
        client = distributed.Client(address, set_as_default=False, timeout=60)
        children = [
            subprocess.Popen(
                (
                    *(sys.executable, __file__, "--host", address),
                    *("--workers", str(count), "--first", str(first)),
                ),
                env=ENVIRONMENT,
            )
            for first in range(0, workers, IN_A_PROCESS)
            if (count := min(IN_A_PROCESS, workers - first))
        ]
        client.wait_for_workers(workers, timeout=600)
        machine = MachineSpec(cpus=1, memory_mib=512)
        base = a_cell("t", kernel=a_kernel("k"), machine=machine)
        chance = random.Random(1)
        lasting = [chance.randint(round(least * 1000), round(most * 1000)) for _ in range(cells)]
        given = tuple(
            replace(base, id=f"k/t{number}", test=f"t{number}", workload=replace(base.workload, duration_s=lasts))
            for number, lasts in enumerate(lasting)
        )
        run = rundir.create(Path(name), Plan(name="p", cells=given))
        executor = FarmExecutor(client, Terms(shelf=NO_STORES, listener=silent, cache=Path(name), here=True), cell)
        print(f"{executor.room()} workers are there", flush=True)
        began, cpu, theirs = time.monotonic(), time.process_time(), processor(scheduler.pid)
        results = PlanRun(
            plan=run.plan,
            stages=fake_stages.stages(),
            budget=Budget(cpus=1 << 20, memory_mib=1 << 30),
            place=run.cell_dir,
            sink=run.finish,
            listener=silent,
            elsewhere=Elsewhere(executor=executor, room=executor.room),
        ).execute()
        took, used, theirs = (
            time.monotonic() - began,
            time.process_time() - cpu,
            processor(scheduler.pid) - theirs,
        )
        ideal = sum(lasting) / 1000 / workers
        assert len({result.id for result in results}) == cells
        print(
            f"{workers} workers, {cells} cells of {least:g} to {most:g} s: {took:.1f} s, ideal {ideal:.1f} s, "
            f"{cells / took:.1f} cells/s, of processor a cell: {1000 * used / cells:.1f} ms in the run, "
            f"{1000 * theirs / cells:.1f} ms in the scheduler",
            flush=True,
        )
        executor.shutdown()
        client.close()
        for child in (*children, scheduler):
            child.terminate()
            child.wait(timeout=60)


def processor(process: int) -> float:
    """Seconds of processor that a process has had."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Workers of a process, or a measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--to", type=float, default=0.0, help="cells take between --seconds and this")
    parser.add_argument("--host", default="")
    parser.add_argument("--first", type=int, default=0)
    args = parser.parse_args()
    if args.host:
        asyncio.run(host(args.host, args.workers, args.first))
    else:
        measure(args.workers, args.cells, args.seconds, max(args.seconds, args.to))


if __name__ == "__main__":
    main()
