"""Trials from the mail to the answer: git, patches and make are real, the guest does what its kernel's text says."""

from __future__ import annotations

from pathlib import Path

import pytest
from trial_rig import BUG, Rig

from kzram_ci.base.errors import BuildFailed, PatchFailed, UserError
from kzram_ci.trial.decide import Answer
from kzram_ci.trial.findings import fixing_patch
from kzram_ci.trial.reports import text
from kzram_ci.trial.reports.answer import as_json
from kzram_ci.trial.reports.show import exit_code
from kzram_ci.trial.session import store


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setenv("KZRAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return Rig(tmp_path)


FIXED = BUG.replace("CRASHES", "0")
ANSWERS = {
    "a fix": (FIXED, Answer.FIXED, 0, ""),
    "only a line more": (BUG.replace("last;", "last, more;"), Answer.NOT_FIXED, 1, "swap, direct: the crash comes"),
    "one of two ways": (BUG.replace("CRASHES", "DIRECT"), Answer.NOT_FIXED, 1, "direct: the crash comes"),
    "nothing at stake": (BUG.replace("CRASHES", "HIDDEN"), Answer.CANNOT_SAY, 3, "nothing was at stake"),
    "another crash": (BUG.replace("CRASHES", "ELSEWHERE"), Answer.NOT_FIXED, 1, "brings paging_fault:elsewhere"),
    "does not boot": (BUG.replace("CRASHES", "NOBOOT"), Answer.NOT_FIXED, 1, "brings boot-failed"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_a_series_comes_to(name: str, rig: Rig) -> None:
    text, answer, code, why = ANSWERS[name]
    found = rig.run(rig.patch(text))
    assert (found.answer, exit_code(found)) == (answer, code)
    assert why in found.why
    tests = {test.test.id: test.standing.answer for test in found.tests}
    if name == "one of two ways":
        assert tests == {"swap": Answer.FIXED, "direct": Answer.NOT_FIXED, "calm": Answer.NOTHING_NEW}
    if name == "another crash":
        (new,) = found.new
        assert (new.signature, new.before) == ("paging_fault:elsewhere", 0)
        assert dict(found.tests[0].wanted) == {"null_deref:obj_malloc": 4}


def test_a_bug_that_does_not_show_says_so(rig: Rig) -> None:
    rig.plan.write_text(rig.plan.read_text().replace("CRASHES", ""))
    session = rig.begin(rig.patch(FIXED), base="v1", tests=("calm",))
    found = rig.engine(session).run()
    assert found.answer is Answer.CANNOT_SAY
    assert "0 of 100 boots, 95 % bound 3 %" in found.why


def test_tests_that_can_show_nothing_are_known_before_a_build(rig: Rig) -> None:
    """The source without the series tells; what to take instead is a test of the plan."""
    rig.looks_ahead = True
    direct = "zram: {swap: false}\n    expect: {floors: {"
    rig.plan.write_text(rig.plan.read_text().replace(f"{direct}recompressions", f"{direct}vmstat.pswpout"))
    session = rig.begin(rig.patch(FIXED), tests=("swap",))
    found = rig.engine(session).run()
    assert (found.answer, exit_code(found), found.facts.builds) == (Answer.CANNOT_SAY, 3, ())
    assert found.why.startswith("swap: recompressions cannot be reached: zram compresses a page once here")
    assert "fix: --test direct can show something there" in text.report(found)
    assert not list(rig.root.glob("cache/slots/*"))
    assert any(line.startswith("swap: skipped: recompressions cannot be reached") for line in rig.told)
    again = rig.engine(store.load(session.path)).run()
    assert (again.answer, again.facts.fit, again.facts.builds) == (Answer.CANNOT_SAY, ("direct",), ())


def test_a_test_that_can_show_something_is_run_beside_those_that_cannot(rig: Rig) -> None:
    rig.looks_ahead = True
    found = rig.run(rig.patch(FIXED))
    assert {test.test.id: bool(test.skipped) for test in found.tests} == {"swap": True, "direct": True, "calm": False}
    assert {boot.test for boot in found.facts.boots} == {"calm"}
    assert found.facts.fit == ()


def test_a_second_patch_that_does_not_build_is_named(rig: Rig) -> None:
    path = rig.patch(FIXED, FIXED + "#error told\n", FIXED + "#error told\nint z;\n")
    with pytest.raises(BuildFailed, match=r"patch 2/3 \(0002-a-step-2.patch\): .*told so") as caught:
        rig.run(path)
    assert caught.value.exit_code == 4


def test_a_series_that_breaks_in_between_is_named_with_each(rig: Rig) -> None:
    path = rig.patch(FIXED + "#error told\n", FIXED)
    assert rig.run(path).answer is Answer.FIXED
    with pytest.raises(BuildFailed, match=r"patch 1/2 \(0001-a-step-1.patch\)"):
        rig.run(path, each=True)


def test_what_does_not_apply_says_where_and_on_what_it_would(rig: Rig) -> None:
    import git_tree

    path = rig.patch(FIXED)
    later = git_tree.commit(rig.repo, "moved on", a=BUG.replace("int bug(void)", "long bug(int x)"))
    git_tree.git(rig.repo, "tag", "v2")
    with pytest.raises(PatchFailed, match=r"a.c: hunk 1 .*line 1 is 'long bug") as caught:
        rig.begin(path, base="v2")
    assert "the newest tag of" in caught.value.hint and "is v1: --base v1" in caught.value.hint
    assert later
    assert ">    1 long bug" in caught.value.excerpt


def test_what_the_series_says_of_its_base_wins(rig: Rig) -> None:
    path = rig.patch(FIXED, options=(f"--base={rig.base}",))
    session = rig.begin(path, base="unheard-of")
    assert f"base: base-commit {rig.base[:12]}" in session.asked.notes
    unknown = path.read_text().replace(rig.base, "1" * 40)
    path.write_text(unknown)
    session = rig.begin(path, base="v1")
    assert any("base-commit 111111111111 is not in" in note for note in session.asked.notes)
    assert "base: --base v1" in session.asked.notes


def test_the_plans_kernel_that_crashes_is_the_base_where_nothing_is_said(rig: Rig) -> None:
    assert rig.begin(rig.patch(FIXED)).asked.before.name == "bug"


def test_commits_are_a_series_and_know_their_base(rig: Rig) -> None:
    rig.patch(FIXED, FIXED + "int more;\n")
    session = rig.begin("main..series")
    assert [patch.name for patch in session.asked.posted.patches] == ["0001-a-step-1.patch", "0002-a-step-2.patch"]
    assert f"base: where the commits begin, {rig.base[:12]}" in session.asked.notes
    assert rig.engine(session).run().answer is Answer.FIXED
    assert len(rig.begin("series").asked.posted.patches) == 2  # since the newest tag below it, v1
    assert len(rig.begin("series", base="v1").asked.posted.patches) == 2
    for words, why in (
        ("main..main", "no commit between"),
        ("no-such-branch", "neither a file, a message id nor"),
        ("-x..y", "no series"),
        ("main..-x", "no series"),
    ):
        with pytest.raises(UserError, match=why):
            rig.begin(words)


def test_a_trial_that_was_killed_goes_on(rig: Rig) -> None:
    session = rig.begin(rig.patch(BUG.replace("CRASHES", "0")))
    engine = rig.engine(session)
    kept: list[int] = []

    def stop(words: str) -> None:
        kept.append(len(session.facts.boots))
        if len(kept) == 6:
            raise KeyboardInterrupt

    engine.tell = stop
    with pytest.raises(KeyboardInterrupt):
        engine.run()
    again = store.load(session.path)
    before = len(again.facts.boots)
    assert before
    found = rig.engine(again).run()
    assert found.answer is Answer.FIXED
    numbers = [(boot.test, boot.side, boot.number) for boot in again.facts.boots]
    assert len(set(numbers)) == len(numbers) > before
    assert rig.engine(store.load(session.path)).run().answer is Answer.FIXED  # and is not booted again


def test_a_crash_that_comes_sometimes(rig: Rig) -> None:
    rig.base = __import__("git_tree").commit(rig.repo, "rare", a=BUG.replace("CRASHES", "RARELY CRASHES"))
    found = rig.run(rig.patch(BUG.replace("CRASHES", "0")), tests=("swap",), base=rig.base)
    (test,) = found.tests
    assert found.answer is Answer.FIXED
    assert test.sides.before.crash < test.sides.before.boots
    assert test.standing.chance is not None and test.standing.chance <= 0.01
    assert test.sides.after.clean > 12


def test_a_prefix_that_crashes_elsewhere_is_named_with_each(rig: Rig) -> None:
    path = rig.patch(BUG.replace("CRASHES", "ELSEWHERE"), FIXED)
    assert rig.run(path).answer is Answer.FIXED
    found = rig.run(path, each=True)
    assert found.answer is Answer.NOT_FIXED
    assert found.why == "patch 1 of the series, without those after it, brings paging_fault:elsewhere"


def test_which_patch_takes_the_crash_away_is_told_with_each(rig: Rig) -> None:
    """The wanted crash may go step by step: on swap with the first patch, with direct writes by the second."""
    found = rig.run(rig.patch(BUG.replace("CRASHES", "DIRECT"), FIXED, FIXED + "int more;\n"), each=True)
    assert found.answer is Answer.FIXED
    assert {test.test.id: fixing_patch(found, test) for test in found.tests} == {"swap": 1, "direct": 2, "calm": 0}
    report = "\n".join(text.report(found))
    assert "direct: crash (null_deref:obj_malloc)" in report
    assert "direct: the crash goes with 0002-a-step-2.patch" in report
    data = as_json(found, directory="")
    assert [test.get("fixed_by_patch") for test in data["tests"]] == [1, 2, None]
    assert {(step["test"], step["patches"], step["what"]) for step in data["prefixes"]} >= {
        ("direct", 1, "crash"), ("direct", 2, "clean"), ("swap", 1, "clean"),
    }  # fmt: skip
