"""Series: their grammar, which patches a version gets, and in which order they come."""

from collections.abc import Mapping

import pytest

from kzram_ci.base.errors import UserError
from kzram_ci.base.grammar.problems import GrammarErrors, Problems
from kzram_ci.base.grammar.validation import checked
from kzram_ci.base.grammar.yaml_source import parse
from kzram_ci.kernel import diff
from kzram_ci.kernel.schema import SeriesFile
from kzram_ci.kernel.series import Series, SeriesKind, choose, choose_all, series_from


def series(name: str = "s", *, versions: tuple[str, ...] = (), after: tuple[str, ...] = ()) -> Series:
    return Series(name=name, kind=SeriesKind.FIX, versions=versions, after=after)


def test_a_series_needs_what_it_requires_before_it() -> None:
    chosen = choose_all([series("a"), series("b", after=("a",))], "6.12")
    assert [choice.series.name for choice in chosen] == ["a", "b"]
    with pytest.raises(UserError, match="series b requires a") as caught:
        choose_all([series("b", after=("a",)), series("a")], "6.12")
    assert "put a before b" in caught.value.hint


GOOD = "name: s\nkind: fix\nafter: [unstable]\nupstream: null\npatches: [1.patch]\n"
LINES = GOOD.replace(
    "patches: [1.patch]\n",
    """lines:
  - {versions: [">=5.10", "<5.11"], patches: [5.10/1.patch]}
  - {versions: [">=6.1"], patches: [6/1.patch, 6/2.patch]}
""",
)


def made(text: str, texts: Mapping[str, str] = {}) -> Series:
    problems = Problems()
    document = parse(text, "series.yaml", problems)
    model = checked(SeriesFile, document.data, document, problems)
    problems.raise_if_any()
    assert model is not None
    return series_from(model, texts)


def test_series_from_data() -> None:
    series = made(GOOD, {"1.patch": "text"})
    assert series.patches[0].text == "text"
    assert series.patches[0].series == "s"
    assert series.upstream == ""
    assert series.after == ("unstable",)
    assert series.optional is False
    assert made(f"optional: yes\n{GOOD}").optional is made(f"optional: true\n{GOOD}").optional is True


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (GOOD.replace("fix", "fx"), "2:7: kind: unknown value 'fx'; allowed: fix, regression, instrument, build"),
        (GOOD + "patch: []", "series.yaml:6:1: patch: unknown key 'patch'; allowed: after"),
        (GOOD + "versions: [six]", "series.yaml:6:12: versions[0]: 'six' is not a constraint; write them such as"),
        (GOOD.replace("[1.patch]", "[]"), "5:10: patches: expected a length of at least 1, got an empty list"),
        (GOOD.replace("[1.patch]", "[../1.patch]"), "'../1.patch' must lie below the directory of the series"),
        (GOOD.replace("[unstable]", "unstable"), "3:8: after: expected a list ([a, b], or a line `- a` each)"),
        (GOOD + "optional: perhaps", "series.yaml:6:11: optional: expected true or false, got 'perhaps'"),
        (GOOD.replace("name: s\n", ""), "series.yaml:1:1: name: name is required"),
        (LINES.replace('versions: [">=6.1"]', "versions: []"), "lines[1].versions: expected a length of at least 1"),
        (LINES.replace('versions: [">=6.1"], ', ""), "series.yaml:7:5: lines[1].versions: versions is required"),
        (LINES.replace("patches: [6/1.patch, 6/2.patch]", "why: x"), "lines[1].why: unknown key 'why'; allowed:"),
        (GOOD.replace("patches: [1.patch]", "lines: []"), "lines: expected a length of at least 1, got an empty list"),
        (GOOD + "files: [new.c]", "series.yaml:6:8: files: expected a mapping (key: value), got a list"),
        (GOOD + "files: {../new.c: new.c}", "6:9: files.../new.c: '../new.c' is not a path in the tree"),
        (GOOD + "files: {/mm/new.c: new.c}", "6:9: files./mm/new.c: '/mm/new.c' is not a path in the tree"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(text: str, line: str) -> None:
    with pytest.raises(GrammarErrors) as caught:
        made(text)
    assert line in str(caught.value)


def test_new_files_come_first_on_every_line() -> None:
    """One file for all lines; a patch of each may change it."""
    several = made(LINES + "files: {mm/new.c: new.c}", {"new.c": "int x;\n", "6/1.patch": "text"})
    for line in several.lines:
        assert line.patches[0].name == "new.c"
        assert diff.files(line.patches[0].text)[0].after == "mm/new.c"
    assert [patch.name for patch in choose(several, "6.6").patches] == ["new.c", "6/1.patch", "6/2.patch"]
    alone = made(GOOD + "files: {mm/new.c: new.c}", {"new.c": "int x;\n"})
    assert [patch.name for patch in alone.patches] == ["new.c", "1.patch"]


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
    listed = made(LINES, {"6/2.patch": "text"})
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
    rows = [f"  - {{versions: ['=={line}'], patches: [{line}/1.patch]}}\n" for line in ("5.10", "6.1", "6.12", "7.3")]
    listed = made(LINES[: LINES.index("lines:")] + "lines:\n" + "".join(rows))
    assert [near.versions[0].removeprefix("==") for near in choose(listed, version).candidates] == order
