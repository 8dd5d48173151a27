"""Shapes of all architectures, fields, order, callers, panics and the live parser."""

import random

import oops_samples as splats
import pytest

from kzram_ci.oops import Oops, StreamParser, parse

PREFIXES = {
    "none": "",
    "printk": "[   12.345678] ",
    "level": "<4>[   12.345678] ",
    "caller": "[   12.345678][   T73] ",
    "dmesg -T": "[Mon Nov 23 00:51:05 2026] ",
    "dmesg -x": "kern  :warn  : [   12.345678] ",
    "journald": "Nov 23 00:51:05 debian kernel: ",
    "syslog": "Nov 23 00:51:05 debian kernel: [   12.345678] ",
    "iso": "2026-11-23T00:51:05.123456+00:00 debian kernel: ",
    "colour": "\x1b[32m[   12.345678] \x1b[0m\x1b[31m",
}


@pytest.mark.parametrize("name", splats.ALL)
def test_shape(name: str) -> None:
    text, kind, function = splats.ALL[name]
    (oops,) = parse(text.encode())
    assert (oops.type, oops.function, oops.corrupted) == (kind, function, False)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("name", splats.ALL)
def test_any_console_prefix_gives_the_same_signature(name: str, prefix: str) -> None:
    text, _, _ = splats.ALL[name]
    (plain,) = parse(text.encode())
    log = "".join(f"{PREFIXES[prefix]}{line}\r\n" for line in text.splitlines()).encode()
    (oops,) = parse(log)
    assert (oops.signature, oops.title, oops.line) == (plain.signature, plain.title, plain.line)


def test_fields() -> None:
    (oops,) = parse(splats.stamped(splats.NULL_DEREF + splats.PANIC))
    assert (oops.cpu, oops.pid, oops.comm, oops.kernel) == (1, 73, "anonmutate", "6.12.117+")
    assert oops.hardware == "QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.2"
    assert oops.taint == "GWO"
    assert oops.taint_words == ("a warning before", "out-of-tree module")
    assert oops.modules == ("zram", "zsmalloc", "lzo_rle")
    assert oops.code == "89 c8 48 c1 e9 0c <48> 8b 44 c8 10 48 85 c0"
    assert oops.registers is not None
    assert oops.registers["rcx"] == "0000000000000002"
    assert oops.registers["rsp"] == "ffffc90000223b30"  # the kernel's, not user space's
    assert oops.panic == "Fatal exception"
    assert oops.pointer is not None
    assert (oops.pointer.function, oops.pointer.offset, oops.pointer.size) == ("obj_malloc", 0x4B, 0x160)
    first = oops.frames[0]
    assert (first.function, first.reliable) == ("__die", False)
    assert (oops.frames[1].function, oops.frames[1].module) == ("zs_malloc", "zsmalloc")
    assert oops.frames[-1].function == "entry_SYSCALL_64_after_hwframe"


def test_span_is_that_of_the_raw_log() -> None:
    before = splats.stamped("zram: up\nzram: still up")
    log = before + splats.stamped(splats.NULL_DEREF) + splats.stamped("systemd: next\n")
    (oops,) = parse(log)
    assert oops.start == len(before)
    assert oops.line == 3
    assert oops.excerpt(log).startswith(b"[    1.000000] BUG: kernel NULL")
    assert oops.excerpt(log).rstrip().endswith(b"]---")
    assert log[: oops.end].count(b"\n") == oops.end_line


def test_json_round_trip() -> None:
    for oops in parse("\n".join(text for text, _, _ in splats.ALL.values()).encode()):
        assert Oops.from_json(oops.to_json()) == oops


def test_several_in_order_and_the_panic_belongs_to_its_cause() -> None:
    found = parse(splats.stamped(splats.WARNING + splats.NULL_DEREF + splats.PANIC))
    assert [oops.type for oops in found] == ["warning", "null_deref"]
    assert [oops.panic for oops in found] == [None, "Fatal exception"]


def test_a_panic_alone_is_one() -> None:
    (oops,) = parse(b"Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n")
    assert (oops.type, oops.corrupted) == ("panic", False)
    (oops,) = parse(b"Kernel panic - not syncing: panic_on_warn set ...\n")
    assert (oops.type, oops.corrupted) == ("panic", True)


def test_half_a_splat_is_a_splat() -> None:
    lines = splats.stamped(splats.NULL_DEREF).splitlines(keepends=True)
    for count in range(1, len(lines)):
        (oops,) = parse(b"".join(lines[:count]))
        assert oops.type == "null_deref"
    assert parse(lines[0])[0].corrupted


def test_interleaved_callers_are_untangled_in_any_order() -> None:
    mine = splats.stamped(splats.NULL_DEREF, "T73").splitlines(keepends=True)
    other = splats.stamped(splats.WARNING, "C0").splitlines(keepends=True)
    noise = splats.stamped("audit: x\n" * 30, "T9").splitlines(keepends=True)
    want = {(oops.signature, len(oops.frames)) for log in (mine, other) for oops in parse(b"".join(log))}
    dice = random.Random(1)
    for _ in range(50):
        queues = [list(mine), list(other), list(noise)]
        mixed = []
        while queues := [queue for queue in queues if queue]:
            mixed.append(dice.choice(queues).pop(0))
        found = parse(b"".join(mixed))
        assert {(oops.signature, len(oops.frames)) for oops in found} == want
        assert [oops.line for oops in found] == sorted(oops.line for oops in found)


