"""A slot: one writable tree per family of kernels, switched from variant to variant by rewriting few files.

What a slot holds is written down before it is changed, so a slot left behind by kill -9 heals: files that may
deviate from the pristine tree are compared by content the next time; an object directory in which make was
killed is thrown away, since a truncated object may look newer than its source. So does one whose host lost its power:
what says that something is there is written when it is on the disk.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import field
from pathlib import Path

from kzram_ci.base import files, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError
from kzram_ci.base.values import dataclass
from kzram_ci.kernel.kbuild import descent, hidden
from kzram_ci.kernel.kbuild.base_tree import BaseTree, ChangingTree, UnpackedArchive
from kzram_ci.kernel.kbuild.rewrite import content_of, remove, remove_empty, write_if_changed

# A direct child of the source: kbuild then says `srctree := ..`, so all paths are relative and the bytes do not
# depend on where the cache is (top Makefile, "building in a subdirectory of the source tree", v3.17 and later).
OBJECTS = "kzram-out"
# Where kbuild takes a mere directory for an earlier build in the tree (top Makefile, outputmakefile).
_REFUSED = ("include/config", "include/generated", "arch/*/include/generated")


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a slot's tree holds beside the pristine files.

    touched: paths that may differ; base: content ids of a directory base; config: what .config was made from;
    full, step: make's steps in the last build from nothing, and in the last other one; foreign: the key of the kernel
    whose objects code of others may have made. made: the `config` that make was last done with, checked: all scripts
    can be executed; "" and False from before the tree changes until both are so again.
    """

    touched: tuple[str, ...] = ()
    base: Mapping[str, str] = field(default_factory=dict)
    config: str = ""
    full: int = 0
    step: int = 0
    foreign: str = ""
    made: str = ""
    checked: bool = False


