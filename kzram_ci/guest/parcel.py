"""What a plan sends into the guest for a test of its own: found beside the plan, checked, and packed for a boot."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from kzram_ci.base import proc
from kzram_ci.base.digest import sha256
from kzram_ci.base.errors import UserError
from kzram_ci.guest import cpio, executables, host_libraries
from kzram_ci.guest.conf import LIBRARIES, TEST
from kzram_ci.guest.recipe import Recipe
from kzram_ci.model.workload import OwnTest, SentFile

Fault = tuple[tuple[str | int, ...], str]  # (field of the test, what is wrong)

MOST_FILES = 5000
SHARE_OF_MEMORY = 3  # the archive, and what it is unpacked to, are in memory at once


@dataclass(slots=True, kw_only=True)
class _Packing:
    """One test's files while they are looked at."""

    own: OwnTest
    folder: Path
    arch: str
    programs: set[str]
    rooted: bool = False  # the guest's programs are a distribution's: they are not known
    sent: dict[str, SentFile] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    libraries: dict[str, int] = field(default_factory=dict)
    bytes: int = 0


def packed(
    own: OwnTest, folder: Path, *, arch: str, recipe: Recipe, memory_mib: int, rooted: bool = False
) -> tuple[tuple[SentFile, ...], tuple[Fault, ...]]:
    """The files of a test whose plan lies in `folder`, and all that is wrong with them.

    `rooted`: programs run in a root file system of a distribution.
    """
    programs = set(guest_programs(recipe))
    work = _Packing(own=own, folder=folder.absolute(), arch=arch, programs=programs, rooted=rooted)
    for index, name in enumerate(own.programs):
        _host_program(work, name, index)
    for index, name in enumerate(own.files):
        _add(work, name, ("files", index))
    if own.run:
        _command(work, own.run[0])
    total = work.bytes + sum(work.libraries.values())
    if total * SHARE_OF_MEMORY > memory_mib << 20:
        text = (
            f"{total >> 20:,} MiB with libraries, and a guest of {memory_mib:,} MiB takes a third of its memory at most"
        )
        work.faults.append((("files",) if own.files else ("run",), text))
    return tuple(work.sent[path] for path in sorted(work.sent)), tuple(work.faults)


def guest_programs(recipe: Recipe) -> Iterator[str]:
    """Paths of the programs that the guest has anyway."""
    names = {*recipe.programs, "busybox", *(applet for applets in recipe.busybox.values() for applet in applets)}
    yield from (f"/bin/{name}" for name in names)
    yield from recipe.files
    yield executables.ENV  # a link that comes with the files


def _host_program(work: _Packing, name: str, index: int) -> None:
    """A program of this host by name: as /bin/NAME, and at its own path, which scripts may have in their first line."""
    try:
        path = Path(proc.which(name)).resolve()
        data = path.read_bytes()
    except (UserError, OSError) as error:
        work.faults.append((("programs", index), f"this host has no program {name!r} ({error})"))
        return
    for place in dict.fromkeys((f"/bin/{name}", f"/usr/bin/{name}")):
        work.sent[place] = SentFile(path=place, source=str(path), sha256=sha256(data), mode=0o755)
        work.programs.add(place)
    work.bytes += 2 * len(data)
    _runnable(work, name, data, ("programs", index), path)


def _command(work: _Packing, word: str) -> None:
    """The program that `run` names: one of the plan's folder, or of the guest."""
    where = ("run",)
    if "/" in word and not word.startswith("/"):
        place = _place(word)
        if place not in work.sent:
            _add(work, word, where)
        if (sent := work.sent.get(place)) is None:
            return
        if not sent.mode & 0o111:
            work.faults.append((where, f"{word} is not executable: chmod +x {Path(sent.source)}"))
            return
        data = _read(Path(sent.source))
        if data is not None:
            _runnable(work, word, data, where, Path(sent.source))
        return
    if word in work.programs or f"/bin/{word}" in work.programs:
        return
    if "/" not in word and (work.folder / word).is_file():
        work.faults.append((where, f"{word} lies beside the plan: write ./{word}"))
        return
    if not work.rooted:
        work.faults.append((where, executables.no_program(word, work.programs)))


