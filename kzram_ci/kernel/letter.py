"""Mails as values: a mailbox cut into letters, each decoded to its headers and its texts. Nothing in them is run. Pure.

Bounded: what a mailbox unpacks to, how many letters it has and how deep their parts nest.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from kzram_ci.base.expressions import later
from kzram_ci.base.values import dataclass

if TYPE_CHECKING:
    from email.message import Message

MOST_BYTES = 32 << 20
MOST_LETTERS = 2_000
_FROM_LINE = re.compile(rb"^From \S+(?: at \S+)? +(?:\w{3} \w{3} [ \d]\d .*|\w{3}, \d.*)$", re.MULTILINE)
_OF_A_FILE = re.compile(rb"From [0-9a-f]{40,64} Mon Sep 17 00:00:00 2001")  # git format-patch begins its files so
_HEADER = re.compile(rb"[A-Za-z][A-Za-z0-9-]*:[ \t]?[^\n]*\n")
_MAIL_ONLY = re.compile(rb"^(?:From|Subject|Message-ID|Content-Transfer-Encoding):", re.MULTILINE | re.IGNORECASE)
# The head of a mail that is nothing but a text: as git format-patch writes it where all of it is ASCII
_PLAIN_HEAD = later(
    rb"(?:(?!content-|mime-version)[a-z][a-z0-9-]*:[\t -~]*\n(?:[ \t][\t -~]*[!-~][\t ]*\n)*)+\n", re.IGNORECASE
)
_FIELD = later(r"^([A-Za-z][A-Za-z0-9-]*):((?:[^\n]|\n[ \t])*)", re.MULTILINE)
_DIFF = re.compile(r"^(?:diff --git a/|--- \S.*\n\+\+\+ \S)", re.MULTILINE)
_DIFF_IN_PAGE = later(r"(?:^|>|\s)(?:diff --git a/|\+\+\+ b/)")
_SIGNED = "-----BEGIN PGP SIGNED MESSAGE-----"
_CLEAR_SIGNED = later(
    rf"^{_SIGNED}\n(?:\S+: [^\n]*\n)*\n(.*?\n)-----BEGIN PGP SIGNATURE-----$",
    re.MULTILINE | re.DOTALL,
)
_PYTHONS_OWN = frozenset({"idna", "mbcs", "oem", "punycode", "raw_unicode_escape", "undefined", "unicode_escape"})
_GZIP = b"\x1f\x8b"
_PACKED = {b"\xfd7zXZ": "xz", b"BZh": "bzip2", b"(\xb5/\xfd": "zstd", b"PK\x03\x04": "zip"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail: each header as one line of text, and its parts that can be read. A bare diff is a letter without headers.

    `damage`: why a diff in it cannot be trusted; "" where none was found.
    """

    subject: str = ""
    sender: str = ""
    to: str = ""
    cc: str = ""
    date: str = ""
    message_id: str = ""
    references: str = ""
    in_reply_to: str = ""  # a message id
    texts: tuple[str, ...] = ()
    damage: str = ""

    @property
    def diffs(self) -> tuple[str, ...]:
        """The texts with a diff, each once: a patch may be attached and in line."""
        found = [text for text in self.texts if _DIFF.search(text)]
        return tuple({diff_in(text): text for text in reversed(found)}.values())[::-1]


def diff_in(text: str) -> str:
    """The part of a text that begins with a diff."""
    match = _DIFF.search(text)
    return text[match.start() :].rstrip() if match else ""


def plain_bytes(data: bytes) -> bytes:
    """What was given, unpacked. Raises ValueError for damage, another packer, and what is too large."""
    if data.startswith(_GZIP):
        data = _gunzipped(data)
    for magic, name in _PACKED.items():
        if data.startswith(magic):
            raise ValueError(f"it is packed with {name}: unpack it first")
    if len(data) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES >> 20} MiB: that is not a series of patches")
    return data


