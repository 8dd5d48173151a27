"""A compiler cache, where one is installed: compilers stand in for themselves at the head of PATH.

Make still calls `gcc`: commands, .config and bytes are the same with it and without, so neither the build key nor
an object directory made without it changes. KZRAM_CCACHE=0 turns it off.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from kzram_ci.base import files
from kzram_ci.base.cache import mark_used
from kzram_ci.kernel.kbuild import hidden


def path(cache: Path, variables: Mapping[str, str]) -> str:
    """PATH for make; the caller's own when there is no ccache, or no place where it could write."""
    own = os.environ.get("PATH", os.defpath)
    program = shutil.which("ccache")
    store = os.environ.get("CCACHE_DIR") or os.environ.get("HOME", "")
    if program is None or os.environ.get("KZRAM_CCACHE") == "0" or not os.access(store, os.W_OK):
        return own
    directory = cache / "ccache-bin"
    with files.disk_errors(f"cannot write {directory}"):
        directory.mkdir(parents=True, exist_ok=True)
        for name in _compilers(variables):
            link = directory / name
            if not link.is_symlink() or str(link.readlink()) != program:
                fresh = directory / f".{name}.{os.getpid()}"
                fresh.unlink(missing_ok=True)
                fresh.symlink_to(program)
                os.replace(fresh, link)
            mark_used(link)
    return f"{directory}{os.pathsep}{own}"


def apart(src: Path, out: Path) -> dict[str, str]:
    """The environment by which results of trees whose headers hide others are kept apart: they look alike to ccache."""
    listed = out / "kzram.hidden"
    files.write_atomic(listed, "".join(f"{path}\n" for path in hidden.pairs(src)))
    given = os.environ.get("CCACHE_EXTRAFILES")
    return {"CCACHE_EXTRAFILES": os.pathsep.join(filter(None, (given, str(listed))))}


def _compilers(variables: Mapping[str, str]) -> list[str]:
    """Names by which kbuild calls compilers, as far as PATH is searched for them."""
    llvm = variables.get("LLVM", "")
    clang = f"clang{llvm if llvm.startswith('-') else ''}" if llvm not in ("", "0") and "/" not in llvm else ""
    words = [f"{variables.get('CROSS_COMPILE', '')}gcc", "gcc", clang]
    words += [(shlex.split(variables.get(name, "")) or [""])[0] for name in ("CC", "HOSTCC")]
    return sorted({word for word in words if word and "/" not in word and "ccache" not in word})
