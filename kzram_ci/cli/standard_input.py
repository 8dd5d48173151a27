"""What stands on standard input, for a command whose word for a file is `-`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from kzram_ci.base.errors import UserError

if TYPE_CHECKING:
    from io import BufferedReader

PIECE = 1 << 20


def pieces() -> Iterator[bytes]:
    """Its bytes as they come. Raises UserError where it is closed, OSError where it cannot be read."""
    if sys.stdin is None:
        raise UserError("standard input is closed, and - is to be read from it", hint="name a file, or pipe it in")
    source = cast("BufferedReader", sys.stdin.buffer)
    while piece := source.read1(PIECE):
        yield piece
