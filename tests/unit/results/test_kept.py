"""A run in a store: what another machine sees of it."""

from pathlib import Path

import pytest
import report_samples as samples
import store_server

from kzram_ci.base.digest import sha256
from kzram_ci.results import kept, rundir
from kzram_ci.results.rundir import RunDir
from kzram_ci.store.index import data_name
from kzram_ci.store.shared import Shelf, Stores

CONSOLE = b"[    0.000000] Linux version\n\xff\x00"


@pytest.fixture
def store(tmp_path: Path) -> str:
    store_server.needed("fsspec")
    return f"file://{tmp_path}/store"


def a_run(root: Path, results: int = len(samples.PLAN.cells)) -> RunDir:
    run = rundir.create(root, samples.PLAN, environment={"accel": {"x86_64": "tcg"}})
    for result in samples.results()[:results]:
        run.finish(result)
    for cell in run.plan.cells:
        place = run.cell_dir(cell).path
        (place / "attempt-1").mkdir()
        for name in ("console.log", "attempt-1/console.log", "oops-1.txt"):
            (place / name).write_bytes(CONSOLE)
        for name in ("qemu.txt", "vmcore", "disk.img"):
            (place / name).write_bytes(b"not for others")
    return run


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_another_machine_sees_what_a_run_found(store: str, tmp_path: Path) -> None:
    run, told = a_run(tmp_path / "runs"), list[str]()
    before = files(run.path)
    assert kept.keep(run, Shelf(Stores(write=store)), told.append)
    assert files(run.path) == before
    there = tmp_path / "elsewhere" / run.path.name
    assert kept.bring(there, (store,), told.append) == store
    assert rundir.open_run(there).results() == run.results()
    found = files(there)
    assert found == {name: before[name] for name in found}
    left = {name.rpartition("/")[2] for name in before.keys() - found.keys()}
    assert left == {"qemu.txt", "repro.sh", "vmcore", "disk.img"}
    assert not told
    data = [path for path in (tmp_path / "store" / "data").rglob("*") if path.is_file()]
    assert sum(path.read_bytes() == CONSOLE for path in data) == 1, "equal bytes lie there once"


def test_what_is_not_finished_or_there_already_is_left_alone(store: str, tmp_path: Path) -> None:
    half = a_run(tmp_path / "runs", 2)
    shelf = Shelf(Stores(write=store))
    assert not kept.keep(half, shelf, pytest.fail)
    assert not (tmp_path / "store").exists()
    whole = a_run(tmp_path / "runs")
    assert kept.keep(whole, shelf, pytest.fail)
    (whole.path / "mine").touch()
    assert kept.bring(whole.path, (store,), pytest.fail) == ""
    assert (whole.path / "mine").exists()
    assert kept.bring(tmp_path / "runs" / "x", (store,), pytest.fail) == "", "no run has such a name"


def test_a_console_that_was_changed_is_thrown_away(store: str, tmp_path: Path) -> None:
    run, told = a_run(tmp_path / "runs"), list[str]()
    kept.keep(run, Shelf(Stores(write=store)), told.append)
    (tmp_path / "store" / data_name(sha256(CONSOLE))).write_bytes(CONSOLE[:-1] + b"!")
    there = tmp_path / "elsewhere" / run.path.name
    assert kept.bring(there, (store,), told.append) == ""
    assert told[0].endswith("has not the bytes that its digest says: thrown away")
    assert not list(there.parent.iterdir())


@pytest.mark.parametrize("name", ["repro.sh", "cells/a/qemu.txt", "cells/../plan.json", "cells/a/attempt-1/../x.log"])
def test_programs_and_other_places_are_not_taken(store: str, tmp_path: Path, name: str) -> None:
    run, told = a_run(tmp_path / "runs"), list[str]()
    kept.keep(run, Shelf(Stores(write=store)), told.append)
    index = next((tmp_path / "store" / "index" / "runs").glob("*.json"))
    index.write_text(index.read_text().replace('"plan.yaml"', f'"{name}"'))
    assert kept.bring(tmp_path / "elsewhere" / run.path.name, (store,), told.append) == ""
    assert "no place in runs" in told[0]
