"""The loop with simulated kernels: answers, kills at every point, hosts that fail, bytes that are equal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from bisect_lab import CELL, SimLab, crashed, engine, name, new_session
from lxml import etree

from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.base.files import held
from kzram_ci.bisect.belief.decide import Kind
from kzram_ci.bisect.belief.model import Observation
from kzram_ci.bisect.reports import files
from kzram_ci.bisect.reports.answer import answer_lines
from kzram_ci.bisect.reports.model import JUNIT, PAGE
from kzram_ci.bisect.reports.status import as_json, exit_code, status_text
from kzram_ci.bisect.reports.view import view_of
from kzram_ci.bisect.reports.wording import percent
from kzram_ci.bisect.session import store
from kzram_ci.bisect.session.model import REVERT
from kzram_ci.bisect.session.observations import dominant_signature
from kzram_ci.bisect.session.wanted import expectation
from kzram_ci.model.cell import Cell, Expectation
from kzram_ci.model.evidence import Evidence
from kzram_ci.model.machine import Snapshot
from kzram_ci.verdict.crashes import Wanted

SCHEMA = Path(__file__).parents[2] / "data" / "junit.xsd"


class Killed(BaseException):
    """In place of kill -9: nobody catches it, nothing is tidied up."""


@pytest.mark.parametrize("seed", range(4))
def test_it_finds_a_flaky_culprit(tmp_path: Path, seed: int) -> None:
    lab = SimLab(culprit=11, rate=0.5, seed=seed)
    opened = new_session(tmp_path)
    answer = engine(opened, lab).run()
    assert answer.kind is Kind.CULPRIT
    assert answer.commits == (name(11),)
    assert answer.confidence >= 0.99
    assert len(lab.builds) <= 10  # not one a commit; the last is the revert


def test_unbuildable_unbootable_and_other_crashes_are_no_evidence(tmp_path: Path) -> None:
    lab = SimLab(culprit=12, unbuildable=frozenset({7, 8}), unbootable=frozenset({10}), elsewhere=frozenset({13}))
    opened = new_session(tmp_path)
    answer = engine(opened, lab).run()
    assert answer.commits == (name(12),)
    sides = {commit.name: commit for commit in view_of(opened.findings, name="x").commits}
    for number in (7, 8, 10, 13):
        if sides[name(number)].visited:
            assert sides[name(number)].side == "skip"
            assert sides[name(number)].count("crash") == 0


@pytest.mark.parametrize("when", range(0, 60, 3))
def test_a_killed_bisection_goes_on(tmp_path: Path, when: int) -> None:
    def dying(count: list[int]) -> SimLab:
        def before(what: str) -> None:
            count[0] += 1
            if count[0] == when + 1:
                raise Killed(what)

        return SimLab(culprit=5, rate=0.7, unbuildable=frozenset({7}), before=before)

    opened = new_session(tmp_path, 12)
    first = dying([0])
    try:
        answer = engine(opened, first).run()
    except Killed:
        kept = store.load(opened.path).facts
        assert len(kept.boots) <= len(first.boots) <= len(kept.boots) + first.workers
        second = SimLab(culprit=5, rate=0.7, unbuildable=frozenset({7}))
        again = store.load(opened.path)
        answer = engine(again, second).run()
        done = {(boot.commit, boot.seed) for boot in kept.boots}
        assert not done & set(second.boots), "a boot that was on disk was made again"
        opened = again
    assert answer.commits == (name(5),)
    numbers = [(boot.commit, boot.number) for boot in opened.facts.boots]
    assert len(numbers) == len(set(numbers))
    assert all((opened.path / boot.directory / "console.log").is_file() for boot in opened.facts.boots)
    assert opened.facts.revert is not None
    assert opened.facts.revert.heals is True


def test_a_kill_between_boot_and_record_loses_that_boot_only(tmp_path: Path) -> None:
    opened = new_session(tmp_path, 8)
    killed = False

    def tell(subject: str, text: str) -> None:
        nonlocal killed
        if text.startswith("boot 3:"):
            killed = True
            raise Killed(text)

    lab = SimLab(culprit=3, workers=1)  # with more, the third boot may end before the first
    with pytest.raises(Killed):
        replace_tell = engine(opened, lab)
        replace_tell.tell = tell
        replace_tell.run()
    assert killed
    again = store.load(opened.path)
    assert [boot.record.number for boot in again.findings.boots_of(name(8))][:3] == [1, 2, 3]
    assert engine(again, SimLab(culprit=3)).run().commits == (name(3),)


def test_what_a_killed_boot_left_is_set_aside(tmp_path: Path) -> None:
    opened = new_session(tmp_path)
    path, relative = store.boot_directory(opened, name(3), 1)
    path.mkdir(parents=True)
    (path / "console.log").write_text("half")
    assert store.boot_directory(opened, name(3), 1) == (path, relative)
    assert (path.with_name("1-interrupted-1") / "console.log").read_text() == "half"
    assert not path.exists()


def test_the_same_bytes_are_not_booted_twice(tmp_path: Path) -> None:
    trees = dict.fromkeys(range(1, 6), "early") | dict.fromkeys(range(6, 17), "late")
    lab = SimLab(culprit=6, trees=trees, rate=0.8)
    opened = new_session(tmp_path)
    lines: list[str] = []
    answer = engine(opened, lab, lines).run()
    assert answer.kind is Kind.CULPRIT
    assert answer.commits == (name(6),)
    booted = {boot.commit for boot in opened.facts.boots if boot.commit != REVERT}
    late = {commit for commit in booted if opened.findings.contents[commit] == "late"}
    assert late <= {name(16), name(6)}  # the bad end, and the culprit itself if more crashes are wanted
    assert len([commit for commit in booted if opened.findings.contents[commit] == "early"]) <= 2
    assert any("same bytes" in line for line in lines)


def test_a_culprit_that_was_known_by_its_twin_is_in_every_report(tmp_path: Path) -> None:
    """A commit and its revert after the culprit: what was booted is the revert, which has the culprit's tree."""
    opened = new_session(tmp_path, trees={9: "the culprit's", 7: "the culprit's"})
    lab = SimLab(culprit=7, rate=0.9, trees={9: "the culprit's", 7: "the culprit's"}, unbuildable=frozenset())
    answer = engine(opened, lab).run()
    assert answer.commits == (name(7),)
    facts = replace(opened.facts, boots=tuple(boot for boot in opened.facts.boots if boot.commit != name(7)))
    builds = tuple(build for build in facts.builds if build.commit != name(7))
    opened.keep(replace(facts, builds=builds))  # as if it had been the revert alone
    files.write(opened)
    (found,) = (one for one in as_json(opened.findings, directory="x")["commits"] if "culprit" in one["roles"])
    assert found["commit"] == name(7)
    cases = etree.parse(opened.path / JUNIT).getroot().findall(".//testcase")
    assert [case.get("name", "")[:12] for case in cases].count(name(7)[:12]) == 1
    assert any(name(7)[:12] in line and "[culprit" in line for line in status_text(opened.findings, directory="x"))


