"""By which commands kbuild compiles and links, as the make variables say. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

# In the identity when present: they write into .config or into the image.
OPTIONAL = ("pahole", "rustc")


def commands(variables: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The commands of CC, LD, HOSTCC and make, by kbuild's rules for LLVM and CROSS_COMPILE."""
    llvm, cross = variables.get("LLVM", ""), variables.get("CROSS_COMPILE", "")
    if llvm and llvm != "0":
        suffix = llvm if llvm.startswith("-") else ""
        prefix = llvm if llvm.endswith("/") else ""
        cc, ld, host = f"{prefix}clang{suffix}", f"{prefix}ld.lld{suffix}", f"{prefix}clang{suffix}"
    else:
        cc, ld, host = f"{cross}gcc", f"{cross}ld", "gcc"
    named = {"CC": cc, "LD": ld, "HOSTCC": host, "MAKE": "make"}
    return {name: tuple(shlex.split(variables.get(name, default))) for name, default in named.items()}


def words(variables: Mapping[str, str]) -> tuple[str, ...]:
    """The programs that a build with these variables may call."""
    named = (word for command in commands(variables).values() for word in command if not word.startswith("-"))
    return (*named, *OPTIONAL)
