"""Two places that kernel sources are read from: a directory, and a commit of a git repository without its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from kzram_ci.base import git, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import CommandFailed
from kzram_ci.base.values import dataclass

READ_SECONDS = 30.0
_SOURCES = ("*.c", "*.h")
_LOOK_ONLY = ("--no-ext-diff", "--no-textconv")


class Sources(Protocol):
    """What is asked of a tree. Everything may raise CommandTimeout."""

    def read(self, file: str) -> str | None:
        """The text of a file; None when there is none."""

    def holding(self, words: Sequence[str], deadline: Deadline) -> list[str]:
        """The C files that hold one of these words."""

    def changes(self, place: str, count: int, deadline: Deadline) -> tuple[tuple[str, ...], str]:
        """The last commits that changed a place, as `git log -L` takes it, and a note when there are none."""


@dataclass(frozen=True, slots=True)
class Directory:
    """The files of a directory; where it is a git repository, with the history of what is checked out."""

    path: Path

    @property
    def _git(self) -> bool:
        return (self.path / ".git").exists()

    def read(self, file: str) -> str | None:
        """See Sources."""
        try:
            return (self.path / file).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    def holding(self, words: Sequence[str], deadline: Deadline) -> list[str]:
        """See Sources."""
        asked = [part for word in words for part in ("-e", word)]
        if self._git:
            options = ("-lF", "--no-textconv", *asked, "--", *_SOURCES)
            done = git.run("grep", *options, cwd=self.path, deadline=deadline, env={"LC_ALL": "C"}, check=False)
        else:
            argv = ("grep", "-rlF", *(f"--include={kind}" for kind in _SOURCES), *asked, ".")
            done = proc.run(argv, deadline=deadline, cwd=self.path, env={"LC_ALL": "C"}, check=False)
        return sorted(line.removeprefix("./") for line in done.text().splitlines())

    def changes(self, place: str, count: int, deadline: Deadline) -> tuple[tuple[str, ...], str]:
        """See Sources."""
        if not self._git:
            return (), "no commits: the tree is not a git repository"
        return _log(place, count, "HEAD", deadline, at=self.path)


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit of a repository holds; nothing is checked out."""

    repository: Path
    commit: str

    def read(self, file: str) -> str | None:
        """See Sources."""
        words = ("cat-file", "blob", f"{self.commit}:{file}")
        try:
            done = git.run(*words, at=self.repository, deadline=Deadline.after(READ_SECONDS))
        except CommandFailed:
            return None
        return done.stdout.decode("utf-8", "replace")

    def holding(self, words: Sequence[str], deadline: Deadline) -> list[str]:
        """See Sources."""
        asked = [part for word in words for part in ("-e", word)]
        options = ("-lF", "--no-textconv", *asked, self.commit, "--", *_SOURCES)
        done = git.run("grep", *options, at=self.repository, deadline=deadline, env={"LC_ALL": "C"}, check=False)
        return sorted(line.removeprefix(f"{self.commit}:") for line in done.text().splitlines())

    def changes(self, place: str, count: int, deadline: Deadline) -> tuple[tuple[str, ...], str]:
        """See Sources."""
        return _log(place, count, self.commit, deadline, at=self.repository)


def _log(place: str, count: int, commit: str, deadline: Deadline, *, at: Path) -> tuple[tuple[str, ...], str]:
    if git.run("rev-parse", "--is-shallow-repository", at=at, deadline=deadline, check=False).text().strip() == "true":
        return (), "no commits: the history was not fetched"  # all lines would seem to be of the oldest commit there is
    words = ("-s", *_LOOK_ONLY, f"-n{count}", "--format=%h %as %s (%an)", f"-L{place}", commit)
    done = git.run("log", *words, at=at, deadline=deadline, check=False)
    lines = tuple(line for line in done.text().splitlines() if line.strip())
    return (lines[:count], "") if done.code == 0 else ((), "git does not find the function's lines")
