"""What an error says about a word that is not known: the words that are, and the nearest of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

LISTED = 24  # words of an error's list


def did_you_mean(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """`; did you mean x?` with the nearest known word, or nothing."""
    found = nearest(word, known, cutoff=cutoff)
    return f"; did you mean {found}?" if found else ""


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """The known word that is most like another; "" when none is."""
    import difflib  # late: only what is wrong needs it

    names = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), names, n=1, cutoff=cutoff)
    return names[found[0]] if found else ""


def allowed(word: object, known: Iterable[str]) -> str:
    """`allowed: a, b, c`, and the nearest word; of a long list only the words nearest to the given one."""
    names = list(dict.fromkeys(known))
    near = did_you_mean(word, names) if isinstance(word, str) else ""
    if len(names) <= LISTED:
        return f"allowed: {', '.join(names) or 'none'}{near}"
    import difflib

    alike = difflib.get_close_matches(str(word), names, n=LISTED // 2, cutoff=0.0)
    return f"allowed: {', '.join(alike)}, … ({len(names)} words in all){near}"
