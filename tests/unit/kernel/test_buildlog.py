from pathlib import Path

import pytest

from kzram_ci.base import packages
from kzram_ci.kernel.kbuild import log
from kzram_ci.kernel.kbuild.log import Blame
from kzram_ci.kernel.kbuild.make import MakeDir, failure

COMPILE = """\
  CC      drivers/block/zram/zram_drv.o
In file included from ../include/linux/kernel.h:31,
../drivers/block/zram/zram_drv.c: In function 'zram_write_page':
../drivers/block/zram/zram_drv.c:1570:9: error: 'comp_lenx' undeclared (first use in this function)
 1570 |         comp_lenx = 1;
make[6]: *** [../scripts/Makefile.build:229: drivers/block/zram/zram_drv.o] Error 1
make: *** [Makefile:224: __sub-make] Error 2
"""


@pytest.mark.parametrize(
    ("text", "blame", "message", "hint"),
    [
        (COMPILE, Blame.KERNEL, "drivers/block/zram/zram_drv.c:1570:9: error: 'comp_lenx' undeclared", ""),
        ("../a.S:5: Error: no such instruction: `movx'\n", Blame.KERNEL, "a.S:5: Error: no such instruction", ""),
        ("ld: mm/x.o: in function `f':\nx.c:(.text+0x1): undefined reference to `g'\n", Blame.KERNEL, "undefined", ""),
        ("make: *** No rule to make target 'mm/q.o'.  Stop.\n", Blame.KERNEL, "No rule to make target", ""),
        ("/bin/sh: 1: flex: not found\nmake[2]: *** [x] Error 127\n", Blame.USER, "flex: not found", "flex"),
        ("/bin/sh: line 1: bc: command not found\n", Blame.USER, "bc: command not found", "bc"),
        ("make[1]: gcc: No such file\n/bin/sh: 1: gcc-9: not found\n", Blame.USER, "gcc-9: not found", "gcc-9"),
        ("/bin/sh: 1: /opt/x/aarch64-linux-gnu-ld.bfd: not found\n", Blame.USER, "ld.bfd: not found", "ld"),
        ("/bin/sh: 1: llvm-ar: not found\n", Blame.USER, "llvm-ar: not found", "llvm-ar"),
        ("t.c:4:10: fatal error: gelf.h: No such file or directory\n", Blame.USER, "gelf.h", "gelf.h"),
        ("gcc: fatal error: Killed signal terminated program cc1\n" + COMPILE, Blame.HOST, "Killed signal", "memory"),
        ("/bin/sh: 1: Killed\n", Blame.HOST, "Killed", "memory"),
        ("a.s: Fatal error: can't write 1 bytes: No space left on device\n", Blame.HOST, "No space", "cache gc"),
        ("something odd\n\n", Blame.KERNEL, "something odd", ""),
        ("", Blame.KERNEL, "make printed nothing", ""),
    ],
)
def test_diagnose(text: str, blame: Blame, message: str, hint: str) -> None:
    found = log.diagnose(text)
    assert found.blame is blame
    assert message in found.message
    if blame is Blame.USER:
        assert (found.missing, found.hint) == (hint, "")
    else:
        assert hint in found.hint
    assert "\n" not in found.message


@pytest.mark.parametrize(
    ("line", "step"),
    [
        (b"  CC      mm/zsmalloc.o", True),
        (b"  CC [M]  drivers/x.o", True),
        (b"  LD      vmlinux.o", True),
        (b"  HOSTCC  scripts/basic/fixdep", True),
        (b"make[1]: Entering directory", False),
        (b"*** Compiler", False),
        (b"  ", False),
    ],
)
def test_is_step(line: bytes, step: bool) -> None:
    assert log.is_step(line) is step


def test_what_a_build_lacks_is_asked_of_this_hosts_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "here", lambda: "dnf")
    place = MakeDir(name="k", src=tmp_path, variables=(), log=tmp_path / "log")
    place.log.write_text("t.c:4:10: fatal error: gelf.h: No such file or directory\n")
    assert failure(place, 2, 0).hint.endswith("dnf install elfutils-libelf-devel")
    place.log.write_text("/bin/sh: 1: riscv64-linux-gnu-gcc: not found\n")
    assert failure(place, 2, 0).hint.endswith("dnf install gcc-riscv64-linux-gnu binutils-riscv64-linux-gnu")
