"""What a trial tells: the report to paste, the reply, b4's array, JSON; and what the command makes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from answer_schemas import check
from trial_rig import BUG, Rig

from kzram_ci.cli.main import main
from kzram_ci.model.cell import OopsWanted
from kzram_ci.model.outcome import Outcome
from kzram_ci.trial import run
from kzram_ci.trial.costs import Cost, costs_of
from kzram_ci.trial.decide import Answer, Side
from kzram_ci.trial.findings import findings_of, wanted_of
from kzram_ci.trial.model import BootRecord
from kzram_ci.trial.reports import show, text
from kzram_ci.trial.reports.reply import reply
from kzram_ci.trial.silence import hides
from kzram_ci.verdict.crashes import Crash

FIXED = BUG.replace("CRASHES", "0")
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    return Rig(tmp_path_factory.mktemp("trial"))


@pytest.fixture(autouse=True)
def _here(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KZRAM_CACHE", str(rig.root / "cache"))
    monkeypatch.chdir(rig.root)


def words(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


def test_a_fix_is_told_with_its_counts_its_chance_and_a_tag(rig: Rig) -> None:
    found = rig.run(rig.patch(FIXED, options=("--to=list@example.org", "--cover-letter")))
    found = replace(found, asked=replace(found.asked, tester="Ä Tester <t@example.org>"))
    lines = text.report(found)
    assert max(map(len, lines)) <= 72
    told = words(lines)
    assert "fixed: the crash comes without the series, and not with it" in told
    assert "crashed in 5 of 5 boots: null_deref:obj_malloc (5)" in told
    assert "crashed in 0 of 5 boots" in told
    assert "comes through these clean boots with a chance of 0.6" in told
    assert "obj_malloc (mm/x.c:1)" in told
    assert lines[-2] == "Tested-by: Ä Tester <t@example.org>"
    assert lines[-1] == f"Link: https://lore.kernel.org/r/{found.asked.posted.parent.message_id}"
    mail = message_from_bytes(reply(found, now=NOW, message_id="x@kzram-ci.invalid"), policy=default)
    parent = found.asked.posted.parent
    assert mail["In-Reply-To"] == f"<{parent.message_id}>" == str(mail["References"]).split()[-1]
    assert (mail["Subject"], mail["From"]) == ("Re: [PATCH 0/1] *** SUBJECT HERE ***", "Ä Tester <t@example.org>")
    assert (mail["To"], mail["Cc"]) == ("t <t@example.org>", "list@example.org") or "t@example.org" in str(mail["To"])
    content = mail.get_content()
    assert content.startswith("On ") and "\n> *** BLURB HERE ***" in content and content.endswith(f"{lines[-1]}\n")
    (row,) = json.loads(show.shown(found, "b4", directory=""))
    assert (row["tool"], row["status"]) == ("kzram-ci", "pass") and "0 of 5 boots" in row["summary"]
    data = json.loads(show.shown(found, "json", directory="/x"))
    assert (data["answer"], data["exit_code"], data["tested_by"]) == ("fixed", 0, "Ä Tester <t@example.org>")
    assert data["tests"][0]["after"] == {
        "boots": 5, "crashed": 0, "clean": 5, "races": None, "lost": None, "signatures": {},
    }  # fmt: skip


def test_no_tag_without_a_fix(rig: Rig) -> None:
    found = rig.run(rig.patch(BUG.replace("last;", "last, more;")))
    found = replace(found, asked=replace(found.asked, tester="T <t@example.org>"))
    assert "Tested-by" not in "\n".join(text.report(found))
    assert json.loads(show.shown(found, "b4", directory=""))[0]["status"] == "fail"


def test_a_new_crash_is_told_with_both_signatures(rig: Rig) -> None:
    told = words(text.report(rig.run(rig.patch(BUG.replace("CRASHES", "ELSEWHERE")))))
    assert "new with the series: paging_fault:elsewhere" in told
    assert "null_deref:obj_malloc (4)" in told


def test_a_crash_that_is_there_without_it_too_is_named_and_not_counted(rig: Rig) -> None:
    found = rig.run(rig.patch(FIXED))
    complaint = replace(found.facts.boots[0], outcome=Outcome.OOPS, crashes=())
    warned = Crash(signature="warning:odd", title="WARNING in odd", fatal=False)
    boots = (
        *found.facts.boots,
        replace(complaint, number=90, crashes=(warned,)),
        replace(complaint, number=91, side=Side.AFTER, crashes=(warned,)),
    )
    again = findings_of(found.asked, replace(found.facts, boots=boots))
    assert not again.new
    assert "not counted, comes without it too: warning:odd (1 boot with the series, 1 without)" in words(
        text.report(again)
    )


OVERRAN = (Crash(signature="overruns", title="1 overruns", planned=True), Crash(signature="null_deref:x", title="BUG"))


def test_what_a_kernel_dies_of_after_an_overrun_is_the_same_crash_where_no_plan_tells_them_apart(rig: Rig) -> None:
    """With a script of one's own the detector's count is known, and the crash is what the user looks for."""
    found = rig.run(rig.patch(FIXED), tests=("calm",))
    (test,) = found.asked.tests
    assert test.described is None
    crashed = replace(found.facts.boots[0], side=Side.BEFORE, outcome=Outcome.OOPS, crashes=OVERRAN, ready=True)
    wanted = wanted_of(found.asked, test, (crashed,))
    assert all(wanted.holds(crash) for crash in OVERRAN)
    described = replace(test, described=OopsWanted(types=("null_deref",)))
    assert not wanted_of(found.asked, described, (crashed,)).holds(OVERRAN[1])  # there the plan says which it is


def test_a_boot_that_crashed_before_the_first_sample_lost_a_race(rig: Rig) -> None:
    found = rig.run(rig.patch(FIXED), tests=("calm",))
    (test,) = found.asked.tests
    counted = {"grew_class": 900, "overruns": 0}
    boots = [
        BootRecord(
            test=test.id, side=side, number=number, seed=number, outcome=outcome, crashes=crashes, counters=counters,
            ready=True, proved=True,
        )
        for side, outcome, crashes, counters in (
            (Side.BEFORE, Outcome.OOPS, OVERRAN, {"overruns": 3}),
            (Side.AFTER, Outcome.PASS, (), counted),
        )
        for number in range(1, 5)
    ]  # fmt: skip
    (told,) = findings_of(found.asked, replace(found.facts, boots=tuple(boots))).tests
    assert told.standing.unit == "races" and told.standing.answer is Answer.FIXED
    assert told.sides.before.tally is not None and told.sides.before.tally.trials == 4  # one accident each


def test_costs_are_ratios_with_intervals_and_noise_is_noise(rig: Rig) -> None:
    found = rig.run(rig.patch(FIXED), costs=("",), tests=("calm", "swap"))
    calm = [test for test in found.tests if test.test.id == "calm"]
    assert calm[0].sides.before.clean == calm[0].sides.after.clean == 4
    assert found.asked.costs[0] == "work_ms"

    def boots(side: Side, *values: int) -> list[BootRecord]:
        return [
            BootRecord(
                test="calm", side=side, number=10 + n, seed=n, outcome=Outcome.PASS, counters={"wasted_bytes": value}
            )
            for n, value in enumerate(values)
        ]  # fmt: skip

    def costs(before: tuple[int, ...], after: tuple[int, ...], *names: str) -> list[Cost]:
        made = (*boots(Side.BEFORE, *before), *boots(Side.AFTER, *after))
        asked = replace(found.asked, costs=(*found.asked.costs, *names))
        told = costs_of(replace(found, asked=asked, facts=replace(found.facts, boots=made)))
        return [one for one in told if one.test == "calm"]

    def cost(before: tuple[int, ...], after: tuple[int, ...]) -> Cost:
        return next(one for one in costs(before, after) if one.counter == "wasted_bytes")

    more = cost((100, 101, 99, 100), (200, 202, 198, 200))
    assert more.ratio == pytest.approx(2.0, rel=0.01) and more.certain and more.low < 2 < more.high
    noise = cost((100, 140, 60, 100), (110, 150, 70, 100))
    assert not noise.certain and "within the noise" in noise.text()
    few = costs((100,), (200, 200))
    assert [one.text() for one in few] == ["calm: 1 clean boot without the series, 2 with it: too few to compare"]
    # of the usual counters those that there are, of those that were named all
    enough = costs((100, 100), (200, 200), "compactions")
    assert [one.counter for one in enough] == ["wasted_bytes", "compactions"]
    assert "the kernel without the series and the one with the series does not count it" in enough[1].text()


def test_a_check_that_is_taken_away_is_no_fix() -> None:
    removed = "--- a/mm/x.c\n+++ b/mm/x.c\n@@ -1,2 +1 @@\n int a;\n-\tWARN_ON_ONCE(bad);\n"
    assert "mm/x.c" in hides([removed], ("warning:x",))
    assert not hides([removed], ("warning:x", "null_deref:y"))  # a null pointer does not go with a WARN
    moved = removed.replace("+1 @@", "+1,2 @@") + "+\tWARN_ON_ONCE(worse);\n"
    assert not hides([moved], ("warning:x",))
    assert not hides([removed], ())


def test_the_command(rig: Rig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(run, "real_stages", lambda context, accel, snapshot: (rig.stages(), None))
    path = rig.patch(FIXED)
    words_ = ["try", str(path), "--plan", str(rig.plan), "--repo", str(rig.repo), "--test", "swap", "--reply"]
    assert main(words_) == 0
    out, err = capsys.readouterr()
    assert "fixed:" in out and "reply: runs/" in err and "swap, before 1: crash" in err
    made = Path(next(line.rpartition("reply: ")[2] for line in err.splitlines() if "reply: " in line))
    assert made.read_bytes().startswith(b"From: " if b"From: " in made.read_bytes() else b"To: ")
    assert main(["try", "--resume", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    check("try", told)
    assert told["answer"] == "fixed"
    broken = rig.patch(FIXED, FIXED + "#error told\n", name="broken.mbox")
    assert main(["try", str(broken), *words_[2:6], "--format", "b4", "--quiet"]) == 4
    out, err = capsys.readouterr()
    assert json.loads(out)[0]["status"] == "fail" and "patch 2/2" in err
    assert main(["try", str(broken), *words_[2:6], "--json", "--quiet"]) == 4
    told = json.loads(capsys.readouterr().out)
    check("try", told)
    assert (told["answer"], told["exit_code"]) == (None, 4) and "patch 2/2" in told["why"]
    assert main(["try", str(path), *words_[2:6], "--luck", "2"]) == 2
    assert main(["try", str(path), *words_[2:6], "--cost", "recompresions"]) == 2
    assert "--cost: unknown counter 'recompresions'; did you mean recompressions?" in capsys.readouterr().err
    assert main(["try", "no-such-thing", *words_[2:6]]) == 2
    assert "neither a file, a message id nor a commit" in capsys.readouterr().err
    hidden = rig.patch(BUG.replace("CRASHES", "HIDDEN"), name="hidden.mbox")
    assert main(["try", str(hidden), *words_[2:8], "--quiet"]) == 3


def test_the_reports_of_a_run_show_both_kernels(rig: Rig) -> None:
    from lxml import etree

    for text_, failures, errors in ((FIXED, 0, 0), (BUG.replace("CRASHES", "DIRECT"), 1, 0)):
        session = rig.begin(rig.patch(text_))
        rig.engine(session).run()
        run.write(session)
        suites = etree.parse(session.path / "junit.xml").getroot()
        cases = {(case.get("classname") or "", case.get("name") or ""): case for case in suites.iter("testcase")}
        assert len(cases) == 6  # three tests on two kernels
        assert len(list(suites.iter("failure"))) == failures and len(list(suites.iter("error"))) == errors
        page = (session.path / "report.html").read_text()
        assert "before" in page and "crashed in 0 of" in page
        assert "null_deref" in (session.path / "summary.md").read_text()
    empty = rig.begin(rig.patch(FIXED))
    run.write(empty)
    assert (empty.path / "junit.xml").is_file()
