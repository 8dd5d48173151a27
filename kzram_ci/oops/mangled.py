"""Names of Rust and C++ functions as their authors wrote them: rust v0 and legacy, Itanium C++."""

from __future__ import annotations

from functools import lru_cache

from kzram_ci.base.expressions import later

_MANGLED = later(r"_R[A-Z]|_ZN?[A-Z0-9]")
_REFERENCE = later(r"[BS][0-9A-Za-z]{0,4}_")
MAX_REFERENCES = 12  # each can double the text: a hostile name of 255 bytes must not fill the memory
MAX_LENGTH = 400
_HASH = later(r"::h[0-9a-f]{16}$")
_ARGUMENTS = later(r"(?<!operator)\((?!anonymous ).*$")


def demangled(symbol: str) -> str:
    """The path of a mangled function, without hashes and parameters; any other name is left alone."""
    return _demangled(symbol) if symbol.startswith(("_R", "_Z")) else symbol


@lru_cache(maxsize=1024)
def _demangled(symbol: str) -> str:
    if not _MANGLED.match(symbol) or len(_REFERENCE.findall(symbol)) > MAX_REFERENCES:
        return symbol
    try:
        found = _rust(symbol) if symbol[1] == "R" or _HASH.search(f"::{symbol[-18:-1]}") else _itanium(symbol)
    except Exception:  # the libraries raise whatever their indexing raises; a name is text, not a reason to stop
        return symbol
    return found if found and len(found) <= MAX_LENGTH else symbol


def _rust(symbol: str) -> str:
    from rust_demangler import demangle

    return _HASH.sub("", str(demangle(symbol)))


def _itanium(symbol: str) -> str | None:
    from itanium_demangler import parse

    tree = parse(symbol)
    return _ARGUMENTS.sub("", str(tree)).rpartition(" ")[2] if tree is not None else None
