"""The taint letters of a report in words (Documentation/admin-guide/tainted-kernels.rst, 6.12)."""

from __future__ import annotations

WORDS = {
    "P": "proprietary module",
    "F": "module was force loaded",
    "S": "CPU out of specification",
    "R": "module was force unloaded",
    "M": "machine check",
    "B": "bad page",
    "U": "requested by user space",
    "D": "died recently (an oops or BUG before)",
    "A": "ACPI table was overridden",
    "W": "a warning before",
    "C": "staging driver",
    "I": "workaround for a platform firmware bug",
    "O": "out-of-tree module",
    "E": "unsigned module",
    "L": "soft lockup before",
    "K": "live patch",
    "X": "auxiliary taint of a distribution",
    "T": "randomised structure layout",
    "N": "in-kernel test",
    "J": "firmware update by a driver",
}


def words(letters: str | None) -> tuple[str, ...]:
    """What each letter means, in the order printed. "G" (only free modules) has no meaning and is left out."""
    if not letters:
        return ()
    return tuple(
        WORDS.get(letter, f"unknown taint {letter}") for letter in letters if letter.isupper() and letter != "G"
    )
