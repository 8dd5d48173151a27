"""A program and what it is linked with, over the compiler's own output and over a look-up that lacks things."""

import subprocess
from pathlib import Path

import pytest
import requires

from kzram_ci.base import elf
from kzram_ci.guest.libraries import Closure, closure, fits


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program linked with liba, which is linked with libb; all of it with the C library. And a static one."""
    where = tmp_path_factory.mktemp("linked")
    gcc = requires.tool("gcc")

    def build(out: str, text: str, *words: str) -> None:
        argv = (gcc, "-x", "c", "-", "-o", str(where / out), f"-L{where}", *words)
        subprocess.run(argv, input=text.encode(), check=True)

    build("libb.so", "int b(void) { return 42; }", "-shared", "-fPIC", "-Wl,-soname,libb.so.7")
    build("liba.so", "int b(void); int a(void) { return b(); }", "-shared", "-fPIC", "-lb", "-Wl,-soname,liba.so.1")
    uses = "int a(void); int main(void) { return a(); }"
    build("program", uses, "-la", "-Wl,--allow-shlib-undefined", f"-Wl,-rpath-link,{where}")
    build("static", "int main(void) { return 0; }", "-static")
    return where


def libraries(made: Path, lacking: str = "") -> dict[str, bytes]:
    found = {"liba.so.1": (made / "liba.so").read_bytes(), "libb.so.7": (made / "libb.so").read_bytes()}
    linked = elf.linkage((made / "program").read_bytes())
    for name in ("libc.so.6", linked.interpreter):
        found[name] = (made / "libb.so").read_bytes()  # stands for what the host may have anywhere
    return {name: data for name, data in found.items() if name != lacking}


def test_what_a_program_is_linked_with(made: Path) -> None:
    linked = elf.linkage((made / "program").read_bytes())
    assert linked.interpreter.startswith("/lib")
    assert linked.libraries[0] == "liba.so.1"
    assert elf.linkage((made / "liba.so").read_bytes()).interpreter == ""
    assert elf.linkage((made / "static").read_bytes()) == elf.Linkage()


def test_libraries_of_libraries(made: Path) -> None:
    program = (made / "program").read_bytes()
    found = closure(program, libraries(made).get)
    assert found.missing == ()
    linker = found.interpreter
    assert [name for name, _ in found.libraries] == sorted([linker, "liba.so.1", "libb.so.7", "libc.so.6"])
    paths = dict(found.files("/usr/lib/x"))
    assert set(paths) == {linker.strip("/"), "usr/lib/x/liba.so.1", "usr/lib/x/libb.so.7", "usr/lib/x/libc.so.6"}


@pytest.mark.parametrize("lacking", ["libb.so.7", "libc.so.6"])
def test_what_is_not_found_is_named(made: Path, lacking: str) -> None:
    found = closure((made / "program").read_bytes(), libraries(made, lacking).get)
    assert found.missing == (lacking,)


def test_a_static_program_needs_nothing(made: Path) -> None:
    def find(name: str) -> bytes:
        raise AssertionError(name)

    assert closure((made / "static").read_bytes(), find) == Closure()


def test_a_library_for_another_machine(made: Path) -> None:
    program = (made / "program").read_bytes()
    other = bytearray((made / "liba.so").read_bytes())
    assert fits(bytes(other), program)
    other[18:20] = b"\xb7\x00" if elf.program(program).machine != "EM_AARCH64" else b"\x3e\x00"
    assert not fits(bytes(other), program)
    assert not fits(b"INPUT(libc.so.6)", program)


@pytest.mark.parametrize("damage", [b"", b"#!/bin/sh\n", b"\x7fELF" + bytes(60)])
def test_what_is_not_elf(damage: bytes) -> None:
    with pytest.raises(ValueError, match="ELF"):
        closure(damage, lambda name: None)
