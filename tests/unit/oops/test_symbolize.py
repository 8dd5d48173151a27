"""Real tools on a real object: a small program stands for vmlinux."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requires
from builders import an_image

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import UserError
from kzram_ci.base.library import Library
from kzram_ci.model.evidence import OopsSummary
from kzram_ci.oops import Frame, parse, symbolize
from kzram_ci.oops.capture import CONSOLE, NO_DEBUG_INFO, NO_VMLINUX, write

SOURCE = """\
volatile int sink;
static inline __attribute__((always_inline)) void inner(int x)
{
	sink = x;
}
__attribute__((noinline)) void obj_malloc(int x)
{
	inner(x);
}
int main(int argc, char **argv)
{
	obj_malloc(argc);
	return 0;
}
"""
LOG = b"""\
BUG: kernel NULL pointer dereference, address: 0000000000000010
RIP: 0010:obj_malloc+0x1/0x10
Code: 89 c8 48 c1 e9 0c <48> 8b 44 c8 10 48 85 c0
RAX: 0000000000000000 RBX: ffff888003f1c000 RCX: 0000000000000002
Call Trace:
 main+0x8/0x20
---[ end trace 0000000000000000 ]---
"""


MAIN = "__attribute__((noinline)) int kernel_init(void *unused)\n{\n\treturn 0;\n}\n"


def compiled(directory: Path, *flags: str) -> Path:
    """A small program that stands for vmlinux."""
    for name in ("gcc", "nm"):
        requires.tool(name)
    (directory / "init").mkdir()
    (directory / "init" / "main.c").write_text(MAIN)
    (directory / "zs.c").write_text(SOURCE)
    target = directory / "vmlinux"
    argv = ("gcc", *flags, "-O1", "-no-pie", "-static", "-o", str(target), "zs.c", "init/main.c")
    subprocess.run(argv, check=True, cwd=directory)
    return target


@pytest.fixture(scope="module")
def vmlinux(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("build"), "-g")


@pytest.mark.parametrize("tool", ["llvm-symbolizer", "addr2line"])
def test_decodes_with_inlines(tool: str, vmlinux: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requires.tool(tool, "llvm" if tool.startswith("llvm") else "tools")
    real = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "llvm-symbolizer" != tool else real(name))
    (oops,) = parse(LOG)
    oops = replace(oops, frames=(Frame(function="obj_malloc", offset=1, size=0x10), *oops.frames))
    (found,) = symbolize.decode((oops,), vmlinux, deadline=Deadline.after(60))
    assert found.pointer is not None
    assert (found.pointer.source or "").startswith("zs.c:")
    assert [frame.function for frame in found.frames if frame.source][-1] == "main"
    (inner,) = [frame for frame in found.frames if frame.inline]
    assert (inner.function, inner.source) == ("inner", "zs.c:4")


def test_disassembles_the_faulting_instruction() -> None:
    requires.tool("objdump")
    found = symbolize.disassemble(parse(LOG)[0], deadline=Deadline.after(60))
    (fault,) = [line for line in found.assembly if ">" in line[:6]]
    assert fault == "  +0> mov 0x10(%rax,%rcx,8),%rax"


def test_another_architectures_instructions_need_its_own_objdump(monkeypatch: pytest.MonkeyPatch) -> None:
    """binutils of one architecture disassemble no other's."""
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    asked = {word: symbolize.objdump(word) for word in ("aarch64", "riscv:rv64", "i386:x86-64", "i386", "vax")}
    cross = {"aarch64": "aarch64-linux-gnu-objdump", "riscv:rv64": "riscv64-linux-gnu-objdump"}
    assert asked == {**cross, "i386:x86-64": "objdump", "i386": "objdump", "vax": ""}
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert symbolize.objdump("aarch64") == "objdump"
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert symbolize.objdump("aarch64") == ""


def test_a_missing_vmlinux_is_the_users(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        symbolize.decode(parse(LOG), tmp_path / "vmlinux", deadline=Deadline.after(1))


def cell_files(directory: Path, vmlinux: Path | None) -> tuple[OopsSummary, str]:
    """What a cell with this kernel leaves of LOG."""
    console = directory / "console.log"
    console.write_bytes(LOG)
    image = an_image(vmlinux=str(vmlinux or ""))
    (summary,) = write(parse(LOG), directory, console, image)
    return summary, (directory / summary.file).read_text()


def test_a_cell_decodes_its_own_oopses(tmp_path: Path, vmlinux: Path) -> None:
    summary, text = cell_files(tmp_path, vmlinux)
    first = text.splitlines()[0]
    assert first.startswith("at obj_malloc+0x1/0x10 zs.c:")
    assert "  main+0x8/0x20 zs.c:" in text
    assert "  +0> mov 0x10(%rax,%rcx,8),%rax" in text
    assert text == summary.decoded + CONSOLE + LOG.decode()
    assert summary.text == LOG.decode()
    assert (summary.function, summary.frames) == ("obj_malloc", ("main",))


def test_without_debug_info_a_cell_says_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    summary, text = cell_files(tmp_path, compiled(tmp_path / "build"))
    assert summary.decoded.splitlines()[:2] == ["at obj_malloc+0x1/0x10", "  main+0x8/0x20"]
    assert "  +0> mov 0x10(%rax,%rcx,8),%rax" in text
    assert NO_DEBUG_INFO in text
    assert Library().fragment("debug-info").is_file()


def test_a_kernel_that_cannot_be_read_costs_no_oops(tmp_path: Path) -> None:
    summary, text = cell_files(tmp_path, tmp_path / "missing")
    assert summary.signature == "null_deref:obj_malloc"
    assert LOG.decode() in text
    summary, text = cell_files(tmp_path, None)
    assert summary.decoded.splitlines()[-1] == NO_VMLINUX


def test_code_lies_where_the_guardian_removes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a process that is killed while it disassembles: only directories with its token are swept."""
    places: list[Path] = []
    real = proc.run

    def seen(argv: tuple[str, ...], **more: Any) -> proc.Completed:
        places.extend(Path(word).parent for word in argv if word.endswith("/code"))
        return real(argv, **more)

    monkeypatch.setattr(proc, "run", seen)
    symbolize.disassemble(parse(LOG)[0], deadline=Deadline.after(60))
    assert places
    assert all(place.name.startswith(proc.temporary_prefix()) for place in places)
    assert not any(place.exists() for place in places)