def test_a_commit_with_the_tree_of_its_parent_is_not_the_culprit_and_not_built(tmp_path: Path) -> None:
    trees = {6: "as five", 5: "as five"}
    lab = SimLab(culprit=7, rate=0.9)
    opened = new_session(tmp_path, trees=trees)
    assert engine(opened, lab).run().commits == (name(7),)
    assert not {name(5), name(6)} <= set(lab.builds)


def test_a_bad_end_that_does_not_crash(tmp_path: Path) -> None:
    opened = new_session(tmp_path)
    lab = SimLab(culprit=99)
    answer = engine(opened, lab).run()
    assert answer.kind is Kind.NOT_REPRODUCED
    assert set(lab.builds) == {name(16)}
    assert "does not show the wanted crash" in answer_lines(opened.findings)[0]


def test_a_good_end_that_crashes(tmp_path: Path) -> None:
    opened = new_session(tmp_path)
    lab = SimLab(culprit=99, everywhere=True)
    answer = engine(opened, lab).run()
    assert answer.kind is Kind.NONE
    assert name(0) in lab.builds
    assert answer_lines(opened.findings)[0].startswith("no commit of this range is to blame")


def test_a_bad_end_that_does_not_build(tmp_path: Path) -> None:
    opened = new_session(tmp_path)
    answer = engine(opened, SimLab(culprit=3, unbuildable=frozenset({16}))).run()
    assert answer.kind is Kind.UNTESTABLE_END
    assert answer_lines(opened.findings)[0].endswith("cannot be tested: 16 does not compile")


