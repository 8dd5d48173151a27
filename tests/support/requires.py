"""What a test needs of the host. Where that is missing the test is skipped, unless KZRAM_REQUIRE wants it.

KZRAM_REQUIRE: names of KINDS, separated by commas, or `all`; what a CI installs, it requires.
"""

import os
import shutil
from typing import NoReturn

import pytest

KINDS = {
    "tools": "programs that scripts/setup installs",
    "sandbox": "a bubblewrap that works (user namespaces)",
    "sanitizers": "a C compiler with -fsanitize=address,undefined",
    "odirect": "a temporary directory whose file system takes O_DIRECT",
    "real": "QEMU, a compiler and a static busybox: all that real kernels need",
    "kvm": "an accelerator that runs a guest",
    "lines": "the source of every kernel line (KZRAM_DOWNLOAD=1 fetches it)",
    "network": "package mirrors that answer",
    "llvm": "llvm-symbolizer",
    "lore": "b4 as a module of Python",
    "store": "fsspec, s3fs and moto as modules of Python (a server of S3 on the loopback)",
    "postgres": "a server of PostgreSQL to start, SQLAlchemy and psycopg as modules of Python",
    "cluster": "dask.distributed and cryptography as modules of Python",
    "debuggers": "gdb, drgn as a module of Python, and the time to build a kernel with debug info",
    "browser": "chromium, and playwright to drive it",
    "shells": "zsh, fish, groff and mandoc, which read completions and man pages",
    "arm64": "cross tools and QEMU for arm64, and the time to build kernels for it",
    "riscv64": "the same for riscv64",
    "i386": "the same for x86 with 32 bits",
    "long": "half an hour for one test; only where it is asked for",
}


def required(text: str | None = None) -> frozenset[str]:
    """The kinds that must be there. Raises UsageError for a name that is not one of KINDS."""
    words = {word.strip() for word in (os.environ.get("KZRAM_REQUIRE", "") if text is None else text).split(",")} - {""}
    if unknown := sorted(words - set(KINDS) - {"all"}):
        raise pytest.UsageError(f"KZRAM_REQUIRE: {unknown[0]!r} is not one of {', '.join(KINDS)}, all")
    return frozenset(KINDS) if "all" in words else frozenset(words)


def lacking(kind: str, why: str) -> NoReturn:
    """End this test: skipped, or failed where the kind is required."""
    assert kind in KINDS, kind
    if kind in required():
        pytest.fail(f"{why} (KZRAM_REQUIRE wants {kind}: {KINDS[kind]})", pytrace=False)
    pytest.skip(f"{kind}: {why}")


def tool(name: str, kind: str = "tools") -> str:
    """Path of a program, or the end of this test."""
    return shutil.which(name) or lacking(kind, f"no {name} in PATH")
