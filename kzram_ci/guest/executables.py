"""Whether a file of the user's can run in the guest: by its first bytes, never by running it. Pure."""

from __future__ import annotations

from collections.abc import Collection

from kzram_ci.base import elf
from kzram_ci.base.suggest import allowed
from kzram_ci.base.values import dataclass
from kzram_ci.guest.libraries import Lookup, closure
from kzram_ci.model.arch import arch_of

ENV = "/usr/bin/env"
_HEAD = 256  # as much of a script's first line as the kernel reads (BINPRM_BUF_SIZE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wants:
    """What a program needs beside itself: its interpreter, or libraries by their path in the guest."""

    interpreter: str = ""  # of a script, as its first line has it
    through_env: str = ""  # the program that /usr/bin/env is asked for
    libraries: tuple[tuple[str, bytes], ...] = ()


def wants(name: str, data: bytes, arch: str, find: Lookup, directory: str) -> Wants:
    """What a program needs; its libraries go into `directory`. Raises ValueError with what is wrong with it."""
    if data.startswith(b"#!"):
        line = data[2:_HEAD].split(b"\n")[0]
        if line.endswith(b"\r"):
            raise ValueError(
                f"{name} has lines that end in CR LF, and the kernel takes the CR for a part of the "
                "interpreter's name: dos2unix, or sed -i 's/\\r$//'"
            )
        words = line.decode("utf-8", "replace").split()
        if not words:
            raise ValueError(f"{name} has no interpreter behind #!")
        return Wants(interpreter=words[0], through_env=words[-1] if words[0] == ENV and len(words) > 1 else "")
    try:
        made = elf.program(data)
    except ValueError as error:
        if not data:
            raise ValueError(f"{name} is empty") from error
        if data.startswith(b"\x7fELF"):
            raise ValueError(f"{name} is {error}") from error
        raise ValueError(f"{name} is no program and has no #! line: the kernel cannot run it") from error
    row = arch_of(arch)
    if (made.machine, made.bits, made.little_endian) != (row.elf_machine, row.bits, row.little_endian):
        kind = made.machine.removeprefix("EM_").lower()
        raise ValueError(
            f"{name} is a program for {kind} ({made.bits} bit), and the guest is {arch}: compile it for that"
        )
    if not made.dynamic:
        return Wants()
    linked = closure(data, find)
    if linked.missing:
        raise ValueError(
            f"{name} is linked with {', '.join(linked.missing)}, not found here: install it, or link with -static"
        )
    return Wants(libraries=tuple(linked.files(directory)))


def no_interpreter(name: str, found: Wants, programs: Collection[str]) -> str:
    """What is wrong with the interpreter of a script in a guest that has these programs, or nothing."""
    asked = found.through_env or found.interpreter
    if not asked or asked in programs:
        return ""
    word = asked.rpartition("/")[2]
    if found.through_env:
        known = word in {path.rpartition("/")[2] for path in programs}
        return "" if known else f"{name} asks env for {word}, and the guest has none: {_advice(word)}"
    return f"{name} is run by {asked}, and the guest has none: {_advice(word)}"


def _advice(word: str) -> str:
    return f"write it for #!/bin/sh, or bring this host's: `programs: [{word}]`"


def no_program(word: str, programs: Collection[str]) -> str:
    """What to say of a word that is no program of the guest."""
    names = sorted({path.rpartition("/")[2] for path in programs})
    return f"the guest has no program {word!r}; {allowed(word, names)}; `programs: [{word}]` brings this host's"
