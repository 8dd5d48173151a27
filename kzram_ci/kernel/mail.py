"""Patches as people have them: a diff, a mail saved from a list, a mailbox of several; decoded to plain diffs. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from kzram_ci.base.expressions import later
from kzram_ci.base.values import dataclass
from kzram_ci.kernel.letter import Letter, letters_in, plain_bytes

_MOST_SHOWN = 20
_LEADING_TAGS = re.compile(r"(?:\s*\[[^\]]*\])*")
_NUMBER = re.compile(r"(?<![\d./])(\d{1,7})/(\d{1,7})(?![\d./])")  # not the versions of 5.4/5.10
_VERSION = re.compile(r"(?:\b|patch)v(\d{1,7})\b", re.IGNORECASE)
_RESEND = re.compile(r"\bresend\b", re.IGNORECASE)
# With the tag of a list or a filter before it, as in `[External] Re:`; behind the tags of a patch it is the subject's.
_REPLY = re.compile(
    r"(?:\[(?![^\]]*(?:patch|rfc|\d/\d))[^\]]*\]\s*)*"
    r"(?:re|aw|antw|antwort|sv|vs|fwd?|wg)\s*(?:\[\d+\]|\^\d+)?\s*[:\uff1a]",
    re.IGNORECASE,
)
# A mailer's own word for it, in any language, before the tags of a patch
_ANSWER = later(r"[^\[\]:\uff1a]{1,20}[:\uff1a]\s*\[[^\]]*patch", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One patch: its subject without the tags ("" for a bare diff), its place in a series, the text with the diff."""

    subject: str
    text: str
    number: int = 0
    total: int = 0
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """What the tags before a subject say: `[PATCH v3 2/7]`. A total of 0: not numbered."""

    subject: str
    number: int = 0
    total: int = 0
    version: int = 1
    resend: bool = False


def tags_of(subject: str) -> Tags:
    """The tags of a subject. Brackets behind the first word belong to the subject."""
    head = match[0] if (match := _LEADING_TAGS.match(subject)) else ""
    number, version = _NUMBER.search(head), _VERSION.search(head)
    return Tags(
        subject=subject[len(head) :].strip(),
        number=int(number[1]) if number else 0,
        total=int(number[2]) if number else 0,
        version=int(version[1]) if version else 1,
        resend=_RESEND.search(head) is not None,
    )


def is_reply(letter: Letter) -> bool:
    """Whether a letter answers another: what it quotes, or adds to a patch, is not the patch."""
    answers = bool(letter.in_reply_to or letter.references)
    return _REPLY.match(letter.subject) is not None or (answers and _ANSWER.match(letter.subject) is not None)


def patches_of(letter: Letter) -> list[Mail]:
    """The patches of one letter: its parts that hold a diff. Raises ValueError for text that was damaged on its way."""
    if is_reply(letter):
        return []
    if letter.damage:
        raise ValueError(letter.damage)
    tags = tags_of(letter.subject)
    return [
        Mail(subject=tags.subject, text=text, number=tags.number, total=tags.total, version=tags.version)
        for text in letter.diffs
    ]


def patches_in(data: bytes) -> tuple[Mail, ...]:
    """The patches of a file, in the order of their series. Raises ValueError with what is wrong.

    Quoted-printable, base64 and gzip are decoded, CRLF of the transport is undone. Replies and cover letters hold no
    patch. Several versions of a series, or one with a gap, are not a series to test.
    """
    plain = plain_bytes(data)
    found = [mail for letter in letters_in(plain) for mail in patches_of(letter)]
    if not found:
        raise ValueError(why_none(plain))
    if len(versions := sorted({mail.version for mail in found})) > 1:
        listed = " and ".join(f"v{version}" for version in versions)
        raise ValueError(f"it holds {listed} of a series: give one of them (b4 am fetches the newest)")
    numbered = [mail for mail in found if mail.total]
    if len(numbered) < 2 or len(numbered) < len(found):
        return tuple(found)
    if missing := missing_of([mail.number for mail in numbered], max(mail.total for mail in numbered)):
        raise ValueError(f"patch {', '.join(missing)} of the series is missing")
    return tuple(sorted(found, key=lambda mail: mail.number))


def missing_of(have: Sequence[int], total: int) -> list[str]:
    """The patches that a series lacks, as 2/7."""
    there = set(have)
    lacking = (f"{number}/{total}" for number in range(1, total + 1) if number not in there)
    found = list(islice(lacking, _MOST_SHOWN + 1))
    return [*found[:_MOST_SHOWN], "…"] if len(found) > _MOST_SHOWN else found


def decoded(data: bytes) -> str:
    """The text of a patch file with all its diffs. Raises ValueError."""
    return "\n".join(mail.text for mail in patches_in(data))


def why_none(data: bytes) -> str:
    """Why there is no patch in what was given."""
    if b"<html" in data[:4096].lower():
        return "it is a web page, not a patch: take the raw or mbox link"
    if re.search(rb"^[ \t]*&gt;|^&lt;|&amp;", data, re.MULTILINE):
        return "it has no diff; it looks like HTML: take the raw or mbox link"
    return "it has no diff in it"
