"""Where things lie in a run directory, and how what a boot left is set aside: nothing produced is lost."""

from __future__ import annotations

import re
from pathlib import Path

from kzram_ci.base import files
from kzram_ci.base.digest import digest_bytes
from kzram_ci.base.values import dataclass
from kzram_ci.model.layout import ATTEMPT, BOOT_FAILED, CELLS, INTERRUPTED, RESULTS, CellFile, RunFile
from kzram_ci.plan.matrix import safe_id
from kzram_ci.vm import by_hand

_OF_THE_CELL = frozenset({CellFile.CELL, CellFile.REPRO})  # not of one boot of it


@dataclass(frozen=True, slots=True, kw_only=True)
class CellDir:
    """The directory of a cell; `relative` is its path from the run directory. A plain value: it can go anywhere."""

    path: Path
    relative: str

    def file(self, name: CellFile) -> Path:
        """One of its files."""
        return self.path / name

    def qemu_command(self) -> str:
        """QEMU's command line of the boot, word for word; empty where nothing was booted."""
        try:
            return by_hand.exact(self.file(CellFile.QEMU_ARGV).read_text("utf-8", "backslashreplace"))
        except OSError:
            return ""  # a cell that did not boot has none

    def keep_failed_boot(self, number: int) -> None:
        """Make room for the next boot after one that did not reach the workload."""
        self._set_aside(f"{BOOT_FAILED}{number}")

    def keep_attempt(self, number: int) -> None:
        """Make room for the next attempt; boots of this one that failed go with it."""
        self._set_aside(f"{ATTEMPT}{number}", folders=(BOOT_FAILED,))

    def keep_interrupted(self) -> None:
        """Make room for the cell to begin again after a run that was stopped."""
        if not self._left((BOOT_FAILED, ATTEMPT)):
            return
        number = 1
        while (self.path / f"{INTERRUPTED}{number}").exists():
            number += 1
        self._set_aside(f"{INTERRUPTED}{number}", folders=(BOOT_FAILED, ATTEMPT))

    def bring_back(self, number: int) -> None:
        """Put the attempt that decided where a reader looks first: into the cell's own directory."""
        attempt = self.path / f"{ATTEMPT}{number}"
        with files.disk_errors(f"cannot show {attempt}"):
            for path in attempt.iterdir():
                path.rename(self.path / path.name)
            attempt.rmdir()

    def _left(self, folders: tuple[str, ...]) -> list[Path]:
        """What boots left: files, and folders of these kinds."""
        if not self.path.is_dir():
            return []
        return [
            path
            for path in self.path.iterdir()
            if (path.name.startswith((RESULTS, *folders)) if path.is_dir() else path.name not in _OF_THE_CELL)
        ]

    def _set_aside(self, name: str, *, folders: tuple[str, ...] = ()) -> None:
        with files.disk_errors(f"cannot keep what is in {self.path}"):
            left, aside = self._left(folders), self.path / name
            aside.mkdir()
            for path in left:
                path.rename(aside / path.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDirLayout:
    """A run directory by its path."""

    path: Path

    def file(self, name: RunFile) -> Path:
        """One of its files."""
        return self.path / name

    def cell(self, cell_id: str) -> CellDir:
        """The directory of a cell. Never fails for any cell id."""
        return self.at(f"{CELLS}/{cell_folder(cell_id)}")

    def at(self, relative: str) -> CellDir:
        """The directory that a result names."""
        return CellDir(path=self.path / relative, relative=relative)


def cell_folder(cell_id: str) -> str:
    """A folder name for a cell id: its usual file name, or a readable form and a digest where that is unfit."""
    safe = safe_id(cell_id)
    name = slug(safe)
    if name == safe and len(name) <= 120:
        return name
    return f"{name[:100]}-{digest_bytes(cell_id.encode('utf-8', 'surrogatepass'))[:8]}"


def slug(text: str) -> str:
    """Letters, digits and a few signs that no shell, file system or URL takes amiss; never a dot file."""
    return re.sub(r"[^A-Za-z0-9._=+-]+", "-", text).strip(".-") or "unnamed"
