"""What it costs to start a command: processor time and wall time, beside `python -c pass`.

    python bench/commands.py [--rounds 20] [--only WORD] [--tree DIR]

The least of the rounds is what the command costs; the median shows what else the host did. --tree times another
checkout of the sources in turn with this one: a busy host is as busy for both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
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
    "validate overrun": (*OURS, "validate", "testplans/overrun.yaml"),
    "validate, the first time": (*OURS, "validate", "testplans/overrun.yaml"),
    "validate, edited": (*OURS, "validate", "edited.yaml"),
    "plan smoke": (*OURS, "plan", "testplans/smoke.yaml"),
}
EMPTY = ("validate, the first time",)  # each time with an empty cache
EDITED = ("validate, edited",)  # another text each time, the library known from the plan that it was made of


def once(name: str, tree: Path) -> tuple[float, float]:
    """Processor and wall seconds of one run."""
    with tempfile.TemporaryDirectory() as place:
        environment = {**os.environ, "PYTHONPATH": str(tree)}
        environment |= {"KZRAM_CACHE": place} if name in (*EMPTY, *EDITED) else {}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or each run would compile what no run before it kept
        command = COMMANDS[name]
        if name in EDITED:
            plan = tree / "testplans/overrun.yaml"
            subprocess.run(
                (*OURS, "validate", str(plan)), cwd=tree, stdout=subprocess.DEVNULL, check=True, env=environment
            )
            command = (*command[:-1], str(Path(place) / command[-1]))
            Path(command[-1]).write_text(plan.read_text().replace("\nseed: 1\n", "\nseed: 2\n"))
        began = time.perf_counter()
        child = subprocess.Popen(
            command, cwd=tree, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        )
        _, _, used = os.wait4(child.pid, 0)
        child.returncode = 0
        return used.ru_utime + used.ru_stime, time.perf_counter() - began


def main() -> None:
    """A line a command."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=20)
    arguments.add_argument("--only", default="", metavar="WORD", help="the commands with this word")
    arguments.add_argument("--tree", type=Path, metavar="DIR", help="time the sources there as well")
    args = arguments.parse_args()
    trees = [ROOT, *([args.tree.resolve()] if args.tree else [])]
    print(f"{'':24} {'processor':>20} {'wall':>20}")
    print(f"{'':24} {'least':>10} {'median':>9} {'least':>10} {'median':>9}")
    for name in COMMANDS:
        if args.only not in name:
            continue
        for tree in trees:
            once(name, tree)  # compiles what is not compiled
        rounds = [[once(name, tree) for tree in trees] for _ in range(args.rounds)]
        for tree, rows in zip(trees, zip(*rounds, strict=True), strict=True):
            cells = [
                f"{1000 * pick(column):7.0f} ms"
                for column in zip(*rows, strict=True)
                for pick in (min, statistics.median)
            ]
            print(f"{name:24} {' '.join(cells)}{'' if tree == ROOT else f'  {tree}'}")


if __name__ == "__main__":
    main()
