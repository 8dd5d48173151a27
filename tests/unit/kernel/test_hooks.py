"""Code search: every hook in its place, or a loud refusal; never a hook less, whatever is done to the source."""

import re
from collections.abc import Iterator

import pytest
import zram_like
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.base.library import Library
from kzram_ci.kernel import diff
from kzram_ci.kernel.hooks import Hook, Order, Put, Search, Way, ctext
from kzram_ci.kernel.hooks.hook import compiled
from kzram_ci.kernel.hooks.place import Misplaced
from kzram_ci.kernel.hooks.search import applied
from kzram_ci.kernel.parts import load_series

DRIVER = "drivers/block/zram/zram_drv.c"
# What the detector brings, and how often each tree must have it
COUNTS = {
    "zram_overrun.o": (1, 1, 1, 1),
    '#include "zram_overrun.h"': (1, 1, 1, 1),
    "struct zram_overrun_write seen = {};": (1, 1, 1, 1),
    "zram_overrun_compressed(": (1, 1, 1, 1),
    "zram_overrun_refused(": (1, 1, 1, 2),
    "zram_overrun_freed(": (1, 1, 1, 1),
    "zram_overrun_init();": (1, 1, 1, 1),
    "zram_overrun_exit();": (1, 1, 1, 1),
    "size_t zs_obj_capacity(": (2, 2, 2, 2),
}


def search(name: str = "overrun-detector") -> Search:
    return load_series(name, Library()).search


def put(tree: dict[str, str], name: str = "overrun-detector") -> dict[str, str]:
    return {**tree, **applied(search(name), tree.get).files}


def body(text: str, name: str) -> str:
    code = ctext.blank(text)
    (found,) = (item for item in ctext.functions(code) if item.name == name)
    return text[found.brace : found.end]


@pytest.mark.parametrize(("number", "name"), list(enumerate(zram_like.TREES)))
def test_each_hook_is_there_as_often_as_wanted(number: int, name: str) -> None:
    made = "".join(put(zram_like.TREES[name]).values())
    assert {mark: made.count(mark) for mark in COUNTS} == {mark: want[number] for mark, want in COUNTS.items()}


def test_the_way_out_is_the_one_of_the_function() -> None:
    old = body(put(zram_like.TREES["old"])[DRIVER], "zram_bvec_write")
    assert (
        "\tif (zram_overrun_refused(zram->mem_pool, handle, clen)) {\n"
        "\t\tzs_free(zram->mem_pool, handle);\n\t\tret = -EIO;\n\t\tgoto out;\n\t}\n"
    ) in old
    mid = body(put(zram_like.TREES["mid"])[DRIVER], "zram_write_page")
    assert (
        "\tif (zram_overrun_refused(zram->mem_pool, handle, comp_len)) {\n"
        "\t\tzcomp_stream_put(zram->comps[ZRAM_PRIMARY_COMP]);\n"
        "\t\tzs_free(zram->mem_pool, handle);\n\t\treturn -EIO;\n\t}\n"
    ) in mid
    new = put(zram_like.TREES["new"])[DRIVER]
    assert "zram_overrun_refused(zram->mem_pool, handle, PAGE_SIZE)" in body(new, "write_incompressible_page")
    assert "zcomp_stream_put(zstrm);\n\t\tzs_free" in body(new, "zram_write_page").partition("overrun_refused")[2]


def test_what_the_administrator_recompresses_is_no_write() -> None:
    made = put(zram_like.TREES["mid"])[DRIVER]
    assert body(made, "zram_recompress") == body(zram_like.MID, "zram_recompress")


@pytest.mark.parametrize(
    ("allocator", "taken", "given_back"),
    [
        (zram_like.PINNED, "pin_tag(handle)", "unpin_tag(handle)"),
        (zram_like.MIGRATED, "read_lock(&pool->migrate_lock)", "read_unlock(&pool->migrate_lock)"),
        (zram_like.LOCKED, "spin_lock(&pool->lock)", "spin_unlock(&pool->lock)"),
        (
            zram_like.zsmalloc(taken="read_lock(&pool->lock)", given_back="read_unlock(&pool->lock)", classes=True),
            "read_lock(&pool->lock)",
            "read_unlock(&pool->lock)",
        ),
    ],
)
def test_the_lock_is_the_one_that_zsmalloc_takes_itself(allocator: str, taken: str, given_back: str) -> None:
    asks = body(put(zram_like.tree(zram_like.MID, allocator))["mm/zsmalloc.c"], "zs_obj_capacity")
    assert asks.count(f"\t{taken};") == asks.count(f"\t{given_back};") == 1
    assert len(re.findall(r"lock\(|pin_tag\(", asks)) == 2


