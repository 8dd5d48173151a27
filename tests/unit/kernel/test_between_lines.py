"""A version between the lines of a series: what applies there may still not compile."""

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_source import Files, patch_text, write_archive

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import BuildFailed
from kzram_ci.kernel import kbuild
from kzram_ci.kernel.context import Context
from kzram_ci.kernel.kconfig import Fragment
from kzram_ci.kernel.series import Line, Series, SeriesKind, choose_all
from kzram_ci.model.events import Event, Note
from kzram_ci.model.kernel import ArchiveTree, KernelImage, Patch

BROKEN, GOOD = b"#error\n", b"int b2;\n"


def series(name: str = "s", **lines: Files) -> Series:
    """A series with a line for each version, which is written v6_1."""
    made = tuple(
        Line(
            versions=(f">={version}", f"<{version}.99"),
            patches=(Patch(series=name, name=f"{version}/1.patch", text=patch_text(files)),),
        )
        for key, files in lines.items()
        for version in [key.removeprefix("v").replace("_", ".")]
    )
    return Series(name=name, kind=SeriesKind.FIX, lines=made)


class Bench:
    """Builds the tiny source, which is 6.12.1."""

    def __init__(self, root: Path) -> None:
        self.events: list[Event] = []
        self.cache = root / "cache"
        self.tree = ArchiveTree(identity="test:1", version="6.12.1", archive=str(write_archive(root)))

    def build(self, *items: Series) -> KernelImage:
        inputs = kbuild.Inputs(
            name="k", arch="x86_64", tree=self.tree, series=choose_all(items, "6.12.1"),
            fragments=(Fragment(name="f.config", text="CONFIG_B=y\n"),),
        )  # fmt: skip
        context = Context(cache=self.cache, deadline=Deadline.after(60), jobs=1, listener=self.events.append)
        return kbuild.build(inputs, context)

    @property
    def notes(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Note) and event.subject == "k"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_what_does_not_compile_gives_way_to_the_next_line(bench: Bench) -> None:
    image = bench.build(series(v6_11={"b.c": BROKEN}, v5_10={"b.c": GOOD}))
    assert b"int b2;" in Path(image.image).read_bytes()
    assert [note.partition(" (log")[0] for note in bench.notes] == [
        "s: made for >=6.11 <6.11.99, applied to 6.12.1 unchanged, not tested there",
        "s: made for >=6.11 <6.11.99, applies but does not compile: b.c:1:2: error: #error told so",
        "s: made for >=5.10 <5.10.99, applied to 6.12.1 unchanged, not tested there",
    ]
    log = Path(bench.notes[1].partition("(log: ")[2].rstrip(")"))
    assert "#error told so" in log.read_text()
    assert image.provenance is not None
    assert image.provenance.series[0].patches == ("5.10/1.patch",)
    assert image.key == bench.build(series(v6_11={"b.c": BROKEN}, v5_10={"b.c": GOOD})).key


def test_the_touched_objects_come_first(bench: Bench) -> None:
    with pytest.raises(BuildFailed):
        bench.build(series(v6_11={"c.c": BROKEN}))
    (log,) = (bench.cache / "logs").glob("k-*-s-1.log")
    assert [line for line in log.read_text().splitlines() if line.startswith("  CC")] == ["  CC      c.o"]


def test_where_none_compiles_the_nearest_is_told_as_that(bench: Bench) -> None:
    with pytest.raises(BuildFailed) as caught:
        bench.build(series(v6_11={"b.c": BROKEN}, v5_10={"b.c": b"int b;\n#error\n"}))
    assert caught.value.message == (
        "series s, made for >=6.11 <6.11.99, applies to 6.12.1 but does not compile: b.c:1:2: error: #error told so"
    )
    assert "patches for 6.12.1" in caught.value.hint
    assert "#error told so" in Path(caught.value.log).read_text()


def test_an_optional_series_is_left_out_and_the_kernel_is_built(bench: Bench) -> None:
    counters = replace(series(v6_11={"b.c": BROKEN}), optional=True, kind=SeriesKind.INSTRUMENT)
    more = replace(series("more", v6_11={"c.c": b"int c2;\n"}), optional=True, after=("s",))
    image = bench.build(counters, more)
    assert b"int b;" in Path(image.image).read_bytes()
    assert b"int c;" in Path(image.image).read_bytes()
    assert bench.notes[-2].startswith("s: left out, its counters will be missing: series s, made for >=6.11 <6.11.99, ")
    assert "it stands on s" in bench.notes[-1]


def test_a_source_that_does_not_compile_itself_is_not_laid_to_a_series(bench: Bench) -> None:
    exact = replace(series("own", v6_12={"b.c": BROKEN}))
    with pytest.raises(BuildFailed, match=r"^k: b\.c:1:2: error: #error told so"):
        bench.build(exact, series(v6_11={"c.c": b"int c2;\n"}))
    assert not [note for note in bench.notes if "does not compile" in note]
