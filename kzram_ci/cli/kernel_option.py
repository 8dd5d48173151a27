"""`--kernel GLOB|SOURCE`, `--patch [NAME=]FILE`, the stores, and what goes with them."""

from __future__ import annotations

import sys
import textwrap
from argparse import ArgumentParser, BooleanOptionalAction
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kzram_ci.base.errors import UserError
from kzram_ci.model.arch import ARCHS
from kzram_ci.plan.source_args import FORMS
from kzram_ci.store.shared import Stores, stores_of

if TYPE_CHECKING:
    from kzram_ci.kernel.oneoff import OneOff

_FORMS = ", ".join(FORMS.values())
KERNEL_HELP = (
    "only these kernels (line:GLOB, variant:GLOB, arch:GLOB: by one of their axes); or a source, which takes the place "
    "of their own while their series and config stay "
    f"(with several, all kernels on each): {_FORMS}. An image gets no series and no config"
)
ARCHS_HELP = "architecture of the plan's kernels and guests, in place of the plan's own; may be given several times"
SOURCE_HELP = f"source to take in place of the kernel's own: {_FORMS}"
REFRESH_HELP = "ask for newer packages than were downloaded before"
SNAPSHOT_HELP = "start cells from a saved guest that has booted; overrides the plan's (default: off)"
PATCH_HELP = (
    "a diff, a mail with one or a mailbox (- is standard input), applied strictly after the series of each selected "
    "kernel; NAME=FILE makes a new kernel NAME beside its base instead, which is expected to pass, and keeps the "
    "controls of the plan. May be given several times"
)


def add_arch(parser: ArgumentParser, text: str, *, several: bool = False) -> None:
    """Add `--arch`."""
    names = [row.name for row in ARCHS]
    if several:
        parser.add_argument("--arch", action="append", default=[], choices=names, help=text)
    else:
        parser.add_argument("--arch", default="", choices=names, help=text)


def add_sandbox(parser: ArgumentParser) -> None:
    """Add `--sandbox`."""
    parser.add_argument(
        "--sandbox", action=BooleanOptionalAction, default=False,
        help="run the makefiles of a source under bubblewrap: no network, no home, a read-only system (default: off)",
    )  # fmt: skip


def add_stores(parser: ArgumentParser) -> None:
    """Add `--store` and `--store-read`."""
    parser.add_argument(
        "--store", metavar="URL", help="take kernels and guest images from there, and leave there what is made: a "
        "directory, s3://BUCKET/PREFIX, gs://… (default: $KZRAM_STORE)",
    )  # fmt: skip
    parser.add_argument(
        "--store-read", action="append", default=[], metavar="URL", help="take them from there only (also https://…; "
        "default: $KZRAM_STORE_READ). May be given several times",
    )  # fmt: skip


def stores_from(write: str | None, read: Sequence[str]) -> Stores:
    """The stores that the options name, else those of the environment."""
    return stores_of(write, tuple(read))


def patches_of(words: Sequence[str]) -> tuple[OneOff, ...]:
    """The patches that `--patch` names. Raises UserError."""
    if not words:
        return ()
    from kzram_ci.kernel.oneoff import read_oneoffs  # --help needs none of it

    return read_oneoffs(words, sys.stdin.buffer.read)


def kernels_there_are() -> str:
    """The variants and lines of kernels, two lines."""
    from kzram_ci.base.library import Library
    from kzram_ci.plan.tables import axes

    try:
        found = axes(Library())
    except UserError as error:
        return f"  (not known: {error})"
    lines = (f"{line} (needs no suffix)" if line == found.default else line for line in found.lines)
    rows = (("variants", found.variants), ("lines", lines))
    return "\n".join(
        textwrap.fill(
            ", ".join(names), 110, break_on_hyphens=False, initial_indent=f"  {what:<10}", subsequent_indent=" " * 12
        )
        for what, names in rows
    )
