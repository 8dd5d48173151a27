import bz2
import gzip
import lzma
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import a_cell, a_workload, an_image
from elf_module import module

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import UserError
from kzram_ci.guest import modinfo
from kzram_ci.guest import modules as guest_modules
from kzram_ci.model.cell import Cell
from kzram_ci.model.kernel import KernelImage
from kzram_ci.model.machine import MachineSpec
from kzram_ci.model.workload import FilesystemSpec, ZramSpec

MODULES = {  # as in Debian's 6.1 cloud kernel
    "kernel/drivers/virtio/virtio_ring": "",
    "kernel/drivers/virtio/virtio": "virtio_ring",
    "kernel/drivers/virtio/virtio_pci_modern_dev": "",
    "kernel/drivers/virtio/virtio_pci": "virtio_pci_modern_dev,virtio,virtio_ring",
    "kernel/drivers/char/virtio_console": "virtio_ring,virtio",
    "kernel/drivers/block/virtio_blk": "virtio_ring,virtio",
    "kernel/drivers/block/zram/zram": "zsmalloc",
    "kernel/mm/zsmalloc": "",
    "kernel/crypto/lzo-rle": "",
    "kernel/drivers/net/virtio_net": "virtio",
    "kernel/fs/ext4/ext4": "jbd2",
    "kernel/fs/jbd2/jbd2": "",
    "kernel/crypto/crc32c_generic": "",
}
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": lambda data: subprocess.run(("zstd", "-cq"), input=data, stdout=subprocess.PIPE, check=True).stdout,
}


def install(root: Path, *leave_out: str, suffix: str = "", builtin: str = "") -> KernelImage:
    for name, depends in MODULES.items():
        stem = name.rsplit("/", 1)[-1]
        if stem not in leave_out:
            path = root / f"{name}.ko{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(PACK[suffix](module(modinfo.normal(stem), depends)))
    (root / "modules.builtin").write_text(builtin)
    return an_image("distro", release="6.1.0", modules=str(root))


def cell(algorithm: str = "lzo-rle", disk: int = 0) -> Cell:
    work = a_workload(program="pressure", zram=ZramSpec(algorithm=algorithm))
    return a_cell(machine=MachineSpec(disk_mib=disk), workload=work)


def with_filesystem(kind: str) -> Cell:
    work = a_workload(program="fsmutate", zram=ZramSpec(swap=False), filesystem=FilesystemSpec(kind=kind))
    return a_cell(workload=work)


def collect(image: KernelImage, wanted: Cell | None = None) -> dict[str, bytes]:
    return guest_modules.collect(image, wanted or cell(), deadline=Deadline.after(60))


@pytest.mark.parametrize("suffix", PACK)
def test_in_loading_order_and_uncompressed(tmp_path: Path, suffix: str) -> None:
    found = collect(install(tmp_path, suffix=suffix))
    names = [path.rsplit("/", 1)[-1].removesuffix(".ko") for path in found]
    assert (
        names.index("virtio_ring") < names.index("virtio") < names.index("virtio_pci") < names.index("virtio_console")
    )
    assert names[-3:] == ["lzo_rle", "zsmalloc", "zram"]
    assert "virtio_blk" not in names and "virtio_net" not in names
    assert all(data.startswith(b"\x7fELF") for data in found.values())


def test_a_disk_needs_its_driver(tmp_path: Path) -> None:
    assert "lib/modules/virtio_blk.ko" in collect(install(tmp_path), cell(disk=256))


def test_what_is_built_in_is_not_missed(tmp_path: Path) -> None:
    image = install(
        tmp_path, "virtio_pci", "virtio_console", builtin="kernel/a/virtio_pci.ko\nkernel/b/virtio_console.ko\n"
    )
    assert "lib/modules/zram.ko" in collect(image)


def test_what_is_needed_and_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no zram, and it is not built in"):
        collect(install(tmp_path, "zram"))


def test_a_kernel_of_ours_has_its_modules_below_the_release(tmp_path: Path) -> None:
    image = install(tmp_path / "lib" / "modules" / "6.1.0")
    ours = an_image(release="6.1.0", modules=str(tmp_path))
    assert collect(ours) == collect(image)


def test_no_modules(tmp_path: Path) -> None:
    assert collect(an_image(release="6.1.0")) == {}


def test_a_damaged_module_is_named(tmp_path: Path) -> None:
    image = install(tmp_path)
    (tmp_path / "kernel/mm/zsmalloc.ko").write_text("no ELF")
    with pytest.raises(UserError, match=r"zsmalloc\.ko: not an ELF file"):
        collect(image)


@pytest.mark.parametrize("kind", ["ext4", "ext2"])
def test_a_file_system_comes_with_what_it_asks_for_by_name(tmp_path: Path, kind: str) -> None:
    names = [Path(path).stem for path in collect(install(tmp_path), with_filesystem(kind))]
    assert names.index("crc32c_generic") < names.index("jbd2") < names.index("ext4")


def test_a_file_system_that_is_built_in_or_missing(tmp_path: Path) -> None:
    image = install(tmp_path, builtin="kernel/fs/xfs/xfs.ko")
    assert not [path for path in collect(image, with_filesystem("xfs")) if "xfs" in path]
    with pytest.raises(UserError, match="has no btrfs, and it is not built in"):
        collect(install(tmp_path), with_filesystem("btrfs"))
