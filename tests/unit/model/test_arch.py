"""What depends on an architecture is in its row, and every row is whole."""

import dataclasses
import os
from pathlib import Path

import pytest

from kzram_ci.base import elf
from kzram_ci.model import arch
from kzram_ci.model.arch import ARCHS, Arch, arch_of

ROWS = pytest.mark.parametrize("row", ARCHS, ids=lambda row: row.name)
MAY_BE_EMPTY = {"cmdline_tcg", "tiny_guest", "panic_device", "fragments", "kvm_on", "wide", "flavour"}


@ROWS
def test_a_row_is_whole(row: Arch) -> None:
    for field in dataclasses.fields(row):
        assert getattr(row, field.name) or field.name in MAY_BE_EMPTY, field.name
    assert arch_of(row.name) is row


@ROWS
def test_names_of_one_architecture_are_of_no_other(row: Arch) -> None:
    others = [other for other in ARCHS if other is not row]
    for field in ("name", "qemu", "triplet", "elf_machine", "kbuild", "debian"):
        assert getattr(row, field) not in {getattr(other, field) for other in others}, field
    # arch/x86 is of 32 and of 64 bits
    assert (row.directory, row.bits) not in {(other.directory, other.bits) for other in others}


@ROWS
def test_its_fragments_ship(row: Arch) -> None:
    folder = Path(arch.__file__).parents[2] / "kernels" / "config"
    assert all((folder / f"{name}.config").is_file() for name in row.fragments)


@ROWS
def test_what_a_host_needs_follows_from_the_row(row: Arch) -> None:
    whats = [need.what for need in arch.needs_of(row)]
    assert whats == [row.qemu, f"{row.triplet}-gcc", f"{row.triplet}-ld"]
    assert all(need.arch == row.name for need in arch.needs_of(row))


def test_this_hosts_programs_are_of_its_own_row() -> None:
    found = elf.program(Path("/bin/true").resolve().read_bytes())
    (row,) = (row for row in ARCHS if os.uname().machine in row.uname)
    assert (found.machine, found.bits, found.little_endian) == (row.elf_machine, row.bits, row.little_endian)


def test_no_other_module_has_a_table_of_architectures() -> None:
    package = Path(arch.__file__).parents[1]
    # where binutils has the same name, a module may mean what it calls so
    names = [row.name for row in ARCHS if row.name not in ("x86_64", row.objdump)]
    tables = [
        str(path)
        for path in package.rglob("*.py")
        if path != Path(arch.__file__) and any(f'"{name}"' in path.read_text() for name in names)
    ]
    assert not tables
