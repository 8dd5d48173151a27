"""The stores of a run: entries of the cache from them, and to the one that is written.

What a store lacks, got wrong, or lost on the way is never an error of a run: what is wanted is made here instead.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kzram_ci.base.cache import complete, entry_in_progress
from kzram_ci.base.digest import digest_file
from kzram_ci.base.errors import InfraError
from kzram_ci.base.values import dataclass
from kzram_ci.store.index import RUNS, Index, Item, Wrong, proof, shared
from kzram_ci.store.place import Lost, Place

Tell = Callable[[str], None]
SENDERS = 8
WRITE, READ = "KZRAM_STORE", "KZRAM_STORE_READ"  # in the environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """URLs: the store that is read and written, and those that are only read."""

    write: str = ""
    read: tuple[str, ...] = ()


def stores_of(write: str | None = None, read: tuple[str, ...] = ()) -> Stores:
    """The stores that a command line names, else those of the environment (several to read: apart by blanks)."""
    named = os.environ.get(READ, "").split()
    return Stores(write=os.environ.get(WRITE, "") if write is None else write, read=read or tuple(named))


class Shelf:
    """Stores, open. Without any it gives nothing and takes nothing."""

    def __init__(self, stores: Stores | None = None) -> None:
        """Open them; nothing is asked yet. None: those of the environment."""
        named = stores_of() if stores is None else stores
        self._write = Place(named.write) if named.write else None
        self._places = (*((self._write,) if self._write else ()), *(Place(url) for url in named.read))
        self._kept: set[Path] = set()  # entries that are in the store that is written
        self.stores = named

    def __bool__(self) -> bool:
        """Whether there is a store at all."""
        return bool(self._places)

    def get(self, entry: Path, tell: Tell, kind: str = "") -> str:
        """Have an entry of the cache from the first store that has it; which one, or "" for none.

        `kind`: of what does not lie below its kind's name.

        Raises UserError (a store that cannot be one), Interrupted, InfraError (this host's disk).
        """
        if complete(entry):
            return ""
        instead = "" if kind == RUNS else ", made here"
        for place in self._places:
            if place.lost:
                continue
            try:
                if (index := place.index(kind or entry.parent.name, entry.name)) is None:
                    continue
                _bring(place, index, entry)
                return str(place)
            except Wrong as wrong:
                tell(f"{place}: {_printable(str(wrong))}: thrown away{instead}")
            except Lost as lost:
                place.lost = True
                tell(f"{place} does not answer: {_printable(str(lost))}{instead}")
        return ""

    def digests(self, kind: str, key: str, tell: Tell) -> dict[str, str] | None:
        """The digests of an entry's files by their paths, of the first store that has it. Raises UserError."""
        for place in self._places:
            try:
                if (index := place.index(kind, key)) is not None:
                    return {item.path: item.sha256 for item in index.files}
            except (Wrong, Lost) as error:
                tell(f"{place}: {_printable(str(error))}")
        return None

    def put(self, entry: Path, tell: Tell, kind: str = "") -> bool:
        """Have an entry in the store that is written; whether it is there now. Raises UserError, Interrupted."""
        kind = kind or entry.parent.name
        place = self._write
        if place is None or place.lost:
            return False
        if entry in self._kept:
            return True
        try:
            if not _there(place, kind, entry, tell):
                index = _index(kind, entry)
                with ThreadPoolExecutor(SENDERS, "send") as pool:  # a run has many small files
                    for _ in pool.map(lambda item: place.keep(item, entry / item.path), index.files):
                        pass
                place.keep_index(index)
            self._kept.add(entry)
            return True
        except Lost as lost:
            place.lost = True
            tell(f"{place} does not answer: {_printable(str(lost))}; nothing more is stored there")
        except OSError as error:
            tell(f"{entry} cannot be read for {place}: {error.strerror}")
        return False


NO_STORES = Shelf(Stores())


def _there(place: Place, kind: str, entry: Path, tell: Tell) -> bool:
    try:
        return place.index(kind, entry.name) is not None
    except Wrong as wrong:
        tell(f"{place}: {_printable(str(wrong))}: written again")
        return False


def _bring(place: Place, index: Index, entry: Path) -> None:
    """All files, the manifest with them; the entry appears when all of them are there and right."""
    with entry_in_progress(entry) as temporary:
        for item in index.files:
            target = temporary / item.path
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InfraError(f"cannot write {target.parent}: {error.strerror}") from error
            place.fetch(item, target)


def _index(kind: str, entry: Path) -> Index:
    names = sorted(path.relative_to(entry).as_posix() for path in entry.rglob("*") if _plain(path))
    items = tuple(_item(entry, name) for name in names if shared(kind, name))
    if not any(item.path == proof(kind) for item in items):
        raise InfraError(f"{entry} is not a finished entry of the cache")
    return Index(kind=kind, key=entry.name, files=items)


def _plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _item(entry: Path, name: str) -> Item:
    path = entry / name
    return Item(path=name, size=path.stat().st_size, sha256=digest_file(path))


def _printable(text: str) -> str:
    return re.sub(r"[^\x20-\x7e\u00a1-\uffff]", "?", text)
