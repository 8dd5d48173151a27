"""How reports, panics and boots follow from each other: expressions, and sets of types."""

from __future__ import annotations

from kzram_ci.base.expressions import later

CAUSED = later(
    r"panic_on_\w+|Fatal exception|hung_task|softlockup|Hard LOCKUP|RCU Stall|Aiee|Attempted to kill|set \.\.\.|Oops"
    r"|kernel stack overflow|bad mode|UBSAN|KFENCE|kasan|KASAN|locking"
)
BOOT = later(
    r"\s*$|SeaBIOS|OpenSBI|iPXE|U-Boot|GRUB|Decompress|early console|[Bb]ooting |Linux version|EFI|BdsDxe|UEFI"
    r"|Welcome to|qemu|input_|output|kernel_total|Performing|Parsing|Press |Loading |Probing EDD|Script started|spawn"
    r"|boot"
)
STAMP = later(rb"\[ {0,7}(\d{1,9})\.\d{6}\]")
RESTART = later(rb"reboot: |anic - not syncing|Restarting system|Rebooting in|Power down|kexec|-- (?:Re)?[Bb]oot\b")
LOGGED = later(rb"[^\n]{0,120}\bkernel(?:\[\d{1,9}\])?: ")  # by a daemon, which keeps a file across boots
FAULTS = frozenset(
    (
        "bug",
        "rust_panic",
        "stack_overflow",
        "double_fault",
        "null_deref",
        "paging_fault",
        "general_protection",
        "divide_error",
        "cpu_exception",
        "list_corruption",
        "usercopy",
        "panic",
        "stack_corruption",
    )
)
CPU_LINE = later(r"\s{0,8}CPU: {0,2}(\d{1,5}) (?:UID: \d{1,10} )?PID: (\d{1,9}) ")
PRINTED_LONG = frozenset(("lockdep", "suspicious_rcu", "rcu_stall", "soft_lockup", "hung_task", "atomic_sleep"))
PRINTED_ALONE = FAULTS - {"panic"} | {"warning", "refcount"}  # from the headline to the end without a break
THEN = frozenset(("cpu_exception", "double_fault", "bug", "stack_overflow", "general_protection"))
