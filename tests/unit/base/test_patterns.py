"""Regular expressions of a plan, a series or a tree cannot hang whoever searches with them."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import regex
import yaml
from builders import a_cell
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kzram_ci.base import clock, patterns
from kzram_ci.base.errors import UserError
from kzram_ci.base.patterns import PatternTooSlow, check, found
from kzram_ci.cli.main import main
from kzram_ci.kernel import presence
from kzram_ci.kernel.hooks import Hook, Order, Put, Search, Way
from kzram_ci.kernel.hooks.hook import compiled
from kzram_ci.kernel.hooks.search import applied
from kzram_ci.kernel.kbuild.causes import Blame
from kzram_ci.kernel.kbuild.log import diagnose
from kzram_ci.kernel.mechanism import facts
from kzram_ci.kernel.mechanism.data import questions
from kzram_ci.model.cell import Expectation, OopsWanted
from kzram_ci.model.evidence import Evidence, OopsSummary
from kzram_ci.oops import maintainers
from kzram_ci.verdict.judge import judge

SLOW = r"^(?:(\w|\w\w|[:! ])+)+!$"
TEXT = "BUG! unable to handle kernel NULL pointer dereference in zs_malloc of some length"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "SECONDS", 0.2)


# What expressions are made of, right or wrong
BITS = (
    *("a", "z", "0", " ", "é", "<", "#", "-", "&&", "||", "--", "~~", "^", "$", ".", "|", "\n", "\t", "a-z", "9-0"),
    *(
        "\\w",
        "\\s",
        "\\b",
        "\\B",
        "\\.",
        "\\(",
        "\\)",
        "\\n",
        "\\-",
        "\\/",
        "\\<",
        "\\A",
        "\\1",
        "\\x",
        "\\p",
        "\\",
        "\\N",
    ),
    *("(", "(?:", "(?=", "(?!", "(?<=", "(?i)", "(?P<x>", "(?P<y>", "(?P=x)", "(?#", "(?>", ")", "[", "[^", "]", "-]"),
    *("*", "+", "?", "??", "*+", "{", "}", "{2}", "{2,1}", "{e<=1}", "[[:", ":]", "[]"),
)
ROOT = Path(__file__).resolve().parents[3]


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.sampled_from(BITS) | st.characters(codec="utf-8"), max_size=10).map("".join))
@example("(?=a)*")
@example("(" * 200 + ")" * 200)
@example("[a-z&&b]+(?P<x>.)|(?P<x>.)")
def test_what_looks_right_is_right(pattern: str) -> None:
    if patterns.looks_right(pattern):
        re.compile(pattern)
        regex.compile(pattern)
        regex.compile(pattern, regex.MULTILINE)


def _shipped(value: object, key: str = "") -> Iterator[str]:
    """The expressions of a hooks.yaml."""
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _shipped(below, name)
    elif isinstance(value, list):
        for below in value:
            yield from _shipped(below, key)
    elif key not in {"name", "file", "mark", "put", "text", "times", "set"}:
        yield str(value)


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("kernels/patches/*/hooks.yaml")), ids=lambda path: str(path.parent.name)
)
def test_what_ships_looks_right_and_is(path: Path) -> None:
    for pattern in _shipped(yaml.safe_load(path.read_text())):
        whole = compiled(pattern).pattern
        assert patterns.looks_right(whole), whole  # else a check of a plan compiles it
        regex.compile(whole, regex.MULTILINE)


@pytest.mark.parametrize("pattern", [SLOW, r"(?:a{1,60000}){1,60000}b", r"(x+x+)+y"])
def test_a_search_has_an_end(pattern: str) -> None:
    began = clock.monotonic()
    with pytest.raises(PatternTooSlow, match="did not come to an end within"):
        found(pattern, "a" * 5000 + "x" * 5000 + TEXT.replace("y", "") + "!?")
    assert clock.monotonic() - began < 20


def test_what_python_knows_is_known() -> None:
    assert found("obj_malloc|zs_malloc", TEXT)
    assert found(r"(?i)null.*\bzs_\w+", TEXT)
    assert not found(r"\Azs", TEXT)
    assert found("^b$", "a\nb\nc", multiline=True)
    assert not found("^b$", "a\nb\nc")
    with pytest.raises(ValueError, match="is not a regular expression"):
        check("(")


def test_a_verdict_does_not_hang_and_is_no_pass_and_no_crash_as_expected() -> None:
    oops = OopsSummary(title=TEXT, type="null_deref", function="zs_malloc", signature="s")
    crashed = Evidence(booted=True, ready=True, oopses=(oops,), panicked=True)
    for wanted in (OopsWanted(title=SLOW), OopsWanted(function=rf"{SLOW}|^(_|\w|\w\w)+!$", types=("null_deref",))):
        began = clock.monotonic()
        try:
            judge(a_cell(expect=Expectation(outcome="oops", oops=wanted)), crashed)
        except UserError as error:
            assert "did not come to an end" in error.message
        assert clock.monotonic() - began < 20


def test_a_hostile_tree_does_not_hang_those_who_look_into_it() -> None:
    (section,) = maintainers.parse(f"manual\n\nA\nM:\tB <b@example.org>\nN:\t{SLOW}\nN:\t((\nS:\tMaintained\n")
    began = clock.monotonic()
    assert section.closeness("drivers/block/zram/zram_drv_of_a_long_name_of_a_file.c") == 0
    assert clock.monotonic() - began < 20
    assert not maintainers.matches(f"{'*a' * 30}/", f"{'a' * 60}b/b")
    assert maintainers.matches("*a*b[/x?", "xaxb[/xy")
    with pytest.raises(PatternTooSlow):
        presence.unmet([("a.c", [SLOW])], lambda path: TEXT)


def test_neither_does_one_who_asks_for_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tuple(
        replace(one, probes=tuple(replace(probe, pattern=SLOW) for probe in one.probes)) for one in questions()
    )
    monkeypatch.setattr(facts, "questions", lambda: slow)
    with pytest.raises(UserError, match="of this source is not code as the kernel has it"):
        facts.probe(lambda path: CODE.encode())


WORDS = r"(?:(\w|\w\w)+)+\W\W\W"  # no text of one word ends it
BODY = r"(?:(\w|\w\w|[:! ])+)+[%&]"
HERE = r"^\tx;"
PLACES = {
    "at": {"at": SLOW},
    "given": {"at": HERE, "given": (SLOW,)},
    "unless": {"at": HERE, "unless": (SLOW,)},
    "function": {"at": HERE, "function": WORDS},
    "having": {"at": HERE, "function": r"\w+", "having": (BODY,)},
    "from-file": {"at": HERE, "from_file": (SLOW,)},
    "from-function": {"at": HERE, "function": r"\w+", "from_function": (BODY,)},
}
CODE = f"int a_function_of_a_long_name_that_goes_on_and_on_and_on(void)\n{{\n\tx;\n{TEXT}\n}}\n{TEXT}\n"


def searched(hook: Hook, *orders: Order) -> None:
    began = clock.monotonic()
    with pytest.raises(PatternTooSlow, match="did not come to an end"):
        applied(Search(hooks=(hook,), orders=orders), lambda path: CODE)
    assert clock.monotonic() - began < 20


@pytest.mark.parametrize("place", PLACES)
def test_code_search_has_an_end(place: str) -> None:
    way = Way(put=Put.BELOW, text="y;", **PLACES[place])  # type: ignore[arg-type]
    searched(Hook(name="h", file="a.c", mark="y;", ways=(way,)))


def test_so_has_the_search_for_how_often_a_hook_is_wanted_and_for_its_order() -> None:
    ways = (Way(put=Put.BELOW, text="y;", at=HERE),)
    searched(Hook(name="h", file="a.c", mark="y;", ways=ways, given=SLOW))
    searched(Hook(name="h", file="a.c", mark="y;", ways=ways, each=SLOW))
    searched(Hook(name="h", file="a.c", mark="y;", ways=ways, each=HERE, among=WORDS))
    hook = Hook(name="h", file="a.c", mark="y;", ways=ways)
    searched(hook, Order(file="a.c", mark="y;", steps=(BODY, "x")))


def test_advice_that_does_not_come_to_an_end_hides_no_failure_of_a_build() -> None:
    found = diagnose(f"a.c:1:2: error: {TEXT}\n", [(SLOW, "never"), ("NULL", "this")])
    assert (found.blame, found.hint) == (Blame.KERNEL, "this")


def test_a_plan_with_a_pattern_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    expect = "{outcome: oops, oops: {title: '(a'}}"
    (tmp_path / "p.yaml").write_text(
        f"name: p\nkernels: [stock]\ntests: {{t: {{workload: anonmutate, expect: {expect}}}}}\n"
    )
    assert main(("validate", "p.yaml")) == 2
