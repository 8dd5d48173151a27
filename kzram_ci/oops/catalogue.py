"""The table of headlines: what a report of the kernel begins with, its type, and where its culprit stands.

A row: `needle`, a byte string every such line contains, for the fast search; `pattern`, the headline itself,
with a named group `fn` if it names a function and `what` for the detail of the title; `kind`, a word of the type
vocabulary; `blame`, a strategy of blame.py; `why`, the place in the kernel that prints it. The first row that matches
wins, so specific rows stand before general ones.

`follows` marks lines that also are printed inside or at the end of another report: they begin one only when none is
open for the same caller. `stack` says whether a report without any stack is a whole one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One headline. `closes` is the line that ends such a report: "=" a double rule, "" the end of its trace."""

    needle: bytes
    pattern: re.Pattern[str]
    kind: str
    title: str  # {what} and {fn} are filled in; " in function" is added by title.py
    blame: str
    why: str
    follows: bool = False
    stack: bool = True
    closes: str = ""


def _row(needle: str, pattern: str, kind: str, title: str, blame: str, why: str, **more: object) -> Row:
    return Row(
        needle=needle.encode(),
        pattern=re.compile(pattern),
        kind=kind,
        title=title,
        blame=blame,
        why=why,
        **more,  # type: ignore[arg-type]
    )


_FN = r"(?P<fn>[A-Za-z_][\w.$]{0,200})"
_WARN = r"WARNING: CPU: (?P<cpu>\d+) PID: (?P<pid>\d+) at (?P<what>\S+?:\d+)(?: (?P<fn>[\w.$]+)?)?"
_WARN_NEW = r"WARNING: (?P<what>[\w./+-]+:\d+) at (?:(?P<fn>[A-Za-z_][\w.$]*)\+0x|0x)"
_DIE = r": [0-9a-f]{4} \[#|: [0-9a-f]{4}\b|$"

SANITIZERS = (
    _row(
        "KASAN: ",
        rf"BUG: KASAN: (?P<what>double-free or invalid-free|[\w-]+)(?: (?:in|on address) (?:{_FN})?)?",
        "kasan",
        "KASAN: {what}",
        "access",
        "mm/kasan/report.c print_error_description()",
        closes="=",
    ),
    _row(
        "KASan: ",
        rf"BUG: KASan: (?P<what>[\w -]+?) in {_FN}",
        "kasan",
        "KASAN: {what}",
        "access",
        "mm/kasan/report.c, spelled so in 4.0",
        closes="=",
    ),
    _row(
        "KMSAN: ",
        rf"BUG: KMSAN: (?P<what>[\w-]+|use of unitialized memory)(?: in {_FN})?",
        "kmsan",
        "KMSAN: {what}",
        "first_stack",
        "mm/kmsan/report.c kmsan_report()",
        closes="=",
    ),
    _row(
        "KCSAN: ",
        rf"BUG: KCSAN: (?P<what>data-race|assert: [\w -]{{1,20}})(?: in {_FN})?",
        "kcsan",
        "KCSAN: {what}",
        "as_is",
        "kernel/kcsan/report.c print_report()",
        closes="=",
    ),
    _row(
        "KFENCE: ",
        rf"BUG: KFENCE: (?P<what>[\w -]+?)(?: in {_FN})?(?:\+0x|$)",
        "kfence",
        "KFENCE: {what}",
        "access",
        "mm/kfence/report.c kfence_report_error()",
        closes="=",
    ),
    _row(
        "UBSAN: ",
        r"^UBSAN: (?P<what>[A-Za-z][\w -]{3,40}) in \S+",
        "ubsan",
        "UBSAN: {what}",
        "trace",
        "lib/ubsan.c ubsan_prologue()",
        closes="=",
    ),
)

