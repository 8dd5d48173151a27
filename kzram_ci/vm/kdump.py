"""A dump by QEMU made into one that every program opens.

QEMU writes makedumpfile's flattened format, records of (offset, size, data) that a pipe can carry, and leaves the names
of system and release in the header empty; libkdumpfile, which drgn stands on, then knows no architecture.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from kzram_ci.base import files
from kzram_ci.base.errors import InfraError

_MAGIC = b"makedumpfile\0\0\0\0"
_HEAD_BYTES = 4096
_RECORD = struct.Struct(">qq")
_KDUMP = b"KDUMP   "
_UTSNAME_AT = len(_KDUMP) + 4  # behind the header's version
_WORD_BYTES = 65  # of struct new_utsname: sysname, nodename, release, version, machine, domainname
_MOST_RECORD = 1 << 30


def finish(path: Path, *, release: str, limit_bytes: int) -> int:
    """Make the file a plain one, with what the header lacks; returns its size. Raises InfraError."""
    plain = path.with_name(f".{path.name}")
    try:
        with files.disk_errors(f"cannot write {path}"):
            with path.open("rb") as source, plain.open("w+b") as out:
                _put_in_order(source.fileno(), out.fileno(), limit_bytes)
                _name(out.fileno(), release)
            size = plain.stat().st_size
            os.replace(plain, path)
            return size
    finally:
        plain.unlink(missing_ok=True)


def _put_in_order(source: int, out: int, limit_bytes: int) -> None:
    head = os.read(source, _HEAD_BYTES)
    if not head.startswith(_MAGIC) or len(head) != _HEAD_BYTES:
        raise InfraError("QEMU's dump of the guest's memory is not in the format it should have")
    while True:
        record = os.read(source, _RECORD.size)
        if len(record) != _RECORD.size:
            raise InfraError("QEMU's dump of the guest's memory is cut off")
        offset, size = _RECORD.unpack(record)
        if offset < 0:
            return
        data = os.read(source, size) if 0 <= size <= _MOST_RECORD and offset + size <= 2 * limit_bytes else b""
        if len(data) != size:
            raise InfraError("QEMU's dump of the guest's memory is cut off")
        os.pwrite(out, data, offset)


def _name(out: int, release: str) -> None:
    """Fill in the names that are empty. What is there stays."""
    for index, word in enumerate(("Linux", "guest", release, "unknown", "", "unknown")):
        at = _UTSNAME_AT + index * _WORD_BYTES
        if word and not os.pread(out, 1, at).strip(b"\0"):
            os.pwrite(out, word.encode()[: _WORD_BYTES - 1], at)
