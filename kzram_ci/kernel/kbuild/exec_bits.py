"""Scripts of a slot's tree made executable again: kbuild calls many by their name alone.

An unpacked zip, a copy through a file system without modes, or a repository with core.fileMode off loses the bits.
kbuild then stops at its first script, or worse: where Kconfig asks one, the answer is silently no.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection
from pathlib import Path

from kzram_ci.base import files

_SCRIPT = re.compile(r".*\.(?:sh|pl|py|awk)|[^.]+")  # what kernels call theirs: also scripts/mkcompile_h


def restore(root: Path, leave: str, only: Collection[str] | None = None) -> tuple[str, ...]:
    """Make all scripts below `root` executable, without the directory `leave`; with `only` none but these paths.

    Returns the scripts of `scripts/` that were not, when these are most of them: kernels have always had some that
    are called through an interpreter only. Raises InfraError when the disk refuses.
    """
    if only is None:
        found = _scripts(root, leave)
    else:
        found = [root / path for path in sorted(only) if _is_script(path) and (root / path).is_file()]
    made = [path for path in found if _restored(path)]
    top = sorted(path.name for path in (root / "scripts").glob("*.sh"))
    lost = sorted(path.name for path in made if path.parent == root / "scripts" and path.suffix == ".sh")
    return tuple(f"scripts/{name}" for name in lost) if 2 * len(lost) > len(top) else ()


def _scripts(root: Path, leave: str) -> list[Path]:
    found = []
    for where, directories, names in os.walk(root):
        directories[:] = [name for name in directories if not name.startswith(".") and name != leave]
        below = os.path.relpath(where, root)
        found += [Path(where, name) for name in names if _is_script(f"{below}/{name}")]
    return found


def _is_script(path: str) -> bool:
    """By its name in the tree; one without a suffix only where programs are."""
    name = path.rpartition("/")[2]
    return bool(_SCRIPT.fullmatch(name)) and ("." in name or path.startswith(("scripts/", "tools/")))


def _restored(path: Path) -> bool:
    """Whether this is a script that was not executable; it is now."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode) or status.st_mode & stat.S_IXUSR:
        return False
    with path.open("rb") as handle:
        if handle.read(2) != b"#!":
            return False
    with files.disk_errors(f"cannot change {path}"):
        path.chmod(stat.S_IMODE(status.st_mode) | 0o111)
    return True
