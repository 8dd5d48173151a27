"""Libraries of this host by name, for programs that go into a guest."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from kzram_ci.guest.libraries import Lookup, fits

_CONF = Path("/etc/ld.so.conf")
_USUAL = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")
_MOST_FILES = 100


def lookup(program: bytes, beside: tuple[Path, ...] = ()) -> Lookup:
    """Finds a library made for the same machine as a program: in directories beside it first, then in the host's."""

    def find(name: str) -> bytes | None:
        if name.startswith("/"):
            return _read(Path(name), program)
        for directory in (*beside, *_directories()):
            if "/" not in name and (data := _read(directory / name, program)) is not None:
                return data
        return None

    return find


def _read(path: Path, program: bytes) -> bytes | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return data if fits(data, program) else None


@cache
def _directories() -> tuple[Path, ...]:
    """Where the dynamic linker of this host looks, as ld.so.conf has it; then the usual places."""
    found: dict[Path, None] = {}
    todo, seen = [_CONF], 0
    while todo and seen < _MOST_FILES:
        seen += 1
        for line in _lines(todo.pop(0)):
            if line.startswith("include "):
                pattern = line.split(None, 1)[1].lstrip("/")
                todo += sorted((Path("/") if line.split(None, 1)[1].startswith("/") else _CONF.parent).glob(pattern))
            elif line.startswith("/"):
                found[Path(line)] = None
    return tuple(dict.fromkeys((*found, *map(Path, _USUAL))))


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text("utf-8", "replace")
    except OSError:
        return []
    return [line for raw in text.splitlines() if (line := raw.partition("#")[0].strip())]
