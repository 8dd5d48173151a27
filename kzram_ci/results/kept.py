"""Run directories in a store: what a run found, for those who were not there."""

from __future__ import annotations

from pathlib import Path

from kzram_ci.base import files
from kzram_ci.base.errors import InfraError
from kzram_ci.results.rundir import RunDir, open_run
from kzram_ci.store.index import RUNS
from kzram_ci.store.shared import Shelf, Stores, Tell, stores_of


def keep(run: RunDir, shelf: Shelf, tell: Tell) -> bool:
    """Have a finished run in the store that is written: its record and its cells' consoles; whether it is there now.

    One that is not finished is left out: what is in a store does not change. Raises UserError, Interrupted.
    """
    if not shelf.stores.write or not run.finished() >= {cell.id for cell in run.plan.cells}:
        return False
    try:
        return shelf.put(run.path, tell, RUNS)
    except InfraError as error:
        tell(f"{run.path.name} is not stored: {error}")
        return False


def bring(path: Path, stores: tuple[str, ...], tell: Tell) -> str:
    """A run from the first store that has it, to where it is to lie; which store, or "" for none.

    `stores`: URLs; without any, those of the environment. Raises UserError, Interrupted, InfraError (this host's disk).
    """
    named = stores_of()
    urls = stores or tuple(url for url in (named.write, *named.read) if url)
    if path.exists() or not urls:
        return ""
    try:
        found = Shelf(Stores(read=urls)).get(path.absolute(), tell, RUNS)
    except ValueError:  # a name that no run has
        return ""
    if found:
        with files.disk_errors(f"cannot write {path}"):
            (path / ".gitignore").write_text(files.IGNORE_ALL)
    return found


def opened(path: Path, stores: tuple[str, ...], tell: Tell) -> RunDir:
    """A run directory, brought from a store where it does not exist. Raises as `bring` and `rundir.open_run` do."""
    if found := bring(path, stores, tell):
        tell(f"{path}: from {found}")
    return open_run(path)
