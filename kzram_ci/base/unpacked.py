"""The text of a log that is kept compressed, or as UTF-16: `kern.log.2.gz`, what a Windows shell redirects.

A log is known by how it begins, never by its name. It streams: memory does not grow with what comes out.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable, Iterator

from kzram_ci.base.expressions import later

PIECE = 1 << 20
MAGIC = 10  # bytes of the longest
_PACKED = later(rb"(?P<gzip>\x1f\x8b\x08)|(?P<xz>\xfd7zXZ\x00)|(?P<bzip2>BZh[1-9]1AY&SY)|(?P<zstd>\x28\xb5\x2f\xfd)")
_UTF_16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class DamagedError(OSError):
    """A compressed log that cannot be read, or not to its end."""


def unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same log as bytes of text. Raises DamagedError, after what could be read was handed out."""
    rest = iter(pieces)
    head = b""
    while len(head) < MAGIC and (piece := next(rest, b"")):
        head += piece
    if (match := _PACKED.match(head)) and match.lastgroup is not None:
        yield from _decompressed(_Stream(head, rest), match.lastgroup)
        return
    for mark, encoding in _UTF_16.items():
        if head.startswith(mark):
            yield from _decoded(head.removeprefix(mark), rest, encoding)
            return
    if head:
        yield head
    yield from rest


def _decoded(head: bytes, rest: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    yield decoder.decode(head).encode("utf-8", "replace")
    for piece in rest:
        yield decoder.decode(piece).encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")


class _Stream(io.RawIOBase):
    """Pieces of bytes as what a decompressor reads from."""

    def __init__(self, head: bytes, rest: Iterator[bytes]) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the stubs' Buffer has no length
        self._head = self._head or next(self._rest, b"")
        size = min(len(buffer), len(self._head))
        buffer[:size], self._head = self._head[:size], self._head[size:]
        return size


def _decompressed(stream: _Stream, name: str) -> Iterator[bytes]:
    import bz2
    import gzip
    import lzma
    import zlib

    if name == "zstd":
        raise DamagedError("compressed by zstd, which Python cannot read: give `zstdcat LOG` on standard input")
    source = io.BufferedReader(stream)
    reader: gzip.GzipFile | lzma.LZMAFile | bz2.BZ2File
    if name == "gzip":
        reader = gzip.GzipFile(fileobj=source)
    else:
        reader = (lzma.LZMAFile if name == "xz" else bz2.BZ2File)(source)
    try:
        yield from iter(lambda: reader.read1(PIECE), b"")
    except EOFError:
        raise DamagedError(f"its {name} data end early; what could be read was looked at") from None
    except (OSError, zlib.error, lzma.LZMAError) as error:
        raise DamagedError(f"its {name} data are damaged ({error}); what came before was looked at") from error
