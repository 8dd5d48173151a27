"""The crash that is looked for: given by the user, described by the plan, or what the bad end shows most. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kzram_ci.base.errors import UserError
from kzram_ci.model.cell import Cell
from kzram_ci.verdict.crashes import Wanted


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
