"""What a run will miss is known, and said, before anything is built."""

from dataclasses import replace
from pathlib import Path

import pytest
from builders import a_cell, a_kernel, a_workload

from kzram_ci.base.library import Library
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.cell import Cell, Expectation, Plan
from kzram_ci.model.events import Event, Note
from kzram_ci.model.source import DirectorySource, ImageSource
from kzram_ci.run.foresight import looked_ahead

TWICE = "\n\tif (IS_ERR_VALUE(handle)) {\n\t\tgoto compress_again;\n"
SERIES = """\
name: {name}
kind: {kind}
optional: {optional}
lines:
  - versions: [">=6.12", "<6.13"]
    patches: [1.patch]
"""


def write_series(root: Path, name: str, kind: str, optional: str) -> None:
    where = root / "kernels/patches" / name
    where.mkdir(parents=True)
    (where / "series.yaml").write_text(SERIES.format(name=name, kind=kind, optional=optional))
    (where / "1.patch").write_text("--- a/mm/zsmalloc.c\n+++ b/mm/zsmalloc.c\n@@ -1 +1 @@\n-int other;\n+int new;\n")


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DirectorySource:
    root = tmp_path / "linux"
    for name, text in {
        "Makefile": "VERSION = 6\nPATCHLEVEL = 6\nSUBLEVEL = 87\n",
        "Kbuild": "",
        "drivers/block/zram/zram_drv.c": TWICE,
        "mm/zsmalloc.c": "int here;\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    write_series(tmp_path, "overrun-detector", "instrument", "yes")
    write_series(tmp_path, "mine", "fix", "no")
    (tmp_path / "kernels/toolchain").mkdir()
    (tmp_path / "kernels/toolchain/fixes.yaml").write_text("[]\n")
    monkeypatch.chdir(tmp_path)
    return DirectorySource(path=str(root))


def cell(test: str, source: DirectorySource | ImageSource, *series: str, floor: str = "", name: str = "k") -> Cell:
    kernel = replace(a_kernel(name), source=source, series=series, config=())
    floors = ((floor, 10),) if floor else ()
    made = a_cell(test=test, workload=a_workload(program="pressure"), expect=Expectation(outcome="pass", floors=floors))
    return replace(made, id=f"{name}/{test}", kernel=kernel)


def look(tmp_path: Path, *cells: Cell, done: tuple[str, ...] = ()) -> tuple[dict[str, str], list[Note]]:
    events: list[Event] = []
    context = KernelContext(cache=tmp_path / "cache", listener=events.append, library=Library(), jobs=1)
    plan = looked_ahead(Plan(name="p", cells=cells), context, done)
    assert not list((tmp_path / "cache").glob("slots/*")), "nothing is built"
    return {one.id: one.skip for one in plan.cells}, [event for event in events if isinstance(event, Note)]


def test_cells_that_need_a_counter_that_will_be_missing_are_skipped_and_named(
    source: DirectorySource, tmp_path: Path
) -> None:
    skips, notes = look(
        tmp_path,
        cell("count", source, "overrun-detector", floor="recompressions"),
        cell("other", source, "overrun-detector", floor="zram.pages_stored"),
        cell("count", source, "overrun-detector", floor="recompressions", name="l"),
    )
    assert skips["k/other"] == ""
    assert skips["k/count"].startswith("recompressions is not counted here: overrun-detector was left out")
    assert skips["l/count"] == skips["k/count"]
    assert [(note.subject, note.text.partition(": ")[0]) for note in notes] == [
        ("k, l", "overrun-detector"),
        ("p", "2 of 3 cells skipped (k/count, l/count)"),
    ]


def test_a_series_that_will_not_apply_is_told_and_left_to_the_build(source: DirectorySource, tmp_path: Path) -> None:
    skips, notes = look(tmp_path, cell("t", source, "mine"), cell("u", source, "mine"))
    assert set(skips.values()) == {""}
    (note,) = notes
    assert note.subject == "k"
    assert note.text.startswith("series mine has nothing for 6.6.87, and what it has for >=6.12 <6.13 does not apply")


def test_what_is_done_or_skipped_or_ready_is_not_asked(source: DirectorySource, tmp_path: Path) -> None:
    gone = DirectorySource(path=str(tmp_path / "gone"))
    ready = ImageSource(path=str(tmp_path / "vmlinuz"))
    cells = (
        cell("done", gone, "overrun-detector", name="a"),
        replace(cell("off", gone, name="b"), skip="the plan says so"),
        cell("image", ready, name="c"),
    )
    skips, notes = look(tmp_path, *cells, done=("a/done",))
    assert skips == {"a/done": "", "b/off": "the plan says so", "c/image": ""}
    assert notes == []