LOCKING = (
    _row(
        "suspicious RCU usage",
        r"(?:INFO|WARNING): suspicious RCU usage",
        "suspicious_rcu",
        "suspicious RCU usage",
        "trace",
        "kernel/locking/lockdep.c lockdep_rcu_suspicious()",
    ),
    _row(
        "locking dependency",
        r"(?:INFO|WARNING): possible circular locking dependency",
        "lockdep",
        "possible deadlock",
        "lock_acquire",
        "lockdep.c print_circular_bug_header()",
    ),
    _row(
        "recursive locking",
        r"(?:INFO|WARNING): possible recursive locking",
        "lockdep",
        "possible deadlock",
        "lock_acquire",
        "lockdep.c print_deadlock_bug()",
    ),
    _row(
        "lock inversion",
        r"(?:INFO|WARNING): possible irq lock inversion",
        "lockdep",
        "possible deadlock",
        "lock_changed",
        "lockdep.c print_irq_inversion_bug()",
    ),
    _row(
        "lock order detected",
        r"(?:INFO|WARNING): [\w-]{4,20}-safe -> [\w-]{4,20}-unsafe lock order",
        "lockdep",
        "possible deadlock",
        "lock_unsafe",
        "lockdep.c print_bad_irq_dependency()",
    ),
    _row(
        "inconsistent lock state",
        r"(?:INFO|WARNING): inconsistent (?:\{[^}]{1,40}\} )?lock state",
        "lockdep",
        "inconsistent lock state",
        "trace",
        "lockdep.c print_usage_bug()",
    ),
    _row(
        "unlock balance",
        r"(?:BUG|WARNING): bad unlock balance",
        "lockdep",
        "bad unlock balance",
        "lock_printed",
        "lockdep.c print_unlock_imbalance_bug()",
    ),
    _row(
        "contention detected",
        r"(?:BUG|WARNING): bad contention detected",
        "lockdep",
        "bad contention",
        "lock_printed",
        "lockdep.c print_lock_contention_bug()",
    ),
    _row(
        "lock freed",
        r"(?:BUG|WARNING): held lock freed",
        "lockdep",
        "held lock freed",
        "lock_printed",
        "lockdep.c print_freed_lock_bug()",
    ),
    _row(
        "user space!",
        r"(?:BUG|WARNING): lock held (?:when returning to user space|at task exit)",
        "lockdep",
        "lock held when returning to user space",
        "lock_printed",
        "lockdep.c lockdep_sys_exit()",
    ),
    _row(
        "locks held",
        r"(?:BUG|WARNING): .{1,40} still has (?:locks|\d+ locks) held",
        "lockdep",
        "still has locks held",
        "lock_printed",
        "lockdep.c print_held_locks_bug()",
    ),
    _row(
        "Nested lock",
        r"(?:BUG|WARNING): Nested lock was not taken",
        "lockdep",
        "nested lock was not taken",
        "trace",
        "lockdep.c print_lock_nested_lock_not_held()",
    ),
    _row(
        "ait context",
        r"(?:BUG|WARNING): [Ii]nvalid wait context",
        "lockdep",
        "invalid wait context",
        "trace",
        "lockdep.c print_lock_invalid_wait_context()",
    ),
    _row(
        "non-static key",
        r"INFO: trying to register non-static key",
        "lockdep",
        "trying to register non-static key",
        "trace",
        "lockdep.c register_lock_class()",
    ),
    _row(
        "too low",
        r"BUG: (?P<what>MAX_(?:LOCK\w+|STACK_TRACE_ENTRIES)|(?:\w+ )?lock_classes) too low",
        "lockdep",
        "{what} too low",
        "trace",
        "lockdep.c: a table is full",
    ),
    _row(
        "BUG: key",
        r"BUG: key \S+ (?:not in|has not been registered)",
        "lockdep",
        "unregistered lock key",
        "trace",
        "lockdep.c lockdep_init_map_type()",
    ),
    _row(
        " on CPU#",
        r"BUG: (?P<what>(?:spinlock|rwlock|rtmutex|mutex)(?:[- ]\w+){1,4}) on (?:CPU|UP)",
        "spinlock",
        "{what}",
        "trace",
        "kernel/locking/spinlock_debug.c spin_dump(), rwlock_bug()",
    ),
    _row(
        "scheduling while atomic",
        r"BUG: scheduling while atomic",
        "atomic_sleep",
        "scheduling while atomic",
        "trace",
        "kernel/sched/core.c __schedule_bug()",
    ),
    _row(
        "sleeping function",
        r"BUG: sleeping function called from invalid context",
        "atomic_sleep",
        "sleeping function called from invalid context",
        "trace",
        "kernel/sched/core.c __might_resched()",
    ),
    _row(
        "preemptible",
        r"BUG: using (?P<what>\S{1,60}) in preemptible",
        "preempt",
        "using {what} in preemptible code",
        "trace",
        "lib/smp_processor_id.c check_preemption_disabled()",
    ),
)

