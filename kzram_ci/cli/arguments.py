"""What words on the command line stand for: types of options for argparse, and choices."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Literal

from kzram_ci.base.units import parse_duration
from kzram_ci.model.machine import Accel, Snapshot
from kzram_ci.model.vocab import MOST_REPEATS

ACCELS = tuple(str(word) for word in Accel)
SNAPSHOTS = tuple(str(word) for word in Snapshot)
DATABASE_HELP = (
    "the history: a file, or a server of PostgreSQL, postgresql://USER@HOST/NAME (default: $KZRAM_DATABASE, or a file "
    "in the cache)"
)
SNAPSHOT_HELP = (
    "start from a saved guest that has booted; auto: where that was measured to change nothing; per-seed: one for each "
    "seed; overrides the plan's (default: auto)"
)


def accel(word: str | None) -> Accel | None:
    """What `--accel` names."""
    return Accel(word) if word else None


def snapshot(word: str | None) -> Snapshot | None:
    """What `--snapshot` names."""
    return Snapshot(word) if word else None


def duration(word: str) -> float:
    """A duration in seconds, more than none: 2h, 90m."""
    try:
        seconds = parse_duration(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"{word!r} leaves no time for anything")
    return seconds


def repeat(word: str) -> int | Literal["auto"]:
    """The type of --repeat."""
    if word == "auto":
        return "auto"
    try:
        boots = int(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is neither a number nor 'auto'") from None
    if boots < 1:
        raise argparse.ArgumentTypeError(f"{boots} boots show nothing: 1 or more, or 'auto'")
    if boots > MOST_REPEATS:
        raise argparse.ArgumentTypeError(f"{boots} is out of bounds: {MOST_REPEATS} at most, as in plans")
    return boots


def number(word: str) -> float:
    """The type of an option that is a number; who takes it says what it may be."""
    try:
        return float(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is not a number") from None


def whole(least: int, most: int = 1 << 40) -> Callable[[str], int]:
    """The type of an option that is a whole number, from `least` to `most`."""

    def convert(word: str) -> int:
        try:
            number = int(word)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{word!r} is not a whole number") from None
        if not least <= number <= most:
            bounds = f"{least} or more" if number < least else f"{most} at most"
            raise argparse.ArgumentTypeError(f"{number} is out of bounds: {bounds}")
        return number

    return convert


def seconds(word: str) -> float:
    """The type of an option that is a time in seconds, more than none and not for ever."""
    try:
        number = float(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is not a number of seconds") from None
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{word} s is not a time to wait for: more than 0")
    return number


def standard_input() -> bytes:
    """All that stands on standard input. Raises UserError where it is closed, OSError where it cannot be read."""
    from kzram_ci.cli.inputs import pieces

    return b"".join(pieces())


def add_database(parser: argparse.ArgumentParser) -> None:
    """Add `--database`."""
    parser.add_argument("--database", default="", metavar="FILE|URL", help=DATABASE_HELP)


def add_guests(parser: argparse.ArgumentParser) -> None:
    """Add `--jobs` and `--cpus`: how many guests at a time."""
    parser.add_argument(
        "--jobs", type=whole(0), default=0, metavar="N",
        help="guests at a time, as far as their virtual CPUs and memory go (default: as many as these allow)",
    )  # fmt: skip
    parser.add_argument(
        "--cpus", type=whole(0), default=0, metavar="N",
        help="virtual CPUs of all guests together (default: two for each processor; more wait for each other)",
    )  # fmt: skip


def add_make_jobs(parser: argparse.ArgumentParser) -> None:
    """Add `--make-jobs`."""
    parser.add_argument(
        "--make-jobs", type=whole(0), default=0, metavar="N", help="make -jN (default: all CPUs it may use)"
    )


def add_sandbox(parser: argparse.ArgumentParser, default: str) -> None:
    """Add `--sandbox`."""
    parser.add_argument(
        "--sandbox", action=argparse.BooleanOptionalAction, default=None,
        help=f"run makefiles under bubblewrap: no network, no home, a read-only system (default: {default})",
    )  # fmt: skip
