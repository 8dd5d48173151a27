"""The guest's initramfs: our programs, busybox and init, packed so that the same inputs give the same bytes."""

from __future__ import annotations

import dataclasses
import platform
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kzram_ci.base import elf, files, host_trouble, needs, packages, proc
from kzram_ci.base.cache import MANIFEST, entry_in_progress, once
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_file, digest_files, digest_json
from kzram_ci.base.errors import CommandFailed, InfraError, UserError
from kzram_ci.base.values import dataclass
from kzram_ci.guest import cpio
from kzram_ci.guest.recipe import Recipe
from kzram_ci.model.arch import arch_of
from kzram_ci.model.kernel import RootfsImage
from kzram_ci.store.shared import NO_STORES, Shelf, Tell

RECIPE = 1  # raise it when the way of packing changes the bytes
IMAGE = "initramfs.cpio"


class WrongMachine(UserError):
    """A program that is not of the guest's architecture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiler:
    """The C compiler for the guest: its command, and the version line that names it exactly."""

    command: tuple[str, ...]
    identity: str


def build(
    recipe: Recipe,
    *,
    arch: str,
    compiler: Compiler,
    cache: Path,
    deadline: Deadline,
    busybox: Path | None = None,
    shelf: Shelf = NO_STORES,
    tell: Tell = lambda text: None,
) -> RootfsImage:
    """The initramfs, built if need be, or from a store, and in it afterwards; of the host's busybox, if none is given.

    `tell`: what went wrong with a store. Raises UserError (no static busybox, a program that does not compile).
    """
    busybox = checked(busybox or Path(proc.which("busybox")).resolve(), arch)
    key = _key(recipe, arch, compiler, busybox, deadline)
    entry = cache / "rootfs" / key

    def make() -> None:
        files.remove_tree(entry, deadline)  # one that is damaged
        if not shelf.get(entry, tell) or _damaged(entry):
            _build(recipe, compiler, busybox, _applets(recipe, busybox, arch, deadline), entry, deadline)

    once(entry, make, deadline, stale=lambda: _damaged(entry))
    shelf.put(entry, tell)
    return RootfsImage(key=key, path=str(entry / IMAGE))


def _damaged(entry: Path) -> bool:
    """Whether the image is not what was written: its guests would fail for no fault of a kernel's."""
    try:
        manifest = files.read_json(entry / MANIFEST)
        return bool(manifest.get("image", "") not in ("", digest_files((entry / IMAGE,))))
    except (InfraError, AttributeError):
        return True


def _build(
    recipe: Recipe, compiler: Compiler, busybox: Path, applets: list[str], entry: Path, deadline: Deadline
) -> None:
    with tempfile.TemporaryDirectory(prefix=proc.temporary_prefix()) as name, ThreadPoolExecutor() as pool:
        made = pool.map(lambda program: _compile(recipe, program, compiler, Path(name), deadline), recipe.programs)
        programs = dict(zip(recipe.programs, made, strict=True))
    entries = _entries(recipe, programs, busybox, applets)
    try:
        image = cpio.pack(entries)
    except ValueError as error:
        raise UserError(f"{recipe.directory / 'rootfs.yaml'}: {error}") from error
    files.remove_tree(entry, deadline)  # as it may have come from a store
    with entry_in_progress(entry) as temporary:
        with files.disk_errors("cannot write the initramfs"):
            (temporary / IMAGE).write_bytes(image)
        manifest = {"compiler": compiler.identity, "busybox": str(busybox), "image": digest_files((temporary / IMAGE,))}
        files.write_json(temporary / MANIFEST, {**manifest, "programs": sorted(programs)})


def _entries(recipe: Recipe, programs: dict[str, bytes], busybox: Path, applets: list[str]) -> list[cpio.Entry]:
    found = [cpio.directory(path, 0o1777 if path == "/tmp" else 0o755) for path in recipe.directories]
    found += [cpio.node(node.path, node.type, (node.major, node.minor), int(node.mode, 8)) for node in recipe.nodes]
    found += [cpio.regular(f"bin/{name}", data, 0o755) for name, data in programs.items()]
    found += [
        cpio.regular(path, _source(recipe, item["from"]).read_bytes(), int(item.get("mode", "0644"), 8))
        for path, item in recipe.files.items()
    ]
    found.append(cpio.regular("bin/busybox", busybox.read_bytes(), 0o755))
    return found + [cpio.symlink(f"bin/{applet}", "busybox") for applet in applets]