HANGS = (
    _row(
        "INFO: task ",
        r"INFO: task .{1,40}?:\d+ (?:blocked|can't die|is blocked) .{0,40}?for more than",
        "hung_task",
        "task hung",
        "hung",
        "kernel/hung_task.c check_hung_task()",
    ),
    _row(
        "INFO: rcu",
        r"INFO: rcu\w{0,20} (?:self-)?detected (?:expedited )?stall",
        "rcu_stall",
        "rcu detected stall",
        "stall",
        "kernel/rcu/tree_stall.h, tree_exp.h, tasks.h",
    ),
    _row(
        "soft lockup",
        r"BUG: soft lockup - CPU#(?P<cpu>\d+)",
        "soft_lockup",
        "soft lockup",
        "stall",
        "kernel/watchdog.c watchdog_timer_fn()",
    ),
    _row(
        "hard LOCKUP",
        r"Watchdog detected hard LOCKUP|hard LOCKUP on (?:cpu|CPU)",
        "hard_lockup",
        "hard lockup",
        "stall",
        "kernel/watchdog_perf.c, watchdog_buddy.c",
    ),
    _row(
        "Hard LOCKUP",
        r"Watchdog CPU:?\d+ (?:detected )?Hard LOCKUP|CPU \d+ (?:self-)?detected [Hh]ard LOCKUP",
        "hard_lockup",
        "hard lockup",
        "stall",
        "arch/powerpc/kernel/watchdog.c",
    ),
    _row(
        "workqueue lockup",
        r"BUG: workqueue lockup - pool",
        "workqueue_lockup",
        "workqueue lockup",
        "none",
        "kernel/workqueue.c wq_watchdog_timer_fn()",
        stack=False,
    ),
)

STACKS = (
    _row(
        "stack guard page",
        r"BUG: (?:\w+ )?stack guard page was hit",
        "stack_overflow",
        "stack guard page was hit",
        "overflow",
        "arch/x86/kernel/traps.c handle_stack_overflow()",
    ),
    _row(
        "stack overflow",
        r"(?:kernel stack overflow(?: \(|: )|BUG: kernel stack overflow|Kernel stack overflow|[Kk]ernel panic - not syncing: [Kk]ernel stack overflow)",
        "stack_overflow",
        "kernel stack overflow",
        "overflow",
        "arm64 panic_bad_stack(), riscv handle_bad_stack(), x86 traps.c",
    ),
    _row(
        "stack end detected",
        r"corrupted stack end detected",
        "stack_overflow",
        "corrupted stack end",
        "trace",
        "kernel/sched/core.c schedule_debug()",
    ),
    _row(
        "stack is corrupted",
        rf"Kernel stack is corrupted in: (?:{_FN})?",
        "stack_corruption",
        "stack is corrupted",
        "protector",
        "kernel/panic.c __stack_chk_fail()",
    ),
    _row(
        "double fault",
        r"(?:PANIC: double fault|^(?:traps: )?double fault: [0-9a-f]{4})",
        "double_fault",
        "double fault",
        "pointer_trace",
        "arch/x86/kernel/traps.c exc_double_fault()",
    ),
)

