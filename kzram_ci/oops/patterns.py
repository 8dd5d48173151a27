"""What the lines inside of a report are: headings of stacks, places of locks, marks, ends.

Tables of expressions; report.py defines what they mean for the report that is open.
"""

from __future__ import annotations

from kzram_ci.base.expressions import later

# What a stack is for: the first matching row names it. "" keeps the name of the heading before it.
HEADINGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("chain", (r"-> #\d",)),
    (
        "alloc",
        (
            r"Allocated by",
            r"allocated by task",
            r"Uninit was created",
            r"page last allocated via",
            r"Slab .{0,40}allocated",
            r"(?:INFO: )?Allocated in",
            r"kfence-#.{1,160}allocated by",
            r"Register \w{1,4} information",  # arm: each register's object, with the stack that allocated it
        ),
    ),
    ("free", (r"Freed by", r"Free path:", r"freed by task", r"page last free", r"(?:INFO: )?Freed in")),
    ("stored", (r"Uninit was stored", r"Local variable .{1,80} created")),
    ("safe", (r".{0,60}which became \S+-(?:irq-)?safe at",)),
    (
        "other",
        (
            r"(?:task:)?rcu\w{0,20} +(?:state:)?[RSDI] ",  # the grace period's own thread is a victim
            r"RCU grace-period kthread stack dump",
            r"\w+ kthread (?:starved|timer wakeup)",
            r"(?:Last|Second to last) (?:potentially related|call_rcu)",
            r"INITIAL USE at",
            r"(?:IN|HARDIRQ|SOFTIRQ|RECLAIM_FS)-\S{1,30} at:",
            r"\.\.\. key",
            r".{0,40}state was registered at",
            r"the dependencies between",
            r"Showing all locks",
            r"Showing busy workqueues",
        ),
    ),
    ("place", (r"Preemption disabled at", r"Possible unsafe locking")),
    (
        "trace",
        (
            r"(?:Use-after-free|Out-of-bounds|Invalid|Corrupted|Double).{1,40} (?:at|of) 0x",
            r"(?:read|write) (?:\(marked\) )?to 0x[0-9a-f]+ of",
            r"Stack: \(0x",  # arm: the words of the stack, then the trace without a heading of its own
        ),
    ),
    ("unsafe", (r".{0,60}which became \S+-(?:irq-)?unsafe at",)),
    ("nmi", (r"NMI backtrace for cpu", r"Stack dump where", r"Sending NMI from")),
    ("task", (r"Task dump for CPU", r"task:\S+ +state:", r"\S{1,32} +[RSD] (?:  running task|running task)")),
    ("", (r"[Cc]all [Tt]race", r"Backtrace:", r"backtrace", r"[Ss]tack backtrace")),
)
_HEADING = later(
    r"\s{0,10}(?:rcu: )?\s{0,4}(?:"
    + "|".join(f"(?P<k{index}>{'|'.join(words)})" for index, (_, words) in enumerate(HEADINGS))
    + ")"
)

# Which place the next "at:" is.
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

CONTEXT = later(r"\s*<(/?)(IRQ|TASK|NMI|SOFTIRQ|EOI|#\w\w|ENTRY_TRAMPOLINE)>\s*$")
DOUBLE_RULE = later(r"\s*={20,}\s*$")
AT = later(r",? at: (?:\[<[^>]{1,24}>\] )?(?P<fn>[A-Za-z_][\w.$]{0,200})(?:\+0x| \S{1,200}:\d{1,7})")
# The function that a message names in its next line (kernel/workqueue.c process_one_work(), before and since 6.7).
NAMED = later(r"\s{1,8}(?:last function: |preempt=\S{1,16} .{1,60} workfn=)(?P<fn>[A-Za-z_][\w.$]{0,200})$")
ACCESS = later(r"\s{0,4}(Read|Write) (?:of size|at addr)")
# A dump that is not a report: fault injection, a failed allocation.
FOREIGN = later(
    r"FAULT_INJECTION: forcing|\S{1,32}: (?:page allocation failure|vmalloc: allocation (?:failure|error))|Mem-Info:"
)
_BEGINNINGS = (  # of lines that no other row knows and that reports are made of
    r"[-*<>|#\[(]|Code|Modules|Hardware|Workqueue|Stack|Process|Flags|Control|pgd|rcu|hardirqs|softirqs|irq event|lock",
    r"Possible|other info|Chain|CPU|Disabling|Dumping|Memory state|The buggy|which |but |the existing|and |page|raw",
    r"flags",
    r"Oops|Internal error|Read of|Write of|to |Exception|Call|Kernel|SMP|Sending|Mem abort|ESR|EC =|SET|EA =|FSC|ISV",
    r"Data abort|CM =|user pgtable|swapper|last |pstate|NMI|task:|Not tainted|Tainted|\"echo|caller|in_atomic|preempt",
    r"no lock|\d+ locks? held|[\w.:/-]{1,40}/\d+ (?:is|just|\[)|addr|value|comm|kfence|Rebooting|KASAN|PGD|P4D|RIP",
    r"IP:|PC",
    r"LR|NIP|Instruction dump|Bytes|Uninit|Showing|watchdog|RSP|RAX|ORIG|All QSes|object|size|RCU nest",
    r"PKRU:|lr :|ra :|Current \S{1,16} pgtable|[LB]E PAGE_SIZE=|REGS:|Faulting instruction|Krnl |Failing address:",
    r"Fault in |AS:|R:\d T:|Last Breaking-Event|CRMD:|PRMD:|EUEN:|ECFG:|ESTAT:|BADV:|pc [0-9a-f]{16} ra ",
)
_CONTENT = later(r"\s*$|\s*[-=]{3,}|\s{0,10}[#>][0-9a-f]{16}: |\s{0,11}(?:" + "|".join(_BEGINNINGS) + ")")


def heading(text: str) -> str | None:
    """What the stack below this line is for; None if it is not a heading."""
    match = _HEADING.match(text)
    if match is None or match.lastgroup is None:
        return None
    return HEADINGS[int(match.lastgroup[1:])][0]


def wanted(text: str) -> str | None:
    """Which place of a lock the next "at:" is, if this line introduces one."""
    return next((want for want, words in _WANTS if words in text), None)


def is_content(text: str) -> bool:
    """Whether a line looks like one of a report."""
    return _CONTENT.match(text) is not None
