"""One crash in many logs: equal signatures, and stacks of builds that inline differently."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kzram_ci.oops import Oops, parse, similar

HEAD = "BUG: KASAN: slab-use-after-free in {0}+0x10/0x90\nRead of size 8 at addr ffff888100000000 by task kswapd0/41\n"
BODY = "CPU: 1 UID: 0 PID: 41 Comm: kswapd0 Not tainted 6.12.117+ #1\nCall Trace:\n <TASK>\n{1} </TASK>\n"
RULE = "=" * 66 + "\n"
WAY = ("zs_free", "zram_free_page", "zram_slot_free_notify", "swap_range_free", "free_swap_slot", "do_swap_page")
PRINTED = ("dump_stack_lvl", "print_report", "kasan_report")


def log(*names: str, plus: int = 0, suffix: str = "") -> bytes:
    """A report whose stack is `names`; `plus` moves all offsets, `suffix` is what a compiler appends."""
    frames = "".join(f" {name}{suffix}+{0x20 + plus:#x}/0x90\n" for name in (*PRINTED, *names))
    return (RULE + HEAD.format(names[0] + suffix) + BODY.format("", frames) + RULE).encode()


def only(text: bytes) -> Oops:
    (oops,) = parse(text)
    return oops


def test_a_signature_knows_no_offsets_suffixes_and_depths() -> None:
    signatures = {
        only(log(*WAY)).signature,
        only(log(*WAY, plus=0x33)).signature,
        only(log(*WAY, suffix=".isra.0")).signature,
        only(log(*WAY, suffix=".constprop.0.cold")).signature,
        only(log(*WAY[:4])).signature,
        only(log(WAY[0], *WAY[2:])).signature,
        only(log("kasan_check_range", "memcpy", *WAY)).signature,
    }
    assert signatures == {"kasan:slab-use-after-free:zs_free"}


def test_a_signature_is_the_same_with_and_without_debug_info() -> None:
    """Decoded frames name inlined functions, too; the one without debug info cannot know them."""
    plain = only(log(*WAY))
    decoded = (
        log(*WAY)
        .decode()
        .replace(
            " zs_free+0x20/0x90\n",
            " obj_free mm/zsmalloc.c:1 [inline]\n free mm/zsmalloc.c:2 [inline]\n zs_free+0x20/0x90 mm/zsmalloc.c:3\n",
        )
    )
    decoded = decoded.replace("in zs_free+0x10/0x90", "in obj_free mm/zsmalloc.c:1 [inline]")
    found = only(decoded.encode())
    assert (found.signature, similar.path(found)) == (plain.signature, similar.path(plain))


def test_another_crash_is_another_signature() -> None:
    assert only(log(*WAY)).signature != only(log(*WAY[1:])).signature


@pytest.mark.parametrize(
    ("second", "wanted"),
    [
        (WAY, similar.SAME),
        (WAY[:4], similar.DEPTH),
        ((WAY[0], *WAY[2:]), similar.DEPTH),
        (("zs_free", "zs_free", *WAY[1:]), similar.SAME),  # recursion
        (("zs_free", "zram_meta_free", "zram_reset_device", "reset_store"), similar.OTHER),
    ],
)
def test_how_stacks_of_one_signature_differ(second: tuple[str, ...], wanted: str) -> None:
    (group,) = similar.groups([("a", only(log(*WAY))), ("b", only(log(*second)))])
    assert [member.differs for member in group.members] == ["", wanted]


def test_builds_that_inline_differently_are_one_crash() -> None:
    """One compiler keeps the static function that the other inlines: its caller is the culprit there."""
    (group,) = similar.groups([("gcc", only(log(*WAY))), ("clang", only(log("obj_free", "handle_free", *WAY)))])
    assert group.signature == "kasan:slab-use-after-free:zs_free"
    assert [(member.log, member.differs) for member in group.members] == [("gcc", ""), ("clang", similar.DEPTH)]


def test_a_short_stack_proves_nothing() -> None:
    assert (
        len(
            similar.groups(
                [("a", only(log("zs_free", "kthread"))), ("b", only(log("zs_malloc", "zs_free", "kthread")))]
            )
        )
        == 2
    )


def test_the_most_frequent_crash_comes_first() -> None:
    other = only(log("zram_slot_lock", *WAY[2:]))
    mine = only(log("zs_map_object", "zram_bvec_read", "zram_submit_bio"))
    found = similar.groups([("a", mine), ("b", other), ("c", other)])
    assert [len(group.members) for group in found] == [2, 1]


def test_the_command(tmp_path: Path) -> None:
    logs = []
    for name, names in (("a", WAY), ("b", WAY[:4]), ("c", ("zs_malloc", "zram_write_page", "zram_submit_bio"))):
        logs.append(tmp_path / f"{name}.log")
        logs[-1].write_bytes(log(*names))
    argv = (sys.executable, "-m", "kzram_ci", "oops", "--group", *map(str, logs))
    done = subprocess.run(argv, capture_output=True, check=True, timeout=60, text=True)
    assert done.stdout.splitlines() == [
        "2 x KASAN: slab-use-after-free Read in zs_free",
        "  signature kasan:slab-use-after-free:zs_free",
        f"  {logs[0]}:2",
        f"  {logs[1]}:2: same but for the depth of the stack",
        "1 x KASAN: slab-use-after-free Read in zs_malloc",
        "  signature kasan:slab-use-after-free:zs_malloc",
        f"  {logs[2]}:2",
        "3 oopses, 2 crashes",
    ]
    done = subprocess.run((*argv, "--json"), capture_output=True, check=True, timeout=60, text=True)
    first, second = json.loads(done.stdout)
    assert (first["signature"], first["count"], second["count"]) == ("kasan:slab-use-after-free:zs_free", 2, 1)
    assert first["members"][1] == {
        "log": str(logs[1]),
        "line": 2,
        "signature": "kasan:slab-use-after-free:zs_free",
        "differs": "depth",
    }