FAULTS = (
    _row(
        "NULL pointer",
        r"[Kk]ernel NULL pointer dereference",
        "null_deref",
        "unable to handle kernel NULL pointer dereference",
        "pointer_trace",
        "page fault handlers of all architectures: x86 show_fault_oops(), arm64 die_kernel_fault(), ppc bad_page_fault()",
    ),
    _row(
        "nable to handle",
        r"[Uu]nable to handle (?:kernel|page fault|paging request|user)",
        "paging_fault",
        "unable to handle kernel paging request",
        "pointer_trace",
        "page fault handlers; ppc: kernel data access; s390: pointer dereference",
    ),
    _row(
        "general protection",
        rf"^(?:.{{0,80}}\W|.{{0,80}}access)?general protection fault(?:, (?!ip)[\w -]+|(?:{_DIE}))",
        "general_protection",
        "general protection fault",
        "pointer_trace",
        "arch/x86/kernel/traps.c exc_general_protection()",
    ),
    _row(
        "divide",
        rf"^(?:Oops: )?divide[ _]error(?:{_DIE})",
        "divide_error",
        "divide error",
        "pointer_trace",
        "x86 exc_divide_error()",
    ),
    _row(
        "stack segment",
        rf"^(?:Oops: )?stack segment(?:{_DIE})",
        "cpu_exception",
        "stack segment fault",
        "pointer_trace",
        "x86 exc_stack_segment()",
    ),
    _row(
        "invalid opcode",
        r"^(?:.{0,40}\s)?(?:Oops: )?invalid opcode: [0-9a-f]{4} \[#",
        "cpu_exception",
        "invalid opcode",
        "pointer_trace",
        "x86 exc_invalid_op(); after a BUG it only repeats it",
        follows=True,
    ),
    _row(
        ": 0000 [#",
        r"^(?:.{0,40}\s)?(?P<what>int3|debug|bounds|alignment check|invalid TSS|simd exception|coprocessor \w+(?: \w+)?"
        r"|control protection fault|segment not present|spurious|machine check): [0-9a-f]{4} \[#",
        "cpu_exception",
        "{what}",
        "pointer_trace",
        "x86 do_error_trap() and its callers",
        follows=True,
    ),
    _row(
        "Missing ENDBR",
        r"Missing ENDBR",
        "cpu_exception",
        "missing ENDBR",
        "pointer_trace",
        "x86 cet.c do_kernel_cp_fault()",
    ),
    _row(
        "Unhandled fault",
        r"Unhandled (?:fault|prefetch abort): ",
        "cpu_exception",
        "Unhandled fault",
        "pointer_trace",
        "arch/arm/mm/fault.c do_DataAbort()",
    ),
    _row(
        "Alignment trap",
        r"Alignment trap: not handling",
        "cpu_exception",
        "Alignment trap",
        "pointer_trace",
        "arch/arm/mm/alignment.c",
    ),
    _row(
        "Internal error: Oops - BUG",
        r"Internal error: Oops - BUG",
        "bug",
        "kernel BUG",
        "pointer_trace",
        "arm, arm64 die() of a BUG",
        follows=True,
    ),
    _row(
        "Internal error",
        r"^Internal error: ",
        "cpu_exception",
        "Internal error",
        "pointer_trace",
        "arm, arm64 die()",
        follows=True,
    ),
    _row(
        "exception: 00",
        r"^(?P<what>[a-z][a-z -]{3,30} exception): 00[0-9a-f]{2} ilc:\d",
        "cpu_exception",
        "{what}",
        "pointer_trace",
        "arch/s390/kernel/traps.c do_report_trap()",
        follows=True,
    ),
    _row(
        "illegal operation",
        r"^illegal operation: 00[0-9a-f]{2} ilc:\d",
        "cpu_exception",
        "illegal operation",
        "pointer_trace",
        "s390 illegal_op(), also the opcode of BUG and WARN",
        follows=True,
    ),
    _row(
        "Oops",
        r"^Oops(?: - (?P<what>[\w ]{3,40}))? ?(?:: |\[#)",
        "cpu_exception",
        "Oops",
        "pointer_trace",
        "die() of ppc64, riscv, s390, mips; x86 page faults repeat it",
        follows=True,
    ),
)

