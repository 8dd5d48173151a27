"""`parse`: everything the kernel complained about in a log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from kzram_ci.base.unpacked import unpacked
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
    """The oopses of a log as they are found; memory does not grow with the log.

    A log may be compressed. Raises OSError where it cannot be read to its end, after the oopses of what came before.
    """
    parser = StreamParser(settle=True)
    try:
        for piece in unpacked(_pieces(source)):
            yield from parser.feed(piece)
    except OSError:
        yield from parser.finish()
        raise
    yield from parser.finish()


def parse(source: bytes | Path | Iterable[bytes]) -> tuple[Oops, ...]:
    """The oopses of a log in the order of their headlines. `source`: bytes, a path, or pieces of bytes.

    Any bytes are accepted, also compressed by gzip, xz or bzip2. Raises OSError when a log cannot be read.
    """
    return tuple(sorted(iterate(source), key=lambda oops: oops.start))
