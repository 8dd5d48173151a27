"""One issue for each finding, never two: what is opened, what is added, against a `gh` that keeps issues in a file."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import report_samples as samples

from kzram_ci.base.errors import InfraError
from kzram_ci.cli.main import main
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results import rundir
from kzram_ci.results.draw import Reports
from kzram_ci.results.issues import Tracker
from kzram_ci.results.reports.tickets import Issue, Ticket, issue_of, marks, runs, tickets

GH = f"""#!{sys.executable}
import json, os, pathlib, sys
store = pathlib.Path(os.environ["FAKE_GH"])
issues = json.loads(store.read_text()) if store.exists() else []
words = sys.argv[1:]
with store.with_name("calls").open("a") as calls:
    calls.write(json.dumps(words) + chr(10))
def option(name):
    return words[words.index(name) + 1]
body = sys.stdin.read() if "--body-file" in words else ""
match words[:2]:
    case ["issue", "list"]:
        label = option("--label")
        shown = [one for one in issues if label in one["labels"]]
        print(json.dumps([{{k: one[k] for k in ("number", "state", "body")}} for one in shown]))
    case ["issue", "view"]:
        number = int(next(word for word in words[2:] if word.isdigit()))
        print(json.dumps({{"comments": [{{"body": text}} for text in issues[number - 1]["comments"]]}}))
    case ["issue", "create"]:
        issues.append(dict(number=len(issues) + 1, state="OPEN", title=option("--title"), body=body, comments=[],
                           labels=[option("--label")]))
        print("https://example.org/issues/" + str(len(issues)))
    case ["issue", "comment"]:
        issues[int(next(word for word in words[2:] if word.isdigit())) - 1]["comments"].append(body)
    case ["issue", "reopen"]:
        issues[int(next(word for word in words[2:] if word.isdigit())) - 1]["state"] = "OPEN"
    case ["label", "create"]:
        pass
    case _:
        sys.exit("unknown: " + " ".join(words))
store.write_text(json.dumps(issues))
"""


class Hub:
    """What the fake `gh` keeps, and what it was asked."""

    def __init__(self, path: Path) -> None:
        self.store = path / "issues.json"

    @property
    def issues(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.store.read_text()) if self.store.exists() else []
        return found

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in self.store.with_name("calls").read_text().splitlines()]

    def close(self, number: int) -> None:
        issues = self.issues
        issues[number - 1]["state"] = "CLOSED"
        self.store.write_text(json.dumps(issues))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    program = tmp_path / "bin" / "gh"
    program.parent.mkdir()
    program.write_text(GH)
    program.chmod(0o755)
    made = Hub(tmp_path)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setenv("FAKE_GH", str(made.store))
    return made


def run_of(path: Path, *results: CellResult) -> Path:
    run = rundir.create(path, samples.PLAN)
    for result in results:
        run.finish(result)
    return run.path


HANG = samples.result(samples.PLAN.cells[0], Outcome.HANG, Verdict.FINDING)


def crashes() -> tuple[CellResult, ...]:
    """A crash that the plan does not expect, in two cells."""
    oops = next(one for one in samples.results() if one.evidence.oopses).evidence
    return tuple(
        replace(samples.result(cell, Outcome.OOPS, Verdict.FINDING), evidence=oops) for cell in samples.PLAN.cells[:2]
    )


def test_a_finding_gets_one_issue_and_each_run_one_comment(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = run_of(tmp_path / "a", *crashes()), run_of(tmp_path / "b", *crashes())
    for run in (first, first, second, second):
        assert main(("issues", str(run), "--repo", "me/linux", "--link", "https://example.org/run")) == 0
    (issue,) = hub.issues
    assert issue["title"] in {oops.title for oops in crashes()[0].evidence.oopses}
    assert all(cell.id in issue["body"].replace("\\", "") for cell in crashes())
    assert len(issue["comments"]) == 1
    assert second.name in issue["comments"][0]
    assert all(call[2:4] == ["--repo", "me/linux"] for call in hub.calls)
    assert "tells of this run already" in capsys.readouterr().out


def test_a_closed_issue_is_opened_again(hub: Hub, tmp_path: Path) -> None:
    main(("issues", str(run_of(tmp_path / "a", *crashes()))))
    hub.close(1)
    main(("issues", str(run_of(tmp_path / "b", *crashes()))))
    (issue,) = hub.issues
    assert (issue["state"], len(issue["comments"])) == ("OPEN", 1)


def test_other_findings_have_issues_of_their_own(hub: Hub, tmp_path: Path) -> None:
    main(("issues", str(run_of(tmp_path / "a", HANG, crashes()[1]))))
    assert [issue["title"] for issue in hub.issues][1].startswith(HANG.id)
    assert len(hub.issues) == 2


def test_a_dry_run_shows_the_commands_and_changes_nothing(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(("issues", str(run_of(tmp_path / "a", *crashes())), "--dry-run"))
    out = capsys.readouterr().out
    assert "gh issue create --title " in out
    assert "<!-- kzram-ci finding " in out
    assert hub.issues == []
    assert {tuple(call[:2]) for call in hub.calls} == {("issue", "list")}


def test_a_run_without_findings_asks_nothing(hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(("issues", str(run_of(tmp_path / "a", samples.result(samples.PLAN.cells[0])))))
    assert capsys.readouterr().out.endswith(": no finding\n")
    assert not hub.store.with_name("calls").exists()


def test_what_gh_says_is_the_error(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_GH", str(tmp_path))  # a directory: it cannot read its issues
    with pytest.raises(InfraError, match="gh issue list"):
        Tracker().report(tickets(Reports(run=rundir.open_run(run_of(tmp_path / "a", HANG))).view()), print)


def test_guest_text_cannot_make_marks_or_markup(tmp_path: Path) -> None:
    evil = "x <!-- kzram-ci finding 0123456789abcdef --> <img src=x> @all"
    bad = crashes()[0]
    oops = replace(bad.evidence.oopses[0], title=evil, text=f"```\n{evil}\n", decoded="")
    shown = replace(bad, evidence=replace(bad.evidence, oopses=(oops,)), judgement=replace(bad.judgement, reason=evil))
    (ticket,) = tickets(Reports(run=rundir.open_run(run_of(tmp_path, shown))).view())
    assert marks(ticket.body) == {ticket.key}
    assert "@all" not in ticket.comment
    assert "\\<img" in ticket.comment
    assert issue_of(replace(ticket, key="0123456789abcdef"), [Issue(number=1, open=True, body=ticket.body)]) is None


def test_the_open_issue_is_taken_before_a_newer_closed_one() -> None:
    ticket = Ticket(key="a" * 16, title="", body="", comment="", run="r")
    body = f"<!-- kzram-ci finding {'a' * 16} -->\n<!-- kzram-ci run r -->"
    issues = [Issue(number=1, open=True, body=body), Issue(number=2, open=False, body=body)]
    found = issue_of(ticket, issues)
    assert found is not None
    assert found.number == 1
    assert runs([body]) == {"r"}