BUGS = (
    _row(
        "kernel BUG at",
        r"[Kk]ernel BUG at (?P<what>\S{1,200}?:\d+)!?",
        "bug",
        "kernel BUG",
        "pointer_trace",
        "lib/bug.c report_bug()",
    ),
    _row(
        "panicked at",
        r"^rust_kernel: panicked at (?P<what>\S+)",
        "rust_panic",
        "rust panic",
        "rust",
        "rust/kernel/lib.rs panic()",
    ),
    _row("WARNING: CPU: ", _WARN, "warning", "WARNING", "pointer_trace", "kernel/panic.c __warn(), 3.11 to 6.17"),
    _row("WARNING: ", _WARN_NEW, "warning", "WARNING", "pointer_trace", "kernel/panic.c __warn() since 6.18"),
    _row(
        "WARNING: at ",
        rf"WARNING: at (?P<what>\S+:\d+)(?: {_FN})?",
        "warning",
        "WARNING",
        "pointer_trace",
        "before 3.11; ppc64, s390 lib/bug.c",
    ),
    _row(
        "WARNING: kernel stack ",
        r"WARNING: kernel stack (?P<what>regs|frame pointer) at",
        "unwinder",
        "kernel stack {what} has bad value",
        "none",
        "arch/x86/kernel/unwind_frame.c",
        stack=False,
        follows=True,
    ),
    _row(
        "WARNING: can't ",
        r"WARNING: can't (?:access|dereference) (?:registers|\w+ at)",
        "unwinder",
        "unwinder cannot read registers",
        "none",
        "arch/x86/kernel/unwind_orc.c",
        stack=False,
        follows=True,
    ),
    _row(
        "unwind stack type",
        r"WARNING: un\w+ unwind stack type",
        "unwinder",
        "unknown unwind stack type",
        "none",
        "unwind_frame.c",
        stack=False,
        follows=True,
    ),
)

MEMORY = (
    _row(
        "BUG: Bad ",
        r"BUG: Bad (?P<what>page (?:state|cache|map)|rss-counter state|page)",
        "bad_page",
        "Bad {what}",
        "bad_page",
        "mm/page_alloc.c bad_page(), mm/memory.c, kernel/fork.c check_mm()",
    ),
    _row(
        "BUG: non-zero ",
        r"BUG: non-zero (?P<what>pgtables_bytes|nr_ptes|nr_pmds)",
        "bad_page",
        "non-zero {what}",
        "none",
        "kernel/fork.c check_mm()",
        stack=False,
    ),
    _row(
        "memory leak",
        r"BUG: memory leak$|BUG: memory leak\s",
        "memory_leak",
        "memory leak",
        "leak",
        "a collector that asked kmemleak",
    ),
    _row(
        "unreferenced object",
        r"^unreferenced object 0x[0-9a-f]+ \(size",
        "memory_leak",
        "memory leak",
        "leak",
        "mm/kmemleak.c print_unreferenced()",
        follows=True,
    ),
    _row(
        "waiting for ",
        r"unregister_netdevice: waiting for \S+ to become free",
        "refleak",
        "unregister_netdevice: waiting for DEV to become free",
        "none",
        "net/core/dev.c netdev_wait_allrefs_any()",
        stack=False,
    ),
    _row(
        "still in use",
        r"BUG: Dentry .{1,80}still in use",
        "refleak",
        "Dentry still in use",
        "none",
        "fs/dcache.c umount_check()",
        stack=False,
    ),
    _row(
        "Busy inodes after",
        r"VFS: Busy inodes after unmount",
        "refleak",
        "Busy inodes after unmount",
        "none",
        "fs/super.c",
        stack=False,
    ),
    _row(
        "file count is",
        r"VFS: Close: file count is (?:0|zero)",
        "refleak",
        "Close: file count is zero",
        "none",
        "fs/open.c filp_close()",
        stack=False,
    ),
    _row(
        "BUG ",
        r"^BUG (?P<what>[\w.,+-]{1,64}) \((?:Not tainted|Tainted: .{1,40}?|[A-Z ]{1,30})\): (?!kasan: bad access)",
        "slab",
        "slab corruption in {what}",
        "trace",
        "mm/slub.c slab_bug()",
    ),
    _row(
        "INFO: ",
        rf"INFO: (?P<what>Allocated|Freed) in {_FN}",
        "slab",
        "slab object {what}",
        "as_is",
        "mm/slub.c print_track() without its headline",
        follows=True,
        stack=False,
    ),
)

