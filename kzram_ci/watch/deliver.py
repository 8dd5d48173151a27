"""The channels by which a report reaches people: a mail file, a webhook, a command of the user's."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from kzram_ci.base import files, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import CommandFailed, CommandTimeout, InfraError, UserError
from kzram_ci.base.values import dataclass
from kzram_ci.model import codec
from kzram_ci.watch.model import Report
from kzram_ci.watch.report import mail, text

SECONDS = 60.0  # for a channel to take a report
MAIL, WEBHOOK, COMMAND = "mail", "webhook", "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """Where reports go. `outbox` always has them: text, JSON and mail; the other two where they are named."""

    outbox: Path
    sender: str = "kzram-ci <kzram-ci@localhost>"
    to: str = "undisclosed-recipients:;"
    webhook: str = ""
    command: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All that a report goes to, in order."""
        return (MAIL, *((WEBHOOK,) if self.webhook else ()), *((COMMAND,) if self.command else ()))

    def check(self) -> None:
        """Raise UserError for what could never work."""
        if self.webhook and urlsplit(self.webhook).scheme not in ("http", "https"):
            raise UserError(f"--webhook {self.webhook}: not an http or https URL")
        if self.command:
            proc.which(self.command[0])

    def deliver(self, channel: str, report: Report) -> None:
        """Give a report to a channel. Raises InfraError; then it is tried again later."""
        if channel == MAIL:
            self._write(report)
        elif channel == WEBHOOK:
            post(self.webhook, as_json(report), report.id, Deadline.after(SECONDS))
        else:
            self._call(report)

    def _write(self, report: Report) -> None:
        """Named by the report: written again it is the same file."""
        with files.disk_errors(f"cannot write into {self.outbox}"):
            self.outbox.mkdir(parents=True, exist_ok=True)
        files.write_atomic(self.outbox / f"{report.id}.txt", text(report))
        files.write_json(self.outbox / f"{report.id}.json", as_json(report))
        files.write_atomic(self.outbox / f"{report.id}.eml", mail(report, sender=self.sender, to=self.to))

    def _call(self, report: Report) -> None:
        """The JSON on its standard input; $KZRAM_REPORT is the text's file."""
        data = json.dumps(as_json(report), indent=2).encode()
        env = {"KZRAM_REPORT": str((self.outbox / f"{report.id}.txt").absolute())}
        try:
            proc.run(self.command, deadline=Deadline.after(SECONDS), input=data, env=env, name=self.command[0])
        except (CommandFailed, CommandTimeout) as error:
            raise InfraError(f"the command for reports: {error.message}") from error


def as_json(report: Report) -> dict[str, Any]:
    """For programs."""
    data: dict[str, Any] = {"version": 1, **codec.to_json(report)}
    for one, found in zip(data["found"], report.found, strict=True):
        one["fingerprint"] = found.fingerprint
        del one["bisectable"]
    return data


class _Stay(HTTPRedirectHandler):
    """A report goes where the user said, nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def post(url: str, data: Mapping[str, Any], identity: str, deadline: Deadline) -> None:
    """POST JSON; a retry has the same Idempotency-Key. Raises InfraError unless the answer is 2xx in time."""
    head = {"Content-Type": "application/json", "User-Agent": "kzram-ci", "Idempotency-Key": identity}
    request = Request(url, data=json.dumps(data).encode(), headers=head, method="POST")
    said: list[str] = []

    def send() -> None:
        try:
            with build_opener(_Stay).open(request, timeout=max(0.1, deadline.remaining())):
                said.append("")
        except HTTPError as error:
            said.append(f"answered {error.code} {error.reason}")
        except (OSError, HTTPException, ValueError) as error:
            said.append(str(getattr(error, "reason", "") or error) or type(error).__name__)

    # urllib's timeout is one for each read: a server that sends a byte a minute would hold it for ever
    thread = threading.Thread(target=send, name="webhook", daemon=True)
    thread.start()
    thread.join(deadline.remaining())
    problem = said[0] if said else "did not answer in time"
    if problem:
        raise InfraError(f"webhook {urlsplit(url).hostname}: {problem}", cause=f"webhook: {problem}")
