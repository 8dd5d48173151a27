import re
from pathlib import Path

import pytest

from kzram_ci.base.grammar.problems import GrammarErrors
from kzram_ci.base.library import Library
from kzram_ci.kernel import buildfixes, kconfig
from kzram_ci.kernel.kbuild import log as buildlog
from kzram_ci.kernel.kbuild.causes import Blame
from kzram_ci.kernel.parts import load_fixes

TABLE = load_fixes(Library())
DEBIAN_12 = {"CC": "gcc (Debian 12.2.0-14+deb12u1) 12.2.0", "LD": "GNU ld (GNU Binutils for Debian) 2.40"}


def names(version: str, arch: str = "x86_64", **tools: str) -> list[str]:
    return [fix.name for fix in buildfixes.needed(TABLE, version=version, arch=arch, tools={**DEBIAN_12, **tools})]


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ("4.8.0", ["x86-compiler-defaults", "host-tools-common", "objtool-symbol-table"]),
        ("4.9.337-g0123456789ab", ["x86-compiler-defaults", "host-tools-common", "objtool-symbol-table"]),
        ("5.4.1", ["host-tools-common", "objtool-symbol-table"]),
        ("5.10.0", []),
        ("5.10.247-1", []),
        ("6.12.117-1~deb12u1", []),
        ("", []),
    ],
)
def test_what_a_version_needs(version: str, found: list[str]) -> None:
    assert names(version) == found


def test_other_tools_need_less() -> None:
    assert names("4.9", CC="gcc-6 (Debian 6.3.0-18) 6.3.0", LD="GNU ld 2.28") == []
    assert names("4.9", CC="gcc (GCC) 9.5.0") == ["x86-compiler-defaults", "objtool-symbol-table"]
    assert names("4.9", CC="Debian clang version 14.0.6", LD="Debian LLD 14.0.6 (compatible with GNU linkers)") == []
    assert names("4.9", arch="arm64") == ["host-tools-common"]


def test_flags_are_added_to_what_the_kernel_says() -> None:
    fixes = buildfixes.needed(TABLE, version="4.9", arch="x86_64", tools=DEBIAN_12)
    flags = "-fno-pie -fcf-protection=none -fno-stack-protector -fcommon -Wa,-mx86-used-note=no"
    assert dict(buildfixes.make_vars((), fixes, ("gcc",))) == {
        "CC": f"gcc {flags}",
        "HOSTCFLAGS": "-O2 -fomit-frame-pointer -fcommon",
    }
    given = (("CC", "gcc-11"), ("HOSTCFLAGS", "-g"), ("V", "1"))
    assert dict(buildfixes.make_vars(given, fixes, ("gcc",))) == {
        "CC": f"gcc-11 {flags}",
        "HOSTCFLAGS": "-g -O2 -fomit-frame-pointer -fcommon",
        "V": "1",
    }
    assert kconfig.merge(buildfixes.fragments(fixes))["CONFIG_STACK_VALIDATION"].value == "n"


def test_nothing_needed_changes_nothing() -> None:
    assert buildfixes.make_vars((("CC", "gcc-11"),), (), ("gcc",)) == (("CC", "gcc-11"),)
    assert buildfixes.fragments(()) == ()