def test_a_bad_end_on_which_nothing_can_be_shown_is_not_built(tmp_path: Path) -> None:
    """Its source tells, so nobody waits for a build; tests of the plan that can show something are named."""
    opened = new_session(tmp_path)
    opened.asked = replace(
        opened.asked, instead=tuple(replace(CELL, id=f"k/{test}", test=test) for test in ("deaf", "direct", "files"))
    )

    def obstacle(number: int, cell: Cell) -> str:
        return "grew cannot be reached: a reason" if number == 16 and cell.test in ("race", "deaf") else ""

    lab, told = SimLab(culprit=3, obstacle=obstacle), list[str]()
    assert engine(opened, lab, told).run().kind is Kind.UNTESTABLE_END
    assert (lab.builds, lab.boots) == ([], [])
    assert told == [f"{name(16)[:8]}: not built, no evidence: grew cannot be reached: a reason"]
    assert answer_lines(opened.findings)[:2] == (
        f"the bad end {name(16)[:12]} cannot be tested: grew cannot be reached: a reason",
        "fix: --test direct or files, or give another --bad",
    )
    assert exit_code(opened.findings) == 4
    again, never = store.load(opened.path), SimLab(culprit=3)
    assert engine(again, never).run().kind is Kind.UNTESTABLE_END
    assert never.builds == []


def test_no_other_test_is_named_where_none_can_show_anything(tmp_path: Path) -> None:
    opened = new_session(tmp_path)
    opened.asked = replace(opened.asked, instead=(replace(CELL, id="k/deaf", test="deaf"),))
    engine(opened, SimLab(culprit=3, obstacle=lambda number, cell: "a reason")).run()
    assert answer_lines(opened.findings)[1] == "fix: give another --bad"


def test_a_good_end_on_which_nothing_can_be_shown_is_left_out(tmp_path: Path) -> None:
    """The search goes on without it: commits after it may tell."""
    opened = new_session(tmp_path)
    lab = SimLab(culprit=9, obstacle=lambda number, cell: "a reason" if number == 0 else "")
    told: list[str] = []
    assert engine(opened, lab, told).run().commits == (name(9),)
    assert name(0) not in lab.builds
    assert f"{name(0)[:8]}: not built, no evidence: a reason" in told


def test_what_goes_wrong_with_looking_is_left_to_the_build(tmp_path: Path) -> None:
    def obstacle(number: int, cell: Cell) -> str:
        raise InfraError("no git")

    opened = new_session(tmp_path)
    assert engine(opened, SimLab(culprit=9, obstacle=obstacle)).run().commits == (name(9),)


def test_a_host_that_fails_ends_it_with_a_way_on(tmp_path: Path) -> None:
    opened = new_session(tmp_path)
    with pytest.raises(InfraError, match=r"5 boots in a row failed on this host.*no QEMU.*--resume"):
        engine(opened, SimLab(culprit=3, host=lambda: "no QEMU")).run()
    again = store.load(opened.path)
    assert {boot.what for boots in again.findings.boots.values() for boot in boots} == {Observation.INFRA}
    assert engine(again, SimLab(culprit=3)).run().commits == (name(3),)


def test_a_commit_that_loses_every_guest_is_skipped(tmp_path: Path) -> None:
    opened = new_session(tmp_path)
    lab = SimLab(culprit=4, lost=frozenset({8}), rate=0.9)
    answer = engine(opened, lab).run()
    assert answer.commits == (name(4),)
    assert (name(8), Observation.SKIP) in opened.facts.marks or name(8) not in lab.builds