LAST = (
    _row(
        "System is deadlocked on memory",
        r"System is deadlocked on memory",
        "oom",
        "out of memory",
        "trace",
        "mm/oom_kill.c",
    ),
    _row(
        "ernel panic - not syncing: ",
        r"ernel panic - not syncing: (?:.{0,20}[Oo]ut of memory|.{0,40}deadlocked on memory)",
        "oom",
        "out of memory",
        "trace",
        "mm/oom_kill.c: panic_on_oom, or nothing left to kill",
    ),
    _row(
        "ernel panic",
        r"[Kk]ernel panic - not syncing: (?P<what>.{1,120})",
        "panic",
        "kernel panic: {what}",
        "panic",
        "kernel/panic.c panic()",
        follows=True,
        stack=False,
    ),
    _row(
        "BUG: ",
        r"^(?:[\w -]{1,24}: ){0,2}\[? ?BUG: (?P<what>[A-Za-z].{5,100})",
        "bug",
        "BUG: {what}",
        "trace",
        "a BUG line without a row of its own",
        follows=True,
    ),
)

BANNERS = (
    _row(
        "Booting the kernel",
        r"^Booting the kernel\b",
        "unexpected_reboot",
        "unexpected kernel reboot",
        "none",
        "x86 extract_kernel(): a boot where a running system was",
        stack=False,
    ),
    _row(
        "Linux version ",
        r"^Linux version \d",
        "unexpected_reboot",
        "unexpected kernel reboot",
        "none",
        "the first line of every boot",
        stack=False,
    ),
)

ROWS = (*SANITIZERS, *LOCKING, *HANGS, *STACKS, *FAULTS, *BUGS, *MEMORY, *LAST, *BANNERS)

# (file, kind, title, blame): a WARN or BUG in such a file reports a broken rule of its callers
BY_FILE = (
    ("lib/list_debug.c", "list_corruption", "corrupted list", "pointer_trace", "CONFIG_DEBUG_LIST"),
    ("mm/usercopy.c", "usercopy", "bad usercopy", "pointer_trace", "hardened usercopy: BUG, before 4.16 also WARN"),
    ("lib/refcount.c", "refcount", "refcount bug", "pointer_trace", "refcount_t saturated"),
    ("include/linux/refcount.h", "refcount", "refcount bug", "pointer_trace", "refcount_t saturated, inline"),
    ("kernel/locking/lockdep.c", "lockdep", "locking bug", "pointer_trace", "lockdep's own consistency checks"),
    ("lib/debugobjects.c", "warning", "ODEBUG bug", "pointer_trace", "an active object was freed or re-initialised"),
    ("lib/kobject.c", "warning", "kobject bug", "pointer_trace", "a kobject was used against its life cycle"),
    ("fs/proc/generic.c", "warning", "proc registration bug", "pointer_trace", "a /proc name was registered twice"),
    ("mm/slab_common.c", "warning", "kmalloc bug", "pointer_trace", "a size that no caller may ask for"),
    ("mm/page_alloc.c", "warning", "", "pointer_trace", "an order that no caller may ask for"),
)


def file_row(path: str) -> tuple[str, str, str] | None:
    """(kind, title, blame) if the source file of a WARN or BUG makes it a special one."""
    name = path.rsplit(":", 1)[0]
    for suffix, kind, title, blame, _why in BY_FILE:
        if name == suffix or name.endswith("/" + suffix):
            return kind, title, blame
    return None


def find(text: str) -> tuple[Row, re.Match[str]] | None:
    """The row whose headline this line is."""
    raw = text.encode("utf-8", "replace")
    for row in ROWS:
        if row.needle in raw and (match := row.pattern.search(text)):
            return row, match
    return None


# The fast search looks for these; every headline contains one of them (a test holds an example of each row to that).
# "[#" is the die counter of all architectures.
MARKS = tuple(
    mark.encode()
    for mark in (
        "BUG: |BUG |WARNING: |INFO: |[#|anic - not syncing|UBSAN: |LOCKUP|nable to handle|Unhandled |Alignment trap|become free"
        "|VFS: Busy|VFS: Close|panicked at|Booting the kernel|Linux version |Missing ENDBR|unreferenced object|PANIC"
        "|protection fault|stack overflow|deadlocked on memory"
    ).split("|")
)
