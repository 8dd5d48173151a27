"""What it costs to start a command: processor time and wall time, beside `python -c pass`.

    python bench/commands.py [--rounds 20]

The least of the rounds is what the command costs; the median shows what else the host did.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OURS = (sys.executable, "-m", "kzram_ci")
COMMANDS: dict[str, tuple[str, ...]] = {
    "python -c pass": (sys.executable, "-c", "pass"),
    "--version": (*OURS, "--version"),
    "--help": (*OURS, "--help"),
    "run --help": (*OURS, "run", "--help"),
    "oops of an empty log": (*OURS, "oops", os.devnull),
    "oops of a crash": (*OURS, "oops", str(ROOT / "tests/golden/oops/zram-overrun-swap.log")),
    "validate overrun": (*OURS, "validate", str(ROOT / "testplans/overrun.yaml")),
    "plan smoke": (*OURS, "plan", str(ROOT / "testplans/smoke.yaml")),
}


def once(argv: tuple[str, ...]) -> tuple[float, float]:
    """Processor and wall seconds of one run."""
    began = time.perf_counter()
    child = subprocess.Popen(
        argv,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    _, _, used = os.wait4(child.pid, 0)
    child.returncode = 0
    return used.ru_utime + used.ru_stime, time.perf_counter() - began


def main() -> None:
    """A line a command."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=20)
    args = arguments.parse_args()
    print(f"{'':24} {'processor':>20} {'wall':>20}")
    print(f"{'':24} {'least':>10} {'median':>9} {'least':>10} {'median':>9}")
    for name, argv in COMMANDS.items():
        once(argv)  # compiles what is not compiled
        rows = [once(argv) for _ in range(args.rounds)]
        cells = [
            f"{1000 * pick(column):7.0f} ms" for column in zip(*rows, strict=True) for pick in (min, statistics.median)
        ]
        print(f"{name:24} {' '.join(cells)}")


if __name__ == "__main__":
    main()
