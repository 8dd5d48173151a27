import shutil
import struct
from pathlib import Path

import pytest
from elf_module import module
from hypothesis import given, settings
from hypothesis import strategies as st

from kzram_ci.base import elf

NATIVE = Path("/bin/true").resolve().read_bytes()


def test_a_program_of_this_host() -> None:
    found = elf.program(NATIVE)
    assert found.dynamic
    assert found.machine.startswith("EM_")


def test_a_static_program_asks_for_no_linker() -> None:
    busybox = shutil.which("busybox")
    assert busybox, "apt-get install busybox-static"
    assert not elf.program(Path(busybox).resolve().read_bytes()).dynamic


def test_a_section() -> None:
    assert b"name=zram\0" in elf.section(module("zram"), ".modinfo")
    assert elf.section(module("zram"), ".text") == b""
    assert elf.section(NATIVE, ".interp").startswith(b"/lib")


@pytest.mark.parametrize("data", [b"", b"MZ", b"#!/bin/sh\n# /lib64/ld-linux-x86-64.so.2\n", NATIVE[:60]])
def test_what_is_not_elf(data: bytes) -> None:
    with pytest.raises(ValueError, match="ELF file"):
        elf.program(data)
    with pytest.raises(ValueError, match="ELF file"):
        elf.section(data, ".modinfo")


def test_a_count_without_end_is_damage() -> None:
    whole = bytearray(module("zram"))
    whole[0x3A:0x3E] = struct.pack("<HH", 0, 0)  # headers of no size, their number in the first section's sh_size
    (table,) = struct.unpack_from("<Q", whole, 0x28)
    whole[table + 32 : table + 40] = struct.pack("<Q", 1 << 60)
    with pytest.raises(ValueError, match="damaged ELF file"):
        elf.section(bytes(whole), ".modinfo")


@given(at=st.integers(0, 320), noise=st.binary(min_size=1, max_size=8), cut=st.integers(4, 400))
@settings(max_examples=300, deadline=None)
def test_damage_is_a_value_error_or_harmless(at: int, noise: bytes, cut: int) -> None:
    for whole in (module("zram", "zsmalloc"), NATIVE):
        damaged = bytearray(whole)
        damaged[at : at + len(noise)] = noise
        for data in (bytes(damaged), whole[:cut], bytes(damaged[:cut])):
            for ask in (lambda: elf.program(data), lambda: elf.section(data, ".modinfo")):  # noqa: B023
                try:
                    ask()
                except ValueError as error:
                    assert "ELF file" in str(error)