def _gunzipped(data: bytes) -> bytes:
    found = b""
    try:
        while data:  # a file may have several members
            stream = zlib.decompressobj(wbits=31)
            found += stream.decompress(data, MOST_BYTES + 1 - len(found))
            if len(found) > MOST_BYTES:
                raise ValueError(f"it unpacks to more than {MOST_BYTES >> 20} MiB: that is not a series of patches")
            if not stream.eof:
                raise ValueError("it is damaged gzip: its end is missing")
            data = stream.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise ValueError(f"it is damaged gzip: {error}") from error
    return found


def letters_in(data: bytes) -> list[Letter]:
    """The letters of a mailbox, or the one that anything else is. Raises ValueError for more than can be a thread."""
    parts = _messages(data)
    if len(parts) > MOST_LETTERS:
        raise ValueError(f"it holds {len(parts):,} mails: give one thread")
    return [letter for part in parts for letter in _letters(part)]


def _messages(data: bytes) -> list[bytes]:
    """The messages of a mailbox; anything else is one message."""
    found = list(_FROM_LINE.finditer(data.replace(b"\r\n", b" \n")))
    if not found or data[: found[0].start()].strip():
        return [data]
    if not _OF_A_FILE.match(found[0][0]):  # in the mailbox of a list, such a line is in an attachment
        found = [match for match in found if not _OF_A_FILE.match(match[0])]
    starts = [match.start() for match in found]
    parts = [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]
    return [part.partition(b"\n")[2] for part in parts]


def _letters(data: bytes) -> list[Letter]:
    """A message as a letter, and those that are attached to it as letters of their own."""
    if not _MAIL_ONLY.search(_head(data)):
        return [Letter(texts=(_lines(data.decode("utf-8", "surrogateescape")),))]
    if (plain := _plain_letter(data)) is not None:
        return [plain]
    from email import message_from_bytes

    try:
        messages: list[Any] = [message_from_bytes(data)]
        for message in messages:  # grows: what was forwarded has its own subject and sender
            if len(messages) > MOST_LETTERS:
                raise ValueError(f"it holds more than {MOST_LETTERS:,} mails: give one thread")
            messages += (part for part in _parts(message) if part.get_content_type() == "message/rfc822")
        found = [
            _letter(message.get_payload(0) if message.get_content_type() == "message/rfc822" else message)
            for message in messages
        ]
    except RecursionError:
        raise ValueError("its parts nest deeper than those of any mail") from None
    return found


def _plain_letter(data: bytes) -> Letter | None:
    """A mail that is one text, in no code of a transport, read without the parser of mails; None for all others."""
    head = _PLAIN_HEAD.match(data)
    if head is None or b"=?" in head[0] or b"\r" in data:
        return None
    fields: dict[str, str] = {}
    for field in _FIELD.finditer(head[0].decode("ascii")):
        fields.setdefault(field[1].lower(), " ".join(field[2].split()))
    text = _lines(_opened(data[head.end() :].decode("utf-8", "surrogateescape")))
    return _with_fields(lambda name: fields.get(name.lower(), ""), (text,), "")


def _with_fields(text_of: Callable[[str], str], texts: tuple[str, ...], damage: str) -> Letter:
    return Letter(
        subject=text_of("Subject"),
        sender=text_of("From"),
        to=text_of("To"),
        cc=text_of("Cc"),
        date=text_of("Date"),
        message_id=text_of("Message-ID").strip("<>"),
        references=text_of("References"),
        in_reply_to=next(iter(re.findall(r"<([^<>\s]+)>", text_of("In-Reply-To"))), ""),
        texts=texts,
        damage=damage,
    )


def _parts(message: Any) -> Iterator[Any]:
    """The parts of a message that hold something, in their order: not the signature, nor what attached mails hold."""
    if message.get_content_type() == "message/rfc822":
        message = message.get_payload(0)
    if not message.is_multipart():
        yield message
        return
    inner = message.get_payload()
    for part in inner[:1] if message.get_content_type() == "multipart/signed" else inner:
        if part.get_content_type() == "message/rfc822":
            yield part
        else:
            yield from _parts(part)