def test_every_row_says_why_and_every_fix_what_made_it_superfluous() -> None:
    for fix in TABLE:
        assert len(fix.why) > 30
        assert fix.advice or not fix.symptoms
        assert not fix.versions or all(re.fullmatch("[0-9a-f]{12}", commit) for commit in fix.upstream)
        assert not fix.versions or fix.upstream


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("kernel/bounds.c:1:0: error: code model kernel does not support PIC mode", "-fno-pie"),
        (
            "/usr/bin/ld: scripts/dtc/dtc-parser.tab.o:(.bss+0x10): multiple definition of `yylloc'; "
            "scripts/dtc/dtc-lexer.lex.o:(.bss+0x0): first defined here",
            "HOSTCFLAGS",
        ),
        ("sigchain.c:1: error: '-mindirect-branch' and '-fcf-protection' are not compatible", "-fcf-protection=none"),
        ("subcmd-util.h:56:23: error: pointer may be used after 'realloc' [-Werror=use-after-free]", "WERROR"),
        ("mm/zsmalloc.c:7:2: error: unused variable 'x' [-Werror=unused-variable]", "Wno-error"),
        ("mm/zsmalloc.c:7:2: error: unused variable 'x' [-Werror,-Wunused-variable]", "Wno-error"),
        ("arch/x86/Makefile:148: *** Compiler lacks asm-goto support!.  Stop.", "LLVM"),
        ("scripts/Kconfig.include:44: Sorry, this C compiler is too old.", "LLVM"),
        ("gcc: error: unrecognized command-line option '-mretpoline-external-thunk'", "gcc-11"),
        ("BTF: .tmp_vmlinux.btf: pahole (pahole) is not available", "pahole"),
    ],
)
def test_a_known_failure_names_what_helps(line: str, word: str) -> None:
    log = f"  CC      a.o\n{line}\nmake[1]: *** [Makefile:1: x] Error 1\n"
    found = buildlog.diagnose(log, buildfixes.advice(TABLE))
    assert word in found.hint
    assert found.blame is Blame.KERNEL


@pytest.mark.parametrize(
    "line",
    [
        "mm/a.c:9: error: implicit declaration of function 'lookup_size' [-Werror=implicit-function-declaration]",
        "mm/a.c:9:3: error: call to undeclared function 'zs' [-Werror,-Wimplicit-function-declaration]",
        "mm/a.c:9:3: error: assignment to 'int' from 'char *' makes integer from pointer [-Werror=int-conversion]",
        "mm/a.c:9:3: error: passing argument 1 of 'f' from incompatible pointer [-Werror=incompatible-pointer-types]",
    ],
)
def test_no_flag_helps_against_what_does_not_exist(line: str) -> None:
    log = f"{line}\ncc1: all warnings being treated as errors\nmake[1]: *** [Makefile:1: x] Error 1\n"
    assert buildlog.diagnose(log, buildfixes.advice(TABLE)).hint == ""


def test_an_unknown_failure_gets_no_advice() -> None:
    log = "mm/a.c:1:2: error: expected ';' before '}' token\n"
    assert buildlog.diagnose(log, buildfixes.advice(TABLE)).hint == ""


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ("name: x", "fixes.yaml:1:3: [0].why: why is required"),
        ("name: x\n  why: y\n  cflags: []", "fixes.yaml:3:3: [0].cflags: unknown key 'cflags'; allowed: advice, arch"),
        ("name: x\n  why: y\n  cc: -O2", "fixes.yaml:3:7: [0].cc: expected a list"),
        (
            "name: x\n  why: y\n  tools: [gcc 12]",
            "3:11: [0].tools[0]: 'gcc 12' is not a tool with a version",
        ),
        ("name: x\n  why: y\n  symptoms: ['(']", "[0].symptoms[0]: '(' is not a regular expression"),
        ("name: x\n  why: y\n  versions: [old]", "[0].versions[0]: 'old' is not a constraint"),
    ],
)
def test_a_broken_table_is_named(row: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "kernels/toolchain").mkdir(parents=True)
    (tmp_path / "kernels/toolchain/fixes.yaml").write_text(f"- {row}\n")
    with pytest.raises(GrammarErrors) as caught:
        load_fixes(Library(roots=(tmp_path,)))
    assert line in str(caught.value)


def test_commits_of_digits_keep_their_spelling(tmp_path: Path) -> None:
    (tmp_path / "kernels/toolchain").mkdir(parents=True)
    row = "- {name: x, why: y, upstream: [8ae94224c9d7, 012345678901, 12e345678901], arch: [x86_64]}"
    (tmp_path / "kernels/toolchain/fixes.yaml").write_text(row)
    [fix] = load_fixes(Library(roots=(tmp_path,)))
    assert fix.upstream == ("8ae94224c9d7", "012345678901", "12e345678901")