def test_the_signature_is_learnt_from_the_bad_end(tmp_path: Path) -> None:
    def crash(random: Random) -> Evidence:
        return crashed("bug", "zs_map_object") if random.random() < 0.15 else crashed("paging_fault", "obj_malloc")

    cell = replace(CELL, expect=Expectation(floors=(("zram.writestall", 5),)))
    opened = new_session(tmp_path, wanted=Wanted(), cell=cell)
    lines: list[str] = []
    answer = engine(opened, SimLab(culprit=9, crash=crash, rate=0.8), lines).run()
    assert answer.commits == (name(9),)
    assert opened.findings.wanted.given == ("paging_fault:obj_malloc",)
    assert any("wanted from now on: paging_fault:obj_malloc" in line for line in lines)


def test_signatures_given_later_count_for_boots_that_were_made(tmp_path: Path) -> None:
    opened = new_session(tmp_path, wanted=Wanted(given=("bug:zs_map_object",)))
    answer = engine(opened, SimLab(culprit=9)).run()
    assert answer.kind in (Kind.NOT_REPRODUCED, Kind.UNTESTABLE_END)
    wider = store.widen(opened, ("null_deref:obj_*",))
    assert wider.findings.wanted.given == ("bug:zs_map_object", "null_deref:obj_*")
    assert any(boot.what is Observation.CRASH for boots in wider.findings.boots.values() for boot in boots)
    assert engine(store.load(opened.path), SimLab(culprit=9)).run().commits == (name(9),)


def test_a_revert_that_does_not_apply_or_heal_is_said(tmp_path: Path) -> None:
    opened = new_session(tmp_path / "a")
    engine(opened, SimLab(culprit=9, reverted=("", "its revert does not apply cleanly on the bad end"))).run()
    assert "revert on the bad end: unknown, its revert does not apply cleanly on the bad end" in answer_lines(
        opened.findings
    )
    opened = new_session(tmp_path / "b")
    lab = SimLab(culprit=9)
    lab.reverted = (opened.findings.commit(name(16)).tree, "")  # the revert changes nothing: it must not heal
    engine(opened, lab).run()
    assert opened.facts.revert is not None
    assert opened.facts.revert.heals is False


def test_a_test_that_cannot_tell_is_refused() -> None:
    blind = replace(CELL, expect=Expectation())
    with pytest.raises(UserError, match=r"k/race cannot tell good from bad.*--signature"):
        expectation(blind, (), ())
    assert expectation(blind, (), ("bug:*",))[1].given == ("bug:*",)
    assert expectation(CELL, (), ())[1].plan
    proved = replace(CELL, expect=Expectation(floors=(("zram.writestall", 5),)))
    assert expectation(proved, (), ()) == (
        proved, Wanted(), "the plan names no oops: the wanted signature will be what the bad end shows most",
    )  # fmt: skip
    borrowed, wanted, note = expectation(proved, (CELL,), ())
    assert wanted.plan
    assert borrowed.expect.oops == CELL.expect.oops
    assert borrowed.expect.floors == proved.expect.floors
    assert CELL.id in note


def test_nothing_is_dominant_in_no_boots() -> None:
    assert dominant_signature((), name(1)) == ""


def test_nobody_else_may_work_on_it(tmp_path: Path) -> None:
    opened = new_session(tmp_path)
    with (
        held(opened.path),
        pytest.raises(UserError, match="another kzram-ci works on"),
        held(opened.path),
    ):
        pass


def test_reports_are_there_at_every_moment(tmp_path: Path) -> None:
    opened = new_session(tmp_path)
    files.write(opened)  # before anything happened
    steps: list[int] = []
    running = engine(opened, SimLab(culprit=11))

    def show() -> None:
        steps.append(len(opened.facts.boots))
        files.write(opened)

    running.show = show
    running.run()
    assert len(steps) > 3
    page = (opened.path / PAGE).read_text()
    assert "<svg" in page
    assert "change &lt;11&gt; &amp; more" in page
    assert "change <" not in page
    root = etree.parse(opened.path / JUNIT).getroot()
    etree.XMLSchema(etree.parse(SCHEMA)).assertValid(root)
    cases = root.findall(".//testcase")
    assert len(cases) == len(view_of(opened.findings, name="x").visited())
    failed = [case.get("name", "") for case in cases if case.find("failure") is not None]
    assert any(one.startswith(name(11)[:12]) for one in failed)
    assert f'Fixes: {name(11)[:12]} ("change <11> & more")' in answer_lines(opened.findings)


