"""One crash built by several compilers, for speed and for size, with and without debug info: one crash it stays.

A small program stands in for a kernel: it faults, and says the addresses that an unwinder of the kernel says. They
become a report as the kernel prints it, by the symbols of the very build.
"""

import itertools
import os
import re
import shutil
import subprocess
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

import pytest
import requires

from kzram_ci.base.clock import Deadline
from kzram_ci.oops import Oops, parse, similar, symbolize

SOURCE = Path(__file__).parents[2] / "data" / "inlining.c"
COMPILERS = ("gcc", "clang")
FLAGS = ("-no-pie", "-fno-pie", "-fasynchronous-unwind-tables", "-Wall", "-Werror", "-Wno-unused-parameter")


@dataclass(frozen=True)
class Build:
    """One way to build it, and the report of its crash."""

    compiler: str
    level: str
    debug: bool
    program: Path
    oops: Oops

    @property
    def name(self) -> str:
        return f"{self.compiler} {self.level}{' -g' if self.debug else ''}"


def symbol(table: list[tuple[int, str]], address: int) -> tuple[str, int, int]:
    """Name, offset and size, as kallsyms has them."""
    starts = [start for start, _ in table]
    index = bisect_right(starts, address) - 1
    return table[index][1], address - starts[index], starts[index + 1] - starts[index]


def report(program: Path) -> bytes:
    """The crash as a kernel prints it."""
    said = subprocess.run((str(program),), capture_output=True, text=True, check=True, timeout=60).stdout.split()
    names = subprocess.run((requires.tool("nm"), str(program)), capture_output=True, text=True, check=True).stdout
    table = sorted(
        (int(row[1], 16), row[3]) for row in re.finditer(r"^([0-9a-f]{16}) ([tTwW]) (\S+)$", names, re.MULTILINE)
    )
    table.append((1 << 63, ""))
    first, *rest = [symbol(table, int(word, 16)) for word in said]
    kept = list(itertools.takewhile(lambda row: row[0] != "main", rest))
    lines = ["BUG: kernel NULL pointer dereference, address: 0000000000000008", "Oops: Oops: 0002 [#1] SMP"]
    lines += ["CPU: 0 UID: 0 PID: 41 Comm: kswapd0 Not tainted 6.12.117 #1"]
    lines += [f"RIP: 0010:{first[0]}+{first[1]:#x}/{first[2]:#x}", "Call Trace:", " <TASK>"]
    lines += [f" {name}+{offset:#x}/{size:#x}" for name, offset, size in kept]
    lines += [" kswapd+0x1f0/0x340", " kthread+0xd0/0x100", " ret_from_fork+0x34/0x50", " </TASK>"]
    lines += ["---[ end trace 0000000000000000 ]---"]
    return "".join(f"[   12.000000][   T41] {line}\n" for line in lines).encode()


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> list[Build]:
    where = tmp_path_factory.mktemp("inlining")
    made = []
    for compiler, level, debug in itertools.product(COMPILERS, ("-O2", "-Os"), (False, True)):
        named = os.environ.get(f"KZRAM_{compiler.upper()}", compiler)
        if shutil.which(named) is None:
            continue
        program = where / f"{compiler}{level}{debug}"
        argv = (named, level, *FLAGS, *(("-g",) if debug else ()), "-o", str(program), str(SOURCE))
        subprocess.run(argv, check=True, timeout=120)
        (oops,) = parse(report(program))
        made.append(Build(compiler, level, debug, program, oops))
    if not made:
        requires.lacking("tools", "no gcc or clang in PATH")
    return made


def test_the_builds_inline_differently(builds: list[Build]) -> None:
    """Else this file would prove nothing."""
    assert len({similar.path(build.oops) for build in builds}) > 1


def test_they_are_one_crash(builds: list[Build]) -> None:
    (group,) = similar.groups((build.name, build.oops) for build in builds)
    assert len(group.members) == len(builds)
    assert {member.differs for member in group.members} <= {similar.SAME, similar.DEPTH}


def test_debug_info_changes_no_signature(builds: list[Build]) -> None:
    for plain, debug in zip(builds[::2], builds[1::2], strict=True):
        assert (plain.oops.signature, similar.path(plain.oops)) == (debug.oops.signature, similar.path(debug.oops))


def test_what_was_inlined_is_shown_and_changes_no_signature(builds: list[Build]) -> None:
    requires.tool("llvm-symbolizer", "llvm")
    line = SOURCE.read_text().partition("// the fault")[0].count("\n") + 1
    seen = set()
    for build in builds[1::2]:
        (decoded,) = symbolize.decode([build.oops], build.program, deadline=Deadline.after(120), source="")
        assert decoded.signature == build.oops.signature
        assert similar.path(decoded) == similar.path(build.oops)
        frames = [frame for frame in (decoded.pointer, *decoded.frames) if frame is not None]
        assert any((frame.source or "").endswith(f":{line}") for frame in frames), (build.name, "the line of the fault")
        seen |= {frame.function for frame in decoded.frames if frame.inline}
    assert "set_free_object" in seen
