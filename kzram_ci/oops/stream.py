"""The live parser: bytes go in as they come, oopses come out as soon as they are complete.

Clean text is never split into lines: `bytes.find` looks for the literal of every headline, and only a line that
holds one is looked at. From a headline on, lines are read one by one until the report is over. Memory is bounded by
one chunk, one capped line and the caps of report.py, whatever is fed.
"""

from __future__ import annotations

import re
from collections import deque

from kzram_ci.oops import catalogue, relations
from kzram_ci.oops.catalogue import Row
from kzram_ci.oops.frames import parse_frame
from kzram_ci.oops.lines import LINE_CAP, Line, learn, split, vendor
from kzram_ci.oops.model import Oops
from kzram_ci.oops.report import Report, belongs
from kzram_ci.oops.scout import Scout
from kzram_ci.oops.title import finish
from kzram_ci.oops.unfold import Unfolder

CHUNK = 1 << 20
MAX_OPEN = 32  # reports of as many callers at a time
MAX_PARKED = 8
TORN = 40  # bytes: a line that a mailer broke is no shorter
LOOK_BACK = 16_384  # bytes, for a boot banner and for the lower half of a report
MAX_HALF = 200  # lines of that half
SOON = 40  # lines after a fault in which a boot is what became of it
AFTERMATH = 400  # lines after a report in which the panic it caused may come