def _runnable(work: _Packing, name: str, data: bytes, where: tuple[str | int, ...], path: Path) -> None:
    try:
        found = executables.wants(name, data, work.arch, host_libraries.lookup(data, (path.parent,)), LIBRARIES)
    except ValueError as error:
        work.faults.append((where, str(error)))
        return
    work.libraries |= {place: len(content) for place, content in found.libraries}
    if not work.rooted and (text := executables.no_interpreter(name, found, work.programs)):
        work.faults.append((where, text))


def _place(name: str) -> str:
    return f"{TEST}/{PurePosixPath(os.path.normpath(name))}"


def _add(work: _Packing, name: str, where: tuple[str | int, ...]) -> None:
    """A file, or all files of a directory, that lie in the plan's folder."""
    plain = os.path.normpath(name)
    if Path(name).is_absolute() or plain.startswith("..") or plain == ".":
        work.faults.append((where, f"{name} is not inside the plan's folder: copy it there"))
        return
    path = work.folder
    for part in Path(plain).parts:
        path = path / part
        if path.is_symlink():
            work.faults.append((where, f"{name} goes through the link {path}: name what it points to, or copy it"))
            return
    if path.is_dir():
        _add_directory(work, path, where)
    elif path.is_file():
        _add_file(work, path, where)
    else:
        work.faults.append((where, f"{path} {'is not a file' if path.exists() else 'does not exist'}"))


def _add_directory(work: _Packing, top: Path, where: tuple[str | int, ...]) -> None:
    for parent, directories, names in os.walk(top):
        directories.sort()
        for name in sorted((*names, *(each for each in directories if (Path(parent) / each).is_symlink()))):
            path = Path(parent) / name
            if path.is_symlink():
                work.faults.append((where, f"{path} is a link: the guest gets copies of files only"))
            elif not path.is_file():
                work.faults.append((where, f"{path} is not a file"))
            elif len(work.sent) > MOST_FILES:
                work.faults.append((where, f"more than {MOST_FILES:,} files"))
                return
            else:
                _add_file(work, path, where)


def _add_file(work: _Packing, path: Path, where: tuple[str | int, ...]) -> None:
    place = _place(str(path.relative_to(work.folder)))
    if place in work.sent:
        work.faults.append((where, f"{path} is named twice"))
        return
    if (data := _read(path)) is None:
        work.faults.append((where, f"{path} cannot be read"))
        return
    executable = bool(path.stat().st_mode & stat.S_IXUSR)
    work.sent[place] = SentFile(path=place, source=str(path), sha256=sha256(data), mode=0o755 if executable else 0o644)
    work.bytes += len(data)
    if executable and data.startswith(b"\x7fELF") and (not work.own.run or place != _place(work.own.run[0])):
        _runnable(work, path.name, data, where, path)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


# ---- for a boot


def entries(own: OwnTest, arch: str, read: Callable[[Path], bytes | None] = _read) -> list[cpio.Entry]:
    """What a boot adds to the initramfs. Raises UserError when a file is not what it was when the plan was read."""
    made = [cpio.directory(TEST)]
    libraries: dict[str, bytes] = {}
    for sent in own.sent:
        path = Path(sent.source)
        data = read(path)
        if data is None or sha256(data) != sent.sha256:
            how = "cannot be read" if data is None else "has changed"
            raise UserError(f"{path} {how} since the plan was read", hint="run the plan again, as a new run")
        made.append(cpio.regular(sent.path, data, sent.mode))
        if sent.mode & 0o111 and data.startswith(b"\x7fELF"):
            find = host_libraries.lookup(data, (path.parent,))
            try:
                libraries |= dict(executables.wants(path.name, data, arch, find, LIBRARIES).libraries)
            except ValueError as error:
                raise UserError(str(error)) from error
    taken = {sent.path.strip("/") for sent in own.sent}
    made += [cpio.regular(place, data, 0o755) for place, data in libraries.items() if place not in taken]
    if executables.ENV not in {sent.path for sent in own.sent}:
        made.append(cpio.symlink(executables.ENV, "/bin/busybox"))
    return made
