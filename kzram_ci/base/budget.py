"""What this process may use of the host: processors and memory, by affinity mask, cpuset, and cgroup limits (v1, v2).

A container sees all processors and all memory of its host in /proc; its cgroup says what it gets of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kzram_ci.base.values import dataclass

_V2 = ""  # the controller of the unified hierarchy in /proc/self/cgroup
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Memory in MiB: what there is for this process, and what of it is free now."""

    total: int
    available: int


def cpus(root: Path = Path("/")) -> int:
    """How many processors work for this process at a time, at least 1. A part of one counts as one."""
    limits = [len(os.sched_getaffinity(0))]
    for directory in _groups(root, "cpu"):
        quota, period = _word(directory / "cpu.cfs_quota_us"), _word(directory / "cpu.cfs_period_us")
        limits += _whole(quota, period)
    for directory in _groups(root, "cpuset"):
        limits += _count(_text(directory / "cpuset.effective_cpus") or _text(directory / "cpuset.cpus"))
    for directory in _groups(root, _V2):
        quota, _, period = _text(directory / "cpu.max").partition(" ")
        limits += [*_whole(quota, period), *_count(_text(directory / "cpuset.cpus.effective"))]
    return max(1, min(limits))


def memory(root: Path = Path("/")) -> Memory:
    """The host's memory, or less where a cgroup sets a limit. Pages that can be dropped at once count as free."""
    rows = (line.partition(":") for line in _text(root / "proc/meminfo").splitlines())
    host = {name: int(words[0]) << 10 for name, _, rest in rows if (words := rest.split()) and words[0].isdigit()}
    total = [host.get("MemTotal", 0)]
    free = [host.get("MemAvailable", host.get("MemFree", 0))]
    for directory in _groups(root, "memory"):
        limit, used = _word(directory / "memory.limit_in_bytes"), _word(directory / "memory.usage_in_bytes")
        _limit(total, free, limit, used, _stat(directory, "total_inactive_file"))
    for directory in _groups(root, _V2):
        used = _word(directory / "memory.current")
        for name in ("memory.max", "memory.high"):
            _limit(total, free, _word(directory / name), used, _stat(directory, "inactive_file"))
    return Memory(total=min(total) // _MIB, available=max(0, min(free)) // _MIB)


def _limit(total: list[int], free: list[int], limit: str, used: str, droppable: int) -> None:
    if limit.isdigit():
        total.append(int(limit))
        free.append(int(limit) - max(0, int(used if used.isdigit() else 0) - droppable))


def _whole(quota: str, period: str) -> list[int]:
    """A quota of processor time as whole processors; nothing for `max`, -1, and what is missing."""
    if not (quota.isdigit() and period.isdigit() and int(quota) and int(period)):
        return []
    return [-(-int(quota) // int(period))]


def _count(listed: str) -> list[int]:
    """How many processors a list such as `0-3,8` names."""
    ends = [part.partition("-") for part in listed.split(",") if part]
    if not ends or not all(first.isdigit() and (last.isdigit() or not last) for first, _, last in ends):
        return []
    return [sum(int(last or first) - int(first) + 1 for first, _, last in ends)]


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The directories of this process's cgroup under a controller, and of all groups above it: each can set limits."""
    own = next((path for names, path in _own_groups(root) if controller in names), None)
    if own is None:
        return
    for shown, mount in _mounts(root, controller):
        below = own.removeprefix(shown.rstrip("/")) if own == shown or own.startswith(shown.rstrip("/") + "/") else ""
        parts = [part for part in below.split("/") if part]
        if ".." in parts:  # outside of this cgroup namespace
            parts = []
        for depth in range(len(parts), -1, -1):
            if (directory := mount.joinpath(*parts[:depth])).is_dir():
                yield directory
        return


def _own_groups(root: Path) -> Iterator[tuple[list[str], str]]:
    """Each line of /proc/self/cgroup: controllers and path."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        yield controllers.split(","), path


def _mounts(root: Path, controller: str) -> Iterator[tuple[str, Path]]:
    """Where a controller's hierarchy is mounted: the group that is shown there, the place below `root`."""
    for line in _text(root / "proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        fields, after = left.split(" "), right.split(" ")
        if len(fields) < 5 or len(after) < 3:
            continue
        unified = after[0] == "cgroup2" and controller == _V2
        if unified or (after[0] == "cgroup" and controller and controller in after[2].split(",")):
            yield fields[3], root / fields[4].lstrip("/")


def _stat(directory: Path, name: str) -> int:
    rows = (line.partition(" ") for line in _text(directory / "memory.stat").splitlines())
    return next((int(value) for key, _, value in rows if key == name and value.isdigit()), 0)


def _word(path: Path) -> str:
    return _text(path).strip()


def _text(path: Path) -> str:
    """A small file's content; empty when it is missing: each kernel and container has others of them."""
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
