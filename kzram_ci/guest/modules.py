"""The modules a guest needs before it can talk and swap, taken from a kernel's own directory of modules."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import UserError
from kzram_ci.guest import modinfo
from kzram_ci.model.cell import Cell
from kzram_ci.model.filesystem import kind_of
from kzram_ci.model.kernel import KernelImage
from kzram_ci.model.machine import Dump

# Without these there is no control port or no zram: a kernel must have them, built in or as modules.
NEEDED = ("virtio_pci", "virtio_console", "zram")
# Wanted where they exist: power-off without them still works, a panic is noticed later.
HELPFUL = ("pvpanic_pci",)
DISK = "virtio_blk"
ROOT = "ext4"
NETWORK = "virtio_net"
DUMP = "qemu_fw_cfg"  # by it the kernel tells QEMU of its VMCOREINFO
SHARE = ("9pnet_virtio", "9p")
# zram before 6.12 asks the crypto API for its compressor (which would call modprobe; the guest has none).
COMPRESSORS = {"lzo-rle": "lzo_rle", "842": "842"}

_UNPACK: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.decompress, ".xz": lzma.decompress, ".bz2": bz2.decompress}
WHERE = "lib/modules"  # in the guest


def collect(image: KernelImage, cell: Cell, *, deadline: Deadline) -> dict[str, bytes]:
    """Path in the guest -> content, in loading order; empty for a kernel without modules.

    Raises UserError when a module that is needed is neither there nor built in.
    """
    root = directory(image)
    if root is None:
        return {}
    found = _Modules(root, deadline)
    algorithm = cell.workload.zram.algorithm
    zram = cell.workload.zram.present
    dump = (DUMP,) if cell.machine.dump is Dump.ON_CRASH else ()
    optional: tuple[str, ...] = (*((COMPRESSORS.get(algorithm, algorithm),) if zram else ()), *HELPFUL, *dump)
    kind = kind_of(spec.kind) if (spec := cell.workload.filesystem) is not None else None
    if kind is not None:
        optional = (*optional, *kind.helpers, found.one_of(kind.modules, image))
    needed = tuple(name for name in NEEDED if zram or name != "zram")
    machine = cell.machine
    needed = (*needed, *((DISK,) if machine.disk_mib or machine.root else ()), *((ROOT,) if machine.root else ()))
    network = machine.root is not None and machine.root.ssh_port
    needed = (*needed, *(SHARE if machine.shares else ()), *((NETWORK,) if network else ()))
    for name in needed:
        found.must_have(name, image)
    order = modinfo.in_order((*needed[:2], *optional, *needed[2:]), found.info)
    return {f"{WHERE}/{name}.ko": found.content[name] for name in order}


def directory(image: KernelImage) -> Path | None:
    """The directory below which a kernel's .ko files lie; None when it has none."""
    if not image.modules:
        return None
    installed = Path(image.modules) / WHERE / image.release
    return installed if installed.is_dir() else Path(image.modules)


class _Modules:
    """A directory of modules, each read once."""

    def __init__(self, root: Path, deadline: Deadline) -> None:
        self.content: dict[str, bytes] = {}
        self._root, self._deadline = root, deadline
        self._paths = {modinfo.normal(path.name.partition(".ko")[0]): path for path in root.rglob("*.ko*")}
        builtin = root / "modules.builtin"
        text = builtin.read_text("utf-8", "replace") if builtin.is_file() else None
        self._builtin = None if text is None else {modinfo.normal(Path(line).stem) for line in text.splitlines()}

    def must_have(self, name: str, image: KernelImage) -> None:
        """Raise UserError for a module that is neither here nor known as built in."""
        if name not in self._paths and self._builtin is not None and name not in self._builtin:
            hint = f"take a kernel that has {name}, or name the directory that holds it (modules)"
            raise UserError(f"{image.name}: {self._root} has no {name}, and it is not built in", hint=hint)

    def one_of(self, names: tuple[str, ...], image: KernelImage) -> str:
        """The first of these modules that is here or known as built in. Raises UserError when none is."""
        here = (name for name in names if name in self._paths or (self._builtin is not None and name in self._builtin))
        if (found := next(here, None)) is None:
            self.must_have(names[0], image)
        return found or names[0]

    def info(self, name: str) -> modinfo.Info | None:
        path = self._paths.get(name)
        if path is None:
            return None
        self.content[name] = self._read(path)
        try:
            return modinfo.parse(self.content[name])
        except ValueError as error:
            raise UserError(f"{path}: {error}", hint="check the directory of modules") from error

    def _read(self, path: Path) -> bytes:
        data = path.read_bytes()
        if path.suffix == ".zst":
            zstd = proc.which("zstd")
            return proc.run((zstd, "-dcq"), input=data, deadline=self._deadline.within(60)).stdout
        unpack = _UNPACK.get(path.suffix)
        return unpack(data) if unpack else data
