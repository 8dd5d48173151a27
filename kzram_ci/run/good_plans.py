"""Plans that were found good: the answer about the same plan, the same files and the same program is the same.

Checking a plan is a function of its text, of the library's files, of this package and of the host's memory. A record
in the cache holds what came out, its name is the digest of all of that; a file counts by what the file system notes of
any change of it. What is wrong with a plan is never kept, nor a plan whose tests bring files of their own, nor an
answer about a file that changed just now: a second change within the clock's grain would go unseen.

A plan that was edited is checked again, but not the series it names: what a plan must know of them is kept by the
digest of all but the plan.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import kzram_ci
from kzram_ci.base import budget, cache, clock, files
from kzram_ci.base.digest import digest_json
from kzram_ci.base.errors import InfraError, KzramError
from kzram_ci.base.library import Library
from kzram_ci.base.values import dataclass

PART = "plans"  # of the cache
FORMAT = 2  # raise it when a record's content changes
FILES = 5_000  # more than a library has: someone's own directory of that name holds something else, and is not read
SETTLED_SECONDS = 2.0  # the coarsest time stamps of file systems in use
_SHELVES = ("kernels", "rootfs")
_DEPENDENCIES = ("pydantic", "pydantic_core", "yaml", "regex", "unidiff")  # what judges a plan beside this package

Stamp = tuple[str, int, int, int]  # path, inode, size, time of the last change of content or status in nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A plan, and all that the answer about it depends on, as they were at one moment."""

    key: str
    around: str  # the same of all but the plan
    changed: float  # seconds since the epoch: the latest change of a file


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """What is known of a plan that was found good."""

    cells: int
    kernels: int


def seen(path: Path, library: Library) -> Seen | None:
    """The state of a plan and its surroundings; None when it cannot be told, and the plan is checked."""
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        stamps = [*_code(), *(stamp for root in dict.fromkeys(library.roots) for stamp in _below(root))]
    except OSError:
        return None
    if len(stamps) > FILES:
        return None
    around = digest_json((FORMAT, kzram_ci.__version__, sys.version, [str(root) for root in library.roots], stamps))
    facts = (around, budget.memory().total, str(path), str(path.absolute().parent), text)
    return Seen(
        key=digest_json(facts), around=around, changed=max((changed for *_, changed in stamps), default=0) / 1e9
    )


def known(state: Seen | None) -> Good | None:
    """The answer of before, if there is one."""
    if state is None:
        return None
    try:
        data = files.read_json(_record(state))
        return Good(cells=int(data["cells"]), kernels=int(data["kernels"]))
    except (InfraError, KeyError, TypeError, ValueError):
        return None


def known_series(state: Seen | None) -> dict[str, tuple[str, ...]]:
    """The series that were found good: by the path of series.yaml, those that must come before it."""
    if state is None:
        return {}
    try:
        rows = files.read_json(_series_record(state))["series"].items()
    except (InfraError, KeyError, TypeError, ValueError, AttributeError):
        return {}
    return {path: tuple(map(str, after)) for path, after in rows if isinstance(after, list)}


def keep(
    before: Seen | None, path: Path, library: Library, good: Good, series: Mapping[str, tuple[str, ...]] | None = None
) -> None:
    """Keep an answer, unless something changed meanwhile or just before. A cache that cannot be written is no harm.

    `series`: all that were found good on the way, or before.
    """
    if before is None or clock.now_utc().timestamp() - before.changed < SETTLED_SECONDS:
        return
    if seen(path, library) != before:
        return
    with suppress(KzramError):
        answer = {"cells": good.cells, "kernels": good.kernels, "plan": str(path)}
        files.write_json(_record(before), answer, pushed=False)
        if series and series != known_series(before):
            files.write_json(_series_record(before), {"series": series}, pushed=False)


def _record(state: Seen) -> Path:
    return cache.cache_root() / PART / f"{state.key}.json"


def _series_record(state: Seen) -> Path:
    return cache.cache_root() / PART / f"series-{state.around}.json"


def _below(root: Path) -> Iterator[Stamp]:
    """The files of a library's root; links to directories are followed, FILES ends a circle of them."""
    count = 0
    for shelf in _SHELVES:
        for folder, folders, names in os.walk(root / shelf, followlinks=True):
            folders.sort()
            for name in sorted(names):
                yield _stamp(f"{folder}/{name}")
                if (count := count + 1) > FILES:
                    return


@functools.cache
def _code() -> tuple[Stamp, ...]:
    """What judges a plan, as it was when this process first asked: it runs what it has loaded."""
    return tuple(_code_files())


def _code_files() -> Iterator[Stamp]:
    for folder, folders, names in os.walk(Path(kzram_ci.__file__).parent):
        folders[:] = sorted(set(folders) - {"__pycache__"})
        yield from (_stamp(f"{folder}/{name}") for name in sorted(names))
    for name in _DEPENDENCIES:
        found = find_spec(name)
        if found is not None and found.origin:
            yield _stamp(found.origin)


def _stamp(path: str) -> Stamp:
    status = os.stat(path)  # noqa: PTH116 -- a thousand files, each looked at twice
    return path, status.st_ino, status.st_size, status.st_ctime_ns
