"""The words for the type of an oops: what the parser prints, plans expect and the judge weighs."""

from __future__ import annotations

MOST_REPEATS = 1000  # boots of a cell, in a plan or on the command line
OOPS_TYPES = (
    "kasan",
    "kmsan",
    "kfence",
    "kcsan",
    "ubsan",
    "lockdep",
    "suspicious_rcu",
    "spinlock",
    "atomic_sleep",
    "preempt",
    "hung_task",
    "rcu_stall",
    "soft_lockup",
    "hard_lockup",
    "workqueue_lockup",
    "general_protection",
    "null_deref",
    "paging_fault",
    "divide_error",
    "double_fault",
    "cpu_exception",
    "bug",
    "list_corruption",
    "usercopy",
    "warning",
    "refcount",
    "unwinder",
    "slab",
    "bad_page",
    "memory_leak",
    "refleak",
    "stack_overflow",
    "stack_corruption",
    "panic",
    "oom",
    "rust_panic",
    "unexpected_reboot",
    "firmware",
    "userspace",
    "unknown",
)

# The kernel goes on after these: a complaint, not the crash.
NON_FATAL_TYPES = frozenset(
    {
        "atomic_sleep",
        "bad_page",
        "firmware",
        "kasan",
        "kcsan",
        "kfence",
        "kmsan",
        "lockdep",
        "memory_leak",
        "preempt",
        "refcount",
        "refleak",
        "slab",
        "suspicious_rcu",
        "ubsan",
        "unwinder",
        "userspace",
        "warning",
    }
)

# Before the workload ran these tell of a starved host or a missing driver, not of the code under test:
# "IO-APIC + timer doesn't work!", a watchdog on a host without CPU time, no root to mount.
HOST_LIKE_TYPES = frozenset(
    {
        "firmware",
        "hard_lockup",
        "hung_task",
        "oom",
        "panic",
        "rcu_stall",
        "soft_lockup",
        "unexpected_reboot",
        "unknown",
        "userspace",
        "workqueue_lockup",
    }
)