def test_ten_thousand_commits_still_draw(tmp_path: Path) -> None:
    opened = new_session(tmp_path, 10_000)
    files.write(opened)
    assert (opened.path / PAGE).stat().st_size < 400_000


def test_every_boot_of_the_culprit_is_counted(tmp_path: Path) -> None:
    """Three of three, when eight were made, looks like a rate that nobody measured."""

    def crash(random: Random) -> Evidence:
        return crashed() if random.random() < 0.7 else crashed("bug", "swap_writepage")

    opened = new_session(tmp_path)
    assert engine(opened, SimLab(culprit=9, crash=crash, rate=1.0, workers=1, seed=3)).run().commits == (name(9),)
    own = [boot.what for boot in opened.findings.boots_of(name(9))]
    crashes, others = own.count(Observation.CRASH), own.count(Observation.OTHER)
    assert others
    are = "is" if others == 1 else "are"
    lines = answer_lines(opened.findings)
    assert f"culprit crashed in {crashes} of {len(own)} boots; {others} {are} not evidence ({others} other)" in lines
    assert any(line.startswith("crash rate of boots that are evidence: ") for line in lines)
    assert any(line.startswith(f"its parent {name(8)[:12]} crashed in 0 of ") for line in lines)


def test_a_kernel_that_does_not_boot_can_be_bisected(tmp_path: Path) -> None:
    """Without the signature such commits cannot be tested; with it they are what is looked for."""
    lab = SimLab(culprit=99, unbootable=frozenset(range(7, 17)))
    opened = new_session(tmp_path, wanted=Wanted(given=("boot-failed",)))
    answer = engine(opened, lab).run()
    assert answer.commits == (name(7),)
    assert {boot.what for boot in opened.findings.boots_of(name(7))} == {Observation.CRASH}


@pytest.mark.parametrize(
    ("given", "kept"), [((), Snapshot.AUTO), (("boot-failed",), Snapshot.OFF), (("boot-failed", "x"), Snapshot.OFF)]
)
def test_where_boots_are_looked_at_every_boot_is_one(tmp_path: Path, given: tuple[str, ...], kept: Snapshot) -> None:
    """A saved guest comes from a boot that went well: kernels that boot only sometimes would be hidden behind it."""
    lab = SimLab(culprit=7, unbootable=frozenset(range(7, 17)) if given else frozenset())
    engine(new_session(tmp_path, wanted=Wanted(given=given) if given else None), lab).run()
    assert {snapshot for snapshot, _ in lab.asked} == {kept}


def test_a_commit_that_did_not_boot_starts_from_no_saved_guest(tmp_path: Path) -> None:
    lab = SimLab(culprit=7, unbootable=frozenset({8, 9}), workers=1)
    engine(new_session(tmp_path), lab).run()
    both = zip(lab.boots, lab.asked, strict=True)
    found = {(lab.number(commit), snapshot) for (commit, _), (snapshot, _) in both}
    assert {number for number, snapshot in found if snapshot is Snapshot.OFF} <= {8, 9}
    assert (8, Snapshot.OFF) in found or (9, Snapshot.OFF) in found


def test_until_the_wanted_crash_is_known_every_boot_is_one(tmp_path: Path) -> None:
    lab = SimLab(culprit=7, workers=1)
    engine(new_session(tmp_path, wanted=Wanted()), lab).run()
    found = [snapshot for snapshot, _ in lab.asked]
    known = found.index(Snapshot.AUTO)
    assert known
    assert set(found[:known]) == {Snapshot.OFF}
    assert set(found[known:]) == {Snapshot.AUTO}


def test_a_boot_is_told_how_many_follow(tmp_path: Path) -> None:
    lab = SimLab(culprit=7, rate=0.3)
    engine(new_session(tmp_path), lab).run()
    assert max(others for _, others in lab.asked) > 1
    assert min(others for _, others in lab.asked) >= 0


def test_percent_never_rounds_up_to_certainty() -> None:
    assert percent(0.99999) == "99.999 %"
    assert percent(0.995) == "99.5 %"
    assert percent(1.0) == "100 %"
