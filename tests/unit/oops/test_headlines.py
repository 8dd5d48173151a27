"""Every row of the table of headlines finds its own example, and the fast search cannot miss it."""

import pytest

from kzram_ci.model.vocab import OOPS_TYPES
from kzram_ci.oops import catalogue, culprit, parse

# one example a row, as the kernel prints it; a row without one fails the test
EXAMPLES = (
    "kernel BUG at zs_free+0x12/0x90 [verbose debug info unavailable]",
    "sh(321): Kernel bad sw trap 5 [#1]",
    "watchdog: CPU 1 self-detected hard LOCKUP @ zs_free+0x12/0x90",
    "unexpected #NM exception: 0000 [#1] PREEMPT SMP",
    "WARNING: foo",
    "Oops: 0002 [#1] PREEMPT SMP",
    "BUG: looking up invalid subclass: 8",
    "---[ end trace 0000000000000000 ]---",
    "WARNING: zram is confused",
    "Insufficient stack space to handle exception!",
    "WARNING: CPU: 1 PID: 41",
    "WARNING: [size > PAGE_SIZE] drivers/block/zram/zram_drv.c:1 at zram_free_page+0x1/0x2, CPU#0: kswapd0/41",
    "general protection fault for non-canonical address 0xdead000000000000: 0000 [#1] SMP",
    "BUG: KASAN: slab-use-after-free in zs_free+0x1/0x2",
    "BUG: KASan: use after free in zs_free+0x1/0x2",
    "BUG: KMSAN: uninit-value in zs_free+0x1/0x2",
    "BUG: KCSAN: data-race in zs_free / zs_malloc",
    "BUG: KFENCE: out-of-bounds read in zs_free+0x1/0x2",
    "UBSAN: array-index-out-of-bounds in drivers/block/zram/zram_drv.c:1:2",
    "WARNING: suspicious RCU usage",
    "WARNING: possible circular locking dependency detected",
    "WARNING: possible recursive locking detected",
    "WARNING: possible irq lock inversion dependency detected",
    "WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected",
    "WARNING: inconsistent lock state",
    "WARNING: bad unlock balance detected!",
    "WARNING: bad contention detected!",
    "WARNING: held lock freed!",
    "WARNING: lock held when returning to user space!",
    "WARNING: swapper/0/1 still has locks held!",
    "WARNING: Nested lock was not taken",
    "[ BUG: Invalid wait context ]",
    "INFO: trying to register non-static key.",
    "BUG: MAX_LOCKDEP_CHAINS too low!",
    "BUG: key ffff888100000000 has not been registered!",
    "BUG: workqueue leaked atomic, lock or RCU: kworker/1:1[41]",
    "Kernel bug detected[#1]:",
    "Oops: Split lock: 0000 [#1] SMP",
    "Reserved instruction in kernel code[#1]:",
    "BUG: Bad rss-counter state mm:00000000a1 type:MM_ANONPAGES val:1",
    "BUG: spinlock bad magic on CPU#0, kswapd0/41",
    "BUG: scheduling while atomic: kswapd0/41/0x00000002",
    "BUG: sleeping function called from invalid context at mm/zsmalloc.c:1",
    "BUG: using smp_processor_id() in preemptible [00000000] code: kswapd0/41",
    "INFO: task kswapd0:41 blocked for more than 120 seconds.",
    "rcu: INFO: rcu_preempt self-detected stall on CPU",
    "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [kswapd0:41]",
    "Watchdog detected hard LOCKUP on cpu 1",
    "watchdog: CPU 3 detected hard LOCKUP on other CPUs 1",
    "watchdog: CPU 3 Hard LOCKUP",
    "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 30s!",
    "BUG: TASK stack guard page was hit at ffffc90000000000 (stack is ffffc90000001000..ffffc90000005000)",
    "Kernel panic - not syncing: kernel stack overflow",
    "Kernel panic - not syncing: corrupted stack end detected inside scheduler",
    "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: zs_free+0x1/0x2",
    "PANIC: double fault, error_code: 0x0",
    "BUG: kernel NULL pointer dereference, address: 0000000000000010",
    "BUG: unable to handle page fault for address: ffffc90000000000",
    "general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP",
    "divide error: 0000 [#1] SMP",
    "stack segment: 0000 [#1] SMP",
    "invalid opcode: 0000 [#1] SMP",
    "int3: 0000 [#1] SMP",
    "Missing ENDBR: zs_free+0x0/0x2",
    "Unhandled fault: page domain fault (0x81b) at 0x00001044",
    "Alignment trap: not handling instruction e1932f9f at [<8028bd58>]",
    "Internal error: Oops - BUG: 00000000f2000800 [#1] SMP",
    "Internal error: synchronous external abort: 96000050 [#1] SMP",
    "specification exception: 0006 ilc:2 [#1] SMP",
    "illegal operation: 0001 ilc:1 [#1] SMP",
    "Oops: Kernel access of bad area, sig: 11 [#1]",
    "kernel BUG at mm/zsmalloc.c:1!",
    "rust_kernel: panicked at rust/kernel/lib.rs:1:2:",
    "WARNING: CPU: 0 PID: 41 at mm/zsmalloc.c:1 zs_free+0x1/0x2",
    "WARNING: mm/zsmalloc.c:1 at zs_free+0x1/0x2, CPU#0: kswapd0/41",
    "WARNING: at mm/zsmalloc.c:1",
    "WARNING: kernel stack regs at ffffc90000000000 in swapper/0:1 has bad 'bp' value 0000000000000000",
    "WARNING: can't access registers at asm_exc_page_fault+0x1/0x2",
    "WARNING: unrecognized unwind stack type",
    "BUG: Bad page state in process kswapd0  pfn:12345",
    "BUG: non-zero pgtables_bytes on freeing mm: 4096",
    "BUG: memory leak",
    "unreferenced object 0xffff888100000000 (size 64):",
    "unregister_netdevice: waiting for lo to become free. Usage count = 2",
    "BUG: Dentry ffff888100000000{i=1,n=lo}  still in use (1) [unmount of proc proc]",
    "VFS: Busy inodes after unmount of zram0. Self-destruct in 5 seconds.  Have a nice day...",
    "VFS: Close: file count is 0",
    "BUG kmalloc-64 (Not tainted): Poison overwritten",
    "INFO: Allocated in zs_malloc+0x1/0x2 age=1 cpu=1 pid=41",
    "Kernel panic - not syncing: System is deadlocked on memory",
    "Kernel panic - not syncing: Out of memory: compulsory panic_on_oom is enabled",
    "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b",
    "BUG: something nobody knows yet",
    "Booting the kernel.",
    "Linux version 6.12.0 (a@b) #1 SMP",
)

