"""Functions that are passed over: by the place where they live, by their names, and in which reports."""

import tomllib
from importlib.resources import files

import pytest

from kzram_ci.oops import helpers, parse

REPORT = """{headline}
CPU: 1 UID: 0 PID: 41 Comm: kswapd0 Not tainted 6.12.117+ #1
{pointer}
Call Trace:
 <TASK>
{frames}
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
 </TASK>
---[ end trace 0000000000000000 ]---
"""


def culprit(headline: str, *frames: str, pointer: str = "") -> str | None:
    text = REPORT.format(
        headline=headline,
        pointer=f"RIP: 0010:{pointer}+0x1/0x20" if pointer else "",
        frames="\n".join(f" {name}+0x10/0x90" for name in frames),
    )
    (oops,) = parse(text.encode())
    return oops.function


def test_the_written_table_is_that_of_the_rules() -> None:
    rules = tomllib.loads(files("kzram_ci.oops").joinpath("facilities.toml").read_text())["facility"]
    assert list(helpers.facilities()) == [rule["name"] for rule in rules]
    for rule in rules:
        facility = helpers.facilities()[rule["name"]]
        assert len(facility.names) >= 10
        kinds = rule.get("only_for", rule.get("not_for", ""))
        assert (facility.kinds, facility.only) == (frozenset(kinds.split()), "only_for" in rule)
        but = helpers.pattern(rule.get("except", "-"))
        assert not [name for name in facility.names if but.match(name)]


# no rule of helpers.toml knows these names: only the place does
@pytest.mark.parametrize(
    "name",
    ("add_uevent_var", "page_pool_alloc_pages", "mark_buffer_dirty", "try_to_grab_pending", "mas_topiary_replace"),
)
def test_a_function_is_known_by_its_place(name: str) -> None:
    assert culprit("kernel BUG at mm/zsmalloc.c:1!", "zram_free_page", pointer=name) == "zram_free_page"


def test_a_function_that_no_source_has_is_known_by_its_name() -> None:
    assert not any("kmalloc_of_a_vendor" in facility.names for facility in helpers.facilities().values())
    assert (
        culprit("kernel BUG at mm/zsmalloc.c:1!", "zram_free_page", pointer="kmalloc_of_a_vendor") == "zram_free_page"
    )


def test_what_hands_control_on_is_at_fault_when_it_called_nothing() -> None:
    fault = "Oops: general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP"
    assert culprit(fault, "__do_softirq", pointer="run_timer_softirq") == "run_timer_softirq"


def test_a_trap_handler_is_code_as_any_other_in_a_report_of_its_own() -> None:
    preempt = "BUG: using __this_cpu_read() in preemptible [00000000] code: a/41"
    trace = ("dump_stack", "check_preemption_disabled", "__bad_area_nosemaphore", "do_user_addr_fault")
    assert culprit(preempt, *trace) == "__bad_area_nosemaphore"
    fault = "BUG: kernel NULL pointer dereference, address: 0000000000000000"
    assert culprit(fault, "__bad_area_nosemaphore", "zs_malloc") == "zs_malloc"


def test_ciphers_are_passed_over_only_where_they_moved_the_data() -> None:
    assert (
        culprit("kernel BUG at crypto/ecb.c:1!", "zram_free_page", pointer="crypto_ecb_encrypt2")
        == "crypto_ecb_encrypt2"
    )
    name = next(iter(helpers.facilities()["ciphers"].names - helpers.placed("bug")))
    assert helpers.helpers("kmsan", "KMSAN: uninit-value").match(name)


def test_a_facilitys_own_work_is_work() -> None:
    bug = "kernel BUG at lib/rhashtable.c:1!"
    assert culprit(bug, "process_one_work", "worker_thread", pointer="rht_deferred_worker") == "rht_deferred_worker"
    assert culprit(bug, "zram_free_page", "process_one_work", pointer="rht_deferred_worker") == "zram_free_page"


def test_an_address_is_no_culprit() -> None:
    assert culprit("BUG: KASAN: use-after-free in ffe7087450a17000", "kasan_report", "zs_free") == "zs_free"


def test_an_entry_stub_is_never_the_culprit() -> None:
    fault = "Oops: general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP"
    stubs = (
        "asm_sysvec_apic_timer_interrupt",
        "sysvec_call_function_single",
        "smp_apic_timer_interrupt",
        "smp_reboot_interrupt",
    )
    for stub in stubs:
        assert culprit(fault, stub, "zram_free_page", pointer="memcpy") == "zram_free_page"


@pytest.mark.parametrize(
    ("frames", "wanted"),
    [
        (
            ("__schedule", "preempt_schedule", "shrink_node", "ext4_writepages", "wb_workfn", "process_one_work"),
            "wb_workfn",
        ),
        (("__schedule", "zram_bvec_rw", "submit_bio", "__x64_sys_write", "do_syscall_64"), "__x64_sys_write"),
    ],
)
def test_a_corrupted_stack_end_is_the_tasks_own_doing(frames: tuple[str, ...], wanted: str) -> None:
    headline = "Kernel panic - not syncing: corrupted stack end detected inside scheduler"
    assert culprit(headline, "dump_stack", "panic", *frames) == wanted


def test_a_dispatcher_is_known_by_its_place_too() -> None:
    """No word of helpers.toml names these: the files that call through tables do."""
    for name in ("iterate_dir", "proc_reg_mmap", "sock_mmap", "do_splice_to", "do_select"):
        assert not helpers.family("dispatchers").match(name)
        assert helpers.walk("dispatchers").match(name)
    assert not helpers.walk("dispatchers").match("ext4_file_write_iter")


def test_a_dispatcher_of_another_facility_stays_passed_over() -> None:
    """What a stall walks to is still no culprit where it was none before."""
    assert not [name for name in helpers.facilities()[helpers.DISPATCH].names if name in helpers.placed("kasan")]
    assert not helpers.facilities()[helpers.DISPATCH].holds("kasan")
