"""The compiler and the other build tools: their exact versions, and whether all that a build needs is there."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from kzram_ci.base import needs, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_json
from kzram_ci.base.errors import CommandFailed, UserError
from kzram_ci.base.memo import memoized, recall
from kzram_ci.base.needs import Task
from kzram_ci.kernel.compilers import OPTIONAL, commands
from kzram_ci.kernel.tools import Toolchain
from kzram_ci.model import arch as model_arch
from kzram_ci.model.arch import Arch, arch_of


def toolchain_for(
    arch: str, given: tuple[tuple[str, str], ...], *, cache: Path, deadline: Deadline, start: bool = True
) -> Toolchain:
    """The tools for an architecture, with the make variables a kernel sets. Raises UserError for a missing one.

    Without `start`, a program that the make variables name is not started: `identify` says what happens then.
    """
    variables = make_vars(arch, given)
    identity = identify(dict(variables), cache=cache, deadline=deadline, start=start)
    return Toolchain(make_vars=variables, cc=commands(dict(variables))["CC"], identity=identity)


def make_vars(arch: str, given: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """A kernel's make variables, with CROSS_COMPILE where host and kernel differ and no compiler is named."""
    chosen = dict(given)
    row = arch_of(arch)
    native = platform.machine() in row.uname
    if not native and not {"CROSS_COMPILE", "LLVM"} & set(chosen):
        _require_cross(row)
        chosen["CROSS_COMPILE"] = f"{row.triplet}-"
    return tuple(sorted(chosen.items()))


def _require_cross(row: Arch) -> None:
    """All that a cell of a foreign architecture needs, at once. Raises UserError with one command that installs it."""
    wanted = model_arch.needs_of(row)
    missing = [need.what for need in wanted if shutil.which(need.what) is None]
    if any(need.what in missing for need in wanted if need.task is Task.CROSS):
        text = f"missing for {row.name} on {platform.machine()}: {', '.join(missing)}"
        raise UserError(text, hint=needs.advice(*missing, more=wanted))


def identify(
    variables: Mapping[str, str], *, cache: Path, deadline: Deadline, start: bool = True
) -> tuple[tuple[str, str], ...]:
    """First version line of each tool that shapes the bytes. Answers are remembered by the program's (size, mtime).

    Raises UserError for a tool that is missing, with the command that installs it; without `start` also for one that
    was not asked before, unless it is a compiler of the host's: reading a plan must not run what it names.
    """
    wanted = commands(variables) | {name: (name,) for name in OPTIONAL if shutil.which(name)}
    found = []
    for name, command in sorted(wanted.items()):
        stamps = [_stamp(word) for word in command if not word.startswith("-")]
        if not command or stamps[0] is None:
            raise UserError(f"{name}: {' '.join(command)!r} not found in PATH", hint=_install(command))
        memory = cache / "scans" / f"tool-{digest_json(command)[:16]}.json"
        if not (start or _is_known(command) or recall(memory, stamps) is not None):
            text = f"{name}: {' '.join(command)!r} was not asked for its version yet"
            raise UserError(text, hint="kzram-ci build KERNEL asks it")
        try:
            found.append((name, memoized(memory, stamps, partial(_first_line, command, deadline.within(60)))))
        except CommandFailed:
            if name not in OPTIONAL:
                raise  # kbuild does without an optional tool that does not run (a rustc without its toolchain)
    return tuple(found)


def _is_known(command: tuple[str, ...]) -> bool:
    """Whether a command is a compiler or linker by its usual name, found in PATH, without arguments."""
    triplets = "|".join(re.escape(row.triplet) for row in model_arch.ARCHS)
    usual = rf"((?:{triplets})-)?(gcc|ld|clang|ld\.lld)(-\d+)?|make|{'|'.join(OPTIONAL)}"
    return len(command) == 1 and re.fullmatch(usual, command[0]) is not None


def _first_line(command: tuple[str, ...], deadline: Deadline) -> str:
    lines = proc.run((*command, "--version"), deadline=deadline).text().strip().splitlines()
    return lines[0] if lines else "unknown"


def _stamp(word: str) -> str | None:
    path = shutil.which(word)
    if path is None:
        return None
    status = Path(path).stat()
    return f"{os.path.realpath(path)} {status.st_size} {status.st_mtime_ns}"


def _install(command: tuple[str, ...]) -> str:
    return needs.advice(command[0] if command else "gcc", more=model_arch.needs())


def require() -> None:
    """Check the tools every build needs, all at once. Raises UserError with one command that installs them."""
    missing = [need.what for need in needs.missing_commands(Task.BUILD)]
    if missing:
        raise UserError(f"missing to build kernels: {', '.join(missing)}", hint=needs.advice(*missing))
