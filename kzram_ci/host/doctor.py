"""What this host has of what kzram-ci needs, and the command that installs the rest."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import re
import shutil
from pathlib import Path

from kzram_ci.base import budget, elf, needs, packages, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import KzramError
from kzram_ci.base.needs import Need, Proof, Task
from kzram_ci.base.values import dataclass
from kzram_ci.model.arch import ARCHS, Arch, arch_of, needs_of
from kzram_ci.model.machine import Accel
from kzram_ci.vm import accel, binary

DISK_GIB = 8  # an unpacked source, an object tree and the builds of one plan
MEMORY_MIB = 2048  # one guest, its QEMU and a compiler
PROBE_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The answer for one prerequisite. fix: what to do, "" for nothing; packages: what that would install.

    detail: lines for who wants to know more.
    """

    name: str
    ok: bool
    required: bool
    version: str = ""
    why: str = ""
    fix: str = ""
    packages: tuple[str, ...] = ()
    detail: str = ""


def examine(archs: tuple[str, ...] = ("x86_64",), *, cache: Path, deadline: Deadline) -> tuple[Check, ...]:
    """Check everything but acceleration (which needs a boot). Never raises for what is missing."""
    manager = packages.here()
    rows = tuple(need for name in archs for need in _of_arch(arch_of(name)))
    return (
        *(_check(need, manager, deadline) for need in (*rows, *needs.of_task(Task.BUILD, Task.BOOT, Task.FETCH))),
        _disk(cache),
        _memory(),
    )


def architectures() -> tuple[str, ...]:
    """Those whose guests QEMU can run here."""
    return tuple(row.name for row in ARCHS if binary.look_for(row))


def acceleration(arch: str, *, cache: Path, deadline: Deadline) -> Check:
    """Which accelerator guests of an architecture get, with which CPU model; QEMU's messages where others failed."""
    name = f"acceleration {arch}"
    try:
        choice = accel.choose(Accel.AUTO, arch, cache=cache, deadline=deadline)
    except KzramError as error:
        return Check(name=name, ok=False, required=False, why=str(error))
    fast = choice.accel is Accel.KVM
    version = f"{choice.accel} -cpu {choice.cpu}"
    return Check(name=name, ok=fast, required=False, version=version, why=choice.why, detail=choice.detail)


def _of_arch(row: Arch) -> tuple[Need, ...]:
    """QEMU; and cross tools where this host is of another architecture."""
    return tuple(need for need in needs_of(row) if need.task is not Task.CROSS or not binary.native(row))


def _check(need: Need, manager: str, deadline: Deadline) -> Check:
    found, version = _look_for(need, deadline.within(PROBE_SECONDS))
    name = need.label or need.what
    check = Check(name=name, ok=found, required=need.required, version=version, why=need.why)
    if found:
        return check
    fix = packages.advice(((name, need.packages),), manager)
    return dataclasses.replace(check, fix=fix, packages=need.packages.of(manager))


def _look_for(need: Need, deadline: Deadline) -> tuple[bool, str]:
    """Whether it is here, and its version as far as it tells one."""
    match need.proof:
        case Proof.HEADER:
            return _header(need.what, deadline), ""
        case Proof.LIBRARY:
            return _library(need.what, deadline), ""
        case Proof.FILE:
            return Path(need.what).is_file(), ""
        case Proof.MODULE:
            return importlib.util.find_spec(need.what) is not None, ""
        case Proof.STATIC:
            return _static(need, deadline)
        case Proof.COMMAND:
            path = _path(need)
            works, text = _said((path, *need.version), deadline) if path else (False, "")
            return works, first_version(text)


def _path(need: Need) -> str:
    """Where a program is; QEMU can have other names."""
    if need.task is Task.BOOT and need.arch:
        return binary.look_for(arch_of(need.arch))
    return shutil.which(need.what) or ""


def _said(argv: tuple[str, ...], deadline: Deadline, input: bytes = b"") -> tuple[bool, str]:
    try:
        done = proc.run(argv, deadline=deadline, input=input, check=False)
    except KzramError:
        return False, ""
    return done.code == 0, (done.stdout + done.stderr).decode("utf-8", "replace")


def first_version(text: str) -> str:
    """The first thing in a --version text that looks like one."""
    match = re.search(r"\d+(?:\.\d+)+", text)
    return match.group() if match else (text.split() or [""])[-1]


def _static(need: Need, deadline: Deadline) -> tuple[bool, str]:
    """The guest has no dynamic linker: a program that asks for one cannot run there, and neither can a script."""
    path = _path(need)
    works, text = _said((path, *need.version), deadline) if path else (False, "")
    try:
        wrong = " (dynamic)" if path and elf.program(Path(path).read_bytes()).dynamic else ""
    except OSError:
        return False, ""
    except ValueError as error:
        wrong = f" ({error})"
    return works and not wrong, first_version(text) + wrong


def _header(name: str, deadline: Deadline) -> bool:
    return _said(("gcc", "-E", "-o", os.devnull, "-"), deadline, f"#include <{name}>\n".encode())[0]


def _library(name: str, deadline: Deadline) -> bool:
    """Gcc answers with the bare name when it does not know where the library is."""
    works, text = _said(("gcc", f"-print-file-name={name}"), deadline)
    return works and text.strip().startswith("/")


def _disk(cache: Path) -> Check:
    place = next(path for path in (cache, *cache.parents) if path.exists())
    free = shutil.disk_usage(place).free / (1 << 30)
    fix = "" if free >= DISK_GIB else "kzram-ci cache gc, or set KZRAM_CACHE to a larger disk"
    why = f"{DISK_GIB} GiB for sources and builds in {cache}"
    return Check(name="disk space", ok=not fix, required=True, version=f"{free:.0f} GiB free", why=why, fix=fix)


def _memory() -> Check:
    free = budget.memory().available
    fix = "" if free >= MEMORY_MIB else f"free memory: {MEMORY_MIB} MiB are wanted"
    why = "a guest, its QEMU and a compiler"
    return Check(name="memory", ok=not fix, required=True, version=f"{free} MiB available", why=why, fix=fix)


def missing_command(checks: tuple[Check, ...]) -> str:
    """One command for all missing packages that are required, "" when none is missing or known here."""
    names = [name for check in checks if check.required and not check.ok for name in check.packages]
    return packages.install_command(names, packages.here()) if names else ""