class Slot:
    """One slot; its user holds the lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.src = path / "src"
        self.out = self.src / OBJECTS
        self.log = path / "build.log"
        self._mark = path / "building"
        self._file = path / "state.json"
        self.state = self._load()
        self._found = self.state  # as it was before the tree changed
        self._basis = ""  # the config of the make whose objects the next make finds
        self._changed: set[str] = set()  # paths of the source, since then

    @property
    def whole(self) -> bool:
        """Whether a kernel was built in it and no make was killed since."""
        return (self.out / "vmlinux").is_file() and not self._mark.exists()

    def _load(self) -> State:
        try:
            data = json.loads(self._file.read_text())
            return State(**{**data, "touched": tuple(data["touched"])})
        except FileNotFoundError:
            return State()
        except (ValueError, TypeError, KeyError):  # damaged: nothing in the slot can be trusted
            shutil.rmtree(self.path, ignore_errors=True)
            return State()

    def remember(self, **changes: object) -> None:
        """Change the state and write it down; atomic."""
        self.state = dataclasses.replace(self.state, **changes)  # type: ignore[arg-type]
        data = {name.name: getattr(self.state, name.name) for name in dataclasses.fields(State)}
        files.write_atomic(self._file, json.dumps(data, separators=(",", ":")))

    def _about_to_change(self, paths: Collection[str]) -> None:
        """Whoever has the slot after us does not know which paths these were, should we not come to an end."""
        if not paths:
            return
        self._changed.update(paths)
        if any(hidden.hides(self.src, path) for path in paths):
            self._mark.touch()  # make would not see it: its objects go, be it now or when we are killed first
        if self.state.made or self.state.checked:
            self._found = self.state
            self.remember(made="", checked=False)

    @property
    def unchecked(self) -> frozenset[str] | None:
        """The paths whose scripts may not be executable; None: any."""
        return frozenset(self._changed) if self._found.checked else None

    def idle(self) -> frozenset[str]:
        """The directories that the make to come need not enter."""
        if not self._basis or self._basis != self.state.config:
            return frozenset()
        return descent.idle(self.src, self.out, self._changed)

    def prepare(self, base: BaseTree, deadline: Deadline) -> None:
        """Have the base in `src`, however the slot was left."""
        self._drop_objects(deadline)
        if isinstance(base, UnpackedArchive):
            self._link(base, deadline)
        else:
            self._follow(base)

    def _drop_objects(self, deadline: Deadline) -> None:
        if self._mark.exists():
            files.remove_tree(self.out, deadline)
            self._mark.unlink(missing_ok=True)

    def _link(self, base: UnpackedArchive, deadline: Deadline) -> None:
        """Hard links: half a second and no space for 90,000 files; nothing is written into a shared inode."""
        if self.src.is_dir():
            return
        temporary = self.path / "src.new"
        shutil.rmtree(temporary, ignore_errors=True)
        with files.disk_errors(f"cannot write {self.path}"):
            self.path.mkdir(parents=True, exist_ok=True)
        proc.run(("cp", "-al", str(base.root), str(temporary)), deadline=deadline)
        self._found = self.state = State(foreign=self.state.foreign)
        self.remember()
        temporary.rename(self.src)

    def _follow(self, base: ChangingTree) -> None:
        """Bring edits over: only files whose content changed since the last time are copied."""
        for pattern in _REFUSED:
            for directory in self.src.glob(pattern):
                remove_empty(directory)
        held = self.state.base
        gone = [path for path in held if path not in base.files]
        changed = [path for path, content in base.files.items() if held.get(path) != content]
        if not gone and not changed:
            return
        with files.disk_errors(f"cannot write {self.path}"):
            self.src.mkdir(parents=True, exist_ok=True)
        # what is about to change counts as unknown until it is done; what goes stays listed, to go again
        kept = {path: content for path, content in held.items() if base.files.get(path) == content}
        self._about_to_change((*gone, *changed))
        self.remember(base={**kept, **dict.fromkeys((*gone, *changed), "")})
        for path in gone:
            remove(self.src, path)
        base.copy_to(self.src, changed)
        files.settle(self.path)
        self.remember(base=dict(base.files))

    def switch(self, base: BaseTree, desired: Mapping[str, bytes | None], executable: frozenset[str]) -> int:
        """Make the tree the base plus `desired`; returns how many files were rewritten."""
        paths = tuple(sorted({*self.state.touched, *desired}))
        if paths != self.state.touched:
            self.remember(touched=paths)
        wanted = {path: desired[path] if path in desired else base.read(path) for path in paths}
        differ = {path for path, content in wanted.items() if content != content_of(self.src / path)}
        self._about_to_change(differ)
        written = 0
        for path, content in wanted.items():
            if content is None:
                written += remove(self.src, path)  # and what is empty above it, though it may be gone itself
            elif path in differ:
                written += write_if_changed(self.src / path, content, executable=path in executable)
        if written:
            files.settle(self.path)  # what is pristine again is not looked at the next time
        self.remember(touched=tuple(sorted(desired)))
        return written

    def begin(self, deadline: Deadline) -> bool:
        """Mark that make runs now, on scripts that were checked. Returns whether it starts from nothing."""
        self._drop_objects(deadline)
        fresh = not (self.out / "vmlinux").exists()
        self._basis = "" if fresh else self._found.made
        self.remember(made="", checked=True)
        self._found = self.state
        with files.disk_errors(f"cannot write {self.path}"):
            self.out.mkdir(exist_ok=True)
            self._mark.touch()
            files.keep_names(self.path)
        return fresh

    def mark_clean(self) -> None:
        """Make ended by itself: its own rules removed what was half done. What it made outlasts a loss of power."""
        if self._mark.exists():
            files.settle(self.path)
        self._mark.unlink(missing_ok=True)

    def done(self, steps: int, *, fresh: bool) -> None:
        """Make made all that was asked for."""
        self.mark_clean()
        self._changed.clear()
        self.remember(made=self.state.config, **{"full" if fresh else "step": steps})


def usable(cache: Path) -> None:
    """Raise InfraError for a place in which kbuild cannot work."""
    if any(char in str(cache) for char in " :"):
        hint = "set KZRAM_CACHE to a path without blanks and colons"
        raise InfraError(f"the kernel's Makefile cannot work below {cache}", hint=hint)