# texts with the words of a headline that are none
LOOK_ALIKES = (
    "INFO: lockdep is turned off.",
    "INFO: NMI handler (perf_event_nmi_handler) took too long to run: 2.277 msecs",
    "INFO: Stall ended before state dump start",
    "traps: prog[12] general protection fault ip:401000 sp:7ffc error:0 in prog[400000+1000]",
    "systemd[1]: DEBUG: nothing",
    "foo: evtlog_status: enable:0, panic:1, dump:2",
    "Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on",
    "XFS (loop4): WARNING: Reset corrupted AGFL on AG 0",
    "WARNING: the mand mount option is being deprecated",
    "xfs: Unknown parameter '   Booting the kernel.   '",
    "prog[12]: segfault at 0 ip 0000000000401000 sp 00007ffc error 4 in prog",
    "systemd[1]: Fixes: [#1]:",
    "sh[41]: see bug [#12]",
    "Out of memory: Killed process 41 (anonmutate) total-vm:1kB",
    "Kernel command line: console=ttyS0 oops=panic panic_on_warn=1",
)


@pytest.mark.parametrize("text", EXAMPLES)
def test_example_is_found_by_the_table_and_by_the_fast_search(text: str) -> None:
    assert catalogue.find(text) is not None
    assert any(mark in text.encode() for mark in catalogue.MARKS)


def test_every_row_has_an_example() -> None:
    met = {id(found[0]) for text in EXAMPLES if (found := catalogue.find(text))}
    missing = [row.pattern for row in catalogue.tables().rows if id(row) not in met]
    assert not missing


@pytest.mark.parametrize("text", LOOK_ALIKES)
@pytest.mark.parametrize("prefix", ["", "[    1.000000] ", "[    1.000000][   T41] "])
def test_look_alikes_stay_silent(text: str, prefix: str) -> None:
    assert parse(f"{prefix}{text}\n".encode()) == ()


def test_a_bare_warning_is_a_report_only_with_a_stack_of_its_own() -> None:
    stack = (
        "CPU: 1 PID: 41 Comm: kswapd0 Not tainted 6.12.0 #1\nCall Trace:\n <TASK>\n zram_free_page+0x1/0x2\n </TASK>\n"
    )
    (oops,) = parse(f"WARNING: zram is confused\n{stack}".encode())
    assert (oops.type, oops.function, oops.corrupted) == ("warning", "zram_free_page", False)
    injected = "FAULT_INJECTION: forcing a failure.\nname failslab, interval 1, probability 0, space 0, times 0\n"
    assert parse(f"WARNING: zram is confused\n{injected}{stack}".encode()) == ()
    assert [oops.type for oops in parse(f"WARNING: x is old\nkernel BUG at mm/slub.c:1!\n{stack}".encode())] == ["bug"]
    assert parse(b"WARNING: the mand mount option is being deprecated\n" + b"zram: up\n" * 20 + stack.encode()) == ()


def test_rows_use_known_words() -> None:
    for row in catalogue.tables().rows:
        assert row.kind in OOPS_TYPES
        assert row.blame in culprit.STRATEGIES
        assert row.why
    for file in catalogue.tables().files:
        assert file.kind in OOPS_TYPES
        assert file.why


def test_a_boot_banner_is_an_oops_only_where_a_system_was_running() -> None:
    banner = b"[    0.000000] Linux version 6.12.0 (a@b) #1 SMP\n"
    assert parse(banner) == ()
    assert parse(b"SeaBIOS (version 1.16)\nBooting the kernel.\n" + banner) == ()
    assert [oops.type for oops in parse(b"[  100.000000] zram: all is well\n" + banner)] == ["unexpected_reboot"]
    assert parse(b"[  100.000000] reboot: Restarting system\n" + banner) == ()
    assert parse(banner + b"[    1.500000] zram: up\n" + banner) == ()  # earlycon: the console replays its log
