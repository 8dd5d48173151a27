"""A dynamically linked program with all that it is linked with, so that it runs in a guest that has nothing. Pure.

Where libraries come from is the caller's: a look-up by name, over a host's directories or over unpacked packages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kzram_ci.base import elf
from kzram_ci.base.values import dataclass

Lookup = Callable[[str], bytes | None]  # a library's name (`libc.so.6`), or the path of the dynamic linker


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """A program's dynamic linker ("" for a static program), its libraries by name, and those that were not found."""

    interpreter: str = ""
    libraries: tuple[tuple[str, bytes], ...] = ()
    missing: tuple[str, ...] = ()

    def files(self, directory: str) -> Iterator[tuple[str, bytes]]:
        """Path in the guest and content: the linker where the program looks for it, the libraries in `directory`."""
        for name, data in self.libraries:
            yield (name if name == self.interpreter else f"{directory}/{name}").strip("/"), data


def closure(program: bytes, find: Lookup) -> Closure:
    """What a program is linked with, and what those are linked with in turn, each once.

    A look-up that has libraries of several architectures asks `fits`. Raises ValueError when the program or a library
    is not an ELF file.
    """
    first = elf.linkage(program)
    todo = [name for name in (first.interpreter, *first.libraries) if name]
    found: dict[str, bytes] = {}
    missing: dict[str, None] = {}
    while todo:
        name = todo.pop(0)
        # the linker is asked for by its path and, by libc, by its name too
        if name in found or name in missing or (first.interpreter and name == first.interpreter.rpartition("/")[2]):
            continue
        data = find(name)
        if data is None:
            missing[name] = None
            continue
        found[name] = data
        todo += elf.linkage(data).libraries
    return Closure(interpreter=first.interpreter, libraries=tuple(sorted(found.items())), missing=tuple(missing))


def fits(library: bytes, program: bytes) -> bool:
    """Whether a file is made for the same machine as a program; False for what is not ELF."""
    try:
        one, other = elf.program(library), elf.program(program)
    except ValueError:
        return False
    return (one.machine, one.bits, one.little_endian) == (other.machine, other.bits, other.little_endian)
