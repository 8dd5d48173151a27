"""What the reports of a bisection show, as plain values. Pure."""

from __future__ import annotations

from kzram_ci.base.values import dataclass

LOG, JUNIT, PAGE = "git-bisect.log", "junit.xml", "report.html"
FILES = (PAGE, JUNIT, LOG)


@dataclass(frozen=True, slots=True, kw_only=True)
class BootView:
    """One boot. `what`: crash, clean, other, inconclusive, infra, unbootable."""

    number: int
    what: str
    text: str
    seconds: float
    directory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitView:
    """One commit. `side`: good, bad, skip (cannot be tested) or "" (open); `roles`: culprit, bad end, good end."""

    name: str
    subject: str
    author: str = ""
    date: str = ""
    probability: float = 0.0  # of being the culprit
    candidate: bool = True
    side: str = ""
    roles: tuple[str, ...] = ()
    build: str = ""  # how its kernel came to be, or why there is none
    failed: bool = False
    boots: tuple[BootView, ...] = ()
    mark: str = ""  # the user's word
    twin: str = ""  # a commit with the same bytes whose boots count for this one

    @property
    def visited(self) -> bool:
        """Whether anything was done about it, or it is the culprit: the boots of a twin may have told that."""
        return bool(self.boots or self.build or self.mark or "culprit" in self.roles)

    @property
    def told(self) -> str:
        """What is known of it: its boots, else what became of its kernel."""
        mark, twin = f"marked {self.mark}" if self.mark else "", f"the same kernel as {self.twin[:12]}"
        return self.tally() or self.build or mark or (twin if self.twin else "not booted itself")

    def count(self, what: str) -> int:
        """Boots that ended so."""
        return sum(boot.what == what for boot in self.boots)

    def tally(self) -> str:
        """`3 crash, 2 clean`."""
        words = dict.fromkeys(boot.what for boot in self.boots)
        return ", ".join(f"{self.count(word)} {word}" for word in words)


@dataclass(frozen=True, slots=True, kw_only=True)
class BisectView:
    """A bisection at any moment. Commits are oldest first; `lines` is the answer, or how far it is, in words."""

    name: str
    plan: str
    cell: str
    repository: str
    wanted: str
    done: bool
    lines: tuple[str, ...]
    none: float  # probability that no commit of the range is to blame
    commits: tuple[CommitView, ...]
    revert: tuple[BootView, ...] = ()
    notes: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()

    def visited(self) -> tuple[CommitView, ...]:
        """The commits something was done about."""
        return tuple(commit for commit in self.commits if commit.visited)
