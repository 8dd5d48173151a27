"""What a host must have: one row a thing, with what proves it, what it is for, and the package that holds it.

`kzram-ci doctor`, the hints of errors and `scripts/setup` read this table; for the last, which runs before there is
any Python, it is written out as `scripts/needs.txt` (a test keeps the two equal). What depends on an architecture
(QEMU, cross tools) is in the architecture's row.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from enum import StrEnum

from kzram_ci.base import packages
from kzram_ci.base.packages import MANAGERS, Packages, everywhere, named
from kzram_ci.base.values import dataclass


class Task(StrEnum):
    """What a need is for."""

    FETCH = "fetch"  # sources of kind debian
    BUILD = "build"  # kernels and the guest
    LLVM = "llvm"  # kernels, where a kernel says LLVM
    CROSS = "cross"  # kernels for another architecture than the host's
    BOOT = "boot"  # guests
    PYTHON = "python"  # the virtual environment of a clone
    LINT = "lint"  # `make check`


class Proof(StrEnum):
    """What a need's `what` is, and so how it is looked for."""

    COMMAND = "command"  # a program in PATH
    STATIC = "static"  # a program in PATH that needs no dynamic linker
    HEADER = "header"  # the C compiler finds it
    LIBRARY = "library"  # the C compiler finds it, to link statically
    FILE = "file"
    MODULE = "module"  # Python imports it


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One thing. arch: of the guests it is for, "" for all; version: arguments that make a command tell its version.

    label: what a person calls it, where that is not `what`.
    """

    task: Task
    what: str
    why: str
    packages: Packages
    proof: Proof = Proof.COMMAND
    required: bool = True
    arch: str = ""
    label: str = ""
    version: tuple[str, ...] = ("--version",)


NEEDS = (
    Need(
        task=Task.BUILD,
        what="make",
        why="drives the kernel build",
        packages=named("make", "make", "make", "make", "gnumake"),
    ),
    # whatever compiles the kernel: its host programs, and the guest's
    Need(task=Task.BUILD, what="gcc", why="compiles kernels and guest programs", packages=everywhere("gcc")),
    Need(task=Task.BUILD, what="ld", why="links kernels", packages=everywhere("binutils")),
    Need(task=Task.BUILD, what="flex", why="lexers of kconfig and dtc", packages=everywhere("flex")),
    Need(task=Task.BUILD, what="bison", why="parsers of kconfig and dtc", packages=everywhere("bison")),
    Need(task=Task.BUILD, what="bc", why="timeconst.h of the kernel", packages=everywhere("bc")),
    Need(
        task=Task.BUILD,
        what="xz",
        why="unpacks linux-source packages",
        packages=named("xz-utils", "xz", "xz", "xz", "xz"),
    ),
    Need(task=Task.BUILD, what="tar", why="unpacks sources", packages=named("tar", "tar", "tar", "tar", "gnutar")),
    Need(task=Task.BUILD, what="git", why="applies patches by context", packages=everywhere("git")),
    Need(
        task=Task.BUILD,
        what="gelf.h",
        label="libelf headers",
        why="the kernel's host tools",
        proof=Proof.HEADER,
        packages=named("libelf-dev", "elfutils-libelf-devel", "libelf-devel", "libelf", "elfutils"),
    ),
    Need(
        task=Task.BUILD,
        what="libc.a",
        label="libc static",
        why="guest programs are static",
        proof=Proof.LIBRARY,
        packages=named("libc6-dev", "glibc-static", "glibc-devel-static", "glibc", "glibc.static"),
    ),
    Need(
        task=Task.BUILD,
        what="perl",
        why="scripts of some kernel configurations",
        required=False,
        packages=everywhere("perl"),
    ),
    Need(
        task=Task.BUILD,
        what="openssl/opensslv.h",
        label="libssl headers",
        why="only kernels that sign modules",
        proof=Proof.HEADER,
        required=False,
        packages=named("libssl-dev", "openssl-devel", "libopenssl-devel", "openssl", "openssl"),
    ),
    Need(
        task=Task.BUILD,
        what="ccache",
        why="a second build in a fraction of the time",
        required=False,
        packages=everywhere("ccache"),
    ),
    Need(
        task=Task.BUILD,
        what="bwrap",
        why="--sandbox: makefiles without network and home",
        required=False,
        packages=everywhere("bubblewrap"),
    ),
    Need(
        task=Task.BUILD,
        what="zstd",
        why="unpacks modules and sources that end in .zst",
        required=False,
        packages=everywhere("zstd"),
    ),
    Need(
        task=Task.BUILD,
        what="bzip2",
        why="unpacks sources that end in .bz2",
        required=False,
        packages=everywhere("bzip2"),
    ),
    Need(
        task=Task.BUILD,
        what="rsync",
        why="only the kernel's selftests, which it installs",
        required=False,
        packages=everywhere("rsync"),
    ),
    Need(
        task=Task.BOOT,
        what="busybox",
        why="the guest's shell and tools (static)",
        proof=Proof.STATIC,
        version=("--help",),
        packages=named("busybox-static", "busybox", "busybox-static", "busybox", "pkgsStatic.busybox"),
    ),
    Need(task=Task.BOOT, what="objdump", why="source lines of oopses", required=False, packages=everywhere("binutils")),
    Need(
        task=Task.BOOT,
        what="ssh",
        why="boot --ssh",
        required=False,
        version=("-V",),
        packages=named("openssh-client", "openssh-clients", "openssh-clients", "openssh", "openssh"),
    ),
    Need(
        task=Task.FETCH,
        what="mmdebstrap",
        why="rootfs: {kind: debian}",
        required=False,
        packages=named("mmdebstrap", "mmdebstrap", "", "", "mmdebstrap"),
    ),
    Need(
        task=Task.FETCH,
        what="fakeroot",
        why="rootfs: {kind: debian}, made without root",
        required=False,
        packages=named("fakeroot", "fakeroot", "fakeroot", "fakeroot", "fakeroot"),
    ),
    Need(
        task=Task.FETCH,
        what="mke2fs",
        why="rootfs: {kind: debian}",
        required=False,
        version=("-V",),
        packages=everywhere("e2fsprogs"),
    ),
    Need(task=Task.BOOT, what="gdb", why="boot --gdb", required=False, packages=everywhere("gdb")),
    Need(
        task=Task.FETCH,
        what="apt-get",
        why="sources of kind debian; other sources do without",
        required=False,
        packages=named("apt", "apt", "", "apt", "apt"),
    ),
    Need(task=Task.FETCH, what="dpkg-deb", why="sources of kind debian", required=False, packages=everywhere("dpkg")),
    Need(
        task=Task.FETCH,
        what="/usr/share/keyrings/debian-archive-keyring.gpg",
        label="debian keyring",
        proof=Proof.FILE,
        required=False,
        why="suites of Debian that the host's apt does not know",
        packages=named("debian-archive-keyring", "debian-keyring", "", "debian-archive-keyring", ""),
    ),
    Need(task=Task.LLVM, what="clang", why="compiles kernels that say LLVM", packages=everywhere("clang")),
    Need(task=Task.LLVM, what="ld.lld", why="links kernels that say LLVM", packages=everywhere("lld")),
    Need(task=Task.LLVM, what="llvm-ar", why="archives of kernels that say LLVM", packages=everywhere("llvm")),
    Need(
        task=Task.PYTHON,
        what="python3",
        why="kzram-ci",
        packages=named("python3", "python3", "python3", "python", "python3"),
    ),
    Need(
        task=Task.PYTHON,
        what="ensurepip",
        why="the virtual environment",
        proof=Proof.MODULE,
        packages=named("python3-venv", "python3", "python3", "python", "python3"),
    ),
    Need(
        task=Task.LINT,
        what="shellcheck",
        why="checks shell scripts",
        packages=named("shellcheck", "ShellCheck", "ShellCheck", "shellcheck", "shellcheck"),
    ),
)

# "gcc-11", "clang-18": Debian and Ubuntu have a package of that name for each version.
_VERSIONED = re.compile(r"(?:gcc|clang|lld|ld\.lld)-\d+")


def of_task(*tasks: Task) -> tuple[Need, ...]:
    """The rows of some tasks, in the order of the table."""
    return tuple(need for need in NEEDS if need.task in tasks)


def missing_commands(task: Task) -> tuple[Need, ...]:
    """The required programs of a task that are not in PATH."""
    return tuple(
        need
        for need in of_task(task)
        if need.required and need.proof is Proof.COMMAND and shutil.which(need.what) is None
    )


def advice(*names: str, more: Iterable[Need] = ()) -> str:
    """How to get programs, headers or libraries on this host: one command, or words where no package is known.

    more: rows that are not in the table (of an architecture).
    """
    rows = {need.what: need.packages for need in (*NEEDS, *more)}
    return packages.advice((name, rows.get(name) or _versioned(name)) for name in names)


def _versioned(name: str) -> Packages:
    return Packages(apt=name.replace("ld.lld", "lld")) if _VERSIONED.fullmatch(name) else Packages()


def table(rows: Iterable[Need]) -> str:
    """The rows as lines for a shell's `read`; the first line names the columns."""
    columns = ("task", "arch", "required", "proof", "what", *MANAGERS)
    lines = [
        (
            *(need.task, need.arch, "yes" if need.required else "no", need.proof, need.what),
            *(" ".join(need.packages.of(manager)) for manager in MANAGERS),
        )
        for need in rows
    ]
    return "".join("|".join(words) + "\n" for words in (columns, *lines))
