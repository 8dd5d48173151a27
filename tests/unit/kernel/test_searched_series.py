"""A series that is put in by code search: when its turn is, what is told of it, and what it stands for in a key."""

from dataclasses import replace
from pathlib import Path

import pytest
from test_between_lines import BROKEN, Bench, series
from tiny_source import patch_text

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import BuildFailed, PatchFailed
from kzram_ci.base.library import Library
from kzram_ci.kernel import diff, kbuild, patches
from kzram_ci.kernel.hooks import Hook, Put, Search, Way
from kzram_ci.kernel.kbuild.inputs import key
from kzram_ci.kernel.parts import load_series
from kzram_ci.kernel.series import SEARCHED, Line, Series, SeriesKind, choose, choose_all
from kzram_ci.model.kernel import Patch

NEW = Patch(series="s", name="s.h", text=diff.creation("s.h", "int s;\n"))


def search(text: str = "int hooked;", at: str = "^int b;$") -> Search:
    return Search(hooks=(Hook(name="h", file="b.c", mark=text, ways=(Way(put=Put.BELOW, at=at, text=text),)),))


def searched(base: Series, found: Search | None = None) -> Series:
    return replace(base, kind=SeriesKind.INSTRUMENT, search=found or search(), new=(NEW,))


def torn(version: str = "6.11") -> Series:
    """A series whose patch for a version does not apply."""
    text = patch_text({"b.c": b"int c;\n"}).replace("-int b;", "-int z;")
    line = Line(versions=(f">={version}", f"<{version}.99"), patches=(Patch(series="s", name="1.patch", text=text),))
    return Series(name="s", kind=SeriesKind.INSTRUMENT, lines=(line,))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_its_turn_is_after_the_lines_of_other_versions(bench: Bench) -> None:
    image = bench.build(searched(series(v6_11={"b.c": BROKEN}, v5_10={"b.c": b"int b;\n#error\n"})))
    assert b"int b;\nint hooked;" in Path(image.image).read_bytes()
    assert image.provenance is not None
    (did,) = image.provenance.series
    assert did.hooks == 1
    assert did.patches == ("s.h", "s.diff")
    assert bench.notes[-1] == "s: it has no patches for 6.12.1 that fit: put in by code search, in 1 place of 1 file"
    assert "+int hooked;" in (Path(image.image).parent / "s.diff").read_text()


def test_a_line_of_another_version_that_fits_comes_first(bench: Bench) -> None:
    image = bench.build(searched(series(v6_11={"b.c": b"int b2;\n"})))
    assert b"int b2;" in Path(image.image).read_bytes()
    assert not (Path(image.image).parent / "s.diff").exists()


def test_what_was_made_for_the_version_and_is_torn_gives_way_too(bench: Bench) -> None:
    image = bench.build(searched(torn("6.12")))
    assert b"int hooked;" in Path(image.image).read_bytes()
    assert bench.notes == [
        "s: its patches for >=6.12 <6.12.99 do not apply: put in by code search, in 1 place of 1 file"
    ]


def test_what_it_puts_in_and_does_not_compile_is_told(bench: Bench) -> None:
    with pytest.raises(BuildFailed, match=rf"series s, made for {SEARCHED}, applies to 6\.12\.1 but does not compile"):
        bench.build(searched(torn(), search("#error hooked")))


def test_a_place_that_is_not_there_is_told_with_the_rest(bench: Bench) -> None:
    with pytest.raises(PatchFailed) as caught:
        bench.build(searched(torn(), search(at="^int elsewhere;$")))
    assert caught.value.message.endswith("; and code search: s: b.c: h: its place was found 0 times, wanted once")
    assert "code search does not find its places" in caught.value.cause


def test_an_optional_one_is_left_out_then(bench: Bench) -> None:
    lost = replace(searched(torn(), search(at="^int elsewhere;$")), optional=True)
    image = bench.build(lost)
    assert image.provenance is not None
    assert "code search does not find its places" in image.provenance.series[0].left_out
    assert b"int b;\n" in Path(image.image).read_bytes()
    assert b"int s;" not in Path(image.image).read_bytes()


def test_a_tree_that_is_not_what_its_version_says_goes_without_an_optional_one(bench: Bench) -> None:
    lost = searched(torn("6.12"), search(at="^int elsewhere;$"))
    with pytest.raises(PatchFailed, match=r"s/1\.patch: b\.c: hunk 1 .*; and code search: s: b\.c: h: its place was"):
        bench.build(lost)
    image = bench.build(replace(lost, optional=True))
    assert image.provenance is not None
    assert image.provenance.series[0].left_out == "neither its patches for >=6.12 <6.12.99 nor code search fit"


