"""What we ask of ELF files, read by pyelftools: whose machine code it is, what it is linked with, a section.

Takes the content of a file, from anywhere: a damaged file is a ValueError, whatever is damaged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from kzram_ci.base.values import dataclass

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

_MAGIC = b"\x7fELF"
_SECTION, _SEGMENT = 40, 32  # bytes of the smallest headers, those of 32-bit files


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An executable: e_machine as elf.h names it (`EM_X86_64`), and whether it asks for an interpreter."""

    machine: str
    bits: int
    little_endian: bool
    dynamic: bool


def program(data: bytes) -> Program:
    """What an executable is made for. Raises ValueError when the data is not an ELF file."""
    with _opened(data) as elf:
        dynamic = any(segment["p_type"] == "PT_INTERP" for segment in elf.iter_segments())
        return Program(
            machine=str(elf["e_machine"]),
            bits=int(elf.elfclass),
            little_endian=bool(elf.little_endian),
            dynamic=dynamic,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Linkage:
    """What the dynamic linker is asked for: the linker's own path ("" in a library), and names of libraries."""

    interpreter: str = ""
    libraries: tuple[str, ...] = ()  # DT_NEEDED, in order


def linkage(data: bytes) -> Linkage:
    """What a program or library is linked with; nothing for a static one. Raises ValueError for what is not ELF."""
    with _opened(data) as elf:
        segments: tuple[Any, ...] = tuple(elf.iter_segments())
        asked = (segment.get_interp_name() for segment in segments if segment["p_type"] == "PT_INTERP")
        libraries = (
            str(tag.needed)
            for segment in segments
            if segment["p_type"] == "PT_DYNAMIC"
            for tag in segment.iter_tags("DT_NEEDED")
        )
        return Linkage(interpreter=str(next(asked, "")), libraries=tuple(libraries))


def section(data: bytes, name: str) -> bytes:
    """A section's content as it is in the file; empty when there is none. Raises ValueError for what is not ELF."""
    with _opened(data) as elf:
        for item in elf.iter_sections():
            if item.name == name:
                return data[item["sh_offset"] : item["sh_offset"] + item["sh_size"]]
    return b""


@contextmanager
def _opened(data: bytes) -> Iterator[ELFFile]:
    from elftools.common.exceptions import ELFError
    from elftools.construct import ConstructError
    from elftools.elf.elffile import ELFFile

    if not data.startswith(_MAGIC):
        raise ValueError("not an ELF file")
    try:
        elf = ELFFile(BytesIO(data))
        # a count can be 2^64, with all headers in one place: reading them would not end
        if elf.num_sections() > len(data) // _SECTION or elf.num_segments() > len(data) // _SEGMENT:
            raise ValueError("a damaged ELF file")
        yield elf
    # the library checks the format as far as it needs; offsets that lead nowhere end in the other exceptions
    except (ELFError, ConstructError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError("a damaged ELF file") from error
