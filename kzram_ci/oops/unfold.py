"""Records that a mailer, a terminal or a pager folded at a column, made whole again.

Only logs whose records begin with a stamp or a date can be told from folded ones: there a line without one goes on the
record before it, if the fold was needed, so the column is learned from the log. What comes out has the same length, so
that places in it are places in the log: what is taken out is put behind the record, as control bytes that are not text.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

from kzram_ci.base.expressions import later
from kzram_ci.base.values import dataclass

SAMPLE = 1 << 16  # bytes that tell whether a log is folded
LONGEST = 1 << 13  # of a record
NARROWEST, WIDEST = 56, 140  # columns that people's programs fold at
FEW = 3  # folds that prove little
USUAL = (72, 80, 100, 120, 132)  # columns of terminals
MOSTLY = 0.6  # of the lines without a stamp begin where a fold was needed
NOTHING = b"\x01"

_QUOTE = rb"[ \t]{0,8}(?:> ?){0,8}"
_BEGINS = later(
    _QUOTE + rb"(?:(?:<\d{1,3}>)?(?:[\w.+-]{1,64},)?(?:\d{1,4},\d{1,20},\d{1,20},"  # /dev/kmsg
    rb"|\[ {0,7}\d{1,9}\.\d{6}\]"  # a printk stamp
    rb"|[^\[\]\n]{0,28}?\d\d?:\d\d:\d\d[ .,]|\[[^\[\]\n]{1,40}?:\d\d[^\[\]\n]{0,16}\]))"  # a date in any language
)
_LINE = later(rb"[^\n]*\n|[^\n]+\Z")


@dataclass(frozen=True, slots=True)
class Column:
    """Where a log is folded; `hard`: at the very column, in the middle of a word."""

    width: int
    hard: bool

    def needed(self, before: int, word: int) -> bool:
        """Whether a line so long was folded in front of a word so long."""
        if self.hard:
            return before == self.width
        return before <= self.width < before + 1 + word


@dataclass(frozen=True, slots=True)
class _Piece:
    """A raw line: whether it begins a record, its width, its text, the same behind blanks, the width of a word."""

    begins: bool
    width: int
    whole: bytes
    text: bytes
    word: int


def _piece(raw: bytes) -> _Piece:
    body = raw.rstrip(b"\r\n")
    quote = re.match(_QUOTE, body)
    whole = body[quote.end() :] if quote and b">" in quote[0] else body
    if _BEGINS.match(body):
        return _Piece(True, len(whole), whole, whole, 0)
    text = whole.lstrip(b" \t")
    return _Piece(False, len(whole), whole, text, len(text.split(b" ", 1)[0]))


def column(sample: bytes) -> Column | None:
    """Where a log is folded, None if it is not, or if that cannot be told."""
    pieces = [_piece(line) for line in _LINE.findall(sample[: sample.rfind(b"\n") + 1])]
    pairs = [
        (first.width, second.word)
        for first, second in pairwise(pieces)
        if second.text and not second.begins and first.text
    ]
    stamped = sum(piece.begins for piece in pieces)
    widths = Counter(width for width, _ in pairs if NARROWEST <= width <= WIDEST)
    if not widths or stamped < len(pairs) // 4:
        return None
    least = MOSTLY * len(pairs)
    often, count = widths.most_common(1)[0]
    wider = any(piece.width > often for piece in pieces)
    # stamps of one length fold at one column, too; only who cuts leaves blanks at both sides
    blanks = [second.whole[:1] == b" " for first, second in pairwise(pieces) if first.width == often and second.text]
    usual = often in USUAL or 0 < sum(blanks) < len(blanks)
    if count >= least and not wider and usual and len(widths) <= 1 + count // 10:
        return Column(often, hard=True)
    # each fold leaves a range of columns at which it was needed; the widest one that most have in common
    soft = [Column(width, hard=False) for width in range(min(widths), WIDEST + 1)]
    most, _, best = max(((sum(one.needed(*pair) for pair in pairs), one.width, one) for one in soft), key=_rank)
    # a line that is longer has no blank to fold at
    longer = sum(piece.width > best.width and b" " in piece.text[8 : best.width] for piece in pieces)
    return best if most >= least and longer <= len(pairs) // FEW // 4 else None


def _rank(found: tuple[int, int, Column]) -> tuple[int, int]:
    return found[:2]


class Unfolder:
    """Whole records of a folded log, piece by piece; any other log passes through as it came."""

    def __init__(self) -> None:
        self._held = b""
        self._decided = False
        self.column: Column | None = None

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take bytes; those that are decided on, as they came and unfolded."""
        if self._decided and self.column is None:
            return data, data
        self._held += data
        if not self._decided and len(self._held) < SAMPLE:
            return b"", b""
        self._decide()
        return self._upto(self._whole() if self.column is not None else len(self._held))

    def finish(self) -> tuple[bytes, bytes]:
        """The same of what is left: the log is over."""
        self._decide()
        return self._upto(len(self._held))

    def _decide(self) -> None:
        if not self._decided:
            self._decided, self.column = True, column(self._held[:SAMPLE])

    def _upto(self, end: int) -> tuple[bytes, bytes]:
        ready, self._held = self._held[:end], self._held[end:]
        return ready, unfolded(ready, self.column) if self.column is not None else ready

    def _whole(self) -> int:
        """Where the last record begins: it may go on."""
        end = self._held.rfind(b"\n") + 1
        floor = max(0, len(self._held) - LONGEST)
        while end > floor:
            begin = self._held.rfind(b"\n", 0, end - 1) + 1
            if _BEGINS.match(self._held, begin, end):
                return begin
            end = begin
        return self._held.rfind(b"\n") + 1


def unfolded(block: bytes, where: Column) -> bytes:
    """Whole lines with every fold taken out, of the same length."""
    out: list[bytes] = []
    record: list[bytes] = []  # its pieces without their ends
    ending, length, width = b"", 0, 0

    def close() -> None:
        body = b"".join(record)
        out.append(body + NOTHING * (length - len(body) - len(ending)) + ending)

    for line in _LINE.findall(block):
        piece = _piece(line)
        goes_on = record and not piece.begins and piece.text and where.needed(width, piece.word)
        if goes_on:
            record += [piece.whole] if where.hard else [b" ", piece.text]
        else:
            close()
            record, length = [line.rstrip(b"\r\n")], 0
        ending, length, width = line[len(line.rstrip(b"\r\n")) :], length + len(line), piece.width
    close()
    return b"".join(out)
