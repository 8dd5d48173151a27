r"""Text from a guest is hostile: make every character visible before it enters XML, HTML, Markdown or a terminal. Pure.

A console holds terminal escapes, half characters and NULs. XML 1.0 has no way to write most of them, and a
terminal would obey them. They become `\x1b`-like escapes: nothing is dropped silently, nothing acts.
"""

from __future__ import annotations

import re

# What XML 1.0 cannot hold (section 2.2), what it discourages (C1 controls, non-characters), what acts on a
# terminal (the same C1 controls) and what reverses the reading order (bidirectional controls).
_UNSAFE = re.compile(
    "[^\t\n\x20-\x7e\xa0-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]"
    "|[" + "".join(f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(1, 17)) + "]"
)
_BEYOND_ASCII = re.compile("[^\t\n\x20-\x7e]")  # ten times as fast; most text holds none
_BYTE_IN_SURROGATE = range(0xDC80, 0xDD00)  # where `surrogateescape` hides an undecodable byte


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code in _BYTE_IN_SURROGATE:
        code -= 0xDC00
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def visible(text: str) -> str:
    """The text with every unsafe character escaped; CR LF becomes LF, as a serial console means it."""
    text = text.replace("\r\n", "\n")
    return _UNSAFE.sub(_escape, text) if _BEYOND_ASCII.search(text) else text


def decode(data: bytes) -> str:
    r"""Bytes of a log as safe text; what is not UTF-8 shows as `\xNN`."""
    return visible(data.decode("utf-8", "backslashreplace"))


def one_line(text: str, limit: int = 200) -> str:
    """Safe text on one line, at most `limit` characters, for titles and table cells."""
    line = " ".join(visible(text).split())
    return line if len(line) <= limit else line[: max(0, limit - 1)] + "…"


def cut(text: str, limit: int, *, tail: bool = False) -> str:
    """At most about `limit` characters of safe text, the head or the `tail`, with a note on what is missing."""
    safe = visible(text)
    if len(safe) <= limit:
        return safe
    missing = f"[… {len(safe) - limit:,} characters cut …]"
    return f"{missing}\n{safe[-limit:]}" if tail else f"{safe[:limit]}\n{missing}"
