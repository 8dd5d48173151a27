"""Words of the kernel's command line: blanks stand in double quotes, as its parser wants them. Pure."""

from __future__ import annotations

import re

_WORD = re.compile(r'(?:[^\s"]|"[^"]*")+')


def kernel_word(text: str) -> str:
    """One word as the kernel reads it: `a=b c` becomes `a="b c"`, what is quoted stays. Raises ValueError.

    next_arg() (lib/cmdline.c) ends a word at a blank outside double quotes, and knows no escape.
    """
    word = text.strip()
    if not word or not word.isprintable():
        raise ValueError(f"{text!r} is not a word for the kernel's command line")
    if word.count('"') % 2:
        raise ValueError(f"{text!r} has a double quote without its other half")
    if _WORD.fullmatch(word):
        return word
    name, equals, value = word.partition("=")
    if equals and name and _WORD.fullmatch(name) and '"' not in value:
        return f'{name}="{value}"'
    raise ValueError(f'{text!r} is several words; blanks stand in double quotes: name="a b"')


def kernel_words(text: str) -> tuple[str, ...]:
    """The words of a piece of command line. Raises ValueError."""
    if text.count('"') % 2:
        raise ValueError(f"{text!r} has a double quote without its other half")
    return tuple(kernel_word(word) for word in _WORD.findall(text))
