"""Reports of two CPUs whose lines are mixed, in a log without caller ids: each keeps its own lines."""

import pytest

from kzram_ci.oops import Oops, StreamParser, parse

FAULT_HEAD = (
    "BUG: kernel NULL pointer dereference, address: 0000000000000028",
    "#PF: supervisor read access in kernel mode",
    "#PF: error_code(0x0000) - not-present page",
)
FAULT_BODY = (
    "Oops: Oops: 0000 [#1] SMP",
    "CPU: 0 UID: 0 PID: 75 Comm: anonmutate Tainted: G        W          6.12.117 #1 ",
    "RIP: 0010:obj_malloc+0x4b/0x160",
    "Call Trace:",
    " <TASK>",
    " zs_malloc+0x1e7/0x4f0",
    " zram_submit_bio+0x946/0x9d0",
    " </TASK>",
    "---[ end trace 0000000000000000 ]---",
)
WARNING_HEAD = (
    "------------[ cut here ]------------",
    "WARNING: CPU: 1 PID: 72 at drivers/block/zram/zram_drv.c:1488 zram_read_page+0x1e3/0x9d0",
)
WARNING_BODY = (
    "CPU: 1 UID: 0 PID: 72 Comm: anonmutate Tainted: G        W          6.12.117 #1 ",
    "RIP: 0010:zram_read_page+0x1e3/0x9d0",
    "Call Trace:",
    " <TASK>",
    " swap_read_folio+0x1b7/0x570",
    " do_swap_page+0x926/0x10e0",
    " </TASK>",
    "---[ end trace 0000000000000000 ]---",
)
PANIC = ("Kernel panic - not syncing: Fatal exception", "Kernel Offset: disabled")


def log(*parts: tuple[str, ...]) -> bytes:
    lines = [line for part in parts for line in part]
    return "".join(f"[    1.{number:06}] {line}\n" for number, line in enumerate(lines)).encode()


def told(oopses: tuple[Oops, ...]) -> list[tuple[str, str | None, str | None, bool]]:
    return [
        (oops.type, oops.function, oops.frames[-1].function if oops.frames else None, oops.corrupted) for oops in oopses
    ]


FAULT = ("null_deref", "obj_malloc", "zram_submit_bio", False)
WARNING = ("warning", "zram_read_page", "do_swap_page", False)


@pytest.mark.parametrize(
    "parts",
    [
        (FAULT_HEAD, WARNING_HEAD, WARNING_BODY, FAULT_BODY, PANIC),
        (FAULT_HEAD, WARNING_HEAD, FAULT_BODY, WARNING_BODY, PANIC),
        (FAULT_HEAD, WARNING_HEAD, FAULT_BODY[:1], WARNING_BODY, FAULT_BODY[1:], PANIC),
    ],
)
def test_a_fault_that_another_cpus_warning_interrupts(parts: tuple[tuple[str, ...], ...]) -> None:
    found = parse(log(*parts))
    assert told(found) == [FAULT, WARNING]
    assert found[0].panic == "Fatal exception"


def test_a_warning_that_another_cpus_warning_interrupts() -> None:
    other_head = tuple(line.replace("CPU: 1 PID: 72", "CPU: 0 PID: 75") for line in WARNING_HEAD)
    other_body = tuple(line.replace("CPU: 1 UID: 0 PID: 72", "CPU: 0 UID: 0 PID: 75") for line in WARNING_BODY)
    found = parse(log(WARNING_HEAD, other_head, other_body, WARNING_BODY))
    assert told(found) == [WARNING, WARNING]
    assert [oops.pid for oops in found] == [72, 75]


def test_a_stack_that_is_cut_by_another_goes_on_after_it() -> None:
    parts = (FAULT_HEAD, WARNING_HEAD, FAULT_BODY[:6], WARNING_BODY, FAULT_BODY[6:], PANIC)
    assert told(parse(log(*parts))) == [FAULT, WARNING]


def test_the_rest_of_a_report_may_never_come() -> None:
    found = parse(log(FAULT_HEAD, WARNING_HEAD, WARNING_BODY, ("Kernel Offset: disabled",)))
    assert [(oops.type, oops.function) for oops in found] == [("null_deref", None), ("warning", "zram_read_page")]
    assert found[0].corrupted


def test_a_report_that_waits_is_pending_and_given_up_in_time() -> None:
    parser = StreamParser()
    (warning,) = parser.feed(log(FAULT_HEAD, WARNING_HEAD, WARNING_BODY))
    assert warning.type == "warning"
    assert parser.pending is not None and parser.pending.type == "null_deref"
    (fault,) = parser.feed(log(tuple(f"zram0: nothing of interest {number}" for number in range(500))))
    assert (fault.type, fault.corrupted) == ("null_deref", True)
    assert parser.pending is None
