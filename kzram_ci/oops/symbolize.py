"""Runs the tools that decode an oops: nm, llvm-symbolizer or addr2line, objdump."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import UserError
from kzram_ci.model.arch import ARCHS
from kzram_ci.oops import Oops, code, symbols

_ELF = b"\x7fELF"


def has_debug_info(vmlinux: Path, *, deadline: Deadline) -> bool:
    """Whether file:line can be found. Raises UserError without readelf, CommandTimeout at the deadline."""
    argv = ("readelf", "--section-headers", "--wide", str(vmlinux))
    return " .debug_line " in proc.run(argv, deadline=deadline, check=False).text()


def checked(vmlinux: Path) -> Path:
    """The file. Raises UserError for what cannot be a vmlinux."""
    hint = "give the vmlinux of the very build, made with debug info"
    if not vmlinux.is_file():
        raise UserError(f"{vmlinux} is not a file", hint=hint)
    try:
        with vmlinux.open("rb") as handle:
            magic = handle.read(len(_ELF))
    except OSError as error:
        raise UserError(f"cannot read {vmlinux}: {error.strerror}", hint=hint) from error
    if magic != _ELF:
        raise UserError(f"{vmlinux} is not a vmlinux: it is not ELF", hint=hint)
    return vmlinux


def decode(
    oopses: Sequence[Oops],
    vmlinux: Path,
    *,
    deadline: Deadline,
    modules: Path | None = None,
    source: str | None = None,
) -> tuple[Oops, ...]:
    """The oopses with file:line and inlines, all of them in one batch.

    `modules` is a directory with *.ko or *.ko.debug below it (default: that of vmlinux), `source` the prefix of the
    build tree in paths (default: what stands before init/main.c).
    Raises UserError when vmlinux cannot be used, CommandTimeout at the deadline.
    """
    paths = _paths(symbols.objects(oopses), checked(vmlinux), modules)
    tables = {
        name: symbols.SymbolTable.from_nm(proc.run(symbols.nm_argv(path), deadline=deadline, check=False).text())
        for name, path in paths.items()
    }
    queries = symbols.batch(oopses, tables)
    landmark = symbols.query(symbols.LANDMARK, tables, called=False) if source is None else None
    answers = _ask((*queries, *((landmark,) if landmark else ())), paths, deadline)
    prefix = symbols.tree_of(answers.get(landmark, ())) if landmark else source or ""
    return tuple(symbols.apply(oops, tables, answers, prefix) for oops in oopses)


def decoded(oopses: Sequence[Oops], vmlinux: Path, modules: Path | None, seconds: float) -> tuple[list[Oops], bool]:
    """The oopses of a saved log with all that can be found out, and whether vmlinux had any of it.

    Raises UserError when vmlinux cannot be used, CommandTimeout after so many seconds.
    """
    deadline = Deadline.after(seconds)
    found = decode(oopses, vmlinux, deadline=deadline, modules=modules)
    return [disassemble(oops, deadline=deadline) for oops in found], list(found) != list(oopses)


def _paths(names: Sequence[str], vmlinux: Path, modules: Path | None) -> dict[str, str]:
    paths = {symbols.KERNEL: str(vmlinux)}
    for name in names:
        if name == symbols.KERNEL:
            continue
        wanted = {name + ".ko", name.replace("_", "-") + ".ko"}
        for ending in (".debug", ""):
            found = [path for file in wanted for path in (modules or vmlinux.parent).rglob(file + ending)]
            if found:
                paths[name] = str(min(found))
                break
    return paths


def _ask(
    queries: Sequence[symbols.Query], paths: Mapping[str, str], deadline: Deadline
) -> dict[symbols.Query, tuple[symbols.CodeLocation, ...]]:
    if not queries:
        return {}
    if shutil.which("llvm-symbolizer"):
        done = proc.run(symbols.symbolizer_argv(), deadline=deadline, input=symbols.symbolizer_input(queries, paths))
        return dict(zip(queries, symbols.parse_answers(done.text()), strict=False))
    answers: dict[symbols.Query, tuple[symbols.CodeLocation, ...]] = {}
    for name, path in paths.items():
        mine = [item for item in queries if item.object == name]
        if mine:
            done = proc.run(symbols.addr2line_argv(path), deadline=deadline, input=symbols.addr2line_input(mine))
            answers |= dict(zip(mine, symbols.parse_answers(done.text()), strict=False))
    return answers


def objdump(machine: str) -> str:
    """The objdump that knows a machine: the host's for its own, else the one of the cross tools; "" without one."""
    row = next((row for row in ARCHS if row.objdump == machine), None)
    if row is None:
        return ""
    # one objdump is of x86 with 64 and 32 bits
    native = any(other.directory == row.directory and platform.machine() in other.uname for other in ARCHS)
    names = (*(("objdump",) if native else ()), f"{row.triplet}-objdump")
    return next((name for name in names if shutil.which(name)), "")


def disassemble(oops: Oops, *, deadline: Deadline) -> Oops:
    """The oops with the code around its instruction pointer as assembly; unchanged when it has none."""
    found = code.code_of(oops)
    program = objdump(found.machine) if found is not None else ""
    if found is None or not program:
        return oops
    with proc.scratch() as place:
        file = place / "code"
        file.write_bytes(found.data)
        for start in code.starts(found):
            done = proc.run((program, *code.objdump_argv(found, str(file), start)), deadline=deadline, check=False)
            if lines := code.listing(done.text(), found):
                return replace(oops, assembly=lines)
    return oops
