"""A git directory to ask, and how a repository is named. Nothing here writes to the user's repository."""

from __future__ import annotations

import re
from pathlib import Path

from kzram_ci.base import git, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import CommandFailed, InfraError
from kzram_ci.base.values import dataclass

SECONDS = 600.0  # for all questions about one range
_URL = re.compile(r"[a-z][a-z0-9+.-]*://|[\w.-]+@[\w.-]+:|[\w.-]{2,}:(?!/)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repo:
    """A git directory to ask, with the deadline of all questions."""

    directory: Path
    name: str  # for people, as the user gave it
    deadline: Deadline

    def run(self, *words: str, given: bytes = b"") -> proc.Completed:
        """A git command that may fail."""
        return git.run(*words, directory=self.directory, deadline=self.deadline, input=given, check=False)

    def ask(self, *words: str, given: bytes = b"") -> str:
        """A git command that must not fail. Raises InfraError with git's own words."""
        try:
            done = git.run(*words, directory=self.directory, deadline=self.deadline, input=given)
        except CommandFailed as error:
            raise InfraError(f"{self.name}: {error.message}", hint=f"git -C {self.name} fsck") from error
        return done.stdout.decode("utf-8", "replace")

    def commit(self, ref: str) -> str:
        """The full name of a commit, "" when there is none of that name."""
        if not ref or ref.startswith("-") or any(char in ref for char in " \n\0"):
            return ""
        done = self.run("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        return done.text().strip() if done.code == 0 else ""

    def title(self, commit: str) -> str:
        """A commit for people: abbreviated name and subject."""
        return self.ask("log", "-1", "--format=%h (%s)", "--abbrev=12", commit).strip()


def is_url(repository: str) -> bool:
    """Whether a repository is somewhere else."""
    return not Path(repository).exists() and _URL.match(repository) is not None
