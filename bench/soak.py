"""Does a long service leave anything behind? Runs a plan in a loop with kills and faults, and looks for what is left.

python bench/soak.py [--minutes 60] [--work DIR] [--seed N]                              with fakes
python bench/soak.py --minutes 60 --cache DIR -- run smoke --jobs 1                      with real guests

A round is a run. A third of them are undisturbed; in the others kzram-ci is killed, ended or stopped at a random moment
and resumed, or QEMU is killed or stopped, or the guest's image in the cache is damaged, or another program keeps
the history locked, or (as root) the disk of the runs is full. After each: processes, temporary directories, sockets,
unfinished cache entries, locks that are held, and the history. --cache: a directory that nobody else uses, with the
kernels in it; else what others do beside it would be taken for a leak.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from kill import left_over, one_moment
from killable import Command, command_of

from kzram_ci.base import files
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError

ROUND_SECONDS = 600.0
SPOILT = frozenset({("infra", "error"), ("boot-failed", "error"), ("lost", "error"), ("hang", "finding")})
"""What may become of a guest whose QEMU was killed or stopped, or whose disk is full: no pass and no crash."""

Act = Callable[[Command, Path], None]


def qemus(command: Command) -> list[int]:
    """Process ids of the guests of our runs."""
    return [pid for pid, line in command.house.processes() if "qemu-system" in line.split()[0]]


def _signal_qemu(number: int) -> Act:
    def act(command: Command, runs: Path) -> None:
        for pid in qemus(command):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    return act


def _damage(command: Command, runs: Path) -> None:
    """One wrong bit in the guest's image."""
    for path in sorted(Path(command.house.env["KZRAM_CACHE"]).glob("rootfs/*/*.cpio*"))[:1]:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.chmod(0o644)
        path.write_bytes(data)


def _busy_history(command: Command, runs: Path) -> None:
    path = Path(command.house.env["KZRAM_CACHE"]) / "history.sqlite"
    if path.is_file():
        other = sqlite3.connect(path, timeout=10, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        time.sleep(2)
        other.close()


def _torn(command: Command, runs: Path) -> None:
    """As a machine without power leaves it: half a line at the end of the results of the run that is killed."""
    for child in command.running:
        child.kill()
        child.wait()
    for path in runs.glob("*/results.jsonl"):
        with path.open("ab") as out:
            out.write(b'{"id":"stock/anonm')


SIGNALS = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM, "HUP": signal.SIGHUP, "STOP": signal.SIGSTOP}
ACTS: dict[str, tuple[Act, bool]] = {  # and whether the guest may be spoilt by it
    "QEMU killed": (_signal_qemu(signal.SIGKILL), True),
    "QEMU stopped": (_signal_qemu(signal.SIGSTOP), True),
    "image damaged": (_damage, False),
    "history locked": (_busy_history, False),
    "torn line": (_torn, False),
}
QUIET, FULL = "undisturbed", "disk full"


def disturbed(command: Command, runs: Path, act: Act, after: float) -> None:
    """A run in which something happens after a while; one that has not ended well is gone on with."""
    child = command.begin(runs, command.start)
    try:
        child.wait(timeout=after)
    except subprocess.TimeoutExpired:
        act(command, runs)
    if child.wait(timeout=ROUND_SECONDS) < 0:
        command.go_on(runs).wait(timeout=ROUND_SECONDS)


def on_a_full_disk(command: Command, runs: Path) -> list[str]:
    """A run on a file system of 300 KiB."""
    runs.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=300k", "kzram-soak", str(runs))
    subprocess.run(mount, check=True)
    try:
        code = command.begin(runs, command.start).wait(timeout=ROUND_SECONDS)
        ended = set(command.ended(runs).values())
    finally:
        subprocess.run(("umount", "--lazy", str(runs)), check=True)
    return [] if code and not ended & {("pass", "ok")} else [f"full disk: exit code {code}, {ended}"]


def temporary(command: Command) -> list[str]:
    """What is left in a directory for temporary files that only our runs use."""
    return sorted(path.name for path in Path(command.house.env["TMPDIR"]).iterdir())


def sockets(command: Command) -> list[str]:
    """Sockets below our directories that a process still has."""
    ours = (command.house.env["TMPDIR"], command.house.env["KZRAM_CACHE"], str(command.house.path))
    lines = (line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:])
    return [words[7] for words in lines if len(words) > 7 and words[7].startswith(ours)]


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
        *(f"socket: {name}" for name in sockets(command)),
        *(
            f"unfinished: {path}"
            for room in ("kernels", "rootfs", "snapshots")
            for path in cache.glob(f"{room}/.*")
            if path.is_dir()
        ),
        *(f"locked: {name}" for name in held_locks(cache)),
        *(f"history: {text}" for text in history_damage(cache)),
    ]


def one_round(command: Command, runs: Path, what: str, after: float, wanted: dict[str, tuple[str, str]]) -> list[str]:
    """What went wrong in a round, or was left behind."""
    may_be_spoilt, wrong = False, list[str]()
    if what in SIGNALS:
        wrong, _ = one_moment(command, runs, SIGNALS[what], after)
    elif what == FULL:
        return on_a_full_disk(command, runs) + leaks(command)
    elif what == QUIET:
        command.begin(runs, command.start).wait(timeout=ROUND_SECONDS)
    else:
        act, may_be_spoilt = ACTS[what]
        disturbed(command, runs, act, after)
    found = command.ended(runs)
    for name, word in wanted.items():
        if found.get(name) != word and not (may_be_spoilt and found.get(name) in SPOILT):
            wrong.append(f"{name}: {found.get(name)}, wanted {word}")
    return wrong + leaks(command)


def deck(dice: random.Random) -> list[str]:
    """The faults of the next rounds, each once, with quiet rounds between."""
    cards = [*SIGNALS, *ACTS, *([FULL] if os.geteuid() == 0 else [])]
    cards += [QUIET] * (len(cards) // 2)
    dice.shuffle(cards)
    return cards


def main() -> int:
    """Print a line a round, and a summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--work", type=Path, help="default: a temporary directory")
    parser.add_argument("--cache", type=Path, help="default: one of its own, empty")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("words", nargs="*", metavar="WORD", help="a command of kzram-ci, behind --")
    args = parser.parse_args()
    dice, end = random.Random(args.seed), time.monotonic() + args.minutes * 60
    work = Path(args.work or tempfile.mkdtemp(prefix="kzram-soak-"))
    command = command_of(tuple(args.words), "run", work, args.cache)
    command.house.env["TMPDIR"] = tempfile.mkdtemp(prefix="kzram-soak-")
    command.begin(work / "warm", command.start).wait()
    began = time.monotonic()
    command.begin(work / "first", command.start).wait()
    took, wanted = time.monotonic() - began, command.ended(work / "first")
    print(f"undisturbed: {took:.1f} s, {wanted}", flush=True)
    counts, cards, bad = Counter[str](), list[str](), 0
    while time.monotonic() < end:
        cards = cards or deck(dice)
        what, runs = cards.pop(), work / f"round-{sum(counts.values()) + 1}"
        counts[what] += 1
        wrong = one_round(command, runs, what, dice.uniform(0, took), wanted)
        bad += bool(wrong)
        print(f"round {sum(counts.values())}, {what}: {'; '.join(wrong) or 'ok'}", flush=True)
        if not wrong:
            shutil.rmtree(runs, ignore_errors=True)
    print(", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    print(f"{sum(counts.values())} rounds in {args.minutes:g} min, {bad} with something wrong or left behind")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
