"""YAML with positions, and what every grammar says about a value it does not take."""

from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError

from kzram_ci.base.errors import PlanError
from kzram_ci.base.grammar import yaml_source
from kzram_ci.base.grammar.problems import Document, GrammarErrors, Problems, spell
from kzram_ci.base.grammar.read import read_model
from kzram_ci.base.grammar.scalars import Checked, Name, Patterns, Regex, Word, check_word, choice, text_of
from kzram_ci.base.grammar.strict import Strict
from kzram_ci.base.grammar.validation import checked
from kzram_ci.base.grammar.yaml_source import parse
from kzram_ci.base.suggest import allowed, did_you_mean


class Fruit(Strict):
    """A model with one field of each kind."""

    name: Name | None = None
    commit: Word | None = None
    many_words: Patterns | None = None
    count: Annotated[int, Field(ge=1)] | None = None
    seen: Regex | None = None


def errors(text: str) -> list[str]:
    problems = Problems()
    document = parse(text, "f.yaml", problems)
    if document.data is not None:
        checked(Fruit, document.data, document, problems)
    with pytest.raises(GrammarErrors) as caught:
        problems.raise_if_any()
    return [str(error) for error in caught.value.errors]


def fruit(text: str) -> Fruit:
    problems = Problems()
    document = parse(text, "f.yaml", problems)
    model = checked(Fruit, document.data, document, problems)
    problems.raise_if_any()
    assert model is not None
    return model


@pytest.mark.parametrize("written", ["0012", "12e3", "6719e58", "1.50", "0x1f", "abc", "842"])
def test_a_word_keeps_its_spelling(written: str) -> None:
    """A commit of digits is a word: 12e3 is not 12000.0, and 0012 is not 12."""
    assert fruit(f"commit: {written}").commit == written
    assert fruit(f"many-words: {written}").many_words == [written]
    assert fruit(f"many_words: [{written}]").many_words == [written]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("nam: x", "f.yaml:1:1: nam: unknown key 'nam'; allowed: commit, count, many-words, name, seen"),
        ("count: 0", "f.yaml:1:8: count: expected at least 1, got 0"),
        ("count: 1.5", "f.yaml:1:8: count: expected a whole number, got 1.5"),
        ("count: [1]", "f.yaml:1:8: count: expected a whole number, got a list"),
        ("name: a/b", "f.yaml:1:7: name: 'a/b' is not a name; letters, digits"),
        ("\nseen: '('", "f.yaml:2:7: seen: '(' is not a regular expression: missing )"),
        ("commit: a b", "f.yaml:1:9: commit: 'a b' must be one word without blanks"),
        ("commit: true", "f.yaml:1:9: commit: expected a word, got true; write it in quotes"),
        ("name: a\nname: b", "f.yaml:2:1: name: the key is given twice; the first is in line 1"),
        ("name: !!python/object:os.system x", "f.yaml:1:7: name: the tag !!python/object:os.system is not allowed"),
        ("name: " + "9" * 5000, "f.yaml:1:7: name: '9999999999999999999999999999999999999999' is not a number"),
        ("? [a]\n: b", "f.yaml:1:3: a key must be a word"),
        ("name: &x [*x]", "f.yaml:1:7: name[0]: an alias that contains itself"),
        ("", "f.yaml:1:1: the file is empty"),
        ("~", "f.yaml:1:1: there is nothing in the file"),
        ("[" * 5000, "f.yaml:1:1: nested too deeply"),
    ],
)  # fmt: skip
def test_every_error_has_its_place(text: str, line: str) -> None:
    assert any(line in error for error in errors(text))


@given(st.text(alphabet="ab: -[]{}&*!?|>'\"\n#,%@`0", max_size=60))
def test_any_text_gives_data_or_errors(text: str) -> None:
    problems = Problems()
    document = parse(text, "f.yaml", problems)
    assert bool(problems) or document.data is not None