class StreamParser:
    """Feed it bytes in pieces of any size.

    With `settle` an oops is handed out only when nothing can be added to it any more, so that it also holds the
    panic it led to; without, at its own end mark. Each oops is handed out once.
    """

    def __init__(self, *, settle: bool = False) -> None:
        """`settle=False` is for a guest that still runs, `True` for a saved log."""
        self._settle = settle
        self._unfolder = Unfolder() if settle else None  # a guest's console is not folded
        self._tail = self._raw_tail = b""  # an incomplete line, and as it came
        self._skip = False  # the rest of an overlong line is dropped
        self._offset = 0  # of the next byte that is not part of a line yet
        self._number = 1  # of the line that begins there
        self._open: list[Report] = []
        self._parked: list[Report] = []  # interrupted by another, of another CPU where there are no caller ids
        self._after: list[tuple[Report, int]] = []  # complete, waiting for their panic; line they ended at
        self._out: list[Oops] = []
        self._first: str | None = None  # the first line that is not blank
        self._recent = b""  # the end of what came before the chunk
        self._boot_line = 0
        self._prefix: re.Pattern[str] | None = None  # of the open report's lines, learned from its headline
        self._torn: Line | None = None  # may be the first half of a headline

    @property
    def pending(self) -> Oops | None:
        """The oldest report that has begun and is not over, as far as it is known."""
        begun = [report for report in (*self._open, *self._parked) if not report.empty]
        begun.sort(key=lambda report: report.line.start)
        return finish(begun[0]) if begun else None

    def feed(self, data: bytes) -> list[Oops]:
        """Take bytes; the oopses that are complete now, in the order of their headlines."""
        self._pieces(*(self._unfolder.feed(data) if self._unfolder is not None else (data, data)))
        return self._drain()

    def _pieces(self, raw: bytes, data: bytes) -> None:
        for begin in range(0, len(data), CHUNK):
            end = begin + CHUNK
            self._feed(data[begin:end], None if raw is data else raw[begin:end])

    def finish(self) -> list[Oops]:
        """The log is over, or silent for long: hand out reports that have begun, unfinished. More may be fed later."""
        if self._unfolder is not None:
            self._pieces(*self._unfolder.finish())
        if self._tail:
            tail, self._tail, self._raw_tail = self._tail, b"", b""
            self._raw_line(tail, self._offset, self._offset + len(tail), self._number)
            self._offset += len(tail)
        for report in (*self._open, *self._parked):
            self._close(report)
        self._open.clear()
        self._parked.clear()
        self._out += [finish(report) for report, _ in self._after if self._settle]
        self._after.clear()
        return self._drain()

    # ---- bytes to lines

    def _drain(self) -> list[Oops]:
        out, self._out = self._out, []
        return sorted(out, key=lambda oops: oops.start)

    def _feed(self, data: bytes, raw: bytes | None) -> None:
        """`raw`: the same bytes with line breaks where a log was folded; None where it was not."""
        if self._skip:
            cut = data.find(b"\n")
            if cut < 0:
                self._offset += len(data)
                return
            self._skip = False
            self._offset += cut + 1
            self._number += 1
            data, raw = data[cut + 1 :], None if raw is None else raw[cut + 1 :]
        if raw is not None:
            raw = self._raw_tail + raw
        data = self._tail + data
        end = data.rfind(b"\n") + 1
        self._tail, self._raw_tail = data[end:], b"" if raw is None else raw[end:]
        if end:
            self._lines(data[:end], raw)
        if len(self._tail) > LINE_CAP:  # no line of the kernel; look at its beginning, drop the rest
            self._raw_line(self._tail, self._offset, self._offset + len(self._tail), self._number)
            self._offset += len(self._tail)
            self._tail, self._raw_tail, self._skip, self._recent = b"", b"", True, b""

    def _lines(self, block: bytes, raw: bytes | None) -> None:
        """Whole lines: line by line inside of reports, by literals outside."""
        base, start, counted = self._offset, 0, block if raw is None else raw
        if self._first is None:
            self._note_first(block)
        scout = Scout(block)
        hit: int | None = -1  # where the next word of a headline is, None when there is none
        while start < len(block):
            if hit is not None and hit < start:
                hit = scout.next(start)
            if self._open or self._parked or self._torn is not None:
                stop = block.find(b"\n", start) + 1
                marked = hit is not None and hit < stop
                self._context = (block, start) if marked else self._context
                self._raw_line(block[start:stop], base + start, base + stop, self._number, marked=marked)
                self._number += 1 if raw is None else counted.count(b"\n", start, stop)
                start = stop
                continue
            if hit is None:
                break
            begin = block.rfind(b"\n", start, hit) + 1 or start
            self._number += counted.count(b"\n", start, begin)
            stop = block.find(b"\n", hit) + 1
            self._context = (block, begin)
            self._raw_line(block[begin:stop], base + begin, base + stop, self._number)
            self._number += 1 if raw is None else counted.count(b"\n", begin, stop)
            start = stop
        self._number += counted.count(b"\n", start, len(block))
        self._offset = base + len(block)
        self._recent = (self._recent + block)[-LOOK_BACK:]
        self._context = None
        self._expire()

    _context: tuple[bytes, int] | None = None

    def _before(self, count: int) -> bytes:
        """So many bytes before the line that is looked at, however the log came in pieces."""
        block, begin = self._context or (b"", 0)
        near = block[max(0, begin - count) : begin]
        return near if len(near) == count else (self._recent + near)[-count:]

    def _note_first(self, block: bytes) -> None:
        for raw in block[:4096].split(b"\n"):
            if raw.strip():
                self._first = split(raw, 0, 0, 0)[0].text
                return

    def _raw_line(self, raw: bytes, start: int, end: int, number: int, *, marked: bool = True) -> None:
        """`marked`: it may hold a headline."""
        for line in split(raw, number, start, end):
            self._line(line, marked=marked)

    # ---- lines to reports

    def _line(self, line: Line, *, marked: bool) -> None:
        if self._prefix is not None:
            line = line.without(self._prefix)
        found = None
        if marked or self._torn is not None:
            line, found = self._find(line)
        elif len(self._open) == 1 and not self._parked:
            self._content(line, self._open[0])
            return
        mine = next((report for report in self._open if report.caller == line.caller), None)
        if found is not None:
            self._headline(line, mine, *found)
            self._sweep()
            return
        if mine is None and line.bare:  # it may go on a line that a mailer broke; then it is of the same caller
            mine = next((report for report in self._open if report.waits), None)
        if self._parked:
            mine = self._switched(line, mine)
        for report in self._open:
            if report is mine or (mine is None and report.wants_cpus and self._answers(line)):
                report.add(line)
            elif report.caller is not None:
                report.tick()
        self._sweep()

    def _content(self, line: Line, report: Report) -> None:
        """A line without a headline while one report is open: what most lines are."""
        mine = report.caller == line.caller or (line.bare and report.waits)
        if mine or (report.wants_cpus and self._answers(line)):
            report.add(line)
        elif report.caller is not None:
            report.tick()
        if report.done:
            self._sweep()

    def _find(self, line: Line) -> tuple[Line, tuple[Row, re.Match[str]] | None]:
        """The headline this line is, also behind a vendor's token or together with the half before it."""
        torn, self._torn = self._torn, None
        found = catalogue.find(line.text)
        if torn is not None and line.bare and (found is None or found[0].follows):
            found = None
            whole = torn.joined(line)
            better = catalogue.find(whole.text)
            if better and better[1].end() > len(torn.text):
                self._open = [report for report in self._open if report.line is not torn]  # it was known by half
                return whole, better
        if line.end - line.start >= TORN and catalogue.marked(line.text):
            self._torn = line
        if found is None and (cut := vendor(line.text)) and (found := catalogue.find(line.text[cut:])):
            self._prefix = learn(line.text[:cut])
            line = line.without(self._prefix)
        return line, found

    def _headline(self, line: Line, mine: Report | None, row: Row, match: re.Match[str]) -> None:
        """A new report, or a part of one that is open, waits, or is over."""
        if line.copy and (self._open or self._after or self._parked):
            return  # it was logged before it was broadcast
        if row.kind == "unknown" and mine is None and not self._parked:
            self._headless(line, row, match)
            return
        if mine is not None and mine.named_again(row, match, line):
            return
        if mine is not None and self._continues(mine, row.kind, row.follows, line.number):
            mine.add(line)
        elif (waiting := self._continued(line, row.kind, row.follows)) is not None:
            self._switch(mine, waiting).add(line)
        elif mine is None and self._belongs_to_finished(line, row.kind):
            return
        elif row.kind != "unexpected_reboot" or self._unexpected(line):
            if mine is not None:
                self._interrupt(mine)
            if len(self._open) < MAX_OPEN:
                self._open.append(Report(row, match, line))
                self._prefix = self._prefix or learn(catalogue.unmarked(line.text[: match.start()]))

    def _headless(self, line: Line, row: Row, match: re.Match[str]) -> None:
        """An end without a beginning: the log, or what was posted of it, starts in the middle of a report."""
        if self._after or self._open:
            return  # the end of what was found already
        before = self._before(LOOK_BACK)
        at, kept = line.start, deque[Line]()
        for number, raw in enumerate(reversed(before.removesuffix(b"\n").split(b"\n")), start=1):
            at -= len(raw) + 1
            if at < 0:  # what came before is not known
                break
            records = split(raw, line.number - number, at, at + len(raw) + 1)
            records = [each for each in records if each.caller == line.caller and not catalogue.marked(each.text)]
            if not records or len(kept) > MAX_HALF or not all(belongs(each.text) for each in records):
                break
            kept.extendleft(reversed(records))
        while kept and not kept[0].text.strip():
            kept.popleft()
        if not any(parse_frame(each.text) for each in kept):
            return
        report = Report(row, match, kept[0])
        for each in (*kept, line):
            report.add(each)
        self._open.append(report)

    def _interrupt(self, report: Report) -> None:
        """A headline came within a report: another CPU's where there are no caller ids. The rest may still come."""
        self._open.remove(report)
        bare = not report.has_frames() and not report.pointers
        if bare and report.kind in relations.PRINTED_ALONE and not report.row.proof and len(self._parked) < MAX_PARKED:
            self._parked.append(report)
        else:
            self._close(report)

    def _switched(self, line: Line, mine: Report | None) -> Report | None:
        """The report that goes on with this line: "CPU: 1 … PID: 72" says whose lines follow."""
        for report in [report for report in self._parked if report.end_line + AFTERMATH < line.number]:
            self._parked.remove(report)
            self._close(report)
        found = relations.CPU_LINE.match(line.text)
        if found is None or (mine is not None and mine.header.pid == int(found[2])):
            return mine
        waiting = [report for report in self._parked if report.caller == line.caller]
        known = [report for report in waiting if report.header.pid == int(found[2])]
        if mine is None or mine.header.pid is not None:
            known += [report for report in waiting if report.header.pid is None]
        return self._switch(mine, known[0]) if known else mine

    def _continued(self, line: Line, kind: str, follows: bool) -> Report | None:
        """The parked report that a second headline ("Oops: 0000") belongs to."""
        waiting = [each for each in self._parked if each.caller == line.caller and kind != "panic"]
        return next((each for each in waiting if self._continues(each, kind, follows, line.number)), None)

    def _switch(self, mine: Report | None, waiting: Report) -> Report:
        """A parked report goes on; the one that was open waits for the rest of its lines."""
        if mine is not None:
            self._open.remove(mine)
            self._parked.append(mine)
        self._parked.remove(waiting)
        self._open.append(waiting)
        return waiting

    def _answers(self, line: Line) -> bool:
        """Whether a line can be of a CPU that a report asked for its stack, not the rest of another report."""
        if line.caller is None:
            return False
        return "NMI backtrace" in line.text or all(report.caller != line.caller for report, _ in self._after)

    def _continues(self, report: Report, kind: str, follows: bool, line_number: int) -> bool:
        """Whether a headline is a part of the report that is open for its caller."""
        if kind == "panic" or (follows and kind != "bug"):
            return True
        if kind == report.kind and kind in ("oom", "stack_overflow"):
            return True  # the panic at the end of what its first line began
        bare = not report.has_frames() and not report.pointers
        if bare and line_number - report.line.number < 30 and report.kind in relations.PRINTED_LONG:
            return kind == "warning" or kind in relations.FAULTS  # the code that prints a long report may trip itself
        return bare and report.kind in relations.FAULTS and kind in relations.THEN

    def _belongs_to_finished(self, line: Line, kind: str) -> bool:
        """A panic or register dump right after a report that is complete: the consequence, not a new one."""
        caused = kind == "panic" and relations.CAUSED.search(line.text)
        parked = [(report, report.end_line + AFTERMATH) for report in self._parked]
        ended = sorted((*self._after, *parked), key=lambda entry: entry[0].end_line) if parked else self._after
        if "Fatal exception" in line.text:  # of a fault, whatever else was complained about meanwhile
            ended = sorted(ended, key=lambda entry: entry[0].kind in relations.FAULTS)
        for index, (report, until) in enumerate(reversed(ended)):
            if until < line.number or (report.caller != line.caller and not (caused and index == 0)):
                continue
            if caused or kind == "oom":
                if report.panic is None:
                    report.panic = line.text.split("not syncing:", 1)[-1].strip()
                    report.end_line, report.end = line.number, line.end
                return True
        return False

    def _unexpected(self, line: Line) -> bool:
        """Whether a boot banner comes where a system had been running."""
        near = line.number - self._boot_line < 100 and self._boot_line > 0
        again, self._boot_line = self._boot_line > 0, line.number
        if near:
            return False  # the loader's banner and the kernel's, or a console that replays its log
        if any(each.end_line + SOON > line.number for each in self._faults()):
            return False  # it led to this boot, of a kdump kernel for one
        block, begin = self._context or (b"", 0)
        before = self._before(4096)
        if relations.RESTART.search(before) or relations.LOGGED.match(block, begin):
            return False
        stamps = relations.STAMP.findall(before)
        if stamps:
            return int(stamps[-1]) >= 10
        return again or (self._first is not None and line.number > 1 and not relations.BOOT.match(self._first))

    def _faults(self) -> list[Report]:
        """Reports after which a system may well not have gone on."""
        reports = (*self._open, *self._parked, *(report for report, _ in self._after))
        return [report for report in reports if report.kind in relations.FAULTS]

    def _sweep(self) -> None:
        if not self._open and not self._parked:
            self._prefix = None
        for report in [report for report in self._open if report.done]:
            self._open.remove(report)
            self._close(report)
            halves = [other for other in self._parked if other.has_frames() or other.pointers]
            halves = [other for other in halves if other.caller == report.caller]
            if halves:
                self._parked.remove(halves[-1])
                self._open.append(halves[-1])

    def _close(self, report: Report) -> None:
        if report.empty:
            return
        if not self._settle:
            self._out.append(finish(report))
        self._after.append((report, report.end_line + AFTERMATH))
        if len(self._after) > MAX_OPEN:
            self._expire(first=True)

    def _expire(self, *, first: bool = False) -> None:
        """Let go of reports whose panic will not come any more."""
        keep = []
        for index, (report, until) in enumerate(self._after):
            if until < self._number or (first and index == 0):
                if self._settle:
                    self._out.append(finish(report))
            else:
                keep.append((report, until))
        self._after = keep
