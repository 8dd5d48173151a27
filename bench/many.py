"""What does a run of many real cells take of its host? The cell of the plan `smoke`, so many times, in one run.

python bench/many.py [--cells 200] [--work DIR] [-- --jobs 2]         behind --: options of `kzram-ci run`
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

ROOT = Path(__file__).resolve().parents[1]
PAUSE_SECONDS = 0.25


@dataclass(slots=True, kw_only=True)
class Peaks:
    """The most that was seen at a time, memory in MiB; of the command itself, its guests, and the host."""

    rss: int = 0
    files: int = 0
    threads: int = 0
    guests: int = 0
    guests_rss: int = 0
    least_available: int = 1 << 30
    early_rss: int = 0  # of the first seconds: what grows from there on grows with the cells


def plan_of(cells: int, work: Path) -> Path:
    """A plan of so many tests, each as that of `smoke`."""
    plan = yaml.safe_load((ROOT / "testplans/smoke.yaml").read_text())
    (test,) = plan["tests"].values()
    plan |= {"name": "many", "tests": {f"anonmutate-{number}": test for number in range(1, cells + 1)}}
    path = work / "many.yaml"
    path.write_text(yaml.safe_dump(plan, sort_keys=False))
    return path


def look(command: psutil.Process, peaks: Peaks, seconds: float) -> None:
    """One sample."""
    rss = command.memory_info().rss >> 20
    guests = []
    for child in command.children(recursive=True):
        try:
            if "qemu-system" in child.name():
                guests.append(child.memory_info().rss >> 20)
        except psutil.Error:
            continue
    peaks.rss, peaks.guests = max(peaks.rss, rss), max(peaks.guests, len(guests))
    peaks.early_rss = rss if seconds < 6 else peaks.early_rss
    peaks.files = max(peaks.files, command.num_fds())
    peaks.threads = max(peaks.threads, command.num_threads())
    peaks.guests_rss = max(peaks.guests_rss, sum(guests))
    peaks.least_available = min(peaks.least_available, psutil.virtual_memory().available >> 20)


def swapped() -> tuple[int, int]:
    """Pages swapped in and out by the host since it started."""
    rows = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    return int(rows["pswpin"]), int(rows["pswpout"])


def main() -> int:
    """Run the command and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--work", type=Path, help="of the plan, the run and its words (default: a temporary directory)")
    parser.add_argument("words", nargs="*", metavar="OPTION", help="of the run, behind --")
    args = parser.parse_args()
    work = Path(args.work or tempfile.mkdtemp(prefix="kzram-many-"))
    work.mkdir(parents=True, exist_ok=True)
    argv = (sys.executable, "-m", "kzram_ci", "run", str(plan_of(args.cells, work)), *args.words)
    before, began, peaks = swapped(), time.monotonic(), Peaks()
    with (work / "words").open("wb") as out:
        child = subprocess.Popen((*argv, "--runs", str(work / "runs")), stdout=out, stderr=out)
    command = psutil.Process(child.pid)
    while child.poll() is None:
        try:
            look(command, peaks, time.monotonic() - began)
        except psutil.Error:
            break  # it ended between two looks
        time.sleep(PAUSE_SECONDS)
    code, after = child.wait(), swapped()
    words = (work / "words").read_text("utf-8", "replace").splitlines()
    counts = [line for line in words if re.match(r"\d+ cells?: ", line)]
    print(f"exit code {code} after {time.monotonic() - began:.0f} s; {' '.join(counts) or words[-1:]}")
    print(f"itself: {peaks.rss} MiB at most ({peaks.early_rss} at first), {peaks.files} files, {peaks.threads} threads")
    print(f"guests: {peaks.guests} at a time, {peaks.guests_rss} MiB of them resident at most")
    swaps = f"{after[0] - before[0]} and {after[1] - before[1]}"
    print(f"host: {peaks.least_available} MiB available at least, {swaps} pages swapped in and out")
    return code


if __name__ == "__main__":
    sys.exit(main())