def test_a_file_is_read_to_a_model(tmp_path: Path) -> None:
    problems = Problems()
    (tmp_path / "good.yaml").write_text("name: apple\n")
    assert read_model(Fruit, tmp_path / "good.yaml", problems) == Fruit(name="apple")
    (tmp_path / "bad.yaml").write_text("name: apple\ncolour: red\n")
    read_model(Fruit, tmp_path / "bad.yaml", problems)
    with pytest.raises(PlanError, match=r"none\.yaml:1:1: cannot be read: No such file"):
        read_model(Fruit, tmp_path / "none.yaml", problems)
    with pytest.raises(GrammarErrors, match=r"bad\.yaml:2:1: colour: unknown key 'colour'"):
        problems.raise_if_any()


def test_problems_are_reported_once_and_from_top_to_bottom() -> None:
    problems = Problems()
    problems.documents["f"] = Document(file="f", values={("a",): (1, 4), ("b",): (2, 4)}, keys={("b",): (2, 1)})
    problems.add("f", ("b", "c"), "second")
    problems.add("f", ("a",), "first")
    problems.add("f", ("a",), "first")
    problems.add("f", ("b",), "its key", key=True)
    with pytest.raises(GrammarErrors) as caught:
        problems.raise_if_any()
    assert str(caught.value) == "f:1:4: a: first\nf:2:1: b: its key\nf:2:4: b.c: second"


def test_paths_are_spelled_as_people_write_them() -> None:
    assert spell(("kernels", 0, "source", "path")) == "kernels[0].source.path"
    assert spell(()) == ""


def test_suggestions() -> None:
    assert did_you_mean("durration", ["duration", "sample"]) == "; did you mean duration?"
    assert did_you_mean("Zstd", ["ZSTD"]) == "; did you mean ZSTD?"
    assert did_you_mean("quite-else", ["duration"]) == ""
    assert allowed("b", ["a", "c"]) == "allowed: a, c"
    assert allowed(3, []) == "allowed: none"
    many = [f"word-{number}" for number in range(40)]
    assert "(40 words in all); did you mean word-7?" in allowed("wrd-7", many)


def test_a_choice_lists_what_there_is() -> None:
    colour: TypeAdapter[str] = TypeAdapter(Annotated[str, choice("colour", ("red", "green"))])
    assert colour.validate_python("red") == "red"
    with pytest.raises(ValueError, match=r"unknown colour 'gren'; allowed: red, green; did you mean green\?"):
        colour.validate_python("gren")


def said(adapter: TypeAdapter[str], value: object) -> object:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        return error.errors(include_url=False, include_context=False)


@pytest.mark.parametrize("value", ["a", "a b", "", 5, 5.5, None, [], True])
def test_checks_are_those_of_pydantic(value: object) -> None:
    ours: TypeAdapter[str] = TypeAdapter(Annotated[str, Checked(before=text_of, after=check_word)])
    theirs: TypeAdapter[str] = TypeAdapter(Annotated[str, BeforeValidator(text_of), AfterValidator(check_word)])
    assert said(ours, value) == said(theirs, value)
    assert ours.json_schema() == theirs.json_schema()


def test_both_readers_of_yaml_give_the_same_data_at_the_same_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """libyaml reads what is right, PyYAML's own reader says what is wrong; a plan must not depend on which."""
    root = Path(__file__).parents[3]
    files = sorted((*root.glob("testplans/*.yaml"), *root.glob("kernels/**/*.yaml"), *root.glob("rootfs/*.yaml")))
    assert len(files) > 20
    texts = [*(path.read_bytes() for path in files), "ü: [é, 'ß: x']\nb: {c: 1, d: &x [on, 0o7]}\ne: *x\n".encode()]
    fast = [parse(text, "f", Problems()) for text in texts]
    monkeypatch.setattr(yaml_source, "_composed_fast", lambda text: None)
    for text, found in zip(texts, fast, strict=True):
        slow = parse(text, "f", Problems())
        assert (found.data, found.keys, found.values) == (slow.data, slow.keys, slow.values)


@pytest.mark.parametrize(
    "text", ["[" * 500 + "]" * 500, "[" * 100_000, "- " * 900 + "x", "{a: " * 50_000, "- " * 90_000]
)
def test_what_is_nested_too_deeply_is_an_error_of_the_file(text: str) -> None:
    problems = Problems()
    parse(text, "f.yaml", problems)
    with pytest.raises(PlanError, match=r"f\.yaml:1:1: nested too deeply|not YAML"):
        problems.raise_if_any()
