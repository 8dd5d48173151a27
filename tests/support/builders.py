"""Values that tests need and mostly do not care about: a builder takes what matters and fills in the rest."""

from typing import Any

from kzram_ci.model.cell import Cell
from kzram_ci.model.kernel import KernelImage, KernelSpec, RootfsImage
from kzram_ci.model.machine import Accel, AccelChoice
from kzram_ci.model.source import DirectorySource
from kzram_ci.model.workload import WorkloadSpec


def a_kernel(name: str = "k", **fields: Any) -> KernelSpec:
    """A kernel as a plan names it."""
    return KernelSpec(**{"name": name, "source": DirectorySource(path="/nowhere"), **fields})


def a_workload(**fields: Any) -> WorkloadSpec:
    """What runs in the guest: anonmutate, unless given."""
    return WorkloadSpec(**{"program": "anonmutate", **fields})


def a_cell(test: str = "t", **fields: Any) -> Cell:
    """One cell; its id follows from kernel and test."""
    kernel = fields.pop("kernel", None) or a_kernel()
    given = {"id": f"{kernel.name}/{test}", "test": test, "kernel": kernel, "workload": a_workload()}
    return Cell(**{**given, **fields})


def an_image(name: str = "k", **fields: Any) -> KernelImage:
    """A built kernel whose files are nowhere."""
    given = {"key": "0" * 64, "arch": "x86_64", "release": "6.12", "image": "/nowhere/bzImage"}
    return KernelImage(**{"name": name, **given, **fields})


def a_rootfs(**fields: Any) -> RootfsImage:
    """A built initramfs that is nowhere."""
    return RootfsImage(**{"key": "r", "path": "/nowhere/cpio", **fields})


def an_accel(**fields: Any) -> AccelChoice:
    """Emulation, as every host has it."""
    return AccelChoice(**{"accel": Accel.TCG, "why": "test", "proved": True, **fields})
