"""The guest's initramfs: its recipe, the compiler that the kernel's toolchain has for it, and the tools of a cell."""

from __future__ import annotations

import shutil
from pathlib import Path

from kzram_ci.base import elf, files, proc
from kzram_ci.base.cache import MANIFEST, entry_in_progress, once
from kzram_ci.base.digest import digest_bytes, digest_json
from kzram_ci.base.errors import UserError
from kzram_ci.guest import cpio, libraries, rootfs
from kzram_ci.guest import recipe as guest_recipe
from kzram_ci.guest.conf import TOOLS
from kzram_ci.kernel.context import Context
from kzram_ci.kernel.source import programs
from kzram_ci.kernel.toolchain import toolchain_for
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.arch import arch_of
from kzram_ci.model.filesystem import FilesystemKind, kind_of
from kzram_ci.model.kernel import RootfsImage
from kzram_ci.vm import binary

BUSYBOX = "busybox-static"  # Debian's package


def rootfs_for(arch: str, context: KernelContext, filesystem: str = "") -> RootfsImage:
    """The guest's initramfs, from the cache or built now; with the mkfs of a kind of file system.

    Raises UserError, InfraError, Interrupted.
    """
    ctx = context.begin()
    tools = toolchain_for(arch, (), cache=ctx.cache, deadline=ctx.deadline)
    compiler = rootfs.Compiler(command=tools.cc, identity=dict(tools.identity)["CC"])
    recipe = guest_recipe.load(context.library.rootfs())
    plain = rootfs.build(
        recipe,
        arch=arch,
        compiler=compiler,
        cache=ctx.cache,
        deadline=ctx.deadline,
        busybox=_busybox(arch, ctx),
        shelf=ctx.shelf,
        tell=lambda text: ctx.note("guest", text),
    )
    return _with_tools(plain, arch, kind_of(filesystem), ctx) if filesystem else plain


def _busybox(arch: str, context: Context) -> Path:
    """The host's busybox, where it is of the guest's architecture; else that of Debian's package for it."""
    try:
        return rootfs.checked(Path(proc.which("busybox")).resolve(), arch)
    except rootfs.WrongMachine:
        place = programs.downloaded("busybox", BUSYBOX, lambda root: (), context, arch_of(arch).debian)
        context.note("guest", f"busybox of {place.origin} for {arch}")
        return place.path


def _with_tools(plain: RootfsImage, arch: str, kind: FilesystemKind, context: Context) -> RootfsImage:
    """The initramfs with one more archive behind it, which the kernel unpacks as well."""
    archive, origin = _tools(arch, kind, context)
    key = digest_json(["tools", plain.key, digest_bytes(archive)])
    entry = context.cache / "rootfs" / key

    def make() -> None:
        with entry_in_progress(entry) as temporary:
            with files.disk_errors("cannot write the initramfs"):
                shutil.copyfile(plain.path, temporary / rootfs.IMAGE)
                with (temporary / rootfs.IMAGE).open("ab") as out:
                    out.write(archive)  # both end on the boundary where the kernel looks for the next
            files.write_json(temporary / MANIFEST, {"of": plain.key, kind.program: origin})

    once(entry, make, context.deadline)
    return RootfsImage(key=key, path=str(entry / rootfs.IMAGE))


def _tools(arch: str, kind: FilesystemKind, context: Context) -> tuple[bytes, str]:
    """The mkfs and its libraries as an archive, and where they are from: this host's, or else the package's."""
    row = arch_of(arch)

    def closed(place: programs.Place) -> libraries.Closure:
        program = place.path.read_bytes()

        def find(name: str) -> bytes | None:
            contents = (path.read_bytes() for path in programs.find_library(place.root, name))
            return next((data for data in contents if libraries.fits(data, program)), None)

        return libraries.closure(program, find)

    def lacking(root: Path) -> tuple[str, ...]:
        place = programs.installed(kind.program, root)
        return () if place is None else closed(place).missing

    try:
        own = binary.native(row)
        place = programs.installed(kind.program) if own else None
        if place is None or closed(place).missing:
            place = programs.downloaded(kind.program, kind.package, lacking, context, "" if own else row.debian)
        data, found = place.path.read_bytes(), closed(place)
    except ValueError as error:
        raise UserError(f"{kind.program}: {error}", hint=f"reinstall {kind.package}") from error
    made = elf.program(data)
    if (made.machine, made.bits, made.little_endian) != (row.elf_machine, row.bits, row.little_endian):
        raise UserError(
            f"{place.path} is not built for {arch}",
            hint=f"{kind.name} can only be made in guests of this host's kind",
        )
    if found.missing:
        raise UserError(f"{place.path} needs {', '.join(found.missing)}", hint=f"reinstall {kind.package}")
    entries = [cpio.regular(f"{TOOLS}/{kind.program}", data, 0o755)]
    entries += [cpio.regular(path, library, 0o755) for path, library in found.files(TOOLS)]
    context.note("guest", f"{kind.program} of {place.origin}")
    return cpio.pack(entries), place.origin
