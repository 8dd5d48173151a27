"""A reply to the series (RFC 5322): what any mailer or `git send-email` takes. Nothing is sent. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses, parseaddr

from kzram_ci.kernel.posted import Parent
from kzram_ci.trial.findings import Findings
from kzram_ci.trial.reports.text import COLUMNS, report

_QUOTED = 12  # lines of the letter that is answered
_POLICY = SMTP.clone(max_line_length=0, cte_type="8bit", utf8=False, linesep="\n")


def reply(found: Findings, *, now: datetime, message_id: str) -> bytes:
    """The mail, ready to be sent. Raises ValueError for a series that was not posted: there is no one to answer."""
    parent = found.asked.posted.parent
    if not parent.message_id:
        raise ValueError(
            "the series was not given as mail, so there is no one to answer: give a message id or a mailbox"
        )
    mail = EmailMessage(policy=_POLICY)
    if found.asked.tester:
        mail["From"] = _addresses(found.asked.tester)
    mail["To"] = _addresses(parent.sender)
    own = {address.lower() for _, address in getaddresses([found.asked.tester, parent.sender])}
    copied = [pair for pair in getaddresses([parent.to, parent.cc]) if pair[1] and pair[1].lower() not in own]
    if copied:
        mail["Cc"] = _joined(copied)
    mail["Subject"] = parent.subject if re.match(r"re:", parent.subject, re.IGNORECASE) else f"Re: {parent.subject}"
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{message_id}>"
    mail["In-Reply-To"] = f"<{parent.message_id}>"
    mail["References"] = " ".join(
        dict.fromkeys((*re.findall(r"<[^<>\s]+>", parent.references), f"<{parent.message_id}>"))
    )
    mail.set_content("\n".join([*_quoted(parent), *report(found)]) + "\n", cte="8bit")
    return mail.as_bytes()


def _quoted(parent: Parent) -> Iterator[str]:
    name = parseaddr(parent.sender)[0] or parseaddr(parent.sender)[1]
    yield f"On {parent.date}, {name} wrote:" if parent.date else f"{name} wrote:"
    lines = [
        line for line in parent.text.splitlines() if not re.match(r"(?:Signed-off-by|Cc|base-commit|change-id):", line)
    ]
    while lines and not lines[0].strip():
        lines.pop(0)
    shown = lines[:_QUOTED]
    while shown and not shown[-1].strip():
        shown.pop()
    yield from (f"> {line}".rstrip()[: 2 * COLUMNS] for line in shown)
    if len(lines) > _QUOTED:
        yield "> [...]"
    yield ""


def _addresses(text: str) -> tuple[Address, ...]:
    return _joined(getaddresses([text]))


def _joined(pairs: list[tuple[str, str]]) -> tuple[Address, ...]:
    """Addresses as values: a name with a line break or a quote in it cannot add a header."""
    found = []
    for name, address in pairs:
        plain = re.sub(r"[\x00-\x1f]", " ", name).strip()
        try:
            found.append(Address(display_name=plain, addr_spec=address))
        except (ValueError, IndexError):
            continue
        except Exception:  # email.errors.HeaderParseError: an address that is none
            continue
    return tuple(found)
