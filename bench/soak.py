"""Does a long service leave anything behind? Runs a plan in a loop, kills some of the runs, and looks for what is left.

python bench/soak.py [--minutes 60] [--work DIR] [--seed N]                              with fakes
python bench/soak.py --minutes 60 -- run overrun --kernel stock --test anonmutate        with real guests

A round is a run; every third one is killed at a random moment and resumed, every fifth is interrupted (TERM) and
resumed. After each: processes, temporary directories, unfinished cache entries, locks that are held, and the history.
"""

from __future__ import annotations

import argparse
import random
import signal
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from kill import Command, command_of, left_over, one_moment, verdicts

from kzram_ci.base import files
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError


def temporary(command: Command) -> list[str]:
    """What is left in a directory for temporary files that only our runs use."""
    return sorted(path.name for path in Path(command.house.env["TMPDIR"]).iterdir())


def held_locks(cache: Path) -> list[str]:
    """Locks that nobody can take, though nothing runs."""
    found = []
    for path in cache.rglob("*.lock"):
        try:
            with files.lock(path, Deadline.after(0.2)):
                pass
        except InfraError:
            found.append(path.name)
    return found


def history_damage(cache: Path) -> list[str]:
    """What SQLite says of the history."""
    path = cache / "history.sqlite"
    if not path.is_file():
        return []
    with sqlite3.connect(path) as database:
        answers = [row[0] for row in database.execute("PRAGMA integrity_check")]
    database.close()
    return [] if answers == ["ok"] else answers


def leaks(command: Command) -> list[str]:
    """All that should not be there between two runs."""
    cache = Path(command.house.env["KZRAM_CACHE"])
    return [
        *(f"process: {line[:100]}" for line in left_over(command)),
        *(f"temporary: {name}" for name in temporary(command)),
        *(f"unfinished: {path}" for path in cache.glob("kernels/.*") if path.is_dir()),
        *(f"locked: {name}" for name in held_locks(cache)),
        *(f"history: {text}" for text in history_damage(cache)),
    ]


def main() -> int:
    """Print a line a round, and a summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--resume", default="run --resume", metavar="WORDS")
    parser.add_argument("--work", type=Path, help="default: a temporary directory")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("words", nargs="*", metavar="WORD", help="a command of kzram-ci, behind --")
    args = parser.parse_args()
    dice, end = random.Random(args.seed), time.monotonic() + args.minutes * 60
    work = Path(args.work or tempfile.mkdtemp(prefix="kzram-soak-"))
    command = command_of(args, work)
    command.house.env["TMPDIR"] = tempfile.mkdtemp(prefix="kzram-soak-")
    began = time.monotonic()
    command.begin(work / "first", command.start).wait()
    took, wanted = time.monotonic() - began, verdicts(work / "first")
    rounds = bad = 0
    while time.monotonic() < end:
        rounds += 1
        runs, wrong = work / f"round-{rounds}", list[str]()
        if rounds % 3 and rounds % 5:
            command.begin(runs, command.start).wait()
        else:
            number = signal.SIGTERM if rounds % 5 == 0 else signal.SIGKILL
            wrong, _ = one_moment(command, runs, number, dice.uniform(0, took))
        found = verdicts(runs)
        wrong += [
            f"{name}: {found.get(name)}, wanted {word}" for name, word in wanted.items() if found.get(name) != word
        ]
        wrong += leaks(command)
        bad += bool(wrong)
        print(f"round {rounds}: {'; '.join(wrong) or 'ok'}", flush=True)
    print(f"{rounds} rounds in {args.minutes:g} min, {bad} with something wrong or left behind")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
