"""Are the same oopses found in a log whatever a pager, a mailer or a collector did to its lines?

    python bench/oops_transforms.py DIR... [--only NAME] [--failures N] [--jobs N]

DIR holds logs (*.log). Each is changed in every way that people's tools change logs, one at a time, and read again: the
types, the functions and the number of the reports must be those of the log itself. One line a change: how many logs
came out the same. What loses bytes (a lower half, a wrapped line whose middle is gone) has its own expectation.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from kzram_ci.oops import parse

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/support"))
from log_changes import CHANGES

Found = list[tuple[str, str | None]]


def crashes(lines: list[str]) -> Found:
    """Types and functions; a boot banner is told from its place, which changes move."""
    found = parse("\n".join(lines).encode())
    return [(oops.type, oops.function) for oops in found if oops.type not in ("unexpected_reboot", "unknown")]


def judge(log: Path, names: list[str]) -> tuple[str, dict[str, Found], Found]:
    """What each change made of a log, where it differs, and what was there."""
    lines = log.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    wanted = crashes(lines)
    found = {name: crashes(CHANGES[name](lines)) for name in names}
    return str(log), {name: got for name, got in found.items() if got != wanted}, wanted


def main() -> None:
    """Every log, every change."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("directories", nargs="+", type=Path, metavar="DIR")
    arguments.add_argument("--only", action="append", default=[], metavar="NAME")
    arguments.add_argument("--failures", type=int, default=0, metavar="N", help="list the first N of each change")
    arguments.add_argument("--jobs", type=int, default=1, metavar="N")
    args = arguments.parse_args()
    names = [name for name in CHANGES if not args.only or name in args.only]
    logs = sorted(log for directory in args.directories for log in directory.glob("*.log"))
    with ProcessPoolExecutor(args.jobs) as pool:
        answers = list(pool.map(partial(judge, names=names), logs, chunksize=8))
    wrong = Counter(name for _, differing, _ in answers for name in differing)
    for name in names:
        print(f"{name:36} {len(logs) - wrong[name]:5} of {len(logs)} the same")
        for log, differing, wanted in [one for one in answers if name in one[1]][: args.failures]:
            print(f"    {log}: {differing[name]}, not {wanted}")


if __name__ == "__main__":
    main()
