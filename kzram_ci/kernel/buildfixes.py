"""Which build fixes an old kernel needs with new tools: rows of kernels/toolchain/fixes.yaml. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kzram_ci.base.values import dataclass
from kzram_ci.kernel.kconfig import Fragment
from kzram_ci.model.version import TOOL, applies_to

if TYPE_CHECKING:
    from kzram_ci.kernel.fix_schema import FixesFile

Vars = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One row. Without `versions` it only gives advice."""

    name: str
    why: str
    versions: tuple[str, ...] = ()  # of the kernel
    arch: tuple[str, ...] = ()  # empty: any
    tools: tuple[str, ...] = ()  # gcc>=10, ld>=2.36: all must hold
    cc: tuple[str, ...] = ()  # flags for the kernel's compiler
    hostcflags: tuple[str, ...] = ()  # flags for host programs
    config: tuple[str, ...] = ()  # lines of a config fragment
    upstream: tuple[str, ...] = ()  # commits that make it superfluous
    symptoms: tuple[str, ...] = ()  # regular expressions, searched in a line of the log
    advice: str = ""


def fixes_from(model: FixesFile) -> tuple[Fix, ...]:
    """The rows of a checked fixes.yaml."""
    return tuple(
        Fix(
            name=row.name,
            why=row.why,
            versions=tuple(row.versions),
            arch=tuple(row.arch),
            tools=tuple(row.tools),
            cc=tuple(row.cc),
            hostcflags=tuple(row.hostcflags),
            config=tuple(row.config),
            upstream=tuple(row.upstream),
            symptoms=tuple(row.symptoms),
            advice=row.advice or "",
        )
        for row in model.root
    )


def needed(fixes: Sequence[Fix], *, version: str, arch: str, tools: Mapping[str, str]) -> tuple[Fix, ...]:
    """The rows that a kernel of this version needs; `tools` holds first lines of `--version` for CC and LD."""
    have = _tools(tools)
    return tuple(
        fix
        for fix in fixes
        if fix.versions
        and version
        and applies_to(fix.versions, version)
        and (not fix.arch or arch in fix.arch)
        and all(_holds(tool, have) for tool in fix.tools)
    )


def _tools(lines: Mapping[str, str]) -> dict[str, str]:
    """Versions of gcc or clang, and of ld: the last number of `gcc (Debian 12.2.0-14) 12.2.0`, the first of clang's."""
    found = {}
    for tool, line in lines.items():
        numbers = re.findall(r"(?<![\w.])\d+(?:\.\d+)+", line)
        if not numbers:
            continue
        if tool == "CC":
            found["clang" if "clang" in line else "gcc"] = numbers[0] if "clang" in line else numbers[-1]
        elif tool == "LD":
            found["lld" if "LLD" in line else "ld"] = numbers[-1]
    return found


def _holds(tool: str, have: Mapping[str, str]) -> bool:
    match = TOOL.fullmatch(tool)
    return match is not None and match[1] in have and applies_to((match[2],), have[match[1]])


def make_vars(given: Vars, fixes: Sequence[Fix], cc: Sequence[str]) -> Vars:
    """Make variables with the fixes' flags added; `cc` is the compiler's command where none was given."""
    chosen = dict(given)
    flags = [flag for fix in fixes for flag in fix.cc]
    host = [flag for fix in fixes for flag in fix.hostcflags]
    if flags:
        chosen["CC"] = " ".join((chosen.get("CC") or " ".join(cc), *flags))
    if host:
        chosen["HOSTCFLAGS"] = " ".join((*((chosen["HOSTCFLAGS"],) if "HOSTCFLAGS" in chosen else ()), *host))
    return tuple(sorted(chosen.items()))


def fragments(fixes: Sequence[Fix]) -> tuple[Fragment, ...]:
    """Config fragments of the fixes, to be merged last."""
    return tuple(
        Fragment(name=f"toolchain:{fix.name}", text="\n".join(fix.config) + "\n") for fix in fixes if fix.config
    )


def advice(fixes: Sequence[Fix]) -> tuple[tuple[str, str], ...]:
    """Pairs (regular expression, what helps), for the log of a build that failed."""
    return tuple((symptom, fix.advice) for fix in fixes if fix.advice for symptom in fix.symptoms)
