"""What a make log says: progress, and in one line why the build ended. Pure.

Tables, not branches: the first matching row decides, the host's troubles before the missing tools before the
compiler, since a full disk makes compilers say strange things.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_STEP = re.compile(rb"^ {2}(?:\[M\] ?)?[A-Z][A-Z0-9_+-]* +(?:\[M\] +)?\S")


class Blame(StrEnum):
    """Who must act."""

    KERNEL = "kernel"
    USER = "user"
    HOST = "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Why a build failed: whose matter it is, the log's own line, what helps; or what the host lacks."""

    blame: Blame
    message: str
    hint: str = ""
    missing: str = ""


HOST = (
    (re.compile(r".*No space left on device.*"), "free disk space: kzram-ci cache gc"),
    (re.compile(r".*Disk quota exceeded.*"), "free disk space: kzram-ci cache gc"),
    (re.compile(r".*fatal error: Killed signal terminated program.*"), "free memory, or build with fewer jobs"),
    (re.compile(r".*internal compiler error: (?:Killed|Terminated).*"), "free memory, or build with fewer jobs"),
    (re.compile(r".*(?:virtual memory exhausted|out of memory allocating|Cannot allocate memory).*"), "free memory"),
    (re.compile(r"(?:.*: )?Killed(?: .*)?"), "free memory, or build with fewer jobs"),
    (re.compile(r".*ld terminated with signal 9.*"), "free memory, or build with fewer jobs"),
    (re.compile(r".*(?:Input/output error|Read-only file system).*"), "check the disk"),
)
# what says that something is missing -> its name in the table of needs; "" for the tool that the line names
TOOLS = (
    (re.compile(r".*\bld\.bfd: (?:command )?not found.*"), "ld"),
    (re.compile(r"(?:.*[\s:/])?([\w.+-]+): (?:command )?not found.*"), ""),
    (re.compile(r".*fatal error: (?:gelf|libelf|elf)\.h: No such file.*"), "gelf.h"),
    (re.compile(r".*fatal error: openssl/\S+: No such file.*"), "openssl/opensslv.h"),
    (re.compile(r".*fatal error: (?:stdio|stdlib|sys/types)\.h: No such file.*"), "libc.a"),
)
COMPILER = (
    re.compile(r"\S+?:\d+(?::\d+)?: (?:fatal )?error: .*"),
    re.compile(r"\S+?:\d+: Error: .*"),  # the assembler
    re.compile(r"\S*ld(?:\.\w+)?: .*(?:undefined reference|multiple definition|error).*"),
    re.compile(r"(?:\S+: )+undefined reference to .*"),
    re.compile(r"(?:ERROR|error|FAILED):? .*"),
    re.compile(r"\S+:\d+: (?:syntax error|.*recursive dependency).*"),
    re.compile(r"make(?:\[\d+\])?: \*\*\* .*(?:No rule to make target|Error \d+|Stop).*"),
)


def is_step(line: bytes) -> bool:
    """Whether a line of make's output tells of one finished step: `  CC      mm/zsmalloc.o`."""
    return _STEP.match(line) is not None


def diagnose(text: str, advice: Sequence[tuple[str, str]] = ()) -> Diagnosis:
    """Why the build that printed `text` failed; `advice` pairs a regular expression with what helps."""
    lines = [line.rstrip() for line in text.splitlines()]
    for line in lines:
        for pattern, hint in HOST:
            if pattern.fullmatch(line):
                return Diagnosis(blame=Blame.HOST, message=_short(line), hint=hint)
    for line in lines:
        for pattern, need in TOOLS:
            if match := pattern.fullmatch(line):
                return Diagnosis(blame=Blame.USER, message=_short(line), missing=need or match[1])
    for pattern in COMPILER:
        for line in lines:
            if pattern.fullmatch(line):
                return Diagnosis(blame=Blame.KERNEL, message=_short(line), hint=_advice(lines, line, advice))
    last = next((line for line in reversed(lines) if line), "make printed nothing")
    return Diagnosis(blame=Blame.KERNEL, message=_short(last), hint=_advice(lines, last, advice))


def _advice(lines: Sequence[str], shown: str, advice: Sequence[tuple[str, str]]) -> str:
    """What is known to help: against the line that is shown, else against any line."""
    for searched in ((shown,), lines):
        for pattern, hint in advice:
            if any(re.search(pattern, line) for line in searched):
                return hint
    return ""


def _short(line: str) -> str:
    """The line as its author knows it: paths relative to the source tree."""
    return re.sub(r"^(?:\.\./)+", "", line.strip())[:300]
