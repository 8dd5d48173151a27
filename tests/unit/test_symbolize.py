"""Real tools on a real object: a small program stands for vmlinux."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import UserError
from kzram_ci.effects import symbolize
from kzram_ci.oops import Frame, parse

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


@pytest.fixture(scope="module")
def vmlinux(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("gcc") or not shutil.which("nm"):
        pytest.skip("no compiler")
    directory = tmp_path_factory.mktemp("build")
    (directory / "zs.c").write_text(SOURCE)
    target = directory / "vmlinux"
    argv = ("gcc", "-g", "-O1", "-no-pie", "-static", "-o", str(target), str(directory / "zs.c"))
    subprocess.run(argv, check=True, cwd=directory)
    return target


@pytest.mark.parametrize("tool", ["llvm-symbolizer", "addr2line"])
def test_decodes_with_inlines(tool: str, vmlinux: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not shutil.which(tool):
        pytest.skip(f"no {tool}")
    real = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "llvm-symbolizer" != tool else real(name))
    (oops,) = parse(LOG)
    oops = replace(oops, frames=(Frame(function="obj_malloc", offset=1, size=0x10), *oops.frames))
    (found,) = symbolize.decode((oops,), vmlinux, deadline=Deadline.after(60), source=str(vmlinux.parent))
    assert found.pointer is not None
    assert (found.pointer.source or "").startswith("zs.c:")
    assert [frame.function for frame in found.frames if frame.source][-1] == "main"
    (inner,) = [frame for frame in found.frames if frame.inline]
    assert (inner.function, inner.source) == ("inner", "zs.c:4")


def test_disassembles_the_faulting_instruction() -> None:
    if not shutil.which("objdump"):
        pytest.skip("no objdump")
    found = symbolize.disassemble(parse(LOG)[0], deadline=Deadline.after(60))
    (fault,) = [line for line in found.assembly if ">" in line[:6]]
    assert fault == "  +0> mov 0x10(%rax,%rcx,8),%rax"


def test_a_missing_vmlinux_is_the_users(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        symbolize.decode(parse(LOG), tmp_path / "vmlinux", deadline=Deadline.after(1))
