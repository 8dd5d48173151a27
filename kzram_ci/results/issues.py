"""Findings as issues on GitHub, by its own program `gh`: which knows the host, the login and the API."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import CommandFailed, CommandTimeout, InfraError
from kzram_ci.base.values import dataclass
from kzram_ci.results.reports.tickets import Issue, Ticket, issue_of, runs

SECONDS = 60.0  # for one answer of gh
MOST = 1000  # issues with the label that are looked at
GH = "gh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracker:
    """The issues of a repository. `dry`: what would change something is only told."""

    repository: str = ""  # OWNER/NAME; "" for the one of the working directory
    label: str = "kzram-ci"
    dry: bool = False

    def report(self, tickets: Sequence[Ticket], tell: Callable[[str], None]) -> None:
        """An issue for each finding that has none; a comment on its issue, once a run, where it has one.

        Raises UserError without gh, InfraError with what gh said.
        """
        if not tickets:
            return
        known = self._issues()
        if not known:  # perhaps there is no such label yet, and gh refuses one that is not there
            self._change("label", "create", self.label, "--force", "--description", "found by kzram-ci", tell=tell)
        for ticket in tickets:
            issue = issue_of(ticket, known)
            if issue is None:
                words = ("--title", ticket.title, "--label", self.label, "--body-file", "-")
                self._change("issue", "create", *words, given=ticket.body, tell=tell)
            elif ticket.run in runs([issue.body, *self._with_comments(issue).comments]):
                tell(f"#{issue.number} tells of this run already: {ticket.title}")
            else:
                if not issue.open:
                    self._change("issue", "reopen", str(issue.number), tell=tell)
                self._change("issue", "comment", str(issue.number), "--body-file", "-", given=ticket.comment, tell=tell)

    def _issues(self) -> tuple[Issue, ...]:
        """Listed by their label: the search of GitHub learns of a new issue late, the list at once."""
        words = ("--state", "all", "--label", self.label, "--limit", str(MOST), "--json", "number,state,body")
        return tuple(
            Issue(number=one["number"], open=one["state"] == "OPEN", body=one["body"])
            for one in self._ask("issue", "list", *words)
        )

    def _with_comments(self, issue: Issue) -> Issue:
        found = self._ask("issue", "view", str(issue.number), "--json", "comments")
        return replace(issue, comments=tuple(one["body"] for one in found["comments"]))

    def _argv(self, *words: str) -> tuple[str, ...]:
        where = ("--repo", self.repository) if self.repository else ()
        return (GH, *words[:2], *where, *words[2:])

    def _ask(self, *words: str) -> Any:
        try:
            return json.loads(self._run(*words))
        except ValueError as error:
            raise InfraError(f"gh {words[0]} {words[1]} did not answer with JSON") from error

    def _change(self, *words: str, tell: Callable[[str], None], given: str = "") -> None:
        if self.dry:
            tell(shlex.join(self._argv(*words)))
            for line in given.splitlines():
                tell(f"    {line}".rstrip())
            return
        answer = self._run(*words, given=given).strip()
        tell(f"{words[0]} {words[1]}: {answer or words[2]}")

    def _run(self, *words: str, given: str = "") -> str:
        argv, name = self._argv(*words), f"gh {words[0]} {words[1]}"
        try:
            done = proc.run(argv, deadline=Deadline.after(SECONDS), input=given.encode(), name=name)
        except (CommandFailed, CommandTimeout) as error:
            raise InfraError(error.message, hint="gh auth status; GH_TOKEN with the right to write issues") from error
        return done.text()
