"""How soon does a run with nothing changed start its first QEMU, next to `python -c pass` on the same host?

    python bench/startup.py [--plan testplans/smoke.yaml] [--rounds 5]

Needs the plan's kernels in the cache. The time is from starting kzram-ci to the creation of the first cell's
console.log, which QEMU makes when it starts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from kzram_ci.base import clock, proc
from kzram_ci.base.clock import Deadline


def first_qemu(plan: str, runs: Path) -> float:
    """Seconds until the first console.log exists."""
    began = clock.monotonic()
    argv = (sys.executable, "-m", "kzram_ci", "run", plan, "--runs", str(runs), "--no-history", "--quiet")
    child = proc.spawn(argv)
    try:
        deadline = Deadline.after(600)
        while not any(runs.glob("*/cells/*/console.log")) and not deadline.expired():
            clock.sleep(0.005)
        return clock.monotonic() - began
    finally:
        proc.wait(child, argv, Deadline.after(600))


def bare_python() -> float:
    began = clock.monotonic()
    proc.run((sys.executable, "-c", "pass"), deadline=Deadline.after(60))
    return clock.monotonic() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", default="testplans/smoke.yaml")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    rows = []
    for number in range(args.rounds):
        with tempfile.TemporaryDirectory(prefix="kzram-startup.") as scratch:
            rows.append((first_qemu(args.plan, Path(scratch)), bare_python()))
            print(
                f"round {number + 1}: first QEMU after {rows[-1][0]:.2f} s, bare python {rows[-1][1]:.3f} s", flush=True
            )
    ours, bare = (statistics.median(column) for column in zip(*rows, strict=True))
    print(json.dumps({"median_first_qemu_s": round(ours, 3), "median_bare_python_s": round(bare, 3)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
