from pathlib import Path

import pytest

from kzram_ci.base import packages
from kzram_ci.kernel.kbuild import log
from kzram_ci.kernel.kbuild.causes import Blame
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


GAVE_UP = "make[5]: *** [../scripts/kconfig/Makefile:85: allnoconfig] Error 1\nmake: *** [Makefile:236: x] Error 2\n"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "sh: 1: ../scripts/cc-version.sh: Permission denied\n"
            "scripts/Kconfig.include:45: Sorry, this C compiler is not supported.\n",
            "scripts/cc-version.sh: Permission denied",
            "chmod +x scripts/cc-version.sh in the source (in git: git update-index --chmod=+x scripts/cc-version.sh)",
        ),
        (
            "../scripts/cc-version.sh: 42: ../scripts/min-tool-version.sh: Permission denied\n",
            "scripts/min-tool-version.sh: Permission denied",
            "chmod +x scripts/min-tool-version.sh",
        ),
        (
            "/bin/bash: line 1: ../scripts/mkcompile_h: Permission denied\n",
            "scripts/mkcompile_h: Permission denied",
            "chmod +x",
        ),
        ("make[2]: execvp: ./scripts/gen.sh: Permission denied\n", "./scripts/gen.sh: Permission denied", "chmod +x"),
        (
            "/bin/sh: 1: ../scripts/gen.pl: not found\n",
            "scripts/gen.pl: not found",
            "the source has no scripts/gen.pl, or the interpreter",
        ),
        (
            'drivers/Kconfig:41: can\'t open file "drivers/gpu/Kconfig"\n',
            "drivers/Kconfig:41: can't open file",
            "the source has no drivers/gpu/Kconfig",
        ),
        (
            "../drivers/gpu/drm/a.c:12:10: fatal error: asic_reg/big.h: No such file or directory\n",
            "drivers/gpu/drm/a.c:12:10: fatal error: asic_reg/big.h",
            "the source has no asic_reg/big.h",
        ),
        (
            "make[3]: *** No rule to make target 'mm/gone.o', needed by 'mm/built-in.a'.  Stop.\n",
            "No rule to make target 'mm/gone.o'",
            "the source has no mm/gone.o",
        ),
        ("arch/x86/Makefile:148: *** Compiler lacks asm-goto support!.  Stop.\n", "Compiler lacks asm-goto", ""),
        (
            "arch/x86/Kconfig:12:warning: odd\n*** Default configuration is based on 'x'\nKconfig:9: syntax error\n",
            "Kconfig:9: syntax error",
            "",
        ),
        ("error: recursive dependency detected!\n", "recursive dependency", ""),
        ('ERROR: modpost: "zs_gone" [drivers/block/zram/zram.ko] undefined!\n', '"zs_gone"', ""),
        ("ld.lld: error: undefined symbol: zs_gone\n>>> referenced by zram_drv.c\n", "undefined symbol: zs_gone", ""),
        ("{standard input}: Assembler messages:\n{standard input}:7: Error: bad register\n", "bad register", ""),
        ("../arch/x86/boot/x.S: Assembler messages:\n../arch/x86/boot/x.S:3: Error: no such\n", "x.S:3: Error", ""),
        ("error[E0425]: cannot find function `zs` in this scope\n", "error[E0425]", ""),
        ("gcc: error: unrecognized command-line option '-mx'\n", "unrecognized command-line option", ""),
        (
            "Can't use 'defined(@array)' (Maybe you should omit it?) at kernel/timeconst.pl line 373.\n",
            "kernel/timeconst.pl line 373",
            "",
        ),
        ("/bin/sh: 1: ../o/fixdep: Exec format error\n", "fixdep: Exec format error", "a program that was built"),
        (
            "scripts/basic/fixdep: /lib/libc.so.6: version `GLIBC_2.38' not found (required by scripts/basic/fixdep)\n",
            "GLIBC_2.38",
            "a program that was built",
        ),
        ("*** The source tree is not clean, please run 'make mrproper'\n", "source tree is not clean", ""),
    ],
)
def test_the_first_real_cause_is_named(text: str, message: str, hint: str) -> None:
    harmless = "  CC      a.o\n../a.c:1:2: warning: unused\ncat: ../.scmversion: No such file or directory\n"
    found = log.diagnose(harmless + text + GAVE_UP)
    assert found.blame is Blame.KERNEL
    assert message in found.message
    assert found.hint.startswith(hint) if hint else found.hint == ""


@pytest.mark.parametrize(
    ("text", "message", "missing", "hint"),
    [
        ("/bin/sh: line 1: ../scripts/x.pl: /usr/bin/perl: bad interpreter: No such file\n", "perl: not", "perl", ""),
        ("/usr/bin/env: \u2018python3\u2019: No such file or directory\n", "python3: not found", "python3", ""),
        ("make[2]: bison: No such file or directory\n", "bison", "bison", ""),
        ("make: bc: Command not found\n", "bc: Command not found", "bc", ""),
        ("/bin/sh: 1: /opt/cc/bin/gcc: Permission denied\n", "/opt/cc/bin/gcc: Permission", "", "chmod +x /opt/cc/"),
        ("ModuleNotFoundError: No module named 'yaml'\n", "No module named 'yaml'", "", "the Python module yaml"),
        ("Can't locate Math/BigInt.pm in @INC (you may need)\n", "Math/BigInt.pm", "", "the Perl module Math/"),
    ],
)
def test_what_the_host_lacks_is_the_users_to_install(text: str, message: str, missing: str, hint: str) -> None:
    found = log.diagnose(text + GAVE_UP)
    assert found.blame is Blame.USER
    assert message in found.message
    assert found.missing == missing
    assert hint in found.hint


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("make[3]: *** [../scripts/Makefile.build:229: mm/a.o] Killed\n", "memory"),
        ("/bin/sh: 0: vfork: Resource temporarily unavailable\n", "ulimit -u"),
        ("ar: mm/a.o: Too many open files\n", "ulimit -n"),
        ("/bin/sh: 1: cannot create .config.old: Permission denied\n", "who owns the cache"),
        ("Cannot create temporary file in /tmp/: No such file or directory\n", "TMPDIR"),
        ("/bin/sh: 1: 77 Bus error (core dumped)\n", "disk space"),
    ],
)
def test_the_hosts_troubles_come_first(text: str, hint: str) -> None:
    found = log.diagnose(COMPILE + text)
    assert found.blame is Blame.HOST
    assert hint in found.hint


def test_a_tool_that_was_asked_for_in_vain_is_not_the_cause_of_a_compile_error() -> None:
    assert "comp_lenx" in log.diagnose("/bin/sh: 1: pahole: not found\n" + COMPILE).message
    early = "/bin/sh: 1: dot: not found\n" + "  CC      a.o\n" * 99
    found = log.diagnose(early + "Kconfig:9: syntax error\n" + GAVE_UP)
    assert found.message == "Kconfig:9: syntax error"


def test_what_other_commands_say_after_make_gave_up_does_not_count() -> None:
    later = "../b.c:1:1: error: second\nmake[5]: *** [b.o] Error 1\n"
    found = log.diagnose("/bin/sh: 1: bc: not found\nmake[2]: *** [timeconst.h] Error 127\n" + later)
    assert found.missing == "bc"


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
