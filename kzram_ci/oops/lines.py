"""Raw console bytes to logical lines: what the kernel printed, and which task or CPU.

A raw line may hold several logical ones: two writers share a serial port, and a new printk record then starts
in the middle of a line, at its timestamp. Every pattern here is anchored or has bounded repeats, so that a
hostile line costs time linear in its length, and lines are cut at `LINE_CAP`.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from kzram_ci.base.expressions import later

LINE_CAP = 4096  # bytes of a raw line that are looked at; no kernel record is longer (LOG_LINE_MAX is 1024)

_ANSI = later(r"\x1b(?:\[[0-9;?]{0,16}[ -/]?[@-~]|[()][A-Za-z0-9]|[=>c78])")
_CONTROL = later(r"[\x00-\x08\x0b-\x1f\x7f]")
_STAMP = later(  # a printk timestamp, or what `dmesg -T`, `-H`, `-d` and `--show-delta` put in its place
    r"\[(?: {0,7}\d{1,9}\.\d{6}(?: <[ \d.]{1,16}>)?| {0,7}\+\d{1,9}\.\d{6}|<[ \d]{1,8}\.\d{6}>"
    r"|[A-Z][a-z]{2}[ \d]\d \d\d:\d\d|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:[.,]\d{1,6})?(?: \d{4})?)\]"
)
_CALLER = later(r"\[ {0,7}([TC]\d{1,9})\]")
_ANDROID = later(r" {0,2}\[\d{1,3}:[^\[\]]{1,20}: {0,5}\d{1,9}\]")  # vendor trees: [cpu: comm: pid]
_HOST = r"(?:\S{1,64} (?:\S{1,32}\.\S{1,16} )?kernel(?:\[\d{1,9}\])?: ?)"
_OUTER = later(  # journald, syslog, busybox syslogd, dates of a log collector, minicom, tio, ts
    r"(?:\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?\]? "
    r"|\[\d\d:\d\d:\d\d(?:\.\d{1,6})?\] "
    rf"|[A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{{1,9}})? ){_HOST}?"
)
# A clock, then "kernel:": whatever the date's language is, and whatever else stands before it (`grep -n`, a pager)
_CLOCK = r"(?<![\w:.])\d\d?:\d\d:\d\d(?:[.,]\d{1,9})?(?![\w:])"
_FOREIGN = later(r"[^\[\]]{0,60}?(?<![\d:])\d\d?:\d\d:\d\d(?![\d:])[^\[\]]{0,80}?\bkernel(?:\[\d{1,9}\])?: ?")
_DATE = later(rf"\s{{0,8}}\[[^\[\]]{{0,30}}?{_CLOCK}[^\[\]]{{0,16}}\]")  # `dmesg -T` of any locale
_QUOTE = later(r"\s{0,8}(?:> ?){1,8}(?=\S|\s|$)")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&nbsp;": " ", "&amp;": "&"}
_BREAK = later(r"<br ?/?>\s*$")
_ENTITY = later("|".join(_ENTITIES))
_COPY = later(r"\s{0,4}kernel(?:\[\d{1,9}\])?: ?")  # a broadcast of syslogd or journald to terminals
_TOKEN = later(r"(?:\[[^\[\]]{1,24}\]|[a-z]{0,2}\d{1,3})[:|]? {1,2}")  # of vendors: "c1 ", "[core0] "
_NO_TEXT = later(r"[^A-Za-z]*$")
_INNER = later(_HOST)  # `journalctl -o short-monotonic` puts the host behind the timestamp
_KMSG = later(  # /dev/kmsg and extended netconsole: level, sequence number, microseconds, flags
    r"(?:[\w.+-]{1,64},)?\d{1,4},\d{1,20},\d{1,20},[-c+](?:,[\w=.:/-]{1,80}){0,8};"
)
_KMSG_CALLER = later(r",caller=([TC]\d{1,9})")
_JSON = later(r"\s{0,8}(?:- )?\{\s?\"")  # journalctl -o json, container engines, LAVA: a record a line
_MESSAGE = later(r"\"(?:MESSAGE|log|msg|message)\"\s?:\s?(\"(?:[^\"\\]|\\.){0,8192}\")")
_LEVEL = later(r"<\d{1,3}>")
_WORD = later(r"[a-z]{3,7} *: (?=\[)|[a-z]{3,6}  :[a-z]{3,6} *: ")  # `dmesg -x`: "kern  :warn  : "


# A printk record as most consoles show it: nothing before the stamp, the caller, the text
_PLAIN = later(r"(?:<\d{1,3}>)?\[ {0,7}\d{1,9}\.\d{6}\](?:\[ {0,7}([TC]\d{1,9})\])? ?")


class Line(NamedTuple):  # a tuple, since one is made for every line of a report
    """One logical line. `start` and `end` are byte offsets of its raw line; `caller` is T<pid> or C<cpu>."""

    text: str
    caller: str | None
    number: int
    start: int
    end: int
    copy: bool = False  # a broadcast to terminals of what was logged before
    bare: bool = False  # nothing was before the text: it may go on what a mailer broke off

    def without(self, prefix: re.Pattern[str] | None) -> Line:
        """The same line behind a prefix, if it has it."""
        match = prefix.match(self.text) if prefix is not None else None
        return self._replace(text=self.text[match.end() :]) if match else self

    def joined(self, rest: Line) -> Line:
        """The line with the next one, which a mailer or terminal had broken off."""
        return self._replace(text=f"{self.text.rstrip()} {rest.text.lstrip()}", end=rest.end)


def learn(head: str) -> re.Pattern[str] | None:
    """The prefix of a headline as an expression: the same words and signs, any numbers.

    Other lines may have less of it, up to a sign: `kernel_1  | ` where the headline has `kernel_1  | rcu: `.
    """
    if not head or len(head) > 80 or head[-1].isalnum() or not any(map(str.isalnum, head)):
        return None
    expression, at, token = "", len(head), vendor(head)
    for part in reversed(re.findall(r"\d+|[^\W\d]+|\s+|[^\w\s]", head)):
        if expression and (at == token or (head[:at].rstrip()[-1:] in (":", "|", "-") and not head[at].isspace())):
            expression = f"(?:{expression})?"
        expression = (r"\d+" if part.isdigit() else r"\s+" if part.isspace() else re.escape(part)) + expression
        at -= len(part)
    return re.compile(expression)


def vendor(text: str) -> int:
    """How long a token is that a vendor's console puts before each line, 0 without one."""
    match = _TOKEN.match(text)
    return match.end() if match else 0


