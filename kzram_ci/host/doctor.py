"""What this host has of what kzram-ci needs, and the command that installs the rest."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kzram_ci.base import budget, elf, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import KzramError
from kzram_ci.model.arch import arch_of

DISK_GIB = 8  # an unpacked source, an object tree and the builds of one plan
MEMORY_MIB = 2048  # one guest, its QEMU and a compiler
PROBE_SECONDS = 20.0

INSTALLERS = {
    "apt": "sudo apt-get install -y",
    "dnf": "sudo dnf install -y",
    "pacman": "sudo pacman -S --needed",
    "zypper": "sudo zypper install -y",
}
_FAMILIES = (
    (("debian", "ubuntu"), "apt"),
    (("fedora", "rhel", "centos"), "dnf"),
    (("arch", "manjaro"), "pacman"),
    (("suse", "opensuse", "sles"), "zypper"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One prerequisite. `packages` in the order apt, dnf, pacman, zypper; an empty name: no such package."""

    name: str
    why: str
    packages: tuple[str, str, str, str]
    required: bool = True
    version: tuple[str, ...] = ("--version",)
    header: str = ""  # a header to include, instead of a program
    static_library: str = ""  # a file the compiler must know, instead of a program


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The answer for one prerequisite; `fix` is empty when nothing is to be done."""

    name: str
    ok: bool
    required: bool
    version: str = ""
    why: str = ""
    fix: str = ""


def _same(name: str) -> tuple[str, str, str, str]:
    return (name, name, name, name)


NEEDS = (
    Need(name="gcc", why="compiles kernels and guest programs", packages=_same("gcc")),
    Need(name="make", why="drives the kernel build", packages=_same("make")),
    Need(name="flex", why="kconfig's and dtc's lexers", packages=_same("flex")),
    Need(name="bison", why="kconfig's parser", packages=_same("bison")),
    Need(name="bc", why="timeconst.h of the kernel", packages=_same("bc")),
    Need(name="ld", why="links kernels", packages=_same("binutils")),
    Need(name="tar", why="unpacks sources", packages=_same("tar")),
    Need(name="xz", why="unpacks linux-source packages", packages=("xz-utils", "xz", "xz", "xz")),
    Need(name="zstd", why="unpacks modules and sources that end in .zst", packages=_same("zstd"), required=False),
    Need(name="git", why="applies patches by context", packages=_same("git")),
    Need(
        name="libelf headers",
        why="the kernel's host tools",
        packages=("libelf-dev", "elfutils-libelf-devel", "libelf", "libelf-devel"),
        header="gelf.h",
    ),
    Need(
        name="libc static",
        why="guest programs are static",
        packages=("libc6-dev", "glibc-static", "glibc", "glibc-devel-static"),
        static_library="libc.a",
    ),
    Need(
        name="busybox",
        why="the guest's shell and tools (static)",
        packages=("busybox-static", "busybox", "busybox", "busybox-static"),
        version=(),
    ),
    Need(
        name="libssl headers",
        why="only kernels that sign modules",
        packages=("libssl-dev", "openssl-devel", "openssl", "libopenssl-devel"),
        header="openssl/opensslv.h",
        required=False,
    ),
    Need(name="ccache", why="a second build in a fraction of the time", packages=_same("ccache"), required=False),
    Need(
        name="apt-get",
        why="sources of kind debian; other sources do without",
        packages=("apt", "apt", "apt", ""),
        required=False,
    ),
)


def package_manager(os_release: str) -> str:
    """apt, dnf, pacman or zypper, by ID and ID_LIKE of an os-release file; "" when unknown."""
    words = re.findall(r"^(?:ID|ID_LIKE)=(.*)$", os_release, re.MULTILINE)
    names = {name for word in words for name in word.strip("\"'").split()}
    for family, manager in _FAMILIES:
        if any(name == known or name.startswith(f"{known}-") for name in names for known in family):
            return manager
    return ""


def install_command(need: Need, manager: str) -> str:
    """The command that installs it here, or words for a person where the manager is unknown."""
    if manager not in INSTALLERS:
        return f"install {need.packages[0] or need.name}"
    package = need.packages[tuple(INSTALLERS).index(manager)]
    return f"{INSTALLERS[manager]} {package}" if package else f"install {need.name} by hand"


def examine(archs: tuple[str, ...] = ("x86_64",), *, cache: Path, deadline: Deadline) -> tuple[Check, ...]:
    """Check everything but acceleration (which needs a boot). Never raises for what is missing."""
    manager = package_manager(_read("/etc/os-release"))
    return (
        *(_qemu(name, manager, deadline) for name in archs),
        *(_check(need, manager, deadline) for need in NEEDS),
        _disk(cache),
        _memory(),
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _qemu(arch: str, manager: str, deadline: Deadline) -> Check:
    row = arch_of(arch)
    package = {"x86_64": "qemu-system-x86", "arm64": "qemu-system-aarch64", "riscv64": "qemu-system-riscv"}[arch]
    zypper = {"x86_64": "qemu-x86", "arm64": "qemu-arm", "riscv64": "qemu-extra"}[arch]
    names = (row.package, package, package, zypper)
    return _check(Need(name=row.qemu, why=f"boots {arch} guests", packages=names), manager, deadline)


def _check(need: Need, manager: str, deadline: Deadline) -> Check:
    limit = deadline.within(PROBE_SECONDS)
    if need.header:
        found, version = _header(need.header, limit), ""
    elif need.static_library:
        found, version = _library(need.static_library, limit), ""
    else:
        found, version = _program(need, limit)
    fix = "" if found else install_command(need, manager)
    return Check(name=need.name, ok=found, required=need.required, version=version, why=need.why, fix=fix)


def _said(argv: tuple[str, ...], deadline: Deadline, input: bytes = b"") -> tuple[bool, str]:
    try:
        done = proc.run(argv, deadline=deadline, input=input, check=False)
    except KzramError:
        return False, ""
    return done.code == 0, (done.stdout + done.stderr).decode("utf-8", "replace")


def _program(need: Need, deadline: Deadline) -> tuple[bool, str]:
    path = shutil.which(need.name)
    if path is None:
        return False, ""
    if need.name == "busybox":
        return _static_busybox(path, deadline)
    works, text = _said((path, *need.version), deadline)
    return works, first_version(text)


def first_version(text: str) -> str:
    """The first thing in a --version text that looks like one."""
    match = re.search(r"\d+(?:\.\d+)+", text)
    return match.group() if match else (text.split() or [""])[-1]


def _static_busybox(path: str, deadline: Deadline) -> tuple[bool, str]:
    """The guest has no dynamic linker: a program that asks for one cannot run there, and neither can a script."""
    works, text = _said((path, "--help"), deadline)
    try:
        wrong = " (dynamic)" if elf.program(Path(path).read_bytes()).dynamic else ""
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
    """One command for all missing packages of this host's manager, "" when none is missing."""
    by_installer: Mapping[str, list[str]] = {command: [] for command in INSTALLERS.values()}
    for check in checks:
        for command, names in by_installer.items():
            if check.required and check.fix.startswith(command + " "):
                names.extend(shlex.split(check.fix.removeprefix(command)))
    lines = [f"{command} {shlex.join(dict.fromkeys(names))}" for command, names in by_installer.items() if names]
    return lines[0] if lines else ""
