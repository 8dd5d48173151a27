"""A bisection on disk: facts first, everything else follows from them.

```
runs/<UTC time>-bisect-<plan>-<id>/
  bisection.json   what was asked: cell, range, commits, settings; written once
  state.json       boots, builds, marks, answer, revert; replaced in one step after every boot
  plan.yaml  git-bisect.log  junit.xml  report.html  boots/<commit>/<number>/console.log …
```
"""

from __future__ import annotations

import shutil
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from kzram_ci.base import clock, files
from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.bisect.belief.model import Bisection
from kzram_ci.bisect.session.findings import Findings, findings_of
from kzram_ci.bisect.session.model import REVERT, Asked, Facts, SavedQuestion, restored, saved
from kzram_ci.model import codec

ASKED, STATE, PLAN = "bisection.json", "state.json", "plan.yaml"


@dataclass(slots=True, kw_only=True)
class Session:
    """An open bisection; one process writes it."""

    path: Path
    asked: Asked
    start: Bisection
    facts: Facts = Facts()
    _findings: Findings | None = None

    @property
    def findings(self) -> Findings:
        """What follows from the facts, computed once a change. Raises UserError when marks contradict each other."""
        if self._findings is None or self._findings.facts is not self.facts:
            self._findings = findings_of(self.asked, self.start, self.facts)
        return self._findings

    def keep(self, facts: Facts) -> None:
        """Write down what happened, in one step."""
        self.facts = facts
        files.write_json(self.path / STATE, codec.to_json(facts))


def create(root: Path, asked: Asked, start: Bisection, plan_text: str) -> Session:
    """Make the directory of a new bisection. Raises InfraError (disk)."""
    slug = "".join(char if char.isalnum() or char in "._-" else "-" for char in asked.plan)[:60]
    path = root.absolute() / f"{clock.now_utc():%Y%m%dT%H%M%SZ}-bisect-{slug}-{uuid.uuid4().hex[:6]}"
    files.make_private(path)
    files.write_atomic(path / PLAN, plan_text)
    session = Session(path=path, asked=asked, start=start)
    _write_question(session)
    session.keep(Facts())
    return session


def _write_question(session: Session) -> None:
    question = SavedQuestion(asked=session.asked, start=saved(session.start))
    files.write_json(session.path / ASKED, codec.to_json(question))


def load(path: Path) -> Session:
    """A bisection from its directory. Raises UserError when it is not one, InfraError when it is damaged."""
    path = path.absolute()
    if not (path / ASKED).is_file():
        raise UserError(f"{path} is not a bisection: it has no {ASKED}", hint="name a directory runs/…-bisect-…")
    try:
        question = codec.from_json(SavedQuestion, files.read_json(path / ASKED))
        start = restored(question.start)
        facts = codec.from_json(Facts, files.read_json(path / STATE)) if (path / STATE).is_file() else Facts()
    except (ValueError, KeyError, TypeError) as error:
        raise InfraError(f"{path} is damaged: {' '.join(str(error).split())[:200]}") from error
    return Session(path=path, asked=question.asked, start=start, facts=facts)


def widen(session: Session, signatures: tuple[str, ...]) -> Session:
    """More signatures that count as the wanted crash, for the boots that were made as well."""
    wanted = session.asked.wanted
    given = tuple(dict.fromkeys((*(wanted.given or session.findings.wanted.given), *signatures)))
    asked = replace(session.asked, wanted=replace(wanted, given=given))
    wider = Session(path=session.path, asked=asked, start=session.start, facts=replace(session.facts, answer=None))
    _write_question(wider)
    return wider


def newest(root: Path) -> Path:
    """The newest bisection below a directory of runs. Raises UserError when there is none."""
    found = files.newest_first(root.glob(f"*-bisect-*/{ASKED}"))
    if not found:
        raise UserError(f"no bisection in {root}", hint="kzram-ci bisect PLAN --repo R --good G --bad B")
    return found[0]


def boot_directory(session: Session, commit: str, number: int) -> tuple[Path, str]:
    """The directory of a boot; what a killed boot left there is set aside, nothing produced is lost."""
    relative = f"boots/{commit if commit == REVERT else commit[:12]}/{number}"
    path = session.path / relative
    if path.exists():
        aside = next(
            name for n in range(1, 10_000) if not (name := path.with_name(f"{number}-interrupted-{n}")).exists()
        )
        with files.disk_errors(f"cannot move {path}"):
            shutil.move(path, aside)
    return path, relative
