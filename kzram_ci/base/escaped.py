"""Text of others in a message: a terminal shows every character, and obeys none. Pure."""

from __future__ import annotations


def escaped(text: str) -> str:
    r"""One line with what cannot be printed as `\x1b`-like escapes; a tab stays."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\t" else _escape(char) for char in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
