"""One report while its lines come in: which stacks it has, what was said of locks, and when it is over."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from kzram_ci.oops.catalogue import Row, file_row
from kzram_ci.oops.facts import Facts
from kzram_ci.oops.frames import is_user_pointer, parse_frame, parse_pointer
from kzram_ci.oops.lines import Line
from kzram_ci.oops.value import Frame

MAX_LINES = 6000  # logical lines of one report; a stall with 64 CPUs stays below
MAX_FRAMES = 4000
MAX_STACKS = 200
QUIET_LINES = 12  # that many foreign lines in a row after a stack end a report without an end mark
OTHERS = 2000  # lines of other callers after which a silent one is given up
LOST_LINES = 80  # the same before any stack: the headline stays alone

# What a stack is for: the first matching row names it. "" keeps the name of the line before it.
LABELS = (
    ("chain", r"-> #\d"),
    (
        "alloc",
        r"Allocated by|allocated by task|Uninit was created|page last allocated via|Slab .{0,40}allocated|INFO: Allocated in|Allocated in",
    ),
    ("free", r"Freed by|freed by task|page last free|Freed in|INFO: Freed in"),
    ("stored", r"Uninit was stored|Local variable .{1,80} created"),
    ("safe", r".{0,60}which became \S+-(?:irq-)?safe at"),
    (
        "other",
        r"(?:task:)?rcu\w{0,20} +(?:state:)?[RSDI] |(?:Last|Second to last) (?:potentially related|call_rcu)|INITIAL USE at|(?:IN|HARDIRQ|SOFTIRQ|RECLAIM_FS)-\S{1,30} at:"
        r"|\.\.\. key|.{0,40}state was registered at|the dependencies between"
        r"|(?:rcu: )?(?:RCU grace-period kthread stack dump|\w+ kthread (?:starved|timer wakeup))|Showing all locks|Showing busy workqueues",
    ),
    ("place", r"Preemption disabled at|Possible unsafe locking"),
    ("trace", r"(?:Use-after-free|Out-of-bounds|Invalid|Corrupted|Double).{1,40} (?:at|of) 0x|(?:read|write) (?:\(marked\) )?to 0x[0-9a-f]+ of"),
    ("unsafe", r".{0,60}which became \S+-(?:irq-)?unsafe at"),
    ("nmi", r"NMI backtrace for cpu|rcu: Stack dump where|Sending NMI from"),
    ("task", r"(?:Task dump for CPU|task:\S+ +state:|\S{1,32} +[RSD] (?:  running task|running task))"),
    ("", r"[Cc]all [Tt]race|Backtrace:|backtrace|[Ss]tack backtrace"),
)
_LABEL = re.compile(
    r"\s{0,10}(?:rcu: )?\s{0,4}(?:"
    + "|".join(f"(?P<k{i}>{p})" for i, (_, p) in enumerate(LABELS))
    + ")"
)
_MARK = re.compile(r"\s*<(/?)(IRQ|TASK|NMI|SOFTIRQ|EOI|#\w\w|ENTRY_TRAMPOLINE)>\s*$")
_INLINE_MARK = re.compile(r"\s*<(IRQ|EOI|NMI|#\w\w)> ")
_RULE = re.compile(r"\s*={20,}\s*$")
_AT = re.compile(r",? at: (?:\[<[^>]{1,24}>\] )?(?P<fn>[A-Za-z_][\w.$]{0,200})(?:\+0x| \S{1,200}:\d{1,7})")
_WANTS = (
    ("acquire", "trying to acquire"),
    ("acquire", "trying to lock"),
    ("hold", "already holding"),
    ("change", "just changed the state"),
    ("release", "trying to release"),
    ("held", "still held there"),
    ("held", "locks held by"),
    ("held", "lock held by"),
    ("held", "is leaving the kernel with"),
    ("wait", "trying to contend"),
)
_FOREIGN = re.compile(
    r"FAULT_INJECTION: forcing|\S{1,32}: (?:page allocation failure|vmalloc: allocation (?:failure|error))|Mem-Info:"
)
_CONTENT = re.compile(
    r"\s*$|\s*[-=]{3,}|\s{0,8}(?:[-*<>|#\[(]|Code|Modules|Hardware|Workqueue|Stack|Process|Flags|Control|pgd|\[\w+\] \*pgd|rcu|hardirqs|softirqs"
    r"|irq event|lock|Possible|other info|Chain|CPU\d|Disabling|Dumping|Memory state|The buggy|which |but |the existing|and |page|raw|flags|Oops"
    r"|Internal error|Read of|Write of|to |Exception|Call|Kernel|SMP|Sending|Mem abort|ESR|EC =|SET|EA =|FSC|Data abort|ISV|CM =|user pgtable|swapper|last "
    r"|pstate|NMI|task:|Not tainted|\"echo|caller|in_atomic|preempt|no lock|\d+ locks? held|[\w.:/-]+/\d+ (?:is|just|\[)|addr|value|comm|kfence|CPU|Rebooting"
    r"|KASAN|PGD|P4D|RIP|IP:|PC|LR|NIP|Instruction dump|Tainted|Bytes|Uninit|Showing|watchdog|RSP|RAX|ORIG|\(detected|\(t=|All QSes|object|size)"
)


@dataclass(slots=True)
class Stack:
    """Frames under one heading, innermost first; `marks` are (index, word) of context changes."""

    role: str
    labelled: bool = False  # a heading came before its frames
    begun: bool = False  # it has more than an instruction pointer
    frames: list[Frame] = field(default_factory=list)
    marks: list[tuple[int, str]] = field(default_factory=list)
    closed: bool = False


class Report:
    """Collects the lines of one report. `done` is true once nothing that matters can follow."""

    def __init__(self, row: Row, match: re.Match[str], line: Line) -> None:
        """`line` is the headline, `match` what `row` found in it."""
        groups = match.groupdict()
        self.row, self.line, self.caller = row, line, line.caller
        self.kind, self.title, self.blame = row.kind, row.title, row.blame
        self.what: str = (groups.get("what") or "").strip()
        self.function: str | None = groups.get("fn")
        if row.kind in ("warning", "bug") and self.what and (special := file_row(self.what)):
            if special[0] != "warning" or row.kind == "warning":
                self.kind, self.title, self.blame = special[0], special[1] or row.title, special[2]
        self.facts = Facts()
        self.facts.headline(line.text)
        self.stacks: list[Stack] = []
        self.pointers: list[Frame] = []
        self.ats: list[tuple[str, str]] = []
        self.panic: str | None = None
        self.foreign = self.sealed = self.done = self.trace_seen = False
        self.wants_cpus = False
        self.access = ""
        self.note = ""  # the line after a rust panic, the message of a BUG
        self.end_line, self.end = line.number, line.end
        self._open: dict[str | None, Stack] = {}
        self._want = ""
        if row.blame == "first_stack":
            self._begin("trace", line.caller)
        self._lines = self._frames = self._quiet = self._others = 0

    # ---- what the judgement asks for

    def has_frames(self) -> bool:
        """Whether any stack has a frame."""
        return any(stack.frames for stack in self.stacks)

    def roles(self, *roles: str) -> list[Stack]:
        """Stacks with frames in one of these roles, in the order printed."""
        found = [stack for stack in self.stacks if stack.role in roles and stack.frames]
        return [stack for stack in found if stack.labelled] or found  # frames without a heading may be another task's

    # ---- lines

    def add(self, line: Line) -> bool:
        """Take one line; False when it does not belong here, which over time ends the report."""
        self._lines += 1
        if self._lines > MAX_LINES:
            self.done = True
            return False
        if self._take(line):
            self._quiet = self._others = 0
            self.end_line, self.end = line.number, line.end
            return True
        self._quiet += 1
        limit = QUIET_LINES if self.has_frames() else LOST_LINES
        if self._quiet >= limit:
            self.done = True
        return False

    def tick(self) -> None:
        """A line of another caller went by: a report that does not go on is over some day."""
        self._others += 1
        if self._others > OTHERS:
            self.done = True

    def _take(self, line: Line) -> bool:
        text = line.text
        if self.panic is None and "anic - not syncing" in text:
            self.panic = text.split("not syncing:", 1)[-1].strip()
            self.sealed = self.sealed or any(stack.labelled for stack in self.roles("trace", "nmi", "task"))
            return True
        if self._ends(text):
            return True
        if self.sealed:
            return bool(_CONTENT.match(text)) or bool(parse_frame(text))
        if _FOREIGN.match(text):
            self.foreign = True
            self._begin("other", line.caller)
            return True
        if "at: " in text and (match := _AT.search(text)):
            if len(self.ats) < 64:
                self.ats.append((self._want, match["fn"]))
            return True
        if self._frame(line):
            return True
        for want, words in _WANTS:
            if words in text:
                self._want = want
                if want == "held":
                    self._begin("locks", line.caller)
                return True
        if match := _LABEL.match(text):
            self._label(match, line)
            return True
        if not self.access and (match := re.match(r"\s{0,4}(Read|Write) (?:of size|at addr)", text)):
            self.access = match[1]
        if not self.note and text.strip() and line.number - self.line.number < 3:
            self.note = text.strip()
        return self.facts.take(text) or bool(_CONTENT.match(text))

    def _ends(self, text: str) -> bool:
        if "---[ end " in text:
            self.done = True
            return True
        if self.row.closes == "=" and _RULE.match(text) and self._lines > 1:
            self.done = True
            return True
        if "Rebooting in" in text or "Kernel Offset:" in text:
            self.done = True
            return True
        return False

    def _label(self, match: re.Match[str], line: Line) -> None:
        index = next(i for i in range(len(LABELS)) if match[f"k{i}"])
        role = LABELS[index][0]
        if "backtrace" in line.text or "all trace" in line.text or "all Trace" in line.text:
            self.trace_seen = True
        if role == "nmi" and "Sending NMI" in line.text:
            self.wants_cpus = True
            role = "nmi"
        if not role:
            current = self._open.get(line.caller)
            if current is not None and not current.begun and current.role not in ("locks", "place"):
                return  # "NMI backtrace for cpu 1", then "Call Trace:"
            role = "trace"
        self._begin(role, line.caller)

    def _begin(self, role: str, caller: str | None, *, labelled: bool = True) -> Stack:
        stack = Stack(role, labelled)
        if len(self.stacks) < MAX_STACKS:
            self.stacks.append(stack)
        self._open[caller] = stack
        return stack

    def _frame(self, line: Line) -> bool:
        text = line.text
        if match := _MARK.match(text):
            stack = self._open.get(line.caller)
            if stack is not None:
                stack.marks.append((len(stack.frames), match[1] + match[2]))
                if match[1] and match[2] == "TASK" and stack.frames:
                    stack.closed = True
                    if stack.role in ("trace",) and self.blame not in ("stall", "access", "first_stack"):
                        self.sealed = True
            return True
        stack = self._open.get(line.caller)
        if pointer := parse_pointer(text):
            if len(self.pointers) < 8 and (stack is None or not self.pointers):
                self.pointers.append(pointer)
            if stack is not None and not stack.closed:
                self._push(stack, pointer)
            return True
        if is_user_pointer(text):
            self.facts.frozen = True
            if stack is not None and stack.frames:
                stack.closed = True
            return True
        frames = parse_frame(text)
        if not frames:
            return False
        if stack is None or (stack.closed and stack.role not in ("other",)):
            stack = self._begin("trace", line.caller, labelled=False)
        if match := _INLINE_MARK.match(text):
            stack.marks.append((len(stack.frames), "/IRQ" if match[1] == "EOI" else match[1]))
        stack.begun = True
        for frame in frames:
            self._push(stack, frame)
        return True

    def _push(self, stack: Stack, frame: Frame) -> None:
        self._frames += 1
        if self._frames <= MAX_FRAMES:
            stack.frames.append(frame)
