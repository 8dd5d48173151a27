"""Logs as people post them: the same crash, whatever a pager, a mailer or a vendor's console did to its lines."""

from pathlib import Path

import pytest
from log_changes import CHANGES

from kzram_ci.oops import Oops, StreamParser, parse

GOLDEN = Path(__file__).parents[2] / "golden" / "oops"
CASES = sorted(GOLDEN.glob("*.log"))
QUICK = [case for case in CASES if case.stat().st_size < 40_000]


def crashes(lines: list[str]) -> list[tuple[str, str | None]]:
    # a boot banner is told from its place among the stamps, which some of these take away
    found = parse("\n".join(lines).encode())
    return [(oops.signature, oops.function) for oops in found if oops.type != "unexpected_reboot"]


CRASH = """\
BUG: kernel NULL pointer dereference, address: 0000000000000018
Oops: Oops: 0000 [#1] PREEMPT SMP NOPTI
CPU: 3 UID: 0 PID: 812 Comm: kswapd0 Tainted: G            E      6.12.9-arch1-1 #1
Hardware name: LENOVO 20XW00FPMZ/20XW00FPMZ, BIOS N32ET91W (1.67 ) 12/01/2023
RIP: 0010:obj_malloc+0x4a/0xf0 [zsmalloc]
Code: 48 8b 07 48 89 f5 53 48 8b 5e 10 48 8b 40 20 48 63 c8 <48> 8b 53 18 83 e1 0f
RSP: 0018:ffffb0a341d3b960 EFLAGS: 00010206
Call Trace:
 <TASK>
 ? __die+0x23/0x70
 zs_malloc+0xd1/0x1a0 [zsmalloc]
 zram_write_page+0x1b2/0x440 [zram]
 </TASK>
Modules linked in: zram zsmalloc(E) rfcomm
---[ end trace 0000000000000000 ]---
"""


def facts(oops: Oops) -> dict[str, object]:
    """All that an oops tells, but for where it stands in the log."""
    return {key: value for key, value in oops.to_json().items() if key not in ("start", "end", "end_line", "line")}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.stem)
def test_what_was_done_to_the_lines_changes_nothing(case: Path, name: str) -> None:
    lines = case.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    assert crashes(CHANGES[name](lines)) == crashes(lines)


@pytest.mark.parametrize(
    "name", ["journalctl -o json", "a container's log", "LAVA", "dmesg -H", "dmesg -d", "netconsole, in fragments"]
)
def test_what_a_record_is_kept_in_is_no_part_of_it(name: str) -> None:
    lines = [f"[  412.{number:06d}] {line}" for number, line in enumerate(CRASH.splitlines())]
    (plain,), (kept,) = parse("\n".join(lines).encode()), parse("\n".join(CHANGES[name](lines)).encode())
    assert plain.frames and plain.modules and plain.hardware and plain.comm == "kswapd0"
    assert facts(kept) == facts(plain)


def only(text: str) -> Oops:
    (oops,) = parse(text.encode())
    return oops


ARM = """\
[  677.553100] Unable to handle kernel NULL pointer dereference at virtual address 00000144
[  677.564819] Internal error: Oops: 17 [#1] SMP ARM
[  677.599761] CPU: 1 PID: 41 Comm: kswapd0 Not tainted 6.12.0 #1
[  677.612365] PC is at strcmp+0x4/0x34
[  677.615966] LR is at register_lock_class+0x420/0x990
[  677.663909] Register r0 information: non-slab/vmalloc memory
[  677.707580] Register r8 information: slab task_struct start c33c9d60 allocated at copy_process+0x1a4/0x1950
[  677.720184]     kmem_cache_alloc+0x328/0x43c
[  677.724487]     copy_process+0x1a4/0x1950
[  677.735870]     ret_fast_syscall+0x0/0x1c
[  677.739898]  Free path:
[  677.742370]     rcu_core+0x3c8/0x1140
[  677.771453] Process kswapd0 (pid: 41, stack limit = 0xf120ecd0)
[  677.777740] Stack: (0xf1206a90 to 0xf1205270)
[  677.783470] 6a80:                                     00000000 c33c3e90 c2b2d148 00000144
"""
ARM_NEW = """\
[  678.151947]  strcmp from register_lock_class+0x420/0x990
[  678.168762]  lock_acquire from zs_map_object+0x114/0x338 [zsmalloc]
[  678.175079]  zs_map_object [zsmalloc] from zram_bvec_rw+0x284/0xb1c [zram]
[  678.453491] ---[ end trace 0000000000000000 ]---
"""
ARM_OLD = """\
[  155.570945] Backtrace:
[  155.572416] [<c09a71a0>] (strcmp) from [<bf3a06c0>] (zs_map_object+0x1/0x338 [zsmalloc])
[  155.573875] [<bf3a06c0>] (zs_map_object [zsmalloc]) from [<bf3cc948>] (zram_bvec_rw+0x344/0x820 [zram])
[  155.575364]  r4:00000000
[  155.576844] ---[ end trace 0000000000000000 ]---
"""