def test_types_are_the_sources() -> None:
    long = zram_like.zsmalloc(
        taken="pin_tag(handle)", given_back="unpin_tag(handle)", classes=False, location="unsigned long *obj_idx"
    )
    assert "\tunsigned long obj_idx;\n" in put(zram_like.tree(zram_like.OLD, long))["mm/zsmalloc.c"]
    newer = zram_like.LOCKED.replace("struct page **page", "struct zpdesc **zpdesc")
    assert "\tstruct zpdesc *page;\n" in put(zram_like.tree(zram_like.MID, newer))["mm/zsmalloc.c"]


def test_a_source_that_takes_two_kinds_of_lock_is_refused() -> None:
    other = "\nstatic void other(void)\n{\n\tread_lock(&pool->l);\n\tread_unlock(&pool->l);\n}\n"
    both = zram_like.LOCKED + other
    with pytest.raises(Misplaced, match="capacity"):
        put(zram_like.tree(zram_like.MID, both))


def test_the_diff_is_all_that_is_done() -> None:
    tree = zram_like.TREES["mid"]
    made = applied(search(), tree.get)
    changes = diff.files(made.diff)
    assert [change.after for change in changes] == list(made.files)
    assert sum(change.removed for change in changes) == 0
    grown = sum(made.files[path].count("\n") - tree[path].count("\n") for path in made.files)
    assert sum(change.added for change in changes) == grown


def test_a_second_time_is_refused() -> None:
    with pytest.raises(Misplaced, match="is there already"):
        put(put(zram_like.TREES["mid"]))


