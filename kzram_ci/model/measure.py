"""How long a cell must run to prove something: until an unfixed kernel, its control, would hardly come through."""

from __future__ import annotations

from kzram_ci.base.values import dataclass

GREW_CLASS = "grew_class"
REFUSED = "reuse_refused"
# what a guard refuses, and what the same place in the kernel counts where there is no guard
_ON_THE_CONTROL = {REFUSED: "reuse_allowed"}
_GUARD = (REFUSED, "reuse_refused_write")  # a cell with one of them as a floor races there


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """`stop: {evidence: LUCK}`: enough races that a kernel as bad as the control comes through with that probability.

    `control` is the id of a cell; `races` the counter of races, "" where it follows from the cell's floors.
    """

    luck: float
    control: str = ""
    races: str = ""

    def counters(self, floors: tuple[tuple[str, int], ...]) -> tuple[str, str]:
        """The counter of races of a cell with these floors, and the one that counts the same on its control."""
        guarded = any(name in _GUARD and bound > 0 for name, bound in floors)
        races = self.races or (REFUSED if guarded else GREW_CLASS)
        return races, _ON_THE_CONTROL.get(races, races)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a control's losses ask of a cell: so many trials; or why nothing can be asked.

    `effect`: races to a trial, until the cell's own samples tell. `words`: what the control lost, for people.
    """

    trials: int = 0
    effect: float = 1.0
    words: str = ""
    why_not: str = ""
