"""Whose code a crash is in, as far as a kernel tree says."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from kzram_ci.base.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """What a tree says about a function; empty where it says nothing, and `note` says why."""

    function: str
    file: str = ""
    line: int = 0
    subsystem: str = ""
    status: str = ""
    maintainers: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()  # "hash date subject (author)", newest first
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    def lines(self) -> tuple[str, ...]:
        """What is known, a line each, for people."""
        if not self.file:
            return (f"{self.function}: {self.note}",)
        status = f" ({self.status})" if self.status else ""
        owner = f"{self.subsystem or 'no section of MAINTAINERS'}{status}"
        people = (
            *(f"  maintainer {who}" for who in self.maintainers),
            *(f"  reviewer {who}" for who in self.reviewers),
            *(f"  list {where}" for where in self.lists),
            *(f"  changed by {commit}" for commit in self.commits),
        )
        note = (f"  {self.note}",) if self.note else ()
        return (f"{self.function} is in {self.file}:{self.line}: {owner}", *people, *note)