def _letter(message: Message) -> Letter:
    texts, damage, pages = [], "", 0
    for part in _parts(message):
        if part.get_content_type() == "message/rfc822":
            continue
        text = _lines(_opened(_content(part)))
        if part.get_content_type() == "text/html":  # what a mailer made of the text
            pages += bool(_DIFF_IN_PAGE.search(text))
            continue
        if str(part.get_param("format", "")).lower() == "flowed" and _DIFF.search(text):
            text, damage = _unflowed(text, delsp=str(part.get_param("delsp", "")).lower() == "yes")
        texts.append(text)
    if pages and not any(_DIFF.search(text) for text in texts):
        damage = "it was sent as HTML only, which loses blanks: ask for it by git send-email, or as an attachment"
    return _with_fields(lambda name: _text(message, name), tuple(texts), damage)


def _head(data: bytes) -> bytes:
    """The header block at the start, "" when there is none."""
    end, plain = 0, data[: 1 << 20].replace(b"\r\n", b"\n")
    while (match := _HEADER.match(plain, end)) or (end and plain[end : end + 1] in (b" ", b"\t")):
        end = match.end() if match else plain.find(b"\n", end) + 1 or len(plain)
    return plain[:end]


def _text(message: Message, name: str) -> str:
    raw = next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")
    raw = raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace")  # some mailers do not encode headers
    if "=?" not in raw:  # no encoded word: what `decode_header` takes long to find out
        return " ".join(raw.split())
    from email.errors import MessageError
    from email.header import decode_header, make_header

    try:
        words = decode_header(raw)
        foreign = [charset for _, charset in words if charset and _charset(charset) in _PYTHONS_OWN]
        text = raw if foreign else str(make_header(words))
    except (MessageError, LookupError, ValueError):
        text = raw
    return " ".join(text.split())


def _content(part: Message) -> str:
    payload = part.get_payload(decode=True)
    charset = part.get_content_charset() or "utf-8"
    if not isinstance(payload, bytes):
        return ""
    if charset in ("utf-8", "us-ascii"):
        return payload.decode("utf-8", "surrogateescape")
    try:
        if _charset(charset) not in _PYTHONS_OWN:
            return payload.decode(charset)
    except (LookupError, ValueError):  # unknown, and not what it says it is
        pass
    return payload.decode("utf-8", "surrogateescape")


def _charset(name: str) -> str:
    return codecs.lookup(name).name.replace("-", "_")


def _opened(text: str) -> str:
    """The text of a clear-signed message as it was before: lines that began with a dash had "- " added (RFC 4880)."""
    match = _CLEAR_SIGNED.search(text.replace("\r\n", "\n")) if _SIGNED in text else None
    if match is None:
        return text
    return "\n".join(line.removeprefix("- ") for line in match[1].split("\n"))


def _lines(text: str) -> str:
    """The text without the CR of a transport. A CR on some lines only is content: a file may have them."""
    if "\r\n" not in text or (start := _DIFF.search(text.replace("\r\n", "\n"))) is None:
        return text
    headers = [line for line in text.split("\n") if line.startswith(("diff --git ", "--- ", "+++ ", "@@ "))]
    return text.replace("\r\n", "\n") if start and all(line.endswith("\r") for line in headers) else text


_FLOWED = (
    "it was sent with format=flowed, which wraps lines and drops blanks, and what is left is not a whole diff"
    " ({why}): ask for it by git send-email, or as an attachment"
)


def _unflowed(text: str, *, delsp: bool) -> tuple[str, str]:
    """A text of format=flowed (RFC 3676) as it was typed, and why that is not a patch; "" when it is one."""
    from kzram_ci.kernel import diff

    why = ""
    for candidate in ("\n".join(_joined(text, delsp=delsp)), text):
        try:
            if diff.files(candidate):
                return candidate, ""
        except ValueError as error:
            why = why or str(error)
    return text, _FLOWED.format(why=why or "it has no hunk")


def _joined(text: str, *, delsp: bool) -> Iterator[str]:
    """The lines, those that end with a blank joined with the next, the blank that protects a line taken away."""
    held = ""
    for line in text.split("\n"):
        plain = line.removeprefix(" ")
        if plain.endswith(" ") and plain != "-- ":
            held += plain[:-1] if delsp else plain
            continue
        yield held + plain
        held = ""
    if held:
        yield held
