"""What does a run of many cells take of its host? Samples a command of kzram-ci and its guests while it runs.

python bench/many.py [--out FILE] -- run smoke --repeat 200 --jobs 2
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

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
    early_rss: int = 0  # after a tenth of a minute: what grows from there on grows with the cells


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
    parser.add_argument("--out", type=Path, default=Path("many.log"), help="the words of the command")
    parser.add_argument("words", nargs="+", metavar="WORD", help="a command of kzram-ci, behind --")
    args = parser.parse_args()
    before, began, peaks = swapped(), time.monotonic(), Peaks()
    with args.out.open("wb") as out:
        child = subprocess.Popen((sys.executable, "-m", "kzram_ci", *args.words), stdout=out, stderr=out)
    command = psutil.Process(child.pid)
    while child.poll() is None:
        try:
            look(command, peaks, time.monotonic() - began)
        except psutil.Error:
            break  # it ended between two looks
        time.sleep(PAUSE_SECONDS)
    code, after = child.wait(), swapped()
    print(f"exit code {code} after {time.monotonic() - began:.0f} s: {' '.join(args.words)}")
    print(f"itself: {peaks.rss} MiB at most ({peaks.early_rss} at first), {peaks.files} files, {peaks.threads} threads")
    print(f"guests: {peaks.guests} at a time, {peaks.guests_rss} MiB of them resident at most")
    swaps = f"{after[0] - before[0]} and {after[1] - before[1]}"
    print(f"host: {peaks.least_available} MiB available at least, {swaps} pages swapped in and out")
    return code


if __name__ == "__main__":
    sys.exit(main())