def hurt(text: str) -> Iterator[tuple[str, str]]:
    """The text with each line of its code left out, doubled, and with each of its names changed; and what was done."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if not line.strip() or line.startswith((" *", "/*", "#")):
            continue
        yield f"without {line!r}", "\n".join((*lines[:number], *lines[number + 1 :]))
        yield f"twice {line!r}", "\n".join((*lines[:number], line, *lines[number:]))
    for name in sorted(set(re.findall(r"\b(?:zs|zcomp|zram|idr|obj|register)_\w+", ctext.blank(text)))):
        yield f"{name} renamed", re.sub(rf"\b{name}\b", f"{name}_of_mine", text)


@pytest.mark.parametrize("name", zram_like.TREES)
def test_no_hook_is_ever_lost(name: str) -> None:
    """A hurt source takes every hook, each once a place and in order, or none at all."""
    tree = zram_like.TREES[name]
    whole = put(tree)
    wanted = {
        path: {hook.mark: whole[path].count(hook.mark) for hook in search().hooks if hook.file == path} for path in tree
    }
    refused = taken = 0
    for path, text in tree.items():
        for done, changed in hurt(text):
            try:
                made = put({**tree, path: changed})
            except Misplaced:
                refused += 1
                continue
            taken += 1
            for mark, count in wanted[path].items():
                assert made[path].count(mark) >= count, f"{done}: {mark} was lost"
    assert refused > 40
    assert taken > 20


ANCHORS = [
    ("mid", "zcomp_compress(", "zcomp_squeeze("),
    ("mid", "ret = zcomp_compress", "if (ok)\n\t\tret = zcomp_compress"),
    ("mid", "return -ENOMEM;\n\t}\n\n\tdst", "return -ENOSPC;\n\t}\n\n\tdst"),
    ("mid", "zram_major = register_blkdev", "major = x(), zram_major = register_blkdev"),
    ("mid", "atomic64_sub(zram_get_obj_size", "atomic64_add(zram_get_obj_size"),
    ("new", "zs_obj_write(zram->mem_pool, handle, zstrm", "write_by_hand(zram->mem_pool, handle, zstrm"),
    (
        "new",
        "zs_free(zram->mem_pool, handle);\n\t\treturn -ENOMEM;\n\t}\n\n\tzs_obj_write",
        "return -ENOMEM;\n\t}\n\n\tzs_obj_write",
    ),
    ("old", "ret = -ENOMEM;\n\t\tgoto out;\n\t}\n\n\tcmem", "goto out;\n\t}\n\n\tcmem"),
]


@pytest.mark.parametrize(("name", "anchor", "other"), ANCHORS)
def test_an_anchor_that_is_another_is_told(name: str, anchor: str, other: str) -> None:
    tree = zram_like.TREES[name]
    assert tree[DRIVER].count(anchor) >= 1
    with pytest.raises(Misplaced, match=rf"^{DRIVER}: [\w-]+: "):
        put({**tree, DRIVER: tree[DRIVER].replace(anchor, other)})


def test_a_check_behind_the_write_is_told_by_the_order() -> None:
    tree = zram_like.TREES["mid"]
    limit = re.search(r"\tif \(zram->limit_pages.*?\n\t}\n", tree[DRIVER], re.DOTALL)
    assert limit is not None
    write = "\tmemcpy(dst, src, comp_len);\n"
    moved = tree[DRIVER].replace(limit[0], "").replace(write, f"{limit[0]}{write}")
    with pytest.raises(Misplaced, match=r"zram_write_page\(\): .* comes before"):
        put({**tree, DRIVER: moved})


@pytest.mark.parametrize("name", ["old", "mid"])
def test_the_window_opens_before_a_page_is_compressed_again(name: str) -> None:
    tree = put(zram_like.TREES[name])
    made = put(tree, "async-window")[DRIVER]
    handle = {"old": "if (handle && ", "mid": "if (!IS_ERR_VALUE(handle) && "}[name]
    assert "compress_again:\n\tif (" in made
    assert f"\t{handle}READ_ONCE(window_us))\n\t\tzram_window(READ_ONCE(window_us));\n" in made
    assert made.count("return -EOPNOTSUPP;") == (name == "old")
    if name == "old":
        assert "\tstruct bio_vec bv;\n\n\tif (is_write)\n\t\treturn -EOPNOTSUPP;" in body(made, "zram_rw_page")


def test_a_kernel_that_compresses_once_has_no_window() -> None:
    with pytest.raises(Misplaced, match="window: its place was found 0 times, wanted once"):
        put(zram_like.TREES["new"], "async-window")


@pytest.mark.parametrize(("name", "page"), [("old", "uncmem"), ("mid", "src"), ("new", "mem")])
def test_the_witness_looks_before_and_after(name: str, page: str) -> None:
    made = put(put(zram_like.TREES[name]), "mutation-witness")[DRIVER]
    sums = [made.index(f"page_sum_before = page_sum({page});"), made.index(f"if (page_sum_before != page_sum({page}))")]
    assert sums[0] < made.index("ret = zcomp_compress(") < sums[1] < made.index("zram_overrun_compressed(")


COUNTED = "int do_swap_page(struct vm_fault *vmf)\n{\n\tif (page_count(page) == 1)\n\t\treuse = true;\n\treturn 0;\n}\n"
FOLIO_COPY = zram_like.COPY.replace("\tget_page(vmf->page);\n\n", "\tif (folio)\n\t\tfolio_get(folio);\n\n")


def reuse(text: str) -> str:
    return put({"mm/memory.c": text}, "reuse-counters")["mm/memory.c"]


def test_reuse_is_counted_where_the_marker_is_dropped() -> None:
    made = reuse(FOLIO_COPY + zram_like.GUARD)
    swap = body(made, "do_swap_page")
    # behind the comment and not above it: a patch that changes the condition has its context still
    assert "*/\n\t\t\tatomic64_inc(&reuse_refused);\n\t\t\tif (vmf->flags & FAULT_FLAG_WRITE)\n" in swap
    assert "\t\t\texclusive = false;\n\t\t}\n\t\tif (exclusive && folio_test_writeback(folio))\n" in swap
    assert "if (folio && folio_test_anon(folio) && folio_test_writeback(folio))\n" in body(made, "do_wp_page")
    assert made.index("late_initcall(reuse_counters_init);\n\n/* ordinary write faults */") > 0


def test_reuse_is_counted_where_a_fault_is_told() -> None:
    swap = body(reuse(zram_like.COPY + zram_like.SAID), "do_swap_page")
    assert "reuse_swap_page(page, NULL)) {\n\t\tif (PageWriteback(page))\n\t\t\tatomic64_inc(&reuse_allowed);\n" in swap
    assert swap.index("RMAP_EXCLUSIVE;\n\t}\n") < swap.index("atomic64_inc(&reuse_refused);")
    assert body(reuse(zram_like.COPY + zram_like.SAID), "do_wp_page").count("reuse_copied") == 1


def test_where_the_reference_count_guards_only_copies_are_counted() -> None:
    made = reuse(zram_like.COPY + COUNTED)
    assert made.count("atomic64_inc(&reuse_copied)") == 1
    assert "atomic64_inc(&reuse_refused" not in made


def test_a_guard_that_is_written_otherwise_is_told() -> None:
    with pytest.raises(Misplaced, match="refused: its place was found 0 times"):
        reuse(FOLIO_COPY + zram_like.GUARD.replace("exclusive = false;", "drop(&exclusive);"))


TEXT = "static int f(int a)\n{\n\tint b;\n\n\tb = g(a);\n\treturn b;\n}\n"


def one(way: Way, *, times: int = 1, orders: tuple[Order, ...] = ()) -> Search:
    hook = Hook(name="h", file="f.c", mark="hooked(", ways=(way,), times=times)
    return Search(hooks=(hook,), orders=orders)


def hooked(way: Way, text: str = TEXT, *, times: int = 1) -> str:
    return applied(one(way, times=times), {"f.c": text}.get).files["f.c"]


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        (Put.BEFORE, "\n\thooked(a);\n\tb = g(a);\n"),
        (Put.AFTER, "\tb = g(a);\n\thooked(a);\n\treturn"),
        (Put.DECLARED, "\tint b;\n\thooked(a);\n\n"),
        (Put.BELOW, "\tb = g(a);\n\thooked(a);\n"),
        (Put.ABOVE, "hooked(a);\n\nstatic int f"),
    ],
)
def test_the_places(place: Put, wanted: str) -> None:
    assert wanted in hooked(Way(put=place, at=r"\w+ = g\(<x>\);", text="hooked($x);", function="f"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT.replace("b = g(a);", "if (a)\n\t\tb = g(a);"), "no statement of a block begins there"),
        (TEXT.replace("b = g(a);", "for (;;)\n\t\tb = g(a);"), "no statement of a block begins there"),
        (TEXT.replace("b = g(a);", "if (a)\n\t\th();\n\telse\n\t\tb = g(a);"), "no statement of a block begins there"),
        (TEXT.replace("b = g(a);", "c(); b = g(a);"), "does not begin its line"),
        (TEXT.replace("b = g(a);", "b = g(a); c();"), "something follows in the same line"),
        (TEXT.replace("b = g(a);", "b = g(a);\n\tb = g(a);"), "found 2 times, wanted once"),
        (TEXT.replace("b = g(a);", "/* b = g(a); */"), "found 0 times, wanted once"),
        (TEXT.replace("b = g(a);", 'say("b = g(a);");'), "found 0 times, wanted once"),
        (TEXT.replace(" f(", " of_another_name("), "found 0 times, wanted once"),
    ],
)
def test_a_place_that_cannot_be_right_is_refused(text: str, said: str) -> None:
    with pytest.raises(Misplaced, match=re.escape(said)):
        hooked(Way(put=Put.AFTER, at=r"b = g\(<x>\);", text="hooked($x);", function="f"), text)


def test_a_name_that_nothing_gives_is_told() -> None:
    with pytest.raises(Misplaced, match="nothing in the source gives 'y'"):
        hooked(Way(put=Put.AFTER, at=r"b = g\(<x>\);", text="hooked($y);", function="f"))


def test_a_text_without_its_mark_is_told() -> None:
    with pytest.raises(Misplaced, match=r"'hooked\(' is there 0 times, not 1"):
        hooked(Way(put=Put.AFTER, at=r"b = g\(<x>\);", text="other($x);", function="f"))


def test_an_order_about_nothing_is_told() -> None:
    way = Way(put=Put.AFTER, at=r"b = g\(<x>\);", text="hooked($x);", function="f")
    with pytest.raises(Misplaced, match="which no hook brings"):
        applied(one(way, orders=(Order(file="f.c", mark="absent(", steps=("a", "b")),)), {"f.c": TEXT}.get)


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(Misplaced, match=r"^the source has no f\.c"):
        applied(one(Way(put=Put.BELOW, at="x", text="hooked(")), dict[str, str]().get)


def test_patterns_are_short_hands() -> None:
    assert compiled(r"<a> = f\(<b>\);").search("zram->x[1]  =\n f(y);")
    assert compiled(r"(?:a, )?<b>").groupindex == {"b": 1}


@given(st.text(alphabet="ab\"'\\/*\n#;{}() ", max_size=80))
def test_blanking_moves_nothing(text: str) -> None:
    code = ctext.blank(text)
    assert len(code) == len(text)
    assert [at for at, char in enumerate(code) if char == "\n"] == [at for at, char in enumerate(text) if char == "\n"]
    assert all(new in (old, " ") for new, old in zip(code, text, strict=True))


def test_functions_are_found_by_their_shape() -> None:
    text = (
        "int x = f(1);\nstruct s {\n\tint a;\n};\nstatic struct p *g(int a,\n\t\tint b)\n{\n\tif (a) {\n\t}\n}\n"
        "SYSCALL_DEFINE2(swapon, int, b)\n{\n}\nint t[] = {\n1\n};\n"
    )
    assert [item.name for item in ctext.functions(ctext.blank(text))] == ["g", "SYSCALL_DEFINE2"]
