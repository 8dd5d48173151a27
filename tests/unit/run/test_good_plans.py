"""A plan is checked again as soon as anything that the answer depends on has changed."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kzram_ci.base import budget
from kzram_ci.base.budget import Memory
from kzram_ci.base.grammar.problems import Problems
from kzram_ci.base.library import Library
from kzram_ci.cli import validate
from kzram_ci.kernel.parts import read_series
from kzram_ci.run import checks, good_plans

KERNEL = "source: {kind: directory, path: /src}\nconfig: [own]\n"
PLAN = "name: p\nkernels: [mine]\ntests:\n  t: {workload: pressure}\n"
OWN = "name: p\nkernels: [mine]\ntests:\n  t: {workload: script, run: ./t.sh}\n"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a library of its own, whose files count as settled at once."""
    monkeypatch.setenv("KZRAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(good_plans, "SETTLED_SECONDS", 0.0)
    work = tmp_path / "work"
    (work / "kernels/config").mkdir(parents=True)
    (work / "kernels/config/own.config").write_text("CONFIG_ZRAM=y\n")
    (work / "kernels/mine.yaml").write_text(KERNEL)
    (work / "p.yaml").write_text(PLAN)
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The plans that were really checked."""
    seen: list[str] = []

    def counted(path: Path, library: Library, **more: Any) -> object:
        seen.append(path.name)
        return real(path, library, **more)

    real = checks.checked_plan
    monkeypatch.setattr(checks, "checked_plan", counted)
    return seen


def test_the_same_plan_is_checked_once(checked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert [validate.check(["p.yaml"]) for _ in range(3)] == [0, 0, 0]
    assert checked == ["p.yaml"]
    assert set(capsys.readouterr().out.splitlines()) == {"p.yaml: good, 1 cell on 1 kernel"}


def kernel_is_wrong() -> None:
    Path("kernels/mine.yaml").write_text(KERNEL.replace("own", "gone"))


def same_size_same_time() -> None:
    path = Path("p.yaml")
    before = path.stat()
    path.write_text(PLAN.replace("mine", "nine"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def kernel_same_size_same_time() -> None:
    path = Path("kernels/mine.yaml")
    before = path.stat()
    path.write_text(KERNEL.replace("own", "won"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def fragment_is_gone() -> None:
    Path("kernels/config/own.config").unlink()


def table_appears() -> None:
    Path("kernels/lines.yaml").write_text("lines: nonsense\n")


@pytest.mark.parametrize(
    "change", [kernel_is_wrong, same_size_same_time, kernel_same_size_same_time, fragment_is_gone, table_appears]
)
def test_what_changes_is_seen(change: Callable[[], None], checked: list[str]) -> None:
    assert validate.check(["p.yaml"]) == 0
    change()
    validate.check(["p.yaml"])
    assert checked == ["p.yaml"] * 2


def test_a_host_with_less_memory_asks_again(checked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert validate.check(["p.yaml"]) == 0
    monkeypatch.setattr(budget, "memory", lambda: Memory(total=256, available=128))
    assert validate.check(["p.yaml"]) == 2
    assert validate.check(["p.yaml"]) == 2  # what is wrong is found again each time
    assert checked == ["p.yaml"] * 3


def test_a_plan_that_brings_files_is_always_checked(checked: list[str]) -> None:
    Path("t.sh").write_text("#!/bin/sh\n")
    Path("t.sh").chmod(0o755)
    Path("own.yaml").write_text(OWN)
    assert [validate.check(["own.yaml"]), validate.check(["own.yaml"])] == [0, 0]
    Path("t.sh").unlink()
    assert validate.check(["own.yaml"]) == 2
    assert checked == ["own.yaml"] * 3


def test_a_change_of_this_second_is_not_relied_on(checked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(good_plans, "SETTLED_SECONDS", 3600.0)
    assert [validate.check(["p.yaml"]), validate.check(["p.yaml"])] == [0, 0]
    assert checked == ["p.yaml"] * 2


def test_what_changed_while_it_was_checked_is_not_kept(place: Path) -> None:
    library, path = Library(), Path("p.yaml")
    before = good_plans.seen(path, library)
    path.write_text(PLAN + "seed: 7\n")
    good_plans.keep(before, path, library, good_plans.Good(cells=1, kernels=1))
    assert good_plans.known(before) is None
    assert good_plans.known(good_plans.seen(path, library)) is None


@pytest.mark.parametrize("damage", [b"", b"{", b'{"cells": "x", "kernels": 1}', b"[]", b"\xff"])
def test_a_damaged_record_is_not_read(damage: bytes, place: Path, checked: list[str]) -> None:
    assert validate.check(["p.yaml"]) == 0
    (record,) = (place.parent / "cache" / good_plans.PART).iterdir()
    record.write_bytes(damage)
    assert validate.check(["p.yaml"]) == 0
    assert checked == ["p.yaml"] * 2


SERIES = "name: mine\nkind: fix\npatches: [a.patch]\n"
DIFF = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-one\n+two\n"


@pytest.fixture
def read(place: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The series that were really read; the plan's kernel has one."""
    seen: list[str] = []
    real = read_series

    def counted(path: Path, problems: Problems) -> object:
        seen.append(path.parent.name)
        return real(path, problems)

    monkeypatch.setattr(checks, "read_series", counted)
    for name, after in (("first", ""), ("mine", "after: [first]\n")):
        (place / "kernels/patches" / name).mkdir(parents=True)
        (place / "kernels/patches" / name / "series.yaml").write_text(SERIES.replace("mine", name) + after)
        (place / "kernels/patches" / name / "a.patch").write_text(DIFF)
    (place / "kernels/mine.yaml").write_text(KERNEL + "series: [first, mine]\n")
    return seen


def edited(number: int) -> str:
    Path("p.yaml").write_text(f"{PLAN}seed: {number}\n")
    return "p.yaml"


def test_the_series_of_an_edited_plan_are_not_read_again(read: list[str], checked: list[str]) -> None:
    assert [validate.check([edited(number)]) for number in range(3)] == [0, 0, 0]
    assert (checked, read) == (["p.yaml"] * 3, ["first", "mine"])


def test_what_is_known_of_a_series_is_used(read: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert validate.check([edited(1)]) == 0
    Path("p.yaml").write_text(PLAN.replace("[mine]", "[{name: other, base: mine, series: [mine]}]"))
    assert validate.check(["p.yaml"]) == 2
    assert "p.yaml:2:46: kernels[0].series[0]: series mine requires first" in capsys.readouterr().err
    assert read == ["first", "mine"]


@pytest.mark.parametrize("place_of", ["kernels/patches/mine/a.patch", "kernels/mine.yaml"])
def test_a_change_of_the_library_has_its_series_read_again(place_of: str, read: list[str]) -> None:
    assert validate.check([edited(1)]) == 0
    with Path(place_of).open("a") as out:
        out.write("# more\n")
    assert validate.check([edited(2)]) == 0
    assert read == ["first", "mine"] * 2


def test_a_series_that_is_wrong_is_told_each_time(read: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("kernels/patches/mine/a.patch").write_text(DIFF + "@@ -9,9 +9,9 @@\n one\n")
    assert [validate.check([edited(number)]) for number in range(2)] == [2, 2]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and len(set(lines)) == 1 and "series.yaml:3:11: patches[0]: a.patch: x" in lines[0]
    assert read == ["first", "mine"] * 2


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"series": 5}', b'{"series": {"x": 5}}', b"\xff"])
def test_a_damaged_record_of_series_is_not_read(damage: bytes, place: Path, read: list[str]) -> None:
    assert validate.check([edited(1)]) == 0
    (record,) = (place.parent / "cache" / good_plans.PART).glob("series-*")
    record.write_bytes(damage)
    assert validate.check([edited(2)]) == 0
    assert read == ["first", "mine"] * 2


def test_a_directory_of_another_kind_is_not_read_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(good_plans, "FILES", 3)
    assert good_plans.seen(Path("p.yaml"), Library()) is None
    assert validate.check(["p.yaml"]) == 0


def test_a_cache_that_cannot_be_written_is_no_harm(monkeypatch: pytest.MonkeyPatch, checked: list[str]) -> None:
    monkeypatch.setenv("KZRAM_CACHE", "/proc/none")
    assert [validate.check(["p.yaml"]), validate.check(["p.yaml"])] == [0, 0]
    assert checked == ["p.yaml"] * 2


def test_another_version_of_the_program_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    state = good_plans.seen(Path("p.yaml"), Library())
    assert state is not None
    monkeypatch.setattr(good_plans, "FORMAT", 0)
    other = good_plans.seen(Path("p.yaml"), Library())
    assert other is not None
    assert replace(other, key=state.key, around=state.around) == state
    assert other.key != state.key and other.around != state.around
