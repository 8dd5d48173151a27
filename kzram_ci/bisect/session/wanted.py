"""The crash that is looked for: given by the user, described by the plan, or what the bad end shows most. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from kzram_ci.base.errors import UserError
from kzram_ci.model.cell import Cell
from kzram_ci.model.outcome import Outcome

# Ends of a boot that have no oops, as signatures: a hang or a corruption can be bisected like a crash.
ENDINGS = frozenset({Outcome.CORRUPTION, Outcome.FAIL, Outcome.HANG})
NO_BOOT = str(Outcome.BOOT_FAILED)  # as a signature: a kernel that never reaches the workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """An oops of a boot, or a bad end without one (its outcome as signature)."""

    signature: str
    title: str
    fatal: bool = True
    planned: bool = False  # the plan's own expectation describes it


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The crash that is looked for. `given`: patterns of signatures or titles; `plan`: the plan describes it."""

    given: tuple[str, ...] = ()
    plan: bool = False

    def holds(self, crash: Crash) -> bool:
        """Whether a crash is the wanted one."""
        names = (crash.signature, crash.title)
        return (self.plan and crash.planned) or any(
            name == pattern or fnmatchcase(name, pattern) for pattern in self.given for name in names
        )

    @property
    def no_boot(self) -> bool:
        """Whether a kernel that does not reach the workload is what is looked for."""
        return NO_BOOT in self.given

    @property
    def only_no_boot(self) -> bool:
        """Whether nothing else is: then a kernel that reaches the workload is good, whatever the workload shows."""
        return not self.plan and set(self.given) == {NO_BOOT}

    def text(self) -> str:
        """For people; "" while it is not known."""
        return " or ".join((*self.given, *(("what the plan expects",) if self.plan else ())))


def expectation(cell: Cell, others: Sequence[Cell], given: tuple[str, ...]) -> tuple[Cell, Wanted, str]:
    """The cell to boot, what to look for, and a sentence about it; the sentence is "" where the user gave it.

    Raises UserError for a test that cannot separate good kernels from bad ones.
    """
    if given:
        return cell, Wanted(given=given), ""
    if cell.expect.outcome == "oops":
        return cell, Wanted(plan=True), "looking for the oops that the plan expects"
    if sibling := next((other for other in others if other.expect.outcome == "oops"), None):
        # The same test on another kernel of the plan describes the crash; the proof of a clean boot stays our own.
        expect = replace(cell.expect, outcome="oops", oops=sibling.expect.oops)
        text = f"looking for the oops that the plan expects of {sibling.id}"
        return replace(cell, expect=expect), Wanted(plan=True), text
    if not cell.expect.floors and not cell.expect.ceilings:
        raise UserError(
            f"{cell.id} cannot tell good from bad: it expects a pass, names no oops and asks for no proof of one",
            hint="--signature SIGNATURE, or `expect:` with floors or an oops in the plan",
        )
    return cell, Wanted(), "the plan names no oops: the wanted signature will be what the bad end shows most"
