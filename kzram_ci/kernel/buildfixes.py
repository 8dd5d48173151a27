"""Which build fixes an old kernel needs with new tools: rows of kernels/toolchain/fixes.yaml. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kzram_ci.base.errors import UserError
from kzram_ci.kernel.kconfig import Fragment
from kzram_ci.model.version import applies_to

_TOOL = re.compile(r"(gcc|clang|ld)((?:>=|<=|<|>|==)\d[\d.]*)")
_LISTS = ("versions", "arch", "tools", "cc", "hostcflags", "config", "upstream", "symptoms")
_TEXTS = ("name", "why", "advice")
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


def load(data: Any, file: str) -> tuple[Fix, ...]:
    """The rows of a parsed file. Raises UserError naming row and key."""
    if not isinstance(data, list):
        raise UserError(f"{file}: not a list of fixes")
    return tuple(_row(row, f"{file}: row {number}") for number, row in enumerate(data, start=1))


def _row(row: Any, where: str) -> Fix:
    if not isinstance(row, dict) or not row.get("name") or not row.get("why"):
        raise UserError(f"{where}: a fix needs a name and a why")
    if unknown := sorted(set(row) - {*_LISTS, *_TEXTS}):
        raise UserError(f"{where}: unknown key {unknown[0]!r}", hint=f"keys: {', '.join((*_TEXTS, *_LISTS))}")
    for name in _LISTS:
        if not isinstance(row.get(name, []), list):
            raise UserError(f"{where}: {name}: wants a list")
    for tool in row.get("tools", ()):
        if not _TOOL.fullmatch(tool):
            raise UserError(f"{where}: tools: {tool!r}", hint="such as gcc>=10")
    for pattern in row.get("symptoms", ()):
        try:
            re.compile(pattern)
        except re.error as error:
            raise UserError(f"{where}: symptoms: {pattern!r}: {error}") from error
    lists = {name: tuple(str(item) for item in row.get(name, ())) for name in _LISTS}
    texts = {name: str(row.get(name, "")) for name in _TEXTS}
    return Fix(name=texts["name"], why=texts["why"], advice=texts["advice"], **lists)


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
    match = _TOOL.fullmatch(tool)
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