def test_noise_in_front_of_a_record() -> None:
    log = b"login: \xff\xfe\x00[   35.184476] " + splats.NULL_DEREF.replace("\n", "\n[   35.2] ").encode()
    assert parse(log)[0].type == "null_deref"
    (oops,) = parse(b"vmalloc: error: 34 bytes[   76.471107] BUG: unable to handle page fault for address: 12345678\n")
    assert (oops.type, oops.corrupted) == ("paging_fault", True)


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_stream_pieces_do_not_matter(size: int) -> None:
    log = splats.stamped(splats.WARNING + splats.NULL_DEREF + splats.PANIC + splats.LOCKDEP)
    whole = parse(log)
    assert parse(log[at : at + size] for at in range(0, len(log), size)) == whole


@pytest.mark.parametrize("name", ["null-deref", "warning", "arm64", "kasan"])
def test_live_parser_tells_at_the_end_mark_and_once(name: str) -> None:
    text, kind, _ = splats.ALL[name]
    parser = StreamParser()
    lines = splats.stamped(text).splitlines(keepends=True)
    for line in lines[:-1]:
        assert parser.feed(line) == []
    assert parser.pending is not None
    (oops,) = parser.feed(lines[-1])
    assert oops.type == kind
    assert parser.feed(splats.stamped(splats.PANIC)) == []  # its consequence is no other oops
    assert parser.finish() == []
    assert parser.pending is None


def test_live_parser_ends_a_report_without_end_mark_when_others_speak() -> None:
    parser = StreamParser()
    assert parser.feed(splats.stamped(splats.HUNG)) == []
    (oops,) = parser.feed(splats.stamped("zram: fine\n" * 20))
    assert oops.function == "zram_reset_device"


def test_silence_hands_out_what_has_begun() -> None:
    parser = StreamParser()
    assert parser.feed(splats.stamped(splats.HUNG)) == []
    (oops,) = parser.finish()
    assert oops.type == "hung_task"
    (oops,) = parser.feed(splats.stamped(splats.WARNING))
    assert oops.type == "warning"


def test_signature_forgets_what_changes() -> None:
    (first,) = parse(splats.NULL_DEREF.encode())
    changed = splats.NULL_DEREF.replace("obj_malloc+0x4b/0x160", "obj_malloc.constprop.0.isra.3+0x51/0x170")
    changed = changed.replace("0000000000000010", "0000000000000028").replace("CPU: 1", "CPU: 0").replace("73", "991")
    (second,) = parse(changed.encode())
    assert first.signature == second.signature == "null_deref:obj_malloc"


def test_doctest() -> None:
    import doctest

    import kzram_ci.oops

    assert doctest.testmod(kzram_ci.oops).failed == 0


BANNER = "[    0.000000] Linux version 6.12.0 (gcc 12.2) #1 SMP\n[    0.100000] ok\n"


@pytest.mark.parametrize(
    ("first", "kinds"),
    [
        ("Probing EDD (edd=off to disable)... ok\n", []),  # QEMU 7.2 with -kernel: the setup code of the kernel itself
        ("SeaBIOS (version 1.16.2)\n", []),
        ("\nOpenSBI v1.1\n   ____\n\nPlatform Name             : riscv-virtio,qemu\n", []),
        ("Decompressing Linux... Parsing ELF... done.\n", []),
        ("starting the test\n", ["unexpected_reboot"]),
    ],
)
def test_what_a_loader_says_before_the_banner_is_no_system_that_ran(first: str, kinds: list[str]) -> None:
    assert [oops.type for oops in parse((first + BANNER).encode())] == kinds


FAULT = """\
[  412.100000] Oops: general protection fault, maybe for address 0xdead000000000108: 0000 [#1] SMP NOPTI
[  412.100001] CPU: 0 UID: 0 PID: 96 Comm: kswapd0 Not tainted 6.12.0 #1
[  412.100002] RIP: 0010:zs_free+0x2e/0x90 [zsmalloc]
"""
QUIET = "".join(f"[  500.{number:06d}] zram0: fine\n" for number in range(100))


@pytest.mark.parametrize(
    ("before", "kinds"),
    [
        (FAULT, ["general_protection"]),  # crash_kexec() comes before the end mark
        (FAULT + "[  412.2] Kernel panic - not syncing: Fatal exception\n", ["general_protection"]),
        ("[  412.100000] Kernel panic - not syncing: sysrq triggered crash\n", ["panic"]),
        (FAULT + QUIET, ["general_protection", "unexpected_reboot"]),
    ],
)
def test_the_boot_that_a_crash_led_to_is_not_unexpected(before: str, kinds: list[str]) -> None:
    assert [oops.type for oops in parse((before + BANNER).encode())] == kinds


@pytest.mark.parametrize("quote", ['"', "'", "`"])
@pytest.mark.parametrize("words", ["BUG: unable to handle page fault for address", "kernel BUG at mm/slub.c:1!"])
def test_a_headline_that_someone_quotes_needs_a_stack(quote: str, words: str) -> None:
    told = f"python3[222]: raise OSError({quote}{words}{quote})\nzram0: fine\n"
    assert parse(told.encode()) == ()
    (oops,) = parse((told + "Call Trace:\n zs_free+0x2e/0x90\n zram_free_page+0x1c/0x90\n").encode())
    assert oops.function == "zs_free"
