"""Directories that make need not enter: nothing below them depends on what changed since it was last there.

kbuild enters every directory that its makefiles name, and each time reads what all its objects depend on. Of a lean
6.12 these are 409, in 319 of which there is nothing to build; to enter them all costs as much as the three objects by
which two variants differ. What the objects depend on is known from the last time, from the `.cmd` files beside them.
Make itself is asked for all else: wherever a change may reach further than the files that name it, all is entered.
"""

from __future__ import annotations

import os
import posixpath
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
    # a new header in asm/ takes the place of a generated one
    r"(?:scripts|tools|usr|certs|rust)/|arch/[^/]+/(?:include/|tools/|Makefile|Kbuild)"
    r"|include/(?:dt-bindings/|.*(?:Makefile|Kbuild))"
)
# What tells of a build in which each make depends on more than is written down: modules before 5.4 (.tmp_versions, gone
# with commit b7dca6dd1e59), unused symbols that go (before 6.5), and an archive of all headers.
_MORE = (".tmp_versions", "include/generated/autoksyms.h", "kernel/kheaders_data.tar.xz")
# They may hold files of the host: an initramfs, keys, firmware, a boot configuration, a table of ACPI, a logo.
_OF_THE_HOST = (
    *("usr", "certs", "lib", "drivers/base/firmware_loader/builtin", "firmware", "net/wireless"),
    *("drivers/acpi", "drivers/video/logo", "drivers/firmware/efi/libstub"),
)
_PLAIN = re.compile(r"[\w+.-]+(?:/[\w+.-]+)*")  # a name that a makefile may hold
_ROUNDABOUT = (b"/../", b"/./", b"//")
# A makefile that takes another directory for its own, as riscv's vdso_cfi, or copies from one: .cmd files name copies.
_OF_ELSEWHERE = re.compile(rb"^[ \t]*src[ \t]*:?=|^[^#\n]*:.*\$\(srctree\)/\S*%", re.M)
_INCLUDES = re.compile(rb"^[ \t]*[-s]?include\b", re.M)


def idle(src: Path, out: Path, changed: Collection[str]) -> frozenset[str]:
    """The directories of an object tree that the changed paths do not reach; none when all must be entered.

    `out` holds what a make that ended well left, and since then nothing but `changed`, paths of the source, differs.
    """
    paths = [path for path in changed if not _TEXT.fullmatch(path)]
    known = _ENTER in (_read(src / "scripts/Kbuild.include") or b"").splitlines()
    if not known or len(paths) > _MOST or not all(_bounded(path) for path in paths) or _depends_on_more(out):
        return frozenset()
    makefiles = {str(Path(path).parent) for path in paths if Path(path).name in _MAKEFILES}  # they hand flags down
    busy = {str(up) for path in (*paths, *(f"{where}/x" for where in _OF_THE_HOST)) for up in Path(path).parents}
    names = tuple(f"/{path}".encode() for path in (*paths, *_links_to(src, paths)))
    entered = set()
    for where, found in _walk(out):
        if not _ENTERED.isdisjoint(found) and _PLAIN.fullmatch(where):
            entered.add(where)
        for file, maker in _dependent(out / where, found, names):
            if not _ordinary(where, file):
                return frozenset()
            busy.update(_with_parents(where), _with_parents(maker or where))
    if not makefiles <= entered:  # such a one is included by others
        return frozenset()
    for where in _by_makefiles(src, entered, paths):
        busy.update(_with_parents(where))
        if makefiles:
            makefiles.add(where)
    below = tuple(f"{where}/" for where in makefiles)
    busy.update(up for where in entered if where.startswith(below) for up in _with_parents(where))
    return frozenset(entered - busy - {"."})


def _links_to(src: Path, paths: Collection[str]) -> Iterator[str]:
    """Links to the changed headers: .cmd files name a link. Kernels have them in include/dt-bindings."""
    headers = {os.path.realpath(src / path) for path in paths if path.startswith("include/")}
    for where, _, names in os.walk(src / "include") if headers else ():
        for link in (Path(where, name) for name in names):
            if link.is_symlink() and os.path.realpath(link) in headers:
                yield str(link.relative_to(src))


def _by_makefiles(src: Path, entered: Collection[str], changed: Collection[str]) -> Iterator[str]:
    """The directories whose makefiles may have a rule for a changed file that leaves no .cmd file."""
    names = {Path(path).name.encode() for path in changed}
    included = not names.isdisjoint(name.encode() for name in _MAKEFILES)
    names.difference_update(name.encode() for name in _MAKEFILES)
    for where in entered:
        text = b"\n".join(_read(src / where / name) or b"" for name in _MAKEFILES)
        if _OF_ELSEWHERE.search(text) or (included and _INCLUDES.search(text)) or any(name in text for name in names):
            yield where


def _depends_on_more(out: Path) -> bool:
    return any((out / name).exists() for name in _MORE)


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


def _dependent(where: Path, names: Collection[str], changed: Collection[bytes]) -> Iterator[tuple[str, str]]:
    """What kbuild made of a changed file, and the directory that made it where that is another one, else ""."""
    for name in names:
        if name.endswith(".cmd"):
            text = _read(where / name)
            if text is None:
                yield name, ""
            elif _names_one(text, changed):
                yield name, _maker(text)


def _names_one(text: bytes, changed: Collection[bytes]) -> bool:
    """Whether it names a changed path, also in a roundabout way: fs/iomap/../internal.h, or fs/./internal.h."""
    if any(path in text for path in changed):
        return True
    if not any(way in text for way in _ROUNDABOUT):
        return False
    roundabout = {posixpath.normpath(word) for word in text.split() if any(way in word for way in _ROUNDABOUT)}
    return any(word.endswith(path) for word in roundabout for path in changed)


def _maker(text: bytes) -> str:
    """`cmd_arch/x86/kvm/../../../virt/kvm/kvm_main.o` is made in arch/x86/kvm; "" for what its own directory makes."""
    target = text.split(None, 1)[0].partition(b"cmd_")[2] if text.strip() else b""
    above, roundabout, _ = target.partition(b"/../")
    return above.decode("utf-8", "replace") if roundabout else ""


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
    return (
        top not in (".", "include", "scripts", "tools", "rust")
        and not any(word in f"{where}/" for word in ("/include/", "/tools/"))  # tools: arch/x86/tools/vdso2c
        and ".s.cmd" not in file
    )


def _with_parents(where: str) -> set[str]:
    return {where, *map(str, Path(where).parents)}


def write(out: Path, directories: Collection[str]) -> dict[str, str]:
    """Have make stay out of these directories; the environment that it needs for that, {} for none.

    GNU make reads the makefiles of $MAKEFILES first. Makes that run elsewhere, as those of tools/, do not find the
    file, and go on without.
    """
    if not directories:
        for name in (MAKEFILE, _NOTHING):  # of another make: whoever looks would take it for this one's
            (out / name).unlink(missing_ok=True)
        return {}
    above = " ".join(sorted({str(up) for path in directories for up in Path(path).parents}))
    stay = f"$(filter {' '.join(sorted(directories))},$@)"
    enter = f"$(if {stay},-f {_NOTHING} obj,{_ENTER.decode().partition(':= ')[2]})"
    files.write_atomic(out / _NOTHING, "__build:\n\t@:\n")
    files.write_atomic(out / MAKEFILE, f"ifneq ($(filter {above},$(obj)),)\noverride build = {enter}\nendif\n")
    return {"MAKEFILES": MAKEFILE}
