"""Is anything lost when kzram-ci is killed at any moment? Kills a command at random moments, then resumes it.

python bench/kill.py [--what run|bisect|try] [--moments 100] [--signal KILL|HUP|TERM|STOP|PIPE] [--work DIR] [--seed N]
python bench/kill.py --moments 10 -- run overrun --kernel stock         with real guests; without words, with fakes

After each moment: no process of it is left 5 s later, every line of results.jsonl and junit.xml can be read, what was
finished stays as it was, and going on ends with the exit code and the verdicts of a run that nobody disturbed.
STOP: the process is stopped for a moment, and goes on by itself. PIPE: its standard output is a pipe that is full
already, of which nobody reads until a moment later.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from junitparser import JUnitXml
from killable import KINDS, Command, Found, command_of

LEFT_SECONDS = 5.0
ROUND_SECONDS = 1800.0
PIPE = "PIPE"


def left_over(command: Command, seconds: float = LEFT_SECONDS) -> list[str]:
    """What still runs after a while."""
    end = time.monotonic() + seconds
    while (running := command.house.ours()) and time.monotonic() < end:
        time.sleep(0.05)
    return running


def one_moment(
    command: Command, runs: Path, number: int, after: float, code: int | None = None
) -> tuple[list[str], bool]:
    """What is wrong after one kill, and whether the command was still at work. `code`: what it should end with."""
    child = command.begin(runs, command.start)
    try:
        child.wait(timeout=after)
        return [], False
    except subprocess.TimeoutExpired:
        os.kill(child.pid, number)
    if number == signal.SIGSTOP:
        time.sleep(1.0)
        os.kill(child.pid, signal.SIGCONT)
    ended = child.wait(timeout=ROUND_SECONDS)
    wrong = [f"still runs: {line[:100]}" for line in left_over(command)]
    before = command.finished(runs)
    for path in runs.glob("*/junit.xml"):
        JUnitXml.fromfile(str(path))
    if number != signal.SIGSTOP:
        ended = command.go_on(runs).wait(timeout=ROUND_SECONDS)
        wrong += [f"still runs: {line[:100]}" for line in left_over(command)]
    if code is not None and ended != code:
        wrong.append(f"exit code {ended}, wanted {code}")
    after_all = command.finished(runs)
    return wrong + [
        f"{name} was finished and differs now" for name, one in before.items() if after_all.get(name) != one
    ], True


def full_pipe(command: Command, runs: Path, after: float, code: int) -> tuple[list[str], bool]:
    """What is wrong where nobody reads standard output for a while, then all of it."""
    reader, writer = os.pipe()
    size = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b"x" * size)
    child = command.begin(runs, command.start, out=writer)
    os.close(writer)
    with suppress(subprocess.TimeoutExpired):
        child.wait(timeout=after)
    with open(reader, "rb") as rest:
        rest.read()
    ended = child.wait(timeout=ROUND_SECONDS)
    wrong = [f"still runs: {line[:100]}" for line in left_over(command)]
    return wrong + ([f"exit code {ended}, wanted {code}"] if ended != code else []), True


def moments(
    command: Command, name: str, count: int, dice: random.Random, work: Path, *, rebuild: bool, seconds: float
) -> int:
    """Kill it so often; the number of moments after which something was wrong."""
    command.begin(work / "warm", command.start).wait()  # fills the cache
    began = time.monotonic()
    code = command.begin(work / "undisturbed", command.start).wait()
    took, wanted = time.monotonic() - began, command.ended(work / "undisturbed")
    print(f"undisturbed: {took:.1f} s, exit code {code}, {wanted}", flush=True)
    bad = hit = done = 0
    for moment in range(count):
        if time.monotonic() - began > seconds:
            break
        done += 1
        runs, after = work / f"moment-{moment}", dice.uniform(0, took)
        if rebuild and moment % 2:
            shutil.rmtree(work / "cache" / "kernels", ignore_errors=True)  # every other one may hit a make
        if name == PIPE:
            wrong, in_time = full_pipe(command, runs, after, code)
        else:
            wrong, in_time = one_moment(command, runs, signal.Signals[f"SIG{name}"], after, code)
        hit += in_time
        found: Found = command.ended(runs)
        if found != wanted:
            wrong.append(f"came to {found}, wanted {wanted}")
        bad += bool(wrong)
        for text in wrong:
            print(f"moment {moment} ({after:.2f} s): {text}", flush=True)
        if not wrong:
            shutil.rmtree(runs, ignore_errors=True)
    print(f"{command.start[0]}, {name}: {done} moments, {hit} while it worked, {bad} went wrong")
    return bad


def main() -> int:
    """Print a line a moment that went wrong, and a summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=600.0, help="begin no moment later")
    parser.add_argument("--signal", choices=("KILL", "HUP", "TERM", "STOP", PIPE), default="KILL")
    parser.add_argument("--what", choices=tuple(KINDS), default="run", help="with fakes")
    parser.add_argument("--work", type=Path, help="default: a temporary directory")
    parser.add_argument("--cache", type=Path, help="default: the user's; with fakes one of its own")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("words", nargs="*", metavar="WORD", help="a command of kzram-ci, behind --")
    args = parser.parse_args()
    work = Path(args.work or tempfile.mkdtemp(prefix="kzram-kill-"))
    command = command_of(tuple(args.words), args.what, work, args.cache)
    return bool(
        moments(
            command,
            args.signal,
            args.moments,
            random.Random(args.seed),
            work,
            rebuild=not args.words,
            seconds=60 * args.minutes,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