@pytest.mark.parametrize("trace", [ARM_NEW, ARM_OLD], ids=["since 6.0", "before"])
def test_arm_frames_of_modules_are_the_stack_and_those_of_registers_are_not(trace: str) -> None:
    oops = only(ARM + trace)
    assert (oops.type, oops.function, oops.corrupted) == ("null_deref", "zs_map_object", False)
    assert "copy_process" not in [frame.function for frame in oops.frames]
    assert oops.frames[-1].module == "zram"


def test_where_preemption_was_disabled_is_not_the_stack() -> None:
    oops = only(
        "BUG: scheduling while atomic: kswapd0/41/0x00000002\n"
        "Preemption disabled at:[<c0123456>] vprintk_emit+0x1/0x2\n"
        "CPU: 0 PID: 41 Comm: kswapd0 Not tainted 4.4.0 #1\n"
        "[<c0010c8c>] (dump_stack) from [<c0049cd0>] (__schedule_bug+0x4c/0x64)\n"
        "[<c0049cd0>] (__schedule_bug) from [<c06a1a14>] (__schedule+0x50c/0x8b8)\n"
        "[<c06a1a14>] (__schedule) from [<c0412a14>] (zram_free_page+0x50c/0x8b8)\n"
    )
    assert (oops.type, oops.function) == ("atomic_sleep", "zram_free_page")


def test_a_broadcast_copy_is_no_second_oops() -> None:
    copy = "\nBroadcast message from systemd-journald@board (Thu 2022-04-28 17:53:32 UTC):\n"
    copy += "kernel[302]: [  677.564819] Internal error: Oops: 17 [#1] SMP ARM\n"
    assert only(ARM + ARM_NEW + copy).function == "zs_map_object"


def test_a_broadcast_alone_is_what_there_is() -> None:
    oops = only("Message from syslogd@host at Nov 28 00:51:05 ...\n kernel:BUG: soft lockup - CPU#3 stuck for 22s!\n")
    assert (oops.type, oops.corrupted) == ("soft_lockup", True)


@pytest.mark.parametrize(
    "prefix",
    ["c1 ", "[core0] ", "1261929:", "kernel_1  | ", "-(1)[123:comm]", "node7: "],
    ids=lambda prefix: prefix.strip(),
)
def test_a_prefix_that_no_table_has_is_learned(prefix: str) -> None:
    text = (
        "BUG: unable to handle kernel paging request at ffffea0003dbb5f8\n"
        "IP: [<ffffffff811d9a92>] unmap_single_vma+0x2d9/0x6b8\n"
        "Oops: 0000 [#1] SMP\n"
        "Call Trace:\n"
        " [<ffffffff811d9a92>] unmap_vmas+0x2d9/0x6b8\n"
    )
    oops = only("".join(f"[  99.000000] {prefix}{line}\n" for line in text.splitlines()))
    assert (oops.type, oops.function) == ("paging_fault", "unmap_single_vma")
    assert [frame.function for frame in oops.frames][-1] == "unmap_vmas"


