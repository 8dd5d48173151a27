"""Directories that make need not enter: nothing below them depends on what changed since it was last there.

kbuild enters every directory that its makefiles name, and each time reads what all its objects depend on. Of a lean
6.12 these are 409, in 319 of which there is nothing to build; to enter them all costs as much as the three objects by
which two variants differ. What the objects depend on is known from the last time, from the `.cmd` files beside them.
Make itself is asked for all else: wherever a change may reach further than the files that name it, all is entered.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from kzram_ci.base import files

MAKEFILE = "kzram-descent.mk"  # in the object directory, which is where kbuild's makes run
_NOTHING = "kzram-nothing.mk"
# How kbuild enters a directory: `$(MAKE) $(build)=DIRECTORY` (scripts/Kbuild.include, the same in 4.9 and 7.x).
_ENTER = b"build := -f $(srctree)/scripts/Makefile.build obj"
_MOST = 16  # changed files; with more of them nearly all is entered anyway
_LARGEST = 16 << 20  # bytes of a .cmd file
# What kbuild makes in each directory that it enters: built-in.o before 4.17 (commit f49821ee32b7).
_ENTERED = frozenset({"built-in.a", "built-in.o", "lib.a", "modules.order"})
_SOURCE = re.compile(r".+\.[chS]")
_TEXT = re.compile(r"Documentation/.+\.(?:rst|txt|yaml)|MAINTAINERS|CREDITS")
_MAKEFILES = ("Makefile", "Kbuild")
# What all of a build may depend on, and what is made and run before any directory is entered.
_EVERYWHERE = re.compile(
    r"(?:scripts|tools|usr|certs)/|arch/[^/]+/(?:tools/|Makefile|Kbuild)|include/.*(?:Makefile|Kbuild)"
)
_PLAIN = re.compile(r"[\w+.-]+(?:/[\w+.-]+)*")  # a name that a makefile may hold


def idle(src: Path, out: Path, changed: Collection[str]) -> frozenset[str]:
    """The directories of an object tree that the changed paths do not reach; none when all must be entered.

    `out` holds what a make that ended well left, and since then nothing but `changed`, paths of the source, differs.
    """
    if _ENTER not in (_read(src / "scripts/Kbuild.include") or b"").splitlines():
        return frozenset()
    paths = [path for path in changed if not _TEXT.fullmatch(path)]
    if len(paths) > _MOST or not all(_bounded(path) for path in paths):
        return frozenset()
    busy = {str(up) for path in paths for up in Path(path).parents}
    below = tuple(f"{Path(path).parent}/" for path in paths if Path(path).name in _MAKEFILES)  # they hand flags down
    names = tuple(f"/{path}".encode() for path in paths)
    entered = set()
    for where, found in _walk(out):
        if not _ENTERED.isdisjoint(found) and _PLAIN.fullmatch(where):
            entered.add(where)
        if where.startswith(below):
            busy.update(_with_parents(where))
        for file in _dependent(out / where, found, names, again=where not in busy):
            if not _ordinary(where, file):
                return frozenset()
            busy.update(_with_parents(where))
    return frozenset(entered - busy - {"."})


def _bounded(path: str) -> bool:
    """Whether what depends on a path is known: from what names it, or by the directory that it is in."""
    name = path.rpartition("/")[2]
    if _EVERYWHERE.match(path) or not _PLAIN.fullmatch(path):
        return False
    return bool(_SOURCE.fullmatch(name)) or (name in _MAKEFILES and "/" in path)


def _walk(out: Path) -> Iterator[tuple[str, list[str]]]:
    """Each directory, by the name of its source, and its files."""
    for where, directories, names in os.walk(out):
        directories[:] = [name for name in directories if name != "source"]
        yield os.path.relpath(where, out), names


def _dependent(where: Path, names: Collection[str], changed: Collection[bytes], *, again: bool) -> Iterator[str]:
    """What kbuild made of a changed file. Without `again` only what others are made with: constants of assembly."""
    for name in names:
        if name.endswith(".s.cmd") or (again and name.endswith(".cmd")):
            text = _read(where / name)
            if text is None or any(path in text for path in changed):
                yield name


def _read(path: Path) -> bytes | None:
    """None for what kbuild does not make: the tree may be anybody's, and a pipe has no end."""
    try:
        status = path.lstat()
        return path.read_bytes() if stat.S_ISREG(status.st_mode) and status.st_size < _LARGEST else None
    except OSError:
        return None


def _ordinary(where: str, file: str) -> bool:
    """Whether what was made there is for the kernel's image alone, and not for other directories to include."""
    top = where.partition("/")[0]
    return top not in (".", "include", "scripts", "tools") and "/include/" not in f"{where}/" and ".s.cmd" not in file


def _with_parents(where: str) -> set[str]:
    return {where, *map(str, Path(where).parents)}


def write(out: Path, directories: Collection[str]) -> dict[str, str]:
    """Have make stay out of these directories; the environment that it needs for that, {} for none.

    GNU make reads the makefiles of $MAKEFILES first. Makes that run elsewhere, as those of tools/, do not find the
    file, and go on without.
    """
    if not directories:
        return {}
    above = " ".join(sorted({str(up) for path in directories for up in Path(path).parents}))
    stay = f"$(filter {' '.join(sorted(directories))},$@)"
    enter = f"$(if {stay},-f {_NOTHING} obj,{_ENTER.decode().partition(':= ')[2]})"
    files.write_atomic(out / _NOTHING, "__build:\n\t@:\n")
    files.write_atomic(out / MAKEFILE, f"ifneq ($(filter {above},$(obj)),)\noverride build = {enter}\nendif\n")
    return {"MAKEFILES": MAKEFILE}
