"""What stands in a file, or on standard input for a command whose word for that is `-`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from kzram_ci.base.errors import UserError
from kzram_ci.base.unpacked import PIECE, unpacked

if TYPE_CHECKING:
    from io import BufferedReader


def pieces() -> Iterator[bytes]:
    """The bytes of standard input as they come. Raises UserError where it is closed, OSError where it is unreadable."""
    if sys.stdin is None:
        raise UserError("standard input is closed, and - is to be read from it", hint="name a file, or pipe it in")
    source = cast("BufferedReader", sys.stdin.buffer)
    while piece := source.read1(PIECE):
        yield piece


def log(name: str) -> Iterator[bytes]:
    """The text of a log, by its path or `-`, as it comes. Raises as `pieces`; an OSError also where it is damaged."""
    if name == "-":
        yield from unpacked(pieces())
        return
    with open(name, "rb") as handle:
        yield from unpacked(iter(lambda: handle.read(PIECE), b""))