def test_a_prefix_whose_signs_change_is_learned() -> None:
    oops = only(
        "129:Apr 13 18:52:32 srv kernel: BUG: unable to handle kernel paging request at ffffea0003dbb5f8\n"
        "130-Apr 13 18:52:32 srv kernel: IP: [<ffffffff811d9a92>] unmap_single_vma+0x2d9/0x6b8\n"
    )
    assert oops.function == "unmap_single_vma"


def test_the_beginning_of_a_stack_overflow_is_found_and_flagged() -> None:
    oops = only(
        "[    0.838310] Insufficient stack space to handle exception!\n"
        "[    0.838321] ESR: 0x0000000096000047 -- DABT (current EL)\n"
        "[    0.838352] CPU: 2 PID: 0 Comm: swapper/2 Not tainted 6.7.0-rc4+ #17\n"
    )
    assert (oops.type, oops.function, oops.corrupted) == ("stack_overflow", None, True)


def test_the_panic_ends_a_stack_overflow() -> None:
    oops = only(
        "Insufficient stack space to handle exception!\nCPU: 2 PID: 0 Comm: swapper/2 Not tainted 6.7.0 #17\n"
        "pc : mark_lock+0x4/0x1b4\nKernel panic - not syncing: kernel stack overflow\nCall trace:\n"
        " panic+0x218/0x50c\n mark_lock+0x4/0x1b4\n"
        " zram_bvec_rw+0x1/0x2\n __arm64_sys_write+0x1/0x2\n el0_svc+0x1/0x2\n"
    )
    assert (oops.type, oops.function, oops.corrupted) == ("stack_overflow", "__arm64_sys_write", False)


def test_a_warning_whose_line_is_cut_is_found() -> None:
    head = "Nov 28 00:51:05 debian kernel: WARNING: CPU: 3 PID: 412 at"
    oops = only(f"{head}\n/build/linux/drivers/block/zram/zram_drv.c:1 zram_free_page+0x1/0x2\n")
    assert (oops.type, oops.title) == ("warning", "WARNING")
    assert only(f"{head}\n").corrupted


BOOT = "Linux version 6.12.0 (a@b) (gcc 14) #1 SMP"


@pytest.mark.parametrize("between", ["-- Reboot --\n", "-- Boot 0123456789abcdef0123456789abcdef --\n", ""])
def test_a_file_that_spans_boots_tells_of_no_reboot(between: str) -> None:
    assert not parse(
        f"Nov 28 00:51:05 debian kernel: zram: all is well\n{between}Nov 28 09:00:00 debian kernel: {BOOT}\n".encode()
    )


LOWER_HALF = """\
R13: 0000000000000000 R14: ffff888100000000 R15: 0000000000000000
FS:  0000000000000000(0000) GS:ffff88813bc00000(0000) knlGS:0000000000000000
Call Trace:
 <TASK>
 ? __die+0x1f/0x60
 zs_free+0x2e/0x90 [zsmalloc]
 zram_free_page+0x1c/0x90 [zram]
 </TASK>
Modules linked in: zram zsmalloc
---[ end trace 0000000000000000 ]---
"""


@pytest.mark.parametrize("before", ["", "zram0: detected capacity change from 0 to 524288\n"])
@pytest.mark.parametrize("stamp", ["", "[   12.345678] ", "[   12.345678][   T73] ", "Nov 28 00:51:05 debian kernel: "])
def test_the_lower_half_of_a_report_is_found_and_flagged(before: str, stamp: str) -> None:
    log = "".join(f"{stamp}{line}\n" for line in (before + LOWER_HALF).splitlines())
    oops = only(log)
    assert (oops.type, oops.function, oops.corrupted) == ("unknown", "zs_free", True)
    assert oops.why_corrupted == "no headline"
    assert oops.line == 1 + before.count("\n")
    assert oops.excerpt(log.encode()).count(b"\n") == LOWER_HALF.count("\n")
    assert oops.signature == "unknown:zs_free"


