"""A kernel that is ready to boot: an image, and what lies around it by the customs of distributions."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterable
from pathlib import Path

from kzram_ci.base.digest import digest_file, digest_json
from kzram_ci.base.errors import UserError
from kzram_ci.base.memo import memoized_of
from kzram_ci.kernel.context import Context
from kzram_ci.model.arch import ARCHS, Arch, arch_of
from kzram_ci.model.kernel import KernelImage
from kzram_ci.model.provenance import Provenance
from kzram_ci.model.source import ImageSource

# Linux/x86 boot protocol (Documentation/arch/x86/boot.rst): at 0x20e the place of the version string, from 0x200 on.
_VERSION_AT, _SETUP_AT = 0x20E, 0x200
_HEAD = 0x10000  # bytes that are looked at
_BANNER = re.compile(rb"Linux version (\S{1,200}) ")  # linux_banner[], in an image that is not compressed


def check(ref: ImageSource) -> Path:
    """The image file. Raises UserError when there is none."""
    path = Path(ref.path).expanduser().absolute()
    if not path.is_file():
        raise UserError(f"{path} is not a file", hint="image: the path of a bzImage or vmlinuz")
    return path


def describe(ref: ImageSource, *, name: str, arch: str, context: Context, words: str = "") -> KernelImage:
    """The image and its modules, config and symbols. Raises UserError for what is missing or not a kernel.

    words: the source as it was given, where the image was unpacked from it.
    What the reference does not name is looked for beside the image (as in a build or a package that was only
    unpacked) and at the root above its boot/ (`/` for an installed kernel).
    """
    path = check(ref)
    if (made := arch_of_image(path)) not in ("", arch):
        raise UserError(f"{path} is a kernel for {made}, not for {arch}", hint=f"--arch {made}")
    if not made and arch_of(arch).directory == "x86" and not _is_elf(path):  # others may be compressed as a whole
        raise UserError(f"{path} is not a kernel image", hint="image: the path of a bzImage or vmlinuz")
    release = memoized_of(path, "release", lambda: _release(path), context.cache)
    root = path.parent.parent if path.parent.name == "boot" else path.parent
    around = _Around(path=path, root=root, release=release)
    modules = _given(ref.modules, "modules") or around.modules()
    config = _given(ref.config, "config") or around.config()
    vmlinux = _given(ref.debug, "debug") or around.debug()
    sha = memoized_of(path, "sha256", lambda: digest_file(path), context.cache)
    return KernelImage(
        key=digest_json(["image", sha, _contents(modules)]),
        name=name,
        arch=arch,
        release=release,
        image=str(path),
        vmlinux=str(vmlinux or ""),
        modules=str(modules or ""),
        config=str(config or ""),
        cached=True,
        provenance=Provenance(source=words or ref.words(), version=release, identity=f"image:{sha}"),
    )


def arch_of_image(path: Path) -> str:
    """The architecture that an image is for, by its header; "" for one that is compressed, or of another kind."""
    with path.open("rb") as handle:
        head = handle.read(_HEAD)
    return next((row.name for row in ARCHS if _is_for(row, head)), "")


def _is_elf(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(4) == b"\x7fELF"


def _is_for(row: Arch, head: bytes) -> bool:
    at, magic = row.magic
    if head[at : at + len(magic)] != magic:
        return False
    if row.wide is None:
        return True
    at, bit = row.wide
    return bool(int.from_bytes(head[at : at + 1]) & bit) == (row.bits == 64)


class _Around:
    """Where distributions and kbuild put what belongs to an image."""

    def __init__(self, *, path: Path, root: Path, release: str) -> None:
        self._path, self._root, self._release = path, root, release

    def modules(self) -> Path | None:
        if self._path.parent.name == self._release:  # /usr/lib/modules/X/vmlinuz
            return self._path.parent
        return _first(self._root / where / self._release for where in ("lib/modules", "usr/lib/modules"))

    def config(self) -> Path | None:
        modules = self.modules()
        return _first(
            (
                self._path.parent / f"config-{self._release}",
                *((modules / "config", modules / "build" / ".config") if modules else ()),
                self._path.parent / "config",  # our own builds
                *(parent / ".config" for parent in self._path.parents[:4]),  # arch/x86/boot/bzImage of a build
            )
        )

    def debug(self) -> Path | None:
        symbols = self._root / "usr/lib/debug"
        return _first(
            (
                symbols / "boot" / f"vmlinux-{self._release}",
                symbols / "lib/modules" / self._release / "vmlinux",
                *(parent / "vmlinux" for parent in self._path.parents[:4]),
            )
        )


def _first(paths: Iterable[Path]) -> Path | None:
    return next((path for path in paths if path.exists()), None)


def _given(word: str, field: str) -> Path | None:
    """A path the user named: it must be there."""
    if not word:
        return None
    path = Path(word).expanduser().absolute()
    if not path.exists():
        raise UserError(f"{path} does not exist", hint=f"`{field}:` of the image names it")
    return path


def _release(path: Path) -> str:
    """The release in an image; else the directory of its modules, or its name (vmlinuz-6.1.0-13-arm64)."""
    with path.open("rb") as handle:
        data = handle.read(_HEAD)
    made = arch_of_image(path)
    if made and arch_of(made).directory == "x86":
        start = int.from_bytes(data[_VERSION_AT : _VERSION_AT + 2], "little") + _SETUP_AT
        text = data[start : data.find(b"\0", start)].decode("ascii", "replace")
        return text.split(" ", 1)[0]
    if made:  # the whole image, as it will lie in memory
        with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as image:
            if (banner := _BANNER.search(image)) is not None:
                return banner[1].decode("ascii", "replace")
    if len(data) < 0x1000:
        raise UserError(f"{path} is not a kernel image", hint="image: the path of a bzImage or vmlinuz")
    return path.parent.name if path.parent.parent.name == "modules" else path.name.partition("-")[2]


def _contents(modules: Path | None) -> list[list[object]]:
    """What the modules are, cheaply: names and sizes of the files, as they are part of what is tested."""
    if modules is None:
        return []
    files = sorted(path for path in modules.rglob("*.ko*") if path.is_file())
    return [[path.relative_to(modules).as_posix(), path.stat().st_size] for path in files]
