"""Archives the kernel unpacks as initramfs: cpio in the newc format, the same bytes for the same files. Pure."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping

from kzram_ci.base.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of an archive, owned by root, mtime 0. `mode` holds type and permissions; `path` is relative."""

    path: str
    mode: int
    data: bytes = b""  # content; the target of a symbolic link
    device: tuple[int, int] = (0, 0)  # major, minor of a device node


def directory(path: str, permissions: int = 0o755) -> Entry:
    """A directory."""
    return Entry(path=path, mode=stat.S_IFDIR | permissions)


def regular(path: str, data: bytes, permissions: int = 0o644) -> Entry:
    """A regular file."""
    return Entry(path=path, mode=stat.S_IFREG | permissions, data=data)


def symlink(path: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(path=path, mode=stat.S_IFLNK | 0o777, data=target.encode())


def node(path: str, kind: str, device: tuple[int, int], permissions: int) -> Entry:
    """A device node, `kind` "c" or "b"; made without being root, since it is only written about."""
    return Entry(path=path, mode=(stat.S_IFCHR if kind == "c" else stat.S_IFBLK) | permissions, device=device)


def pack(entries: Iterable[Entry]) -> bytes:
    """An archive of entries sorted by path, the parents that are missing made (0755).

    The result begins and ends on a 4-byte boundary. Raises ValueError when two entries have one path.
    """
    named: dict[str, Entry] = {}
    for entry in entries:
        name = entry.path.strip("/")
        if name in named:
            raise ValueError(f"{name} is in the archive twice")
        named[name] = entry
    parents = {"/".join(name.split("/")[:n]) for name in named for n in range(1, name.count("/") + 1)}
    for name in parents - named.keys():
        named[name] = directory(name)
    body = b"".join(_record(number, name, named[name]) for number, name in enumerate(sorted(named), start=1))
    return body + _record(0, "TRAILER!!!", Entry(path="", mode=0))


def archive(files: Mapping[str, bytes]) -> bytes:
    """Regular files (0644) with their directories: what one cell adds to the common archive."""
    return pack(regular(path, data) for path, data in files.items())


def _record(number: int, name: str, entry: Entry) -> bytes:
    encoded = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    # ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    fields = (number, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, *entry.device, len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + encoded) + _padded(entry.data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