@pytest.mark.parametrize(
    "last",
    [
        "PKRU: 55555554",
        "lr : zs_malloc+0x1b0/0x4c8 [zsmalloc]",
        " ra : zs_malloc+0x8c/0x102",
        "REGS: c00000001f9f7680 TRAP: 0300   Not tainted  (6.11.0-rc5)",
        "           R:0 T:1 IO:1 EX:1 Key:0 M:1 W:0 P:0 AS:3 CC:0 PM:0 RI:0 EA:3",
        "          >000002aa7f0a1b3e: e31010000004        lg      %r1,0(%r1)",
        " CRMD: 000000b0 (PLV0 -IE -DA +PG DACF=CC DACM=CC -WE)",
    ],
)
def test_a_lower_half_reaches_up_to_the_instruction_pointer(last: str) -> None:
    oops = only(f"RIP: 0010:obj_malloc+0x4a/0xf0 [zsmalloc]\n{last}\n" + LOWER_HALF)
    assert (oops.function, oops.line) == ("obj_malloc", 1)


DECODED = """\
BUG: KASAN: slab-out-of-bounds in memcpy_to_page include/linux/highmem.h:427 [inline]
BUG: KASAN: slab-out-of-bounds in zs_copy mm/zsmalloc.c:1240 [inline]
BUG: KASAN: slab-out-of-bounds in zs_obj_write+0x31c/0x560 mm/zsmalloc.c:1260
Write of size 3104 at addr ffff88801f5e2c40 by task syz.0.17/9123

CPU: 0 UID: 0 PID: 9123 Comm: syz.0.17 Not tainted 6.15.0-rc2-syzkaller #0 PREEMPT(full)
Call Trace:
 <TASK>
 __asan_memcpy+0x3c/0x60 mm/kasan/shadow.c:106
 memcpy_to_page include/linux/highmem.h:427 [inline]
 zs_obj_write+0x31c/0x560 mm/zsmalloc.c:1260
 zram_submit_bio+0xf21/0x1c60 drivers/block/zram/zram_drv.c:2090
 </TASK>
"""
AT = "WARNING: CPU: 0 PID: 9123 at mm/zsmalloc.c:373 "


@pytest.mark.parametrize("stamp", ["", "[   93.200001][ T9123] "])
@pytest.mark.parametrize("head", ["BUG: KASAN: slab-out-of-bounds in ", "BUG: KMSAN: uninit-value in ", AT])
def test_a_headline_that_was_decoded_with_its_inlined_functions_is_one(stamp: str, head: str) -> None:
    text = DECODED.replace("BUG: KASAN: slab-out-of-bounds in ", head)
    oops = only("".join(f"{stamp}{line}\n" for line in text.splitlines()))
    assert (oops.function, oops.corrupted, oops.line) == ("zs_obj_write", False, 1)
    assert oops.headline == f"{head}zs_obj_write+0x31c/0x560 mm/zsmalloc.c:1260"


def test_a_lower_half_may_end_the_log_without_a_newline() -> None:
    assert only(LOWER_HALF.rstrip("\n")).function == "zs_free"


def test_a_page_fault_without_its_first_lines_is_one() -> None:
    oops = only("Oops: 0002 [#1] PREEMPT SMP\nRIP: 0010:zs_free+0x2e/0x90 [zsmalloc]\n" + LOWER_HALF)
    assert (oops.type, oops.function, oops.corrupted) == ("paging_fault", "zs_free", False)


def test_an_end_without_a_stack_is_nothing() -> None:
    assert parse(b"zram: up\n---[ end trace 0000000000000000 ]---\n") == ()


def test_the_end_of_a_report_that_was_found_begins_no_other() -> None:
    found = parse(
        b"kernel BUG at mm/slub.c:1!\n" + LOWER_HALF.encode() + b"zram: up\n" * 30 + LOWER_HALF.encode()[-37:]
    )
    assert [oops.type for oops in found] == ["bug"]


def test_a_lower_half_that_comes_in_pieces_is_the_same() -> None:
    log = ("zram: up\n" * 9 + LOWER_HALF).encode()
    (whole,) = parse(log)
    for size in (1, 7, 40, 300):
        parser = StreamParser(settle=True)
        pieces = [oops for at in range(0, len(log), size) for oops in parser.feed(log[at : at + size])]
        assert [*pieces, *parser.finish()] == [whole]
