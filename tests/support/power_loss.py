"""The power goes: kzram-ci runs here as ever, while what would be on the disk is recorded; and is put back.

python power_loss.py RECORD DIRECTORY… -- WORDS   runs `kzram-ci WORDS`

A disk keeps what was pushed to it (fsync, syncfs). Of everything else it keeps the name at most, and of the content
nothing, a part, or zeros. Threads and children of kzram-ci write while a state is copied: so they do when power goes.
SQLite pushes by itself; its files are taken as they are. A state is a copy of the directories and a table of what was
not pushed yet. Each pushes, renames and removals of a file is a moment at which one may be recorded.
"""

import contextlib
import json
import os
import random
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

WAYS = ("lost", "gone", "half", "zeros")
_TABLE = "unpushed.json"
_SELF_PUSHED = (".sqlite", ".sqlite-wal", ".sqlite-shm", ".lock", "lock")


class Recorder:
    """Knows what is on the disk, and keeps states of it."""

    def __init__(self, record: Path, roots: list[Path], share: float) -> None:
        self.record, self.roots, self.share = record, roots, share
        self.pushed: dict[int, bytes] = {}
        self.lock = threading.RLock()
        self.dice = random.Random(1)
        self.count = 0
        self.all_pushed()

    def files(self) -> list[Path]:
        """Every regular file below the directories."""
        found: list[Path] = []
        for root in self.roots:
            for where, _, names in os.walk(root):
                found += [Path(where, name) for name in names if not Path(where, name).is_symlink()]
        return found

    def all_pushed(self) -> None:
        """What syncfs does."""
        for path in self.files():
            with contextlib.suppress(OSError):
                self.pushed[path.stat().st_ino] = path.read_bytes()

    def moment(self) -> None:
        """Keep a state, now and then."""
        self.count += 1
        if self.dice.random() >= self.share:
            return
        state, table = self.record / f"{self.count:05}", dict[str, int | None]()
        for number, root in enumerate(self.roots):
            with contextlib.suppress(shutil.Error, OSError):  # files come and go
                shutil.copytree(root, state / str(number), symlinks=True)
            for path in self.files():
                copy = state / str(number) / (path.relative_to(root) if path.is_relative_to(root) else "")
                with contextlib.suppress(OSError):
                    if not path.is_relative_to(root) or path.name.endswith(_SELF_PUSHED) or not copy.is_file():
                        continue
                    content, pushed = copy.read_bytes(), self.pushed.get(path.stat().st_ino)
                    if pushed is None or not content.startswith(pushed):
                        table[str(copy.relative_to(state))] = None
                    elif len(pushed) < len(content):
                        table[str(copy.relative_to(state))] = len(pushed)
        (state / _TABLE).write_text(json.dumps(table))

    def patch(self) -> None:
        """Stand between kzram-ci and the file system."""
        from kzram_ci.base import cache, files

        own = {name: getattr(os, name) for name in ("fsync", "replace", "rename", "unlink", "rmdir")}
        settle = files.settle

        def watched(name: str) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                with self.lock:
                    made = own[name](*args, **kwargs)
                    if name == "fsync":
                        with contextlib.suppress(OSError):
                            self.pushed[os.fstat(args[0]).st_ino] = Path(f"/proc/self/fd/{args[0]}").read_bytes()
                    self.moment()
                    return made

            return call

        def settled(path: Path) -> None:
            with self.lock:
                settle(path)
                self.all_pushed()
                self.moment()

        for name in own:
            setattr(os, name, watched(name))
        if not os.environ.get("POWER_WITHOUT_SETTLE"):  # to see that this finds what it is for
            for module in (files, cache):
                module.__dict__["settle"] = settled


def put_back(state: Path, way: str, roots: list[Path]) -> None:
    """Make the directories what a disk holds that lost its power at a state."""
    for root in roots:
        shutil.rmtree(root, ignore_errors=True)
    table = json.loads((state / _TABLE).read_text())
    for number, root in enumerate(roots):
        if (state / str(number)).is_dir():
            shutil.copytree(state / str(number), root, symlinks=True)
    for name, pushed in table.items():
        number, _, within = name.partition("/")
        path = roots[int(number)] / within
        content = path.read_bytes()
        start = pushed or 0
        path.chmod(0o644)
        if way == "gone" and pushed is None:
            path.unlink()
        elif way == "half":
            path.write_bytes(content[: (start + len(content)) // 2])
        elif way == "zeros":
            path.write_bytes(content[:start] + bytes(len(content) - start))
        else:
            path.write_bytes(content[:start])


def main() -> int:
    """Record a command."""
    at = sys.argv.index("--")
    record, *roots = (Path(word).absolute() for word in sys.argv[1:at])
    record.mkdir(parents=True)
    recorder = Recorder(record, list(roots), float(os.environ.get("POWER_SHARE", "0.2")))
    recorder.patch()
    from kzram_ci.cli.main import main as command

    return command(sys.argv[at + 1 :])


if __name__ == "__main__":
    sys.exit(main())
