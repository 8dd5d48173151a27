"""The mechanism map: what the probes find in sources of each line, and what follows for testplans/lines.yaml."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from answer_schemas import check

from kzram_ci.base.library import Library
from kzram_ci.kernel import mechanism
from kzram_ci.kernel.mechanism import Facts, data, describe, filesystem
from kzram_ci.model import codec
from kzram_ci.model.cell import Cell
from kzram_ci.plan.kernels import load_kernel
from kzram_ci.plan.load import load_plan
from kzram_ci.plan.tables import axes

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
    "5.15": {
        ZRAM: AGAIN + FLAG + RW_PAGE,
        SWAPFILE: "\t\t\tif (p->flags & SWP_STABLE_WRITES) {\n\t\tp->flags |= SWP_STABLE_WRITES;\n",
        **ONE_CACHE,
        **BOOT,
        **DIRECT,
        **RW,
        **PAGEOUT,
    },
    "5.18": {
        ZRAM: AGAIN + FLAG + RW_PAGE,
        MEMORY: "\t    (page != swapcache || page_count(page) == 1)) {\n",
        SWAPFILE: "\t\tp->flags |= SWP_STABLE_WRITES;\n",
        **ONE_CACHE,
        **BOOT,
        **DIRECT,
        **RW,
        **PAGEOUT,
    },
    "5.19.0": {
        ZRAM: "\thandle = zs_malloc(zram->mem_pool, comp_len,\n\t\t\t__GFP_KSWAPD_RECLAIM |\n" + RW_PAGE,
        **IN_FAULT,
        **SET_ONLY,
        **ONE_CACHE,
        **BOOT,
        **DIRECT,
        **RW,
        **PAGEOUT,
    },
    "6.6": {ZRAM: AGAIN + FLAG, **IN_FAULT, **SET_ONLY, **ONE_CACHE, **FILE, **DIRECT, **RW, **PAGEOUT},
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


for version in SOURCES.keys() - {"4.9"}:  # 4.9 has lzo
    SOURCES[version]["drivers/block/zram/zcomp.c"] = '\t"lzo-rle",\n'


def reader(texts: dict[str, str]) -> Callable[[str], bytes | None]:
    return lambda path: texts[path].encode() if path in texts else None


def facts(version: str) -> Facts:
    return mechanism.probe(reader(SOURCES[version]))


VALUES = {  # version: second compression, asked, guard, swap path, sysfs file, handle cache, mark
    "4.9": ("yes", "", "", "rw_page", "", "zs_handle", "sysfs"),
    "5.10": ("yes", "yes", "reuse_swap_page", "rw_page", "writable", "zs_handle", "boot"),
    "5.15": ("yes", "yes", "reuse_swap_page", "rw_page", "writable", "zs_handle", "boot"),
    "5.18": ("yes", "yes", "refcount", "rw_page", "writable", "zs_handle", "boot"),
    "5.19.0": ("", "", "do_swap_page", "rw_page", "writable", "zs_handle", "boot"),
    "6.1": ("yes", "yes", "do_swap_page", "rw_page", "writable", "zs_handle", "boot"),
    "6.6": ("yes", "yes", "do_swap_page", "bio", "writable", "zs_handle", "sysfs"),
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
        ("4.9", ("async-window", "unstable"), ""),  # what a remedy is compared with there
        ("4.9", ("unstable", "saved-clen"), ""),  # on a kernel that is unstable already
        ("4.9", ("stable-page-v3",), ""),  # it brings the check itself
        ("4.9", ("stable-sync",), "stable-sync: swap has no check"),
        ("5.18", ("unstable",), "unstable: a page in the swap cache is never reused here"),
        ("5.18", ("unstable", "stable-page-v3"), "unstable: a page in the swap cache is never reused here"),
        ("5.18", ("unstable", "saved-clen"), ""),  # O_DIRECT hands zram another page
        ("5.19.0", ("unstable", "saved-clen"), "saved-clen: zram compresses a page once here"),
        ("6.6", ("unstable", "saved-clen"), ""),
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


def test_the_guard_by_reference_count_needs_nothing_from_zram() -> None:
    found = facts("5.18")
    assert "unstable" in mechanism.met(found, ("unstable", "saved-clen"))
    for series in ((), ("unstable",), ("async-window",), ("async-window", "unstable", "saved-clen")):
        want = mechanism.expected(found, series, "anonmutate")
        assert want.outcome in ("pass", "skipped"), series
    assert mechanism.expected(found, (), "directmutate").outcome == "oops"
    assert mechanism.unreachable(found, ("async-window",), "anonmutate", ["grew"]).startswith(
        "grew cannot be reached: a page in the swap cache is never reused"
    )


def test_what_5_19_did_for_a_while_is_told() -> None:
    fact = facts("5.19.0")["second_compression"]
    assert fact.value == ""
    assert fact.where == f"{ZRAM}:2"
    assert "37887783b3fe" in fact.why
    assert mechanism.expected(facts("5.19.0"), (), "directmutate").outcome == "pass"


@pytest.mark.parametrize(
    ("version", "met"),
    [("4.9", True), ("5.10", False), ("5.18", True), ("6.1", False), ("6.12", False), ("7.3", False)],
)
def test_a_source_that_is_unstable_needs_not_be_made_so(version: str, met: bool) -> None:
    found = mechanism.met(facts(version), ("overrun-detector", "unstable", "saved-clen"))
    assert list(found) == (["unstable"] if met else [])
    assert mechanism.met(facts(version), ("overrun-detector", "saved-clen")) == {}


def test_every_rule_is_about_a_fact_that_is_asked() -> None:
    asked = {question.name for question in data.questions()}
    for table in data.TABLES:
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


BY_HAND = json.loads((ROOT / "tests/golden/plan/lines-by-hand.json").read_text())


def as_by_hand(cell: Cell) -> dict[str, Any]:
    """What the plan for all lines said of each cell, in so many words, before it was derived."""
    data = codec.to_json(cell)
    work = data["workload"]
    return {
        **data["expect"],
        **{name: work[name] for name in ("stop", "args", "duration_s", "fault")},
        "cmdline": data["machine"]["cmdline"],
        "control": data["control"],
        "repeats": data["repeats"],
    }


def lines_plan() -> dict[str, Cell]:
    plan = load_plan(ROOT / "testplans" / "lines.yaml", Library())
    return {cell.id: cell for cell in plan.cells}


def test_the_plan_for_all_lines_expects_what_follows_from_the_map() -> None:
    """The map and the people who wrote the plan cell by cell agree: on outcome, proof, stops, amplifier and boot."""
    cells = lines_plan()
    assert {identity: as_by_hand(cells[identity]) for identity in BY_HAND} == BY_HAND
    listed = {name.partition("/")[0] for name in BY_HAND}
    assert {name for name in cells if name.partition("/")[0] in listed} == set(BY_HAND)


def test_what_is_on_record_decides_as_the_source_does() -> None:
    for identity, cell in lines_plan().items():
        if cell.kernel.line not in SOURCES:
            continue
        found = facts(cell.kernel.line)
        assert mechanism.decided(cell, found) == cell, identity
        skip = mechanism.meaning(found, cell.kernel.series)  # is told once the source is there, with its file and line
        zram = cell.workload.zram  # whether there is lzo-rle is not on record: no rule of a plan asks for it
        algorithm = zram.algorithm if found["lzo_rle"].value else "lzo"
        want = replace(cell, skip=skip, workload=replace(cell.workload, zram=replace(zram, algorithm=algorithm)))
        assert mechanism.suited(cell, found) == want, identity


def test_facts_on_record_are_those_of_the_sources() -> None:
    for line in set(axes(Library()).lines) & set(SOURCES):
        known, found = axes(Library()).facts(line), facts(line)
        assert known is not None
        assert {name: fact.value for name, fact in known.items()} == {name: found[name].value for name in known}


def derived(text: str, tmp_path: Path, kernel: str = "stock-6.1") -> Cell:
    """The cell of one test with a derived expectation."""
    path = tmp_path / "p.yaml"
    path.write_text(f"name: p\nkernels: [{kernel}]\n{text}")
    (cell,) = load_plan(path, Library()).cells
    return cell


SWAP = "tests: {t: {workload: anonmutate, expect: derived, stop: {recompressions: 5}}}\n"
CRASH = "expect: [{derived: oops, floors: {overruns: 1}, repeats: 4}]\n"


@pytest.mark.parametrize(
    ("kernel", "version", "outcome", "stop", "cmdline"),
    [
        ("stock-6.1", "6.1", "pass", ("recompressions",), ("slub_debug=A,zs_handle",)),
        ("stock-6.1", "6.12", "pass", ("recompressions", "reuse_refused_write"), ()),
        ("unstable", "6.12", "oops", ("recompressions",), ()),
        ("unstable", "5.10", "pass", ("recompressions",), ("slub_debug=A,zs_handle",)),
        ("unstable", "7.3", "pass", ("recompressions", "reuse_allowed"), ()),
    ],
)
def test_another_source_decides_anew(
    kernel: str, version: str, outcome: str, stop: tuple[str, ...], cmdline: tuple[str, ...], tmp_path: Path
) -> None:
    again = mechanism.decided(derived(SWAP + CRASH, tmp_path, kernel), facts(version))
    assert (again.expect.outcome, again.machine.cmdline) == (outcome, cmdline)
    assert tuple(name for name, _ in again.workload.stop) == stop
    assert again.repeats == (4 if outcome == "oops" else 1)
    assert str(again.workload.fault.kind) == mechanism.amplifier(facts(version)).kind
    assert mechanism.decided(again, facts(version)) == again


def test_a_plan_has_the_last_word(tmp_path: Path) -> None:
    text = (
        "tests:\n  t: {workload: anonmutate, stop: {reuse_refused_write: 9}, fault: {kind: fail_page_alloc},\n"
        "      machine: {cmdline: ['slub_debug=A,mine']},\n"
        "      expect: {outcome: derived, floors: {reuse_refused_write: 9}}}\n"
    )
    cell = derived(text, tmp_path, "window-6.1")
    assert cell.expect.floors == cell.workload.stop == (("reuse_refused_write", 9),)
    assert str(cell.workload.fault.kind) == "fail_page_alloc"
    assert cell.machine.cmdline == ("slub_debug=A,mine",)
    cell = derived(SWAP + "expect: [{test: t, outcome: oops, floors: {overruns: 2}}]\n", tmp_path, "stock")
    assert (cell.expect.outcome, cell.expect.floors) == ("oops", (("overruns", 2),))  # not what proves a pass


def test_no_proof_by_counters_that_no_series_reports(tmp_path: Path) -> None:
    text = "[{name: bare, base: stock, series: [overrun-detector]}]"
    cell = derived(SWAP, tmp_path, text[1:-1])
    assert cell.expect.floors == ()
    assert cell.expect.ceilings == (("grew", 0),)


def test_what_no_record_tells_waits_for_the_source(tmp_path: Path) -> None:
    kernel = "{name: mine, base: unstable, source: {kind: directory, path: .}}"
    cell = derived(SWAP + CRASH, tmp_path, kernel)
    assert cell.expect.outcome == "derived"
    assert mechanism.decided(cell, facts("6.12")).expect.floors == (("overruns", 1),)
    assert codec.from_json(Cell, json.loads(json.dumps(codec.to_json(cell)))) == cell


def test_the_command_shows_facts_and_what_follows() -> None:
    spec = load_kernel("saved-clen-7.3", Library())
    lines = describe.as_lines(spec, facts("7.3"))
    assert any(line.startswith("skipped: saved-clen: ") for line in lines)
    stock = load_kernel("stock-6.1", Library())
    window = describe.as_lines(load_kernel("window-6.1", Library()), facts("6.1"))
    assert "(to be seen by reuse_refused_write >= 1, grew <= 0, reuse_allowed <= 0)" in "\n".join(window)
    remedy = load_kernel("saved-clen-6.1", Library())
    assert any(line.startswith("with async-window: swap writes by") for line in describe.as_lines(remedy, facts("6.1")))
    told = json.loads(json.dumps(describe.as_json(stock, facts("6.1"))))
    check("mechanism", told)
    assert told["expected"]["directmutate"]["outcome"] == "oops"
    assert told["amplifier"]["cmdline"] == "slub_debug=A,zs_handle"
    assert "expected of anonmutate: pass: swap writes by rw_page" in "\n".join(describe.as_lines(stock, facts("6.1")))


def cell(version: str, test: str, kernel: str) -> Cell:
    """A cell of overrun.yaml, which is made for 6.12, fitted to the source of another version."""
    plan = load_plan(ROOT / "testplans/overrun.yaml", Library())
    found = next(cell for cell in plan.cells if cell.id == f"{kernel}/{test}")
    return mechanism.suited(found, facts(version))


@pytest.mark.parametrize(
    ("version", "test", "kernel", "reason"),
    [
        ("6.12", "anonmutate-failslab", "unstable", ""),
        ("6.12", "directmutate-fail-page-alloc", "emergency-class", ""),
        ("6.1", "directmutate-failslab", "saved-clen", ""),
        ("6.1", "anonmutate-failslab", "unstable", ""),  # its window opens the race on swap
        ("6.1", "anonmutate-failslab", "stock", r"reuse_refused_write cannot be reached: swap writes by rw_page .*"),
        ("5.10", "anonmutate-window", "saved-clen", ""),
        (
            "7.3",
            "directmutate-failslab",
            "stock",
            r"overruns cannot .*: zram compresses a page once here \(.*zram_drv.c\)",
        ),
        ("7.3", "directmutate-failslab", "saved-clen", r"async-window: zram compresses a page once .*"),
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


def test_where_failslab_spares_zram_the_test_gets_what_does_not() -> None:
    found = cell("4.9", "directmutate-failslab", "saved-clen")
    assert not found.skip
    assert (str(found.workload.fault.kind), found.workload.fault.probability) == ("fail_page_alloc", 50)
    assert cell("6.6", "directmutate-failslab", "saved-clen").workload.fault.probability == 100
    assert str(cell("4.9", "pressure", "stock").workload.fault.kind) == "none"


def test_a_zram_without_lzo_rle_gets_lzo() -> None:
    without = {**SOURCES["4.9"], "drivers/block/zram/zcomp.c": '\t"lzo",\n'}
    plan = load_plan(ROOT / "testplans/overrun.yaml", Library())
    made = next(cell for cell in plan.cells if cell.id == "stock/pressure")
    assert made.workload.zram.algorithm == "lzo-rle"
    for texts, algorithm in ((SOURCES["6.6"], "lzo-rle"), (without, "lzo")):
        assert mechanism.suited(made, mechanism.probe(reader(texts))).workload.zram.algorithm == algorithm
    assert mechanism.suited(made, axes(Library()).facts("4.9") or {}).workload.zram.algorithm == "lzo-rle"


@pytest.mark.parametrize(
    ("version", "series", "safe", "because"),
    [
        (
            "6.12",
            (),
            False,
            "a page is compressed a second time, into an object for the first result (drivers/",
        ),
        ("6.12", ("unstable", "saved-clen"), True, "a second result that is longer gets an object it fits in (saved-c"),
        ("6.12", ("unstable", "sleepable"), True, "a page is compressed once (sleepable)"),
        ("7.3", ("unstable",), True, "a page is compressed once: what is copied is what was allocated for (not in dri"),
    ],
)
def test_whether_a_file_system_is_safe(version: str, series: tuple[str, ...], safe: bool, because: str) -> None:
    found = filesystem.answer(facts(version), series)
    assert found.safe is safe
    assert found.because.startswith(because)
    assert bool(found.open) is not safe


def test_without_stable_pages_there_is_one_more_way() -> None:
    lines = filesystem.as_lines(filesystem.answer(facts("6.12"), ("unstable",)))
    assert lines[0].startswith("a file system on zram: not safe: ")
    assert lines[1].startswith("  open to O_DIRECT writes of any user")
    assert "does not ask for stable pages" in lines[-1]
    assert len(lines) == len(filesystem.as_lines(filesystem.answer(facts("6.12"), ()))) + 1


JDATA = "\t * Data journalling can't use block_page_mkwrite() because it\n"  # 5.10 to 6.16
HELPER = "static int ext4_block_page_mkwrite(struct inode *inode, struct folio *folio,\n"  # 6.17


@pytest.mark.parametrize(
    ("text", "series", "value", "ways"),
    [
        ("\terr = block_page_mkwrite(vma, vmf, get_block);\n", (), "waits", 0),
        (JDATA, (), "does not wait", 1),
        (JDATA, ("ext4-mkwrite-stable",), "does not wait", 0),
        (HELPER, (), "waits", 0),
        (HELPER + JDATA, (), "waits", 0),
    ],
)
def test_a_write_fault_on_journalled_data(text: str, series: tuple[str, ...], value: str, ways: int) -> None:
    found = mechanism.probe(reader({**SOURCES["6.12"], "fs/ext4/inode.c": text}))
    assert found["ext4_jdata_fault"].value == value
    assert sum("data=journal" in way for way in filesystem.answer(found, series).open) == ways


def test_a_source_that_was_not_asked_says_nothing_about_ext4() -> None:
    known = axes(Library()).facts("6.12") or {}
    assert not any("data=journal" in way for way in filesystem.answer(known, ()).open)
