"""Patches as people have them: a diff, a mail saved from a list, a mailbox of several; decoded to plain diffs. Pure."""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message

_FROM_LINE = re.compile(rb"^From \S+(?: at \S+)? +(?:\w{3} \w{3} [ \d]\d .*|\w{3}, \d.*)$", re.MULTILINE)
_HEADER = re.compile(rb"[A-Za-z][A-Za-z0-9-]*:[ \t]?[^\n]*\n")
_MAIL_ONLY = re.compile(rb"^(?:From|Subject|Message-ID|Content-Transfer-Encoding):", re.MULTILINE | re.IGNORECASE)
_DIFF = re.compile(r"^(?:diff --git a/|--- \S.*\n\+\+\+ \S)", re.MULTILINE)
_TAG = re.compile(r"\[([^\]]*)\]")
_NUMBER = re.compile(r"(\d+)/(\d+)")
_VERSION = re.compile(r"\bv(\d+)\b", re.IGNORECASE)
_GZIP = b"\x1f\x8b"
_PACKED = {b"\xfd7zXZ": "xz", b"BZh": "bzip2", b"(\xb5/\xfd": "zstd", b"PK\x03\x04": "zip"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One patch: its subject without the tags ("" for a bare diff), its place in a series, the text with the diff."""

    subject: str
    text: str
    number: int = 0
    total: int = 0
    version: int = 1


def patches_in(data: bytes) -> tuple[Mail, ...]:
    """The patches of a file, in the order of their series. Raises ValueError with what is wrong.

    Quoted-printable, base64 and gzip are decoded, CRLF of the transport is undone. Replies and cover letters hold no
    patch. Several versions of a series, or one with a gap, are not a series to test.
    """
    plain = _unpacked(data)
    found = [mail for message in _messages(plain) for mail in _patches(message)]
    if not found:
        raise ValueError(_why_none(plain))
    if len(versions := sorted({mail.version for mail in found})) > 1:
        listed = " and ".join(f"v{version}" for version in versions)
        raise ValueError(f"it holds {listed} of a series: give one of them (b4 am fetches the newest)")
    numbered = [mail for mail in found if mail.total]
    if len(numbered) < 2 or len(numbered) < len(found):
        return tuple(found)
    have, total = {mail.number for mail in numbered}, max(mail.total for mail in numbered)
    if missing := [f"{number}/{total}" for number in range(1, total + 1) if number not in have]:
        raise ValueError(f"patch {', '.join(missing)} of the series is missing")
    return tuple(sorted(found, key=lambda mail: mail.number))


def decoded(data: bytes) -> str:
    """The text of a patch file with all its diffs. Raises ValueError."""
    return "\n".join(mail.text for mail in patches_in(data))


def _unpacked(data: bytes) -> bytes:
    if data.startswith(_GZIP):
        try:
            return gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"it is damaged gzip: {error}") from error
    for magic, name in _PACKED.items():
        if data.startswith(magic):
            raise ValueError(f"it is packed with {name}: unpack it first")
    return data


def _messages(data: bytes) -> list[bytes]:
    """The messages of a mailbox; anything else is one message."""
    starts = [match.start() for match in _FROM_LINE.finditer(data.replace(b"\r\n", b" \n"))]
    if not starts or data[: starts[0]].strip():
        return [data]
    parts = [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]
    return [part.partition(b"\n")[2] for part in parts]


def _patches(data: bytes) -> list[Mail]:
    """The patches of one message: of a mail, its parts that hold a diff."""
    head = _head(data)
    if not _MAIL_ONLY.search(head):
        text = _lines(data.decode("utf-8", "surrogateescape"))
        return [Mail(subject="", text=text)] if _DIFF.search(text) else []
    message = message_from_bytes(data)
    subject = _subject(message)
    if re.match(r"(?:re|aw|fwd?):", subject, re.IGNORECASE):
        return []
    tags = " ".join(_TAG.findall(subject))
    number = _NUMBER.search(tags)
    version = _VERSION.search(tags)
    texts = [text for part in message.walk() if (text := _lines(_content(part))) and _DIFF.search(text)]
    return [
        Mail(
            subject=_TAG.sub("", subject).strip(),
            text=text,
            number=int(number[1]) if number else 0,
            total=int(number[2]) if number else 0,
            version=int(version[1]) if version else 1,
        )
        for text in texts
    ]


def _head(data: bytes) -> bytes:
    """The header block at the start, "" when there is none."""
    end, plain = 0, data.replace(b"\r\n", b"\n")
    while (match := _HEADER.match(plain, end)) or (end and plain[end : end + 1] in (b" ", b"\t")):
        end = match.end() if match else plain.find(b"\n", end) + 1 or len(plain)
    return plain[:end]


def _subject(message: Message) -> str:
    raw = message.get("Subject", "")
    try:
        text = str(make_header(decode_header(raw)))
    except (HeaderParseError, LookupError, ValueError):
        text = str(raw)
    return " ".join(text.split())


def _content(part: Message) -> str:
    if part.is_multipart():
        return ""
    payload = part.get_payload(decode=True)
    charset = part.get_content_charset() or "utf-8"
    assert isinstance(payload, bytes)
    if charset in ("utf-8", "us-ascii"):
        return payload.decode("utf-8", "surrogateescape")
    try:
        return payload.decode(charset)
    except (LookupError, UnicodeDecodeError):
        return payload.decode("utf-8", "surrogateescape")


def _lines(text: str) -> str:
    """The text without the CR of a transport. A CR on some lines only is content: a file may have them."""
    if (start := _DIFF.search(text.replace("\r\n", "\n"))) is None or "\r\n" not in text:
        return text
    headers = [line for line in text.split("\n") if line.startswith(("diff --git ", "--- ", "+++ ", "@@ "))]
    return text.replace("\r\n", "\n") if start and all(line.endswith("\r") for line in headers) else text


def _why_none(data: bytes) -> str:
    if b"<html" in data[:4096].lower():
        return "it is a web page, not a patch: take the raw or mbox link"
    if re.search(rb"^[ \t]*&gt;|^&lt;|&amp;", data, re.MULTILINE):
        return "it has no diff; it looks like HTML: take the raw or mbox link"
    return "it has no diff in it"