def _source(recipe: Recipe, name: str) -> Path:
    path = recipe.directory / name
    if not path.is_file():
        raise UserError(f"{path} does not exist", hint=f"{recipe.directory / 'rootfs.yaml'} names it")
    return path


def _key(recipe: Recipe, arch: str, compiler: Compiler, busybox: Path, deadline: Deadline) -> str:
    """Digest over the content of all that goes in, the C library included."""
    asked = (*compiler.command, "-print-file-name=libc.a")
    libc = Path(proc.run(asked, deadline=deadline.within(60)).text().strip())
    if not libc.is_file():
        raise UserError(f"no static C library for the guest's programs on {arch}", hint=_libc_advice(arch))
    sources = {name for names in recipe.programs.values() for name in names} | set(recipe.headers)
    sources |= {item["from"] for item in recipe.files.values()}
    plain = dataclasses.asdict(recipe) | {"directory": "", "kernel_config": []}
    digests = {name: digest_file(_source(recipe, name)) for name in sorted(sources)}
    tools = [compiler.identity, digest_file(libc), digest_file(busybox)]
    return digest_json([RECIPE, arch, plain, digests, tools])


def _libc_advice(arch: str) -> str:
    row = arch_of(arch)
    if platform.machine() in row.uname:
        return needs.advice("libc.a")
    return packages.advice(((f"libc.a of {arch}", row.cross_packages),))


def _compile(recipe: Recipe, program: str, compiler: Compiler, scratch: Path, deadline: Deadline) -> bytes:
    """One static program, stripped. Sources are named relative to the recipe: no path of this host gets in."""
    out = scratch / program
    sources = recipe.programs[program]
    for name in sources:
        _source(recipe, name)
    argv = (*compiler.command, *recipe.cflags, "-s", *sources, "-o", str(out))
    try:  # what a compiler that is killed leaves goes with the programs' directory
        proc.run(argv, cwd=recipe.directory, env={"TMPDIR": str(scratch)}, deadline=deadline)
    except CommandFailed as error:
        lines = error.tail.strip().splitlines() or [error.message]
        if (trouble := host_trouble.told(lines)) is not None:
            raise InfraError(f"guest program {program}: {trouble[0]}", hint=trouble[1]) from error
        first = next((line for line in lines if "error" in line), lines[-1])
        raise UserError(f"guest program {program}: {first}", hint="fix it, or its entry in rootfs.yaml") from error
    return out.read_bytes()


def checked(path: Path, arch: str) -> Path:
    """A busybox, if it is static and for this architecture. Raises UserError."""
    try:
        found = elf.program(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path} is {error}", hint=f"put a static busybox for {arch} first in PATH") from error
    row = arch_of(arch)
    if (found.machine, found.bits, found.little_endian) != (row.elf_machine, row.bits, row.little_endian):
        raise WrongMachine(f"{path} is not built for {arch}", hint=f"put a static busybox for {arch} first in PATH")
    if found.dynamic:
        raise UserError(f"{path} is dynamically linked", hint=needs.advice("busybox"))
    return path


def applets_in(program: bytes) -> frozenset[str]:
    """The applets of a busybox that this host cannot run: its longest table of short words, each after a NUL.

    In the program the names lie behind each other, sorted (applet_names[] of its include/applet_tables.h).
    """
    tables = re.findall(rb"(?:[\[a-z0-9_.-]{1,24}\0){40,}", program)
    return frozenset(max(tables, key=len, default=b"").decode().split("\0")) - {""}


def _listed(busybox: Path, arch: str, deadline: Deadline) -> frozenset[str]:
    if platform.machine() not in arch_of(arch).uname:
        return applets_in(busybox.read_bytes())
    return frozenset(proc.run((str(busybox), "--list"), deadline=deadline.within(60)).text().split())


def _applets(recipe: Recipe, busybox: Path, arch: str, deadline: Deadline) -> list[str]:
    """The links to make: what init needs must be there, what a shell likes may be missing."""
    has = _listed(busybox, arch, deadline)
    if lacking := sorted(set(recipe.busybox.get("init", ())) - has):
        raise UserError(f"{busybox} lacks {', '.join(lacking)}", hint=needs.advice("busybox"))
    wanted = {*recipe.busybox.get("init", ()), *recipe.busybox.get("shell", ())}
    return sorted(wanted & has)
