"""Is anything lost when kzram-ci is killed at any moment? Kills a command at random moments, then resumes it.

python bench/kill.py [--moments 100] [--signal KILL|HUP|TERM|STOP] [--work DIR] [--seed N]      with fakes, seconds each
python bench/kill.py --moments 10 --resume 'run --resume' -- run overrun --kernel stock         with real guests

After each moment: no process of it is left 5 s later, every line of results.jsonl and junit.xml can be read, what was
finished stays as it was, and going on ends with the exit code and the verdicts of a run that nobody disturbed.
STOP: the process is stopped for a moment, and goes on by itself. `--resume`: words that go on in the same directory.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/support"))
from house import OOPS, House
from junitparser import JUnitXml

LEFT_SECONDS = 5.0
Verdicts = dict[str, tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What is killed, and what goes on with it, in a house."""

    house: House
    start: tuple[str, ...]
    resume: tuple[str, ...]
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def begin(self, runs: Path, words: tuple[str, ...]) -> subprocess.Popen[bytes]:
        """Start it in the house; its results are in `runs`."""
        argv = (sys.executable, "-m", "kzram_ci", *words, "--runs", str(runs))
        with (self.house.path / "out").open("ab") as out:
            child = subprocess.Popen(
                argv, cwd=self.house.path, env=self.house.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip
        self.running[:] = [child]
        return child


def results(runs: Path) -> dict[str, dict[str, Any]]:
    """What is finished, by cell; a torn last line of a file that was killed does not count."""
    found = {}
    for path in sorted(runs.glob("*/results.jsonl")):
        lines = path.read_text().split("\n")
        for line in lines[:-1]:
            one = json.loads(line)
            found[one["id"]] = one
    return found


def verdicts(runs: Path) -> Verdicts:
    """Outcome and verdict of each cell."""
    return {name: (one["judgement"]["outcome"], one["judgement"]["verdict"]) for name, one in results(runs).items()}


def left_over(command: Command, seconds: float = LEFT_SECONDS) -> list[str]:
    """What still runs after a while."""
    end = time.monotonic() + seconds
    while (running := command.house.ours()) and time.monotonic() < end:
        time.sleep(0.05)
    return running


def one_moment(command: Command, runs: Path, number: int, after: float) -> tuple[list[str], bool]:
    """What is wrong after one kill, and whether the command was still at work."""
    child = command.begin(runs, command.start)
    try:
        child.wait(timeout=after)
        return [], False
    except subprocess.TimeoutExpired:
        os.kill(child.pid, number)
    if number == signal.SIGSTOP:
        time.sleep(1.0)
        os.kill(child.pid, signal.SIGCONT)
    child.wait()
    wrong = [f"still runs: {line[:100]}" for line in left_over(command)]
    before = results(runs)
    for path in runs.glob("*/junit.xml"):
        JUnitXml.fromfile(str(path))
    if number == signal.SIGSTOP:
        return wrong, True
    again = command.begin(runs, command.resume if any(runs.glob("*")) else command.start)
    again.wait()
    after_all = results(runs)
    wrong += [f"{name} was finished and is another now" for name, one in before.items() if after_all.get(name) != one]
    return wrong, True


def command_of(args: argparse.Namespace, work: Path) -> Command:
    """The user's command in a house with real tools, or one with fakes."""
    usual = Path(os.environ.get("KZRAM_CACHE") or Path.home() / ".cache/kzram-ci")
    cache = getattr(args, "cache", None) or (usual if args.words else work / "cache")
    house = House(work / "house", cache)
    if args.words:
        house.env["PATH"] = os.environ["PATH"]
        return Command(house=house, start=tuple(args.words), resume=tuple(args.resume.split()))
    house.plan(good="FAKE pass", bad=f"FAKE oops {OOPS}", failing="FAKE fail")
    return Command(house=house, start=("run", "whole.yaml"), resume=("run", "--resume"))


def main() -> int:
    """Print a line a moment that went wrong, and a summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=100)
    parser.add_argument("--signal", choices=("KILL", "HUP", "TERM", "STOP"), default="KILL")
    parser.add_argument("--resume", default="run --resume", metavar="WORDS")
    parser.add_argument("--work", type=Path, help="default: a temporary directory")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("words", nargs="*", metavar="WORD", help="a command of kzram-ci, behind --")
    args = parser.parse_args()
    number, dice = signal.Signals[f"SIG{args.signal}"], random.Random(args.seed)
    work = Path(args.work or tempfile.mkdtemp(prefix="kzram-kill-"))
    command = command_of(args, work)
    command.begin(work / "warm", command.start).wait()  # fills the cache
    began = time.monotonic()
    code = command.begin(work / "undisturbed", command.start).wait()
    took, wanted = time.monotonic() - began, verdicts(work / "undisturbed")
    print(f"undisturbed: {took:.1f} s, exit code {code}, {len(wanted)} cells", flush=True)
    bad = hit = 0
    for moment in range(args.moments):
        runs = work / f"moment-{moment}"
        if not args.words and moment % 2:
            shutil.rmtree(work / "cache" / "kernels", ignore_errors=True)  # every other one may hit a make
        wrong, in_time = one_moment(command, runs, number, dice.uniform(0, took))
        hit += in_time
        if (found := verdicts(runs)) != wanted:
            wrong.append(f"verdicts {found}, wanted {wanted}")
        bad += bool(wrong)
        for text in wrong:
            print(f"moment {moment}: {text}", flush=True)
        shutil.rmtree(runs, ignore_errors=True)
    print(f"{args.signal}: {args.moments} moments, {hit} while it worked, {bad} went wrong")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
