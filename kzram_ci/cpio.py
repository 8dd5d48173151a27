"""Archives the kernel unpacks as initramfs: cpio in the newc format, the same bytes for the same members. Pure."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Member:
    """One entry: owner root, mtime 0. `rdev` is (major, minor) of a device node."""

    path: str  # without a leading slash
    mode: int
    data: bytes = b""
    rdev: tuple[int, int] = (0, 0)


def directory(path: str) -> Member:
    """A directory, mode 0755."""
    return Member(path=path.strip("/"), mode=stat.S_IFDIR | 0o755)


def regular(path: str, data: bytes, mode: int = 0o644) -> Member:
    """A regular file."""
    return Member(path=path.strip("/"), mode=stat.S_IFREG | mode, data=data)


def symlink(path: str, target: str) -> Member:
    """A symbolic link."""
    return Member(path=path.strip("/"), mode=stat.S_IFLNK | 0o777, data=target.encode())


def device(path: str, major: int, minor: int, mode: int) -> Member:
    """A character device; written into the archive, so making one needs no privilege."""
    return Member(path=path.strip("/"), mode=stat.S_IFCHR | mode, rdev=(major, minor))


def archive(files: Mapping[str, bytes]) -> bytes:
    """Regular files (mode 0644) with their parent directories."""
    names = {path.strip("/"): data for path, data in files.items()}
    parents = {"/".join(name.split("/")[:n]) for name in names for n in range(1, name.count("/") + 1)}
    return pack([*(directory(name) for name in parents), *(regular(name, data) for name, data in names.items())])


def pack(members: Iterable[Member]) -> bytes:
    """The archive of all members, sorted by path (so parents come first); each path once, the last one wins.

    The result begins and ends on a 4-byte boundary.
    """
    unique = {member.path: member for member in members}
    body = b"".join(_entry(number, unique[path]) for number, path in enumerate(sorted(unique), start=1))
    return body + _entry(0, Member(path="TRAILER!!!", mode=0))


def _entry(number: int, member: Member) -> bytes:
    name = member.path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(member.mode) else 1
    # ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    fields = (number, member.mode, 0, 0, links, 0, len(member.data), 0, 0, *member.rdev, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + name) + _padded(member.data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
