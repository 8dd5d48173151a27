"""What a watch does next: what is new is tested, what is found is told once, trouble of the host is not a finding."""

from __future__ import annotations

import json
from dataclasses import replace
from email import message_from_bytes
from email.policy import default

import pytest
from watch_samples import CRASH, INFRA, OK, result

from kzram_ci.model import codec
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.watch import decide
from kzram_ci.watch.deliver import as_json
from kzram_ci.watch.model import Bisected, Found, Phase, State
from kzram_ci.watch.report import mail, subject, text

WHEN = "2026-01-02T03:04:05+00:00"
START = State(repository="/r", branch="main", plan="p", last_good="a" * 40)


UNBUILT = result("j/t", Outcome.BUILD_FAILED, Verdict.ERROR)


def at(commit: str, state: State = START) -> State:
    return decide.saw(state, commit * 40)


def test_only_a_tip_that_is_new_is_tested() -> None:
    assert at("b").phase is Phase.TESTING
    assert at("b", replace(START, tested="b" * 40)).phase is Phase.IDLE
    busy = replace(START, phase=Phase.BISECTING, commit="c" * 40)
    assert at("b", busy) == busy


def test_good_moves_on() -> None:
    after = decide.tested(at("b"), [OK], WHEN)
    assert (after.phase, after.last_good, after.tested) == (Phase.IDLE, "b" * 40, "b" * 40)


@pytest.mark.parametrize(
    "results",
    [[result("k/t", Outcome.INCONCLUSIVE, Verdict.INCONCLUSIVE)], [result("k/t", Outcome.SKIPPED, Verdict.SKIPPED)]],
)
def test_nothing_proved_is_not_good(results: list[CellResult]) -> None:
    after = decide.tested(at("b"), results, WHEN)
    assert (after.phase, after.last_good, after.tested) == (Phase.IDLE, START.last_good, "b" * 40)


def test_a_new_finding_is_bisected_then_told_then_known() -> None:
    state = decide.tested(at("b"), [OK, CRASH], WHEN)
    assert state.phase is Phase.BISECTING
    state = decide.bisected(state, Bisected(directory="d", commit="c" * 40, subject="mm: break it"))
    assert state.phase is Phase.TELLING
    state = decide.told(state)
    assert (state.phase, state.tested, state.last_good) == (Phase.IDLE, "b" * 40, START.last_good)
    assert state.reported == ("bug:f",)
    again = decide.tested(at("d", state), [replace(CRASH, id="other/cell")], WHEN)
    assert (again.phase, again.tested, again.last_good) == (Phase.IDLE, "d" * 40, START.last_good)


def test_the_same_crash_in_two_cells_is_one_finding_and_the_crash_comes_first() -> None:
    hang = result("k/h", Outcome.HANG, Verdict.FINDING)
    state = decide.tested(at("b"), [hang, CRASH, replace(CRASH, id="k/v")], WHEN)
    assert [one.cell for one in state.found] == ["k/t", "k/h"]


def test_trouble_of_the_host_is_tried_again_and_is_not_a_finding() -> None:
    state = decide.tested(at("b"), [OK, INFRA], WHEN)
    assert (state.phase, state.tested, state.tries) == (Phase.IDLE, "", 1)
    assert "k/u" in state.trouble
    state = decide.tested(at("b", state), [OK, INFRA], WHEN)
    assert state.tries == 2
    assert decide.tested(at("b", state), [OK], WHEN).last_good == "b" * 40


def test_a_finding_beside_trouble_is_told() -> None:
    assert decide.tested(at("b"), [CRASH, INFRA], WHEN).phase is Phase.BISECTING


@pytest.mark.parametrize(
    ("state", "results", "why"),
    [
        (START, [UNBUILT], "does not build"),
        (START, [replace(CRASH, control=True)], "a control"),
        (START, [result("k/t", Outcome.PASS, Verdict.FINDING)], "stayed away"),
        (replace(START, last_good=""), [CRASH], "no good commit"),
        (replace(START, last_good="b" * 40), [CRASH], "comes and goes"),
    ],
)
def test_what_cannot_be_bisected_is_told_at_once(state: State, results: list[CellResult], why: str) -> None:
    after = decide.tested(at("b", state), results, WHEN)
    assert after.phase is Phase.TELLING
    assert after.bisected is not None
    assert why in after.bisected.why_not
    assert f"not bisected: {after.bisected.why_not}" in text(decide.report_of(after))


def test_a_state_comes_back_from_disk() -> None:
    state = decide.bisected(decide.tested(at("b"), [CRASH], WHEN), Bisected(lines=("one",)))
    assert codec.from_json(State, json.loads(json.dumps(codec.to_json(state)))) == state


class TestReport:
    STATE = decide.bisected(
        replace(decide.tested(at("b"), [CRASH], WHEN), run="runs/x"),
        Bisected(directory="runs/y", lines=("it is that one, 99 %",), commit="c" * 40, subject="mm: break it"),
    )

    def test_it_has_all_that_a_person_needs(self) -> None:
        shown = text(decide.report_of(self.STATE))
        for word in ("b" * 40, "a" * 40, "runs/x/cells/k.t/oops-1.txt", "bug:f", "culprit: " + "c" * 40, "99 %"):
            assert word in shown

    def test_its_id_is_of_what_it_tells(self) -> None:
        one = decide.report_of(self.STATE)
        assert one.id == decide.report_of(replace(self.STATE, when="2027-01-01T00:00:00+00:00")).id
        assert one.id != decide.report_of(replace(self.STATE, commit="d" * 40)).id

    def test_the_mail_is_one_and_hostile_words_stay_in_their_field(self) -> None:
        evil = Found(
            cell="k/t", kernel="k", test="t", outcome="oops", title="a\r\nBcc: all@example.org\r\n\r\nx" + "é" * 300
        )
        report = decide.report_of(replace(self.STATE, found=(evil,)))
        data = mail(report, sender="A <a@example.org>", to="b@example.org")
        assert all(len(line) <= 998 for line in data.split(b"\r\n"))
        assert b"\n" not in data.replace(b"\r\n", b"")
        read = message_from_bytes(data, policy=default)
        assert read["Bcc"] is None
        assert read["To"] == "b@example.org"
        assert str(read["Subject"]) == subject(report)
        assert read["Message-ID"] == f"<{report.id}@kzram-ci.invalid>"
        assert read["Date"].datetime.isoformat() == WHEN
        assert "culprit" in read.get_content()

    def test_json_names_what_is_the_same(self) -> None:
        data = as_json(decide.report_of(self.STATE))
        assert data["version"] == 1
        assert data["found"][0]["fingerprint"] == "bug:f"
        assert data["bisected"]["commit"] == "c" * 40
