"""Regular expressions of a plan, a series or a tree cannot hang whoever searches with them."""

from pathlib import Path

import pytest
from builders import a_cell

from kzram_ci.base import clock, patterns
from kzram_ci.base.errors import UserError
from kzram_ci.base.patterns import PatternTooSlow, check, found
from kzram_ci.cli.main import main
from kzram_ci.kernel import presence
from kzram_ci.model.cell import Expectation, OopsWanted
from kzram_ci.model.evidence import Evidence, OopsSummary
from kzram_ci.oops import maintainers
from kzram_ci.verdict.judge import judge

SLOW = r"^(?:(\w|\w\w|[:! ])+)+!$"
TEXT = "BUG! unable to handle kernel NULL pointer dereference in zs_malloc of some length"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "SECONDS", 0.2)


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
    with pytest.raises(PatternTooSlow):
        presence.unmet([("a.c", [SLOW])], lambda path: TEXT)


def test_a_plan_with_a_pattern_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    expect = "{outcome: oops, oops: {title: '(a'}}"
    (tmp_path / "p.yaml").write_text(
        f"name: p\nkernels: [stock]\ntests: {{t: {{workload: anonmutate, expect: {expect}}}}}\n"
    )
    assert main(("validate", "p.yaml")) == 2
