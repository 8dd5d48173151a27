"""`--kernel GLOB|SOURCE`, `--patch [NAME=]FILE` and what goes with them."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, BooleanOptionalAction
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kzram_ci.plan.source_args import FORMS

if TYPE_CHECKING:
    from kzram_ci.kernel.oneoff import OneOff

_FORMS = ", ".join(FORMS.values())
KERNEL_HELP = (
    "only these kernels (line:GLOB, variant:GLOB: by one of their axes); or a source, which takes the place of their "
    "own while their series and config stay "
    f"(with several, all kernels on each): {_FORMS}. An image gets no series and no config"
)
SOURCE_HELP = f"source to take in place of the kernel's own: {_FORMS}"
REFRESH_HELP = "ask for newer packages than were downloaded before"
SNAPSHOT_HELP = "start cells from a saved guest that has booted; overrides the plan's (default: off)"
PATCH_HELP = (
    "a diff, a mail with one or a mailbox (- is standard input), applied strictly after the series of each selected "
    "kernel; NAME=FILE makes a new kernel NAME beside its base instead, which is expected to pass, and keeps the "
    "controls of the plan. May be given several times"
)


def add_sandbox(parser: ArgumentParser) -> None:
    """Add `--sandbox`."""
    parser.add_argument(
        "--sandbox", action=BooleanOptionalAction, default=False,
        help="run the makefiles of a source under bubblewrap: no network, no home, a read-only system (default: off)",
    )  # fmt: skip


def patches_of(words: Sequence[str]) -> tuple[OneOff, ...]:
    """The patches that `--patch` names. Raises UserError."""
    if not words:
        return ()
    from kzram_ci.kernel.oneoff import read_oneoffs  # --help needs none of it

    return read_oneoffs(words, sys.stdin.buffer.read)
