"""One report while its lines come in: which stacks it has, what it prints about locks, and when it is over."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from kzram_ci.base.expressions import later
from kzram_ci.oops import patterns
from kzram_ci.oops.catalogue import Row, file_row, unmarked
from kzram_ci.oops.frames import is_user_pointer, parse_frame, parse_pointer
from kzram_ci.oops.header import Header
from kzram_ci.oops.lines import Line
from kzram_ci.oops.model import Frame

MAX_LINES = 6000  # logical lines of one report; a stall with 64 CPUs stays below
MAX_FRAMES = 4000
MAX_STACKS = 200
MAX_PLACES = 64
MAX_POINTERS = 8
QUIET_LINES = 12  # that many foreign lines in a row after a stack end a report without an end mark
LOST_LINES = 80  # the same before any stack: the headline stays alone
OTHERS = 2000  # lines of other callers after which a silent report is given up

MAIN = ("trace", "nmi", "task")  # roles of stacks that show what the CPU or task was doing
# What stands before the function of a frame or an instruction pointer, and nothing behind it
_HALF = later(
    r"\s*(?:RIP: ?[0-9a-f]{0,4}:?|EIP:?|IP:|PC is at|pc :|epc :)?\s{0,4}(?:\[<[0-9a-f]{8,16}>\] {0,2}){0,2}\??\s*$"
    r"|.{1,120} from(?: \[<[0-9a-f]{8}>\])?\s*$|.{1,160}, at:$"
)
_QUOTES = ('"', "'", "`", "\u201c", "\u2018")
_ENDS = ("?", ">]", ":", "from", " at", "] ", ": ", "? ")
# Headings of one line: the next "Call Trace" is not theirs.
_SHORT = ("locks", "place")


def belongs(text: str) -> bool:
    """Whether a line can be one of a report, whichever."""
    if parse_frame(text) or parse_pointer(text) is not None or patterns.CONTEXT.match(text):
        return True
    return patterns.is_content(text) or patterns.heading(text) is not None or Header().take(text)


@dataclass(slots=True)
class Stack:
    """Frames under one heading, innermost first."""

    role: str
    labelled: bool = False  # a heading came before its frames
    begun: bool = False  # it has more than an instruction pointer
    closed: bool = False
    frames: list[Frame] = field(default_factory=list)


class Report:
    """Collects the lines of one report. `done` is true once nothing that matters can follow."""

    def __init__(self, row: Row, match: re.Match[str], line: Line) -> None:
        """`line` is the headline, `match` what `row` found in it."""
        groups = match.groupdict()
        self.row, self.line, self.caller = row, line, line.caller
        self.kind, self.title = row.kind, row.title
        head = line.text[: match.start()]
        self.quoted = head.endswith(_QUOTES) or unmarked(head).endswith(_QUOTES)  # of whoever tells about an oops
        self.what: str = (groups.get("what") or "").strip()
        self.function: str | None = groups.get("fn")
        special = file_row(self.what, row.kind) if row.kind in ("warning", "bug") and self.what else None
        if special is not None:
            self.kind, self.title = special.kind, special.title or row.title
        self.header = Header()
        self.header.headline(line.text)
        self.stacks: list[Stack] = []
        self.pointers: list[Frame] = []
        self.ats: list[tuple[str, str]] = []  # (which place, function), see content.wanted
        self.panic: str | None = None
        self.foreign = False  # another dump is inside
        self.sealed = False  # the stacks are complete; what follows repeats them
        self.done = False
        self.wants_cpus = False  # it asked other CPUs for their stacks
        self.access = ""
        self.end_line, self.end = line.number, line.end
        self._open: dict[str | None, Stack] = {}
        self._want = ""
        self._half: Line | None = None  # a frame that a mailer broke before its function
        self._lines = self._frames = self._quiet = self._others = 0
        if row.blame == "first_stack":
            self._begin("trace", line.caller)

    # ---- what the strategies ask for

    def has_frames(self) -> bool:
        """Whether any stack has a frame."""
        return any(stack.frames for stack in self.stacks)

    def roles(self, *roles: str) -> list[Stack]:
        """Stacks with frames in one of these roles, in the order printed."""
        found = [stack for stack in self.stacks if stack.role in roles and stack.frames]
        return [stack for stack in found if stack.labelled] or found  # without a heading it may be another task's

    @property
    def empty(self) -> bool:
        """Whether this is a harmless line after all: only a stack of its own would have made it a report."""
        if self.quoted and not self.has_frames() and not self.pointers:
            return True
        return self.row.proof and (self.foreign or not self.has_frames())

    @property
    def waits(self) -> bool:
        """Whether its last line is only the first half of one."""
        return self._half is not None

    # ---- lines

    def named_again(self, row: Row, match: re.Match[str], line: Line) -> bool:
        """Whether a decoder wrote the headline once for each inlined function; the last one is the kernel's."""
        again = row is self.row and line.number - self.end_line <= 1 and self.line.text.rstrip().endswith("[inline]")
        if not again or self._lines:
            return False
        groups = match.groupdict()
        self.what, self.function = (groups.get("what") or "").strip(), groups.get("fn")
        self.line = self.line._replace(text=line.text)
        self.end_line, self.end = line.number, line.end
        return True

    def add(self, line: Line) -> None:
        """Take one line. Lines that do not belong here end the report in time."""
        if self._half is not None and line.bare:
            line = self._half.joined(line)
        self._half = line if line.text.endswith(_ENDS) and _HALF.match(line.text) else None
        self._lines += 1
        if self._lines > MAX_LINES:
            self.done = True
        elif self._take(line):
            self._quiet = self._others = 0
            self.end_line, self.end = line.number, line.end
        else:
            self._quiet += 1
            self.done = self._quiet >= (QUIET_LINES if self.row.proof or self.has_frames() else LOST_LINES)

    def tick(self) -> None:
        """A line of another caller went by: a report that does not go on is over some day."""
        self._others += 1
        self.done = self.done or self._others > OTHERS

    def _take(self, line: Line) -> bool:
        text = line.text
        if "+0x" in text and (frames := parse_frame(text)):  # most lines are frames
            if not self.sealed:
                self._add_frames(frames, line.caller)
            return True
        if self._ends(text):
            return True
        if self.sealed:
            return self._other(text) or bool(parse_frame(text))
        return self._foreign(line) or self._place(line) or self._stack_line(line) or self._other(text)

    def _ends(self, text: str) -> bool:
        if "anic - not syncing" in text and self.panic is None:
            self.panic = text.split("not syncing:", 1)[-1].strip()
            self.sealed = self.sealed or any(stack.labelled for stack in self.roles(*MAIN))
            return True
        closing = self.row.closes == "=" and self._lines > 1 and patterns.DOUBLE_RULE.match(text)
        if closing or "---[ end " in text or "Rebooting in" in text or "Kernel Offset:" in text:
            self.done = True
        return self.done

    def _foreign(self, line: Line) -> bool:
        if patterns.FOREIGN.match(line.text) is None:
            return False
        self.foreign = True
        self._begin("other", line.caller)
        return True

    def _place(self, line: Line) -> bool:
        """The place where a lock was taken."""
        if "at: " not in line.text or (match := patterns.AT.search(line.text)) is None:
            return False
        if len(self.ats) < MAX_PLACES:
            self.ats.append((self._want, match["fn"]))
        return True

    def _other(self, text: str) -> bool:
        if not self.access and (match := patterns.ACCESS.match(text)):
            self.access = match[1]
        if self.row.blame == "message" and self.function is None and (match := patterns.NAMED.match(text)):
            self.function = match["fn"]
        return self.header.take(text) or patterns.is_content(text)

    # ---- stacks

    def _stack_line(self, line: Line) -> bool:
        """A frame, an instruction pointer, a mark between frames, or the heading of a stack."""
        text = line.text
        if match := patterns.CONTEXT.match(text):
            self._context(match, line.caller)
        elif pointer := parse_pointer(text):
            self._pointer(pointer, line.caller)
        elif is_user_pointer(text):
            self.header.frozen = True
            self._close(line.caller)
        elif frames := parse_frame(text):
            self._add_frames(frames, line.caller)
        elif want := patterns.wanted(text):
            self._want = want
            if want == "held":
                self._begin("locks", line.caller)
        elif (role := patterns.heading(text)) is not None:
            self._heading(role, line)
        else:
            if "CPU: " in text and (place := self._open.get(line.caller)) is not None and place.role == "place":
                del self._open[line.caller]  # the stack comes now
            return False
        return True

    def _context(self, match: re.Match[str], caller: str | None) -> None:
        stack = self._open.get(caller)
        if match[1] and match[2] == "TASK" and stack is not None and stack.frames:
            stack.closed = True
            if stack.role == "trace" and self.row.blame not in ("stall", "access", "first_stack"):
                self.sealed = True

    def _pointer(self, pointer: Frame, caller: str | None) -> None:
        stack = self._open.get(caller)
        if len(self.pointers) < MAX_POINTERS and (stack is None or not self.pointers):
            self.pointers.append(pointer)
        if stack is not None and not stack.closed:
            self._push(stack, pointer)

    def _close(self, caller: str | None) -> None:
        stack = self._open.get(caller)
        if stack is not None and stack.frames:
            stack.closed = True

    def _add_frames(self, frames: tuple[Frame, ...], caller: str | None) -> None:
        stack = self._open.get(caller)
        if stack is None or (stack.closed and stack.role != "other"):
            stack = self._begin("trace", caller, labelled=False)
        stack.begun = True
        for frame in frames:
            self._push(stack, frame)

    def _heading(self, role: str, line: Line) -> None:
        self.wants_cpus = self.wants_cpus or "Sending NMI" in line.text
        if not role:
            current = self._open.get(line.caller)
            if current is not None and not current.begun and current.role not in _SHORT:
                return  # "NMI backtrace for cpu 1", then "Call Trace:"
        self._begin(role or "trace", line.caller)

    def _begin(self, role: str, caller: str | None, *, labelled: bool = True) -> Stack:
        stack = Stack(role, labelled)
        if len(self.stacks) < MAX_STACKS:
            self.stacks.append(stack)
        self._open[caller] = stack
        return stack

    def _push(self, stack: Stack, frame: Frame) -> None:
        self._frames += 1
        if self._frames <= MAX_FRAMES:
            stack.frames.append(frame)
