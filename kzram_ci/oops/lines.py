"""Raw console bytes to logical lines: what the kernel printed, and which task or CPU.

A raw line may hold several logical ones: two writers share a serial port, and a new printk record then starts
in the middle of a line, at its timestamp. Every pattern here is anchored or has bounded repeats, so that a
hostile line costs time linear in its length, and lines are cut at `LINE_CAP`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LINE_CAP = 4096  # bytes of a raw line that are looked at; no kernel record is longer (LOG_LINE_MAX is 1024)

_ANSI = re.compile(r"\x1b(?:\[[0-9;?]{0,16}[ -/]?[@-~]|[()][A-Za-z0-9]|[=>c78])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_STAMP = re.compile(  # a printk timestamp, or the date that `dmesg -T` puts in its place
    r"\[(?: {0,7}\d{1,9}\.\d{6}|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:[.,]\d{1,6})?(?: \d{4})?)\]"
)
_CALLER = re.compile(r"\[ {0,7}([TC]\d{1,9})\]")
_ANDROID = re.compile(r" {0,2}\[\d{1,3}:[^\[\]]{1,20}: {0,5}\d{1,9}\]")  # vendor trees: [cpu: comm: pid]
_HOST = r"(?:\S{1,64} (?:\S{1,32}\.\S{1,16} )?kernel(?:\[\d{1,9}\])?: ?)"
_OUTER = re.compile(  # journald, syslog, busybox syslogd, dates of a log collector, minicom, tio, ts
    r"(?:\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?\]? "
    r"|\[\d\d:\d\d:\d\d(?:\.\d{1,6})?\] "
    rf"|[A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{{1,9}})? ){_HOST}?"
)
_INNER = re.compile(_HOST)  # `journalctl -o short-monotonic` puts the host behind the timestamp
_KMSG = re.compile(  # /dev/kmsg and extended netconsole: level, sequence number, microseconds, flags
    r"(?:[\w.+-]{1,64},)?\d{1,4},\d{1,20},\d{1,20},[-c+](?:,[\w=.:-]{1,80}){0,8};"
)
_KMSG_CALLER = re.compile(r",caller=([TC]\d{1,9})")
_LEVEL = re.compile(r"<\d{1,3}>")
_WORD = re.compile(r"[a-z]{3,7} *: (?=\[)|[a-z]{3,6}  :[a-z]{3,6} *: ")  # `dmesg -x`: "kern  :warn  : "


@dataclass(frozen=True, slots=True)
class Line:
    """One logical line. `start` and `end` are byte offsets of its raw line; `caller` is T<pid> or C<cpu>."""

    text: str
    caller: str | None
    number: int
    start: int
    end: int


def clean(raw: bytes) -> str:
    """Text of a raw line without colours, carriage returns and other control bytes."""
    text = raw[:LINE_CAP].decode("utf-8", "replace")
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    return _CONTROL.sub("", text).rstrip("\n")


def _outer(text: str) -> str:
    for pattern in (_LEVEL, _OUTER, _WORD, _LEVEL):
        if match := pattern.match(text):
            text = text[match.end() :]
    return text


def _record(text: str) -> tuple[str, str | None]:
    """What follows a timestamp: the caller, then the text."""
    caller = None
    if match := _CALLER.match(text):
        caller = match[1]
        text = text[match.end() :]
    elif match := _ANDROID.match(text):
        text = text[match.end() :]
    text = text.removeprefix(" ")
    if "kernel" in text[:130] and (match := _INNER.match(text)):
        text = text[match.end() :]
    if match := _LEVEL.match(text):
        text = text[match.end() :]
    return text, caller


def split(raw: bytes, number: int, start: int, end: int) -> list[Line]:
    """The logical lines of one raw line, at least one."""
    text = clean(raw)
    if match := _KMSG.match(text):
        caller = _KMSG_CALLER.search(match[0])
        return [Line(text[match.end() :], caller[1] if caller else None, number, start, end)]
    text = _outer(text)
    stamps = list(_STAMP.finditer(text))
    lines = []
    head = text[: stamps[0].start()] if stamps else text
    if not stamps:
        # a caller without a timestamp: printk.time=0 with PRINTK_CALLER
        body, who = _record(text) if _CALLER.match(text) else (text, None)
        return [Line(body, who, number, start, end)]
    if head.strip():
        lines.append(Line(head, None, number, start, end))
    for index, stamp in enumerate(stamps):
        until = stamps[index + 1].start() if index + 1 < len(stamps) else len(text)
        body, who = _record(text[stamp.end() : until])
        lines.append(Line(body, who, number, start, end))
    return lines