def clean(raw: bytes) -> str:
    """Text of a raw line without colours, carriage returns and other control bytes."""
    text = raw[:LINE_CAP].decode("utf-8", "replace")
    if "{" in text[:12] and _JSON.match(text):
        text = _message(text)
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if "&" in text and ";" in text:
        text = _ENTITY.sub(lambda match: _ENTITIES[match[0]], text)
    if text[-3:].rstrip().endswith(">") and (match := _BREAK.search(text)):
        text = text[: match.start()]
    return _CONTROL.sub("", text).rstrip("\n")


def _message(text: str) -> str:
    """The kernel's line in a record of JSON; the record where it has none."""
    match = _MESSAGE.search(text)
    if match is None:
        return text
    try:
        return str(json.loads(match[1])).rstrip("\r\n")
    except ValueError:  # a bad escape
        return match[1].strip('"')


def _outer(text: str) -> str:
    if ">" in text[:9] and (match := _QUOTE.match(text)):
        text = text[match.end() :]
    if " kernel" in text[:150] and (match := _FOREIGN.match(text)):
        text = text[match.end() :]
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


def _plain(raw: bytes, number: int, start: int, end: int) -> Line | None:
    """The one record of a raw line that has nothing unusual in it."""
    text = raw.rstrip(b"\r\n").decode("utf-8", "replace")
    match = _PLAIN.match(text)
    if match is None:
        return None
    text = text[match.end() :]
    unusual = (
        len(raw) > LINE_CAP
        or not text.isprintable()
        or "&" in text
        or " kernel" in text[:130]
        or (text[:1] in "[< " and (_ANDROID.match(text) or _LEVEL.match(text)))
        or (text[-1:] == ">" and _BREAK.search(text))
        or ("[" in text and _STAMP.search(text))
    )
    return None if unusual else Line(text, match[1], number, start, end)


def split(raw: bytes, number: int, start: int, end: int) -> list[Line]:
    """The logical lines of one raw line, at least one."""
    if (line := _plain(raw, number, start, end)) is not None:
        return [line]
    whole = text = clean(raw)
    if match := _KMSG.match(text):
        caller = _KMSG_CALLER.search(match[0])
        return [Line(text[match.end() :], caller[1] if caller else None, number, start, end)]
    text = _outer(text)
    copied = _COPY.match(text) if "kernel" in text[:12] else None
    copy = copied is not None
    if copied is not None:
        text = text[copied.end() :]
    stamps = list(_STAMP.finditer(text))
    if not stamps:
        if match := _DATE.match(text):
            body, who = _record(text[match.end() :])
        else:
            # a caller without a timestamp: printk.time=0 with PRINTK_CALLER
            body, who = _record(text) if _CALLER.match(text) else (text, None)
        return [Line(body, who, number, start, end, copy, len(body) == len(whole))]
    lines = []
    head = text[: stamps[0].start()]
    if not _NO_TEXT.match(head):
        lines.append(Line(head, None, number, start, end, copy))
    for index, stamp in enumerate(stamps):
        until = stamps[index + 1].start() if index + 1 < len(stamps) else len(text)
        body, who = _record(text[stamp.end() : until])
        lines.append(Line(body, who, number, start, end, copy))
    return lines