def test_what_does_not_compile_there_is_tried_once(bench: Bench) -> None:
    lost = searched(torn("6.12"), search("#error hooked"))
    with pytest.raises(BuildFailed, match=r"made for this very source, by code search, applies to 6\.12\.1 but"):
        bench.build(lost)
    image = bench.build(replace(lost, optional=True))
    assert image.provenance is not None
    assert "do not compile" in image.provenance.series[0].left_out


def test_what_is_there_already_is_an_error_as_ever(bench: Bench) -> None:
    text = "--- a/b.c\n+++ b/b.c\n@@ -1 +1 @@\n-int z;\n+int b;\n"
    line = Line(versions=(">=6.12", "<6.13"), patches=(Patch(series="s", name="1.patch", text=text),))
    own = Series(name="s", kind=SeriesKind.INSTRUMENT, optional=True, lines=(line,))
    with pytest.raises(PatchFailed, match=r"^s/1\.patch: already applied"):
        bench.build(searched(own))


def test_a_version_that_is_not_known_needs_no_version() -> None:
    choice = choose(searched(series(v6_11={"b.c": b"int b2;\n"})), "")
    done = patches.apply({"b.c": b"int b;\n"}.get, [choice], deadline=Deadline.after(60))
    assert done.files["b.c"] == b"int b;\nint hooked;\n"
    assert done.searched.keys() == {"s.diff"}


def test_the_key_covers_hooks_whether_they_are_needed_or_not(bench: Bench) -> None:
    def of(*items: Series) -> str:
        chosen = choose_all(items, "6.12.1")
        return key(kbuild.Inputs(name="k", arch="x86_64", tree=bench.tree, series=chosen))

    own = series(v6_12={"b.c": b"int b2;\n"})
    assert len({of(own), of(searched(own)), of(searched(own, search("int other;")))}) == 3


def test_a_lock_that_the_source_does_not_take_is_refused() -> None:
    text = "\tspin_lock(&pool->other);"
    taken = Search(hooks=(Hook(name="h", file="b.c", mark=text, ways=(Way(put=Put.BELOW, at="^{$", text=text),)),))
    choice = choose(searched(torn(), taken), "6.12.1")
    with pytest.raises(PatchFailed, match=r"it takes spin_lock\(&pool->other\), which b\.c of this kernel does not"):
        patches.apply({"b.c": b"void f(void)\n{\n}\n"}.get, [choice], deadline=Deadline.after(60))


def test_what_the_source_is_by_itself_is_met_and_others_stand_on_it() -> None:
    bug, remedy = (
        series("bug", v6_12={"a.c": b"int a2;\n"}),
        replace(series("fix", v6_12={"b.c": b"int b2;\n"}), after=("bug",)),
    )
    choices = choose_all([bug, remedy], "6.12.1")
    tree = {"a.c": b"int a;\n", "b.c": b"int b;\n"}
    done = patches.apply(tree.get, choices, deadline=Deadline.after(60), met={"bug": "it is so"})
    assert done.files == {"b.c": b"int b2;\n"}
    assert [(item.name, item.met, item.left_out) for item in done.applied] == [("bug", "it is so", ""), ("fix", "", "")]
    assert done.notes == ("bug: nothing to do: it is so",)


@pytest.mark.parametrize("name", ["overrun-detector", "reuse-counters", "async-window", "mutation-witness"])
def test_the_instruments_that_ship_have_hooks(name: str) -> None:
    found = load_series(name, Library())
    assert found.kind is SeriesKind.INSTRUMENT
    assert found.search.hooks
    marks = [(hook.file, hook.mark) for hook in found.search.hooks]
    assert len(set(marks)) == len(marks)
    assert {(order.file, order.mark) for order in found.search.orders} <= set(marks)


def test_remedies_are_never_searched_for() -> None:
    """What is under test stays as its author wrote it."""
    names = [path.name for path in (Path(__file__).resolve().parents[3] / "kernels/patches").iterdir()]
    kinds = {name: load_series(name, Library()) for name in names}
    assert not [name for name, found in kinds.items() if found.search.hooks and found.kind is not SeriesKind.INSTRUMENT]
