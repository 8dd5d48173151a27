import pytest

from kzram_ci.base.errors import UserError
from kzram_ci.kernel import diff
from kzram_ci.kernel.series import Series, SeriesKind, choose, choose_all, series_from


def series(name: str = "s", *, versions: tuple[str, ...] = (), after: tuple[str, ...] = ()) -> Series:
    return Series(name=name, kind=SeriesKind.FIX, versions=versions, after=after)


def test_a_series_needs_what_it_stands_on_before_it() -> None:
    chosen = choose_all([series("a"), series("b", after=("a",))], "6.12")
    assert [choice.series.name for choice in chosen] == ["a", "b"]
    with pytest.raises(UserError, match="series b stands on a") as caught:
        choose_all([series("b", after=("a",)), series("a")], "6.12")
    assert "put a before b" in caught.value.hint


GOOD = {"name": "s", "kind": "fix", "patches": ["1.patch"], "after": ["unstable"], "upstream": "null"}


def test_series_from_data() -> None:
    made = series_from(GOOD, "f", {"1.patch": "text"})
    assert made.patches[0].text == "text"
    assert made.patches[0].series == "s"
    assert made.upstream == ""
    assert made.after == ("unstable",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "magic"}, "kind: 'magic'; fix: one of fix, regression, instrument, build"),
        ({"patch": []}, "unknown key 'patch'"),
        ({"versions": ["six"]}, "versions: 'six'"),
        ({"patches": []}, "at least one patch"),
        ({"after": "unstable"}, "after: wants a list"),
        ({"files": ["new.c"]}, "files: wants a mapping, path in the tree: file beside series.yaml"),
        ({"files": {"../new.c": "new.c"}}, "files: '../new.c' is not a path in the tree"),
        ({"files": {"/mm/new.c": "new.c"}}, "files: '/mm/new.c' is not a path in the tree"),
    ],
)
def test_a_bad_series_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        series_from({**GOOD, **change}, "kernels/patches/s/series.yaml")
    assert message in str(caught.value)
    assert "kernels/patches/s/series.yaml" in str(caught.value)


def test_new_files_come_first_on_every_line() -> None:
    """One file for all lines; a patch of each may change it."""
    data = {**LINES, "files": {"mm/new.c": "new.c"}}
    made = series_from(data, "f", {"new.c": "int x;\n", "6/1.patch": "text"})
    for line in made.lines:
        assert line.patches[0].name == "new.c"
        assert diff.files(line.patches[0].text)[0].after == "mm/new.c"
    assert [patch.name for patch in choose(made, "6.6").patches] == ["new.c", "6/1.patch", "6/2.patch"]
    alone = series_from({**GOOD, "files": {"mm/new.c": "new.c"}}, "f", {"new.c": "int x;\n"})
    assert [patch.name for patch in alone.patches] == ["new.c", "1.patch"]


LINES = {
    **{key: value for key, value in GOOD.items() if key not in ("versions", "patches")},
    "lines": [
        {"versions": [">=5.10", "<5.11"], "patches": ["5.10/1.patch"]},
        {"versions": [">=6.1"], "patches": ["6/1.patch", "6/2.patch"]},
    ],
}


@pytest.mark.parametrize(
    ("version", "names"),
    [
        ("5.10.262-1", ["5.10/1.patch"]),
        ("6.12.1", ["6/1.patch", "6/2.patch"]),
        ("5.15", None),
        ("", None),  # unknown: nobody can tell which line
    ],
)
def test_a_line_is_chosen_by_version(version: str, names: list[str] | None) -> None:
    listed = series_from(LINES, "f", {"6/2.patch": "text"})
    assert [patch.name for patch in listed.named()] == ["5.10/1.patch", "6/1.patch", "6/2.patch"]
    chosen = choose(listed, version)
    assert chosen.near is (names is None)
    assert [patch.name for patch in chosen.patches] == (names or [patch.name for patch in listed.named()])
    assert bool(chosen.candidates) is bool(version)
    assert listed.ranges() == ">=5.10 <5.11 or >=6.1"


@pytest.mark.parametrize(
    ("version", "order"),
    [
        ("5.4", ["5.10", "6.1", "6.12", "7.3"]),
        ("5.15", ["5.10", "6.1", "6.12", "7.3"]),
        ("6.6", ["6.1", "6.12", "5.10", "7.3"]),
        ("6.19.3", ["7.3", "6.12", "6.1", "5.10"]),
        ("7.2.13-1", ["7.3", "6.12", "6.1", "5.10"]),
    ],
)
def test_lines_by_their_distance(version: str, order: list[str]) -> None:
    rows = [{"versions": [f"=={line}"], "patches": [f"{line}/1.patch"]} for line in ("5.10", "6.1", "6.12", "7.3")]
    listed = series_from({**LINES, "lines": rows}, "f")
    assert [near.versions[0].removeprefix("==") for near in choose(listed, version).candidates] == order


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"patches": ["1.patch"]}, "patches: belongs into each of `lines`"),
        ({"lines": []}, "lines: wants a list of mappings"),
        ({"lines": [{"patches": ["1.patch"]}]}, "a line without versions"),
        ({"lines": [{"versions": [">=6"], "patches": []}]}, "at least one patch file"),
        ({"lines": [{"versions": [">=6"], "patches": ["1"], "why": "x"}]}, "lines: unknown key 'why'"),
        ({"lines": [{"versions": ["six"], "patches": ["1"]}]}, "versions: 'six'"),
    ],
)
def test_lines_that_make_no_sense(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(UserError) as caught:
        series_from({**LINES, **change}, "f")
    assert complaint in str(caught.value)
