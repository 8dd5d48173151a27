"""How many clean boots make luck an excuse no longer, when only counts of boots are known. Pure.

The kernel without the series is booted until it crashed k times; that took n boots. Then the kernel with it must stay
clean for c * (n - k / 2) boots, c = luck^(-1/k) - 1. Were it as bad as the other, with any crash rate p and q = 1 - p,
it would come through that with the probability

    sum over n of C(n-1, k-1) p^k q^(n-k) q^(c (n - k/2)) = [p q^c / (1 - q^(1+c))]^k q^(-ck/2)

which tends to (1 + c)^-k = luck as p goes to 0, and is smaller for every other p (tests hold it against the sum for
rates from 0.001 to 0.999). The rate is not estimated, so few boots ask for more of them, not for fewer. The work of
both kernels together, about k * luck^(-1/k) / p boots, is least for k near ln(1 / luck).
"""

from __future__ import annotations

from math import ceil, floor, log

_EXACT = 1e-9  # of a boot: what floating point may add


def check(luck: float) -> float:
    """The luck, if it can be asked for. Raises ValueError."""
    if not 1e-9 <= luck <= 0.5:
        raise ValueError(f"a chance of {luck} cannot be asked for: 0.000000001 to 0.5")
    return luck


def crashes_wanted(luck: float) -> int:
    """How often the kernel without the series must crash before the other is booted."""
    return max(2, floor(log(1.0 / check(luck))))


def clean_wanted(crashes: int, boots: int, luck: float) -> int:
    """How many clean boots are needed after a kernel crashed in so many of so many boots, the last of them a crash."""
    factor = float(luck ** (-1.0 / crashes)) - 1.0
    return max(1, ceil(factor * (boots - crashes / 2.0) - _EXACT))


def chance(crashes: int, boots: int, clean: int) -> float:
    """The luck that so many clean boots rule out: a kernel as bad comes through them with this probability at most."""
    if crashes <= 0 or boots < crashes:
        return 1.0
    return float((1.0 + clean / (boots - crashes / 2.0)) ** -crashes)
