"""Does a boot keep up with a console of 20 MB/s? A process writes a log, the boot's own console channel follows it.

    python bench/console.py [--rate 20] [--seconds 10] [--oopses 0]

The channel is asked as `run/follow.py` asks it, and its inputs go through the state machine of a boot. Prints what was
read, the processor time for each MB (the largest rate is its inverse), and how far the channel was behind: the bytes
that were in the file and not read yet after each poll, at the median and at most.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from oops_throughput import clean_log

from kzram_ci.base import clock
from kzram_ci.run.boot_limits import Limits
from kzram_ci.run.boot_state import BootState
from kzram_ci.run.channels import ConsoleChannel
from kzram_ci.run.follow import nap, take

WRITER = """
import sys, time
source, target, rate, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
text = open(source, "rb").read()
with open(target, "ab", buffering=0) as out:
    began, sent = time.monotonic(), 0
    while (now := time.monotonic() - began) < seconds:
        due = int(min(now, seconds) * rate)
        while sent < due:
            at = sent % len(text)
            sent += out.write(text[at : at + min(1 << 16, due - sent)])
        time.sleep(0.005)
"""
OOPS = b"[ 99.000000][ T41] BUG: kernel NULL pointer dereference, address: 0000000000000028\r\n"


def text(oopses: int) -> bytes:
    """A MB of log, with so many oopses in it."""
    lines = clean_log(1).splitlines(keepends=True)
    for number in range(oopses):
        lines.insert((number + 1) * len(lines) // (oopses + 1), OOPS)
    return b"".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=20.0, help="MB/s")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--oopses", type=int, default=0, help="in each MB")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "source", Path(name) / "console.log"
        source.write_bytes(text(args.oopses))
        argv = (sys.executable, "-c", WRITER, str(source), str(target), str(args.rate * 1e6), str(args.seconds))
        with closing(ConsoleChannel(target, limit_bytes=1 << 40)) as channel:
            began, busy = clock.monotonic(), time.process_time()
            limits = Limits(boot_until=began + 3600, until=began + 3600, work_seconds=3600)
            state, behind = BootState(limits=limits, began=began), list[int]()
            writer = subprocess.Popen(argv)
            while True:
                gone = writer.poll() is not None
                given = channel.poll()
                state = take(state, given)
                behind.append(target.stat().st_size - state.console.bytes)
                if not given:
                    if gone:
                        break
                    nap()
            busy, wall = time.process_time() - busy, clock.monotonic() - began
    size = state.console.bytes / 1e6
    print(f"{size:.0f} MB in {wall:.1f} s ({size / wall:.1f} MB/s), {len(state.oopses)} oopses kept")
    print(f"{1000 * busy / size:.1f} ms of processor a MB: {size / busy:.0f} MB/s at most")
    print(f"behind: {statistics.median(behind) / 1e6:.2f} MB at the median, {max(behind) / 1e6:.2f} MB at most")


if __name__ == "__main__":
    main()
