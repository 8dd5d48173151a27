"""`run --budget`: in which order cells have their turn, and which are booted again with the time that is left.

What is worth most is decided by `verdict.doubt`, from the history and from what this run has shown so far.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kzram_ci.base.clock import Deadline
from kzram_ci.base.units import say_count
from kzram_ci.model.again import again, base_id
from kzram_ci.model.cell import Cell
from kzram_ci.model.evidence import CellResult
from kzram_ci.plan.cost import cell_seconds
from kzram_ci.verdict import doubt
from kzram_ci.verdict.doubt import Candidate

Past = Mapping[str, Sequence[CellResult]]  # by the id of the plan's cell, oldest first


def past_of(results: Iterable[CellResult]) -> Past:
    """Recorded results by the cell they are of."""
    found: dict[str, list[CellResult]] = {}
    for result in results:
        found.setdefault(base_id(result.id), []).append(result)
    return found


def least_known_first(cells: Sequence[Cell], past: Past) -> tuple[Cell, ...]:
    """The cells in the order in which a short night runs them: what no other night had time for is not left out again.

    Cells of one kernel stay together, since a kernel is built for them; kernels come by their least known cell.
    """
    worth = {cell.id: doubt.gain(doubt.known(past.get(cell.id, ()), _one_boot(cell))) for cell in cells}
    best: dict[str, float] = {}
    for cell in cells:
        best[cell.kernel.name] = max(worth[cell.id], best.get(cell.kernel.name, 0.0))
    return tuple(sorted(cells, key=lambda cell: (-best[cell.kernel.name], cell.kernel.name, -worth[cell.id])))


@dataclass(slots=True, kw_only=True)
class Repeats:
    """Gives another cell for time that is left, as the scheduler asks for it.

    `grow` is called with each before it begins. `salt` sets the seeds of this run apart from those of others.
    """

    cells: Sequence[Cell]
    past: Past
    until: Deadline
    salt: str
    grow: Callable[[Cell], None]
    made: Counter[str] = field(default_factory=Counter)  # repeats by the id of the cell, those of an earlier part too

    def more(self, ended: Mapping[str, CellResult | BaseException], running: Collection[str]) -> Cell | None:
        """The cell whose repeat is worth most, None when none is or none fits."""
        now: dict[str, list[CellResult]] = {}
        broken = {base_id(name) for name, result in ended.items() if isinstance(result, BaseException)}
        for name, result in ended.items():
            if isinstance(result, CellResult):
                now.setdefault(base_id(name), []).append(result)
        busy = Counter(base_id(name) for name in running)
        candidates = []
        for cell in self.cells:
            if cell.skip or cell.id in broken or not (seen := now.get(cell.id)):
                continue
            known = doubt.known((*self.past.get(cell.id, ()), *seen), _one_boot(cell))
            if doubt.is_open(cell, seen, known):
                candidates.append(Candidate(id=cell.id, known=known, running=busy[cell.id]))
        chosen = doubt.choose(candidates, self.until.remaining())
        if not chosen:
            return None
        self.made[chosen] += 1
        made = again(next(cell for cell in self.cells if cell.id == chosen), self.made[chosen] + 1, self.salt)
        self.grow(made)
        return made

    def words(self) -> str:
        """What was done with the time, on one line."""
        if not self.made:
            return "no cell was repeated"
        most = self.made.most_common(3)
        named = ", ".join(f"{name} {count}" for name, count in most)
        rest = len(self.made) - len(most)
        return f"{say_count(self.made.total(), 'repeat')} where doubt was: {named}" + (f", {rest} more" if rest else "")


def _one_boot(cell: Cell) -> float:
    """How long a boot of a cell takes at most: what it is taken for until one was timed."""
    return cell_seconds(cell) / max(1, cell.repeats)
