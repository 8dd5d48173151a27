"""What a bisection's observations amount to, computed once for all who show it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from kzram_ci.base.values import dataclass
from kzram_ci.bisect.belief.model import Bisection
from kzram_ci.bisect.belief.posterior import Posterior, Tally, posterior, tallies
from kzram_ci.bisect.belief.untestable import untestable


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A bisection, its counts, and what is believed of it."""

    state: Bisection
    counts: Mapping[int, Tally]
    belief: Posterior
    untestable: frozenset[int]

    def side(self, node: int, doubt: float) -> str:
        """good, bad, skip (cannot be tested), or "" while the doubt about it is greater than `doubt`."""
        if node in self.untestable:
            return "skip"
        if not self.state.graph.reach[node]:  # no candidate could have broken it
            return "good" if self.belief.none < 1.0 - doubt else ""
        bad = self.belief.bad(node)
        return "bad" if bad >= 1.0 - doubt else "good" if bad <= doubt else ""


def standing_of(state: Bisection) -> Standing:
    """What is believed now. Raises UserError when the user's marks contradict each other."""
    counts = tallies(state)
    return Standing(
        state=state, counts=counts, belief=posterior(state, counts), untestable=untestable(counts, state.settings)
    )
