"""The mechanism map: what the probes find in sources of each line, and what follows; testplans/lines.yaml agrees."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kzram_ci.kernel import mechanism
from kzram_ci.kernel.mechanism import Facts, data, describe
from kzram_ci.model.cell import Cell
from kzram_ci.plan.kernels import load_kernel
from kzram_ci.plan.library import find_kernel, known_kernels
from kzram_ci.plan.load import load_plan

ROOT = Path(__file__).resolve().parents[3]
ZRAM, MEMORY, SWAPFILE = "drivers/block/zram/zram_drv.c", "mm/memory.c", "mm/swapfile.c"
ZSMALLOC, SLUB, FAILSLAB, SYSFS = "mm/zsmalloc.c", "mm/slub.c", "mm/failslab.c", "block/blk-sysfs.c"
PAGEOUT = {"mm/madvise.c": "\tcase MADV_PAGEOUT:\n"}
DIRECT = {FAILSLAB: "	if (x && (gfpflags & __GFP_DIRECT_RECLAIM))\n"}
BOOT, FILE = {SLUB: "SLAB_ATTR_RO(failslab);\n"}, {SLUB: "SLAB_ATTR(failslab);\n"}
RW = {SYSFS: 'QUEUE_RW_ENTRY(queue_stable_writes, "stable_writes");\n'}
LIM_RW = {SYSFS: 'QUEUE_LIM_RW_ENTRY(queue_stable_writes, "stable_writes");\n'}
ONE_CACHE = {ZSMALLOC: '\tkmem_cache_create("zs_handle", ZS_HANDLE_SIZE,\n'}
AGAIN = "compress_again:\n\tget();\n\tif (handle)\n\t\tgoto compress_again;\n"
FLAG = "\tblk_queue_flag_set(QUEUE_FLAG_STABLE_WRITES, queue);\n"
RW_PAGE = "\t.rw_page = zram_rw_page,\n"
IN_FAULT = {MEMORY: "\t\t\t  data_race(si->flags & SWP_STABLE_WRITES)) {\n"}
SET_ONLY = {SWAPFILE: "\t\tp->flags |= SWP_STABLE_WRITES;\n"}

# The lines that decide, as they stand in each line's source; tests/real/test_lines.py asks the sources themselves.
SOURCES: dict[str, dict[str, str]] = {
    "4.9": {
        ZRAM: AGAIN + RW_PAGE,
        **ONE_CACHE,
        **FILE,
        FAILSLAB: "	if (failslab.ignore_gfp_reclaim && (gfpflags & __GFP_RECLAIM))\n",
    },
    "5.10": {
        ZRAM: AGAIN + FLAG + RW_PAGE,
        SWAPFILE: "\t\t\tif (p->flags & SWP_STABLE_WRITES) {\n\t\tp->flags |= SWP_STABLE_WRITES;\n",
        **ONE_CACHE,
        **BOOT,
        **DIRECT,
        **RW,
        **PAGEOUT,
    },
    "6.1": {ZRAM: AGAIN + FLAG + RW_PAGE, **IN_FAULT, **SET_ONLY, **ONE_CACHE, **BOOT, **DIRECT, **RW, **PAGEOUT},
    "6.12": {
        ZRAM: AGAIN + "\t\t.features\t= BLK_FEAT_STABLE_WRITES |\n",
        ZSMALLOC: '\tname = kasprintf(GFP_KERNEL, "zs_handle-%s", pool->name);\n',
        **IN_FAULT,
        **SET_ONLY,
        **FILE,
        **DIRECT,
        **LIM_RW,
        **PAGEOUT,
    },
    "7.3": {
        ZRAM: "\t\t.features\t= BLK_FEAT_STABLE_WRITES |\n",
        **IN_FAULT,
        **SET_ONLY,
        **ONE_CACHE,
        **FILE,
        **DIRECT,
        **LIM_RW,
        **PAGEOUT,
    },
}


def reader(texts: dict[str, str]) -> Callable[[str], bytes | None]:
    return lambda path: texts[path].encode() if path in texts else None


def facts(version: str) -> Facts:
    return mechanism.probe(reader(SOURCES[version]))


VALUES = {  # version: second compression, asked, guard, swap path, sysfs file, handle cache, mark
    "4.9": ("yes", "", "", "rw_page", "", "zs_handle", "sysfs"),
    "5.10": ("yes", "yes", "reuse_swap_page", "rw_page", "writable", "zs_handle", "boot"),
    "6.1": ("yes", "yes", "do_swap_page", "rw_page", "writable", "zs_handle", "boot"),
    "6.12": ("yes", "yes", "do_swap_page", "bio", "writable", "zs_handle-zram0", "sysfs"),
    "7.3": ("", "yes", "do_swap_page", "bio", "writable", "zs_handle", "sysfs"),
}
NAMES = (
    "second_compression", "stable_asked", "guard", "swap_path", "stable_writes_file", "handle_cache", "failslab_mark",
)  # fmt: skip


@pytest.mark.parametrize("version", VALUES)
def test_facts(version: str) -> None:
    found = facts(version)
    assert tuple(found[name].value for name in NAMES) == VALUES[version]


def test_a_fact_tells_where_it_was_seen() -> None:
    fact = facts("6.1")["second_compression"]
    assert (fact.where, fact.line) == (f"{ZRAM}:4", "goto compress_again;")
    assert facts("7.3")["second_compression"].where == f"not in {ZRAM}"
    assert mechanism.probe(lambda path: None)["second_compression"].where == f"no {ZRAM}"


def test_a_backport_is_seen_whatever_the_version() -> None:
    """A distribution that takes the single compression into 6.12 has nothing to remedy there."""
    texts = {**SOURCES["6.12"], ZRAM: SOURCES["6.12"][ZRAM].replace("goto compress_again", "return ret")}
    assert mechanism.meaning(mechanism.probe(reader(texts)), ("unstable", "saved-clen"))


@pytest.mark.parametrize(
    ("version", "series", "skipped"),
    [
        ("7.3", ("unstable",), ""),
        ("7.3", ("unstable", "saved-clen"), "saved-clen: zram compresses a page once here"),
        ("7.3", ("stable-page-v3",), "stable-page-v3: zram compresses a page once here"),
        ("7.3", ("async-window",), "async-window: zram compresses a page once here"),
        ("6.12", ("unstable", "emergency-class"), ""),
        ("4.9", ("unstable",), "unstable: zram does not ask for stable writes here"),
        ("4.9", ("unstable", "saved-clen"), ""),  # on a kernel that is unstable already
        ("4.9", ("stable-page-v3",), "stable-page-v3: swap has no check"),
        ("7.3", ("mine",), ""),
    ],
)
def test_meaning(version: str, series: tuple[str, ...], skipped: str) -> None:
    assert mechanism.meaning(facts(version), series).startswith(skipped)
    assert bool(mechanism.meaning(facts(version), series)) is bool(skipped)


@pytest.mark.parametrize(
    ("version", "kind", "cmdline"),
    [
        ("4.9", "fail_page_alloc", ""),
        ("5.10", "failslab", "slub_debug=A,zs_handle"),
        ("6.1", "failslab", "slub_debug=A,zs_handle"),
        ("6.12", "failslab", ""),
        ("7.3", "none", ""),
    ],
)
def test_amplifier(version: str, kind: str, cmdline: str) -> None:
    found = mechanism.amplifier(facts(version))
    assert (found.kind, found.cmdline) == (kind, cmdline)


def test_every_rule_is_about_a_fact_that_is_asked() -> None:
    asked = {question.name for question in data.questions()}
    for table in ("variant", "amplifier", "expect"):
        rows = data.rows(table)
        assert {name for row in rows for name in row.when} <= asked
        assert all(row.because for row in rows)
    assert not data.rows("amplifier")[-1].when
    last = data.rows("expect")[-1]
    assert not (last.when or last.having or last.without or last.workload)


def test_every_series_of_the_map_ships() -> None:
    shipped = {path.parent.name for path in (ROOT / "kernels" / "patches").glob("*/series.yaml")}
    named = {name for row in data.rows("variant") for name in row.series}
    named |= {name for row in data.rows("expect") for name in (*row.having, *row.without)}
    assert named <= shipped


def test_the_plan_for_all_lines_expects_what_follows_from_the_map() -> None:
    plan = load_plan(ROOT / "testplans" / "lines.yaml", find_kernel=find_kernel, known_kernels=known_kernels())
    assert len(plan.cells) > 40
    for cell in plan.cells:
        version = cell.kernel.source.words().partition("@")[0].removeprefix("debian:linux-source-")
        found = facts(version)
        want = mechanism.expected(found, cell.kernel.series, cell.workload.program)
        if want.outcome == "skipped":
            continue  # told when it is built; nobody expects anything of it
        assert cell.expect.outcome == want.outcome, f"{cell.id}: {want.because}"
        tool = mechanism.amplifier(found)
        if not cell.test.endswith("fail-page-alloc"):  # asked for by name: the only one that makes zsmalloc search
            assert str(cell.workload.fault.kind) == tool.kind, cell.id
        assert not tool.cmdline or tool.cmdline in cell.machine.cmdline, cell.id


def test_the_command_shows_facts_and_what_follows() -> None:
    spec = load_kernel("saved-clen-7.3", find_kernel=find_kernel, known_kernels=known_kernels())
    lines = describe.as_lines(spec, facts("7.3"))
    assert any(line.startswith("skipped: saved-clen: ") for line in lines)
    stock = load_kernel("stock-6.1", find_kernel=find_kernel, known_kernels=known_kernels())
    told = json.loads(json.dumps(describe.as_json(stock, facts("6.1"))))
    assert told["expected"]["directmutate"]["outcome"] == "oops"
    assert told["amplifier"]["cmdline"] == "slub_debug=A,zs_handle"
    assert "expected of anonmutate: pass: swap writes by rw_page" in "\n".join(describe.as_lines(stock, facts("6.1")))


def cell(version: str, test: str, kernel: str) -> Cell:
    """A cell of overrun.yaml, which is made for 6.12, fitted to the source of another version."""
    plan = load_plan(ROOT / "testplans/overrun.yaml", find_kernel=find_kernel, known_kernels=known_kernels())
    found = next(cell for cell in plan.cells if cell.id == f"{kernel}/{test}")
    return mechanism.suited(found, facts(version))


@pytest.mark.parametrize(
    ("version", "test", "kernel", "reason"),
    [
        ("6.12", "anonmutate-failslab", "unstable", ""),
        ("6.12", "directmutate-fail-page-alloc", "emergency-class", ""),
        ("6.1", "directmutate-failslab", "saved-clen", ""),
        ("6.1", "anonmutate-failslab", "unstable", r"overruns cannot be reached: swap writes by rw_page .*"),
        ("6.1", "anonmutate-failslab", "stock", r"reuse_refused cannot be reached: swap writes by rw_page .*"),
        ("5.10", "anonmutate-failslab", "saved-clen", r"grew cannot be reached: swap writes by rw_page .*"),
        (
            "7.3",
            "directmutate-failslab",
            "stock",
            r"overruns cannot .*: zram compresses a page once here \(.*zram_drv.c\)",
        ),
        ("7.3", "directmutate-failslab", "saved-clen", r"saved-clen: zram compresses a page once .*"),
        ("7.3", "pressure", "stock", ""),
    ],
)
def test_a_plan_made_for_one_version_is_fitted_to_another(version: str, test: str, kernel: str, reason: str) -> None:
    assert re.fullmatch(reason, cell(version, test, kernel).skip)


def test_series_of_others_may_do_anything() -> None:
    assert mechanism.unreachable(facts("7.3"), ("unstable",), "anonmutate", ("grew",))
    assert mechanism.unreachable(facts("7.3"), ("unstable", "mine"), "anonmutate", ("grew",)) == ""


def test_the_series_that_ship_are_known() -> None:
    assert data.series_known() == {path.parent.name for path in (ROOT / "kernels/patches").glob("*/series.yaml")}


def test_failslab_is_armed_where_only_the_command_line_can() -> None:
    fitted = cell("6.1", "directmutate-failslab", "saved-clen")
    assert fitted.machine.cmdline[-1:] == ("slub_debug=A,zs_handle",)
    again = replace(fitted, kernel=replace(fitted.kernel))
    assert mechanism.suited(again, facts("6.1")) == again  # a plan that says so itself is left alone
    assert cell("6.12", "directmutate-failslab", "saved-clen").machine.cmdline == ()
    assert cell("6.1", "pressure", "stock").machine.cmdline == ()
