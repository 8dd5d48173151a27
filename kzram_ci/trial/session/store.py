"""A trial on disk: facts first, everything else follows from them.

```
runs/<UTC time>-try-<series>-<id>/
  trial.json    what was asked: tests, kernels, series, settings; written once
  state.json    boots, builds, answer; replaced in one step after every boot
  series/       the patches as they were applied
  report.txt  reply.eml  boots/<test>/<before|after|patch-N>/<number>/console.log …
```
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kzram_ci.base import clock, files
from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.model import codec
from kzram_ci.results.layout import cell_folder, slug
from kzram_ci.trial.decide import Side
from kzram_ci.trial.findings import Findings, findings_of
from kzram_ci.trial.model import VERSION, Asked, Facts

ASKED, STATE, SERIES, REPORT, REPLY = "trial.json", "state.json", "series", "report.txt", "reply.eml"


@dataclass(slots=True, kw_only=True)
class Session:
    """An open trial; one process writes it."""

    path: Path
    asked: Asked
    facts: Facts = Facts()

    def findings(self, running: Sequence[tuple[str, Side, int]] = ()) -> Findings:
        """What follows from the facts."""
        return findings_of(self.asked, self.facts, running)

    def keep(self, facts: Facts) -> None:
        """Write down what happened, in one step."""
        self.facts = facts
        files.write_json(self.path / STATE, codec.to_json(facts))


def create(root: Path, asked: Asked) -> Session:
    """Make the directory of a new trial. Raises InfraError (disk)."""
    name = slug(asked.posted.title)[:50].strip("-")
    path = root.absolute() / f"{clock.now_utc():%Y%m%dT%H%M%SZ}-try-{name}-{uuid.uuid4().hex[:6]}"
    files.make_private(path)
    for number, patch in enumerate(asked.posted.patches, start=1):
        name = f"{slug(patch.name)[:80]}" if patch.name[:4].isdigit() else f"{number:04}-{slug(patch.name)[:80]}"
        files.write_atomic(path / SERIES / name, patch.text)
    files.write_json(path / ASKED, codec.to_json(asked))
    session = Session(path=path, asked=asked)
    session.keep(Facts())
    return session


def load(path: Path) -> Session:
    """A trial from its directory. Raises UserError when it is not one, InfraError when it is damaged."""
    path = path.absolute()
    if not (path / ASKED).is_file():
        raise UserError(f"{path} is not a trial: it has no {ASKED}", hint="name a directory runs/…-try-…")
    try:
        asked = codec.from_json(Asked, files.read_json(path / ASKED))
        facts = codec.from_json(Facts, files.read_json(path / STATE)) if (path / STATE).is_file() else Facts()
    except (ValueError, KeyError, TypeError) as error:
        raise InfraError(f"{path} is damaged: {' '.join(str(error).split())[:200]}") from error
    if asked.version != VERSION:
        text = f"the trial in {path} has version {asked.version}, this kzram-ci reads {VERSION}"
        raise UserError(text, hint="start it again without --resume")
    return Session(path=path, asked=asked, facts=facts)


def newest(root: Path) -> Path:
    """The newest trial below a directory of runs. Raises UserError when there is none."""
    found = files.newest_first(root.glob(f"*-try-*/{ASKED}"))
    if not found:
        raise UserError(f"no trial in {root}", hint="kzram-ci try FILE")
    return found[0]


def boot_directory(session: Session, test: str, kind: str, number: int) -> tuple[Path, str]:
    """A fresh directory for a boot; what a killed boot left there is set aside, nothing produced is lost."""
    relative = f"boots/{cell_folder(test)}/{kind}/{number}"
    path = session.path / relative
    with files.disk_errors(f"cannot create {path}"):
        if path.exists():
            aside = next(
                name for n in range(1, 10_000) if not (name := path.with_name(f"{number}-interrupted-{n}")).exists()
            )
            shutil.move(path, aside)
        path.mkdir(parents=True)
    return path, relative
