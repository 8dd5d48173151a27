"""The facts in a kernel module (.modinfo), and the order in which modules must be loaded. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kzram_ci.base import elf
from kzram_ci.base.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """A module's name, and the names of those that must be there before it."""

    name: str
    depends: tuple[str, ...] = ()
    before: tuple[str, ...] = ()  # softdep pre: better there first, but not needed


def normal(name: str) -> str:
    """One spelling: `lzo-rle.ko` is the module lzo_rle."""
    return name.replace("-", "_")


def parse(module: bytes) -> Info:
    """The facts of an uncompressed module. Raises ValueError for what is not ELF."""
    fields: dict[str, list[str]] = {}
    for item in elf.section(module, ".modinfo").split(b"\0"):
        key, _, value = item.decode("utf-8", "replace").partition("=")
        fields.setdefault(key, []).append(value)
    depends = tuple(normal(name) for text in fields.get("depends", ()) for name in text.split(",") if name)
    before = tuple(normal(name) for text in fields.get("softdep", ()) for name in _pre(text))
    return Info(name=normal(fields.get("name", [""])[0]), depends=depends, before=before)


def _pre(softdep: str) -> Iterable[str]:
    """The names between `pre:` and `post:`."""
    return softdep.partition("pre:")[2].partition("post:")[0].split()


def in_order(wanted: Iterable[str], find: Callable[[str], Info | None]) -> tuple[str, ...]:
    """Names in loading order, each once, with all they stand on; `find` gives None for what is built in or missing."""
    order: dict[str, None] = {}
    busy: set[str] = set()

    def visit(name: str) -> None:
        if name in order or name in busy:
            return
        info = find(name)
        if info is None:
            return
        busy.add(name)
        for other in (*info.before, *info.depends):
            visit(other)
        order[name] = None

    for name in wanted:
        visit(normal(name))
    return tuple(order)
