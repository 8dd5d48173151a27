"""Scripts of a slot's tree made executable again: kbuild calls many by their name alone.

An unpacked zip, a copy through a file system without modes, or a repository with core.fileMode off loses the bits.
kbuild then stops at its first script, or worse: where Kconfig asks one, the answer is silently no.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from kzram_ci.base import files

_SCRIPT = re.compile(r".*\.(?:sh|pl|py|awk)|[^.]+")  # what kernels call theirs: also scripts/mkcompile_h


def restore(root: Path, leave: str) -> tuple[str, ...]:
    """Make all scripts below `root` executable, without the directory `leave`.

    Returns the scripts of `scripts/` that were not, when these are most of them: kernels have always had some that
    are called through an interpreter only. Raises InfraError when the disk refuses.
    """
    made = [path for path in _scripts(root, leave) if _restored(path)]
    top = sorted(path.name for path in (root / "scripts").glob("*.sh"))
    lost = sorted(path.name for path in made if path.parent == root / "scripts" and path.suffix == ".sh")
    return tuple(f"scripts/{name}" for name in lost) if 2 * len(lost) > len(top) else ()


def _scripts(root: Path, leave: str) -> list[Path]:
    found = []
    for where, directories, names in os.walk(root):
        directories[:] = [name for name in directories if not name.startswith(".") and name != leave]
        plain = Path(where).relative_to(root).parts[:1] not in {("scripts",), ("tools",)}
        found += [Path(where, name) for name in names if _SCRIPT.fullmatch(name) and not (plain and "." not in name)]
    return found


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
