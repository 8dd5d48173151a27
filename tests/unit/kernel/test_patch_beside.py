"""A patch for the source as it is, on a kernel with instruments: put together, or refused for the right reason."""

from __future__ import annotations

import difflib

import pytest

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import PatchFailed
from kzram_ci.kernel import beside
from kzram_ci.kernel.series import Choice, Line, Series, SeriesKind
from kzram_ci.model.kernel import Patch

SOURCE = "".join(f"int a{number};\n" for number in range(12))


def change(old: str, new: str, path: str = "a.c") -> str:
    one, other = (text.splitlines(keepends=True) for text in (old, new))
    return "".join(difflib.unified_diff(one, other, f"a/{path}", f"b/{path}"))


def choice(name: str, kind: SeriesKind, *texts: str) -> Choice:
    made = tuple(Patch(series=name, name=f"{number}.patch", text=text) for number, text in enumerate(texts, start=1))
    line = Line(versions=(), patches=made)
    return Choice(series=Series(name=name, kind=kind, patches=made), version="", candidates=(line,))


def applied(*choices: Choice) -> str:
    tree = {"a.c": SOURCE.encode()}
    found = beside.apply(tree.get, choices, deadline=Deadline.after(60))
    content = found.files["a.c"]
    assert content is not None
    return content.decode()


COUNTS = choice("counts", SeriesKind.INSTRUMENT, change(SOURCE, SOURCE.replace("int a5;\n", "int a5;\nint count;\n")))


def fix(old: str, new: str) -> Choice:
    return choice("mine", SeriesKind.ONE_OFF, change(SOURCE, SOURCE.replace(old, new)))


def test_a_change_near_an_instruments_is_put_beside_it() -> None:
    made = applied(COUNTS, fix("int a7;\n", "int fixed;\n"))
    assert made == SOURCE.replace("int a5;\n", "int a5;\nint count;\n").replace("int a7;\n", "int fixed;\n")


def test_a_second_patch_stands_on_the_first() -> None:
    once = SOURCE.replace("int a7;\n", "int fixed;\n")
    twice = once.replace("int a4;\n", "int more;\n")
    made = applied(COUNTS, choice("mine", SeriesKind.ONE_OFF, change(SOURCE, once), change(once, twice)))
    assert made == twice.replace("int a5;\n", "int a5;\nint count;\n")


def test_a_regression_in_between_is_part_of_the_source() -> None:
    bug = SOURCE.replace("int a9;\n", "int bug;\n")
    wrong = choice("bug", SeriesKind.REGRESSION, change(SOURCE, bug))
    made = applied(COUNTS, wrong, choice("mine", SeriesKind.ONE_OFF, change(bug, bug.replace("int a7;\n", "int f;\n"))))
    assert "int bug;\n" in made and "int f;\n" in made and "int count;\n" in made


def test_changes_of_the_same_lines_are_refused_by_the_instruments_name() -> None:
    with pytest.raises(PatchFailed, match=r"applies to the source, but in a.c not beside the instruments \(counts\)"):
        applied(COUNTS, fix("int a5;\n", "int other;\n"))


def test_what_does_not_apply_to_the_source_is_told_of_the_source() -> None:
    wrong = choice(
        "mine", SeriesKind.ONE_OFF, change(SOURCE, SOURCE.replace("a7", "b7")).replace(" int a6;", " int z6;")
    )
    with pytest.raises(PatchFailed, match="line 7 is 'int a6;', the patch wants 'int z6;'"):
        applied(COUNTS, wrong)


def test_a_series_of_a_kernel_stays_strict() -> None:
    again = choice("fix", SeriesKind.FIX, change(SOURCE, SOURCE.replace("int a7;\n", "int fixed;\n")))
    with pytest.raises(PatchFailed, match="does not apply"):
        applied(COUNTS, again)
