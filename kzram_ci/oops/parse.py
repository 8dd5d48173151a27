"""`parse`: everything the kernel complained about in a log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from kzram_ci.oops.model import Oops
from kzram_ci.oops.stream import CHUNK, StreamParser


def _pieces(source: bytes | Path | Iterable[bytes]) -> Iterator[bytes]:
    if isinstance(source, Path):
        with source.open("rb") as handle:
            while piece := handle.read(CHUNK):
                yield piece
    elif isinstance(source, (bytes, bytearray, memoryview)):
        yield bytes(source)
    else:
        yield from source


def iterate(source: bytes | Path | Iterable[bytes]) -> Iterator[Oops]:
    """The oopses of a log as they are found; memory does not grow with the log. Raises OSError for a path."""
    parser = StreamParser(settle=True)
    for piece in _pieces(source):
        yield from parser.feed(piece)
    yield from parser.finish()


def parse(source: bytes | Path | Iterable[bytes]) -> tuple[Oops, ...]:
    """The oopses of a log in the order of their headlines. `source`: bytes, a path, or pieces of bytes.

    Any bytes are accepted. Raises OSError when a path cannot be read.
    """
    return tuple(sorted(iterate(source), key=lambda oops: oops.start))
