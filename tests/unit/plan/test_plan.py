"""Plans: every error with its place, expansion, stable names, merging, selection, the shipped plans."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.base.errors import PlanError, UserError
from kzram_ci.base.grammar.problems import GrammarErrors, Problems
from kzram_ci.base.grammar.yaml_source import parse
from kzram_ci.base.library import Library
from kzram_ci.cli.schema import MODELS, schema_of
from kzram_ci.model import codec
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.machine import Accel
from kzram_ci.model.source import DebianSource, DirectorySource
from kzram_ci.model.workload import Fault
from kzram_ci.plan import merge
from kzram_ci.plan.kernels import load_kernel
from kzram_ci.plan.load import load_plan, parse_plan
from kzram_ci.plan.matrix import safe_id, seed_of
from kzram_ci.plan.select import select
from kzram_ci.plan.tables import kernel_names

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden" / "plan"
KERNELS = {
    "stock": "name: stock\nsource: {kind: debian, package: linux-source-6.12}\nconfig: [base]\nseries: [detector]\n",
    "unstable": "base: stock\nadd_series: [unstable]\n",
    "stable-page-v3": "base: unstable\nadd_series: [stable-page-v3]\n",
    "saved-clen": "base: unstable\nadd_series: [saved-clen]\nadd-config: [extra, base]\n",
    "emergency-class": "base: unstable\nadd_series: [emergency-class]\n",
}
ROWS = {
    "lines": """\
default: "6.12"
lines:
  5.10: {source: {kind: debian, package: linux-source-5.10}}
  6.1: {source: {kind: debian, package: linux-source-6.1}}
  6.12: {source: {kind: debian, package: linux-source-6.12}}
""",
    "variants": """\
variants:
  stock: {series: [detector]}
  unstable: {base: stock, add_series: [unstable]}
""",
}


@pytest.fixture
def kernels(tmp_path: Path) -> Path:
    """A library with these kernels, the series and fragments they name, and the guest that ships."""
    (tmp_path / "kernels").mkdir()
    for name, text in (KERNELS | ROWS).items():
        (tmp_path / "kernels" / f"{name}.yaml").write_text(text)
    for name in ("detector", "unstable", "stable-page-v3", "saved-clen", "emergency-class", "more"):
        (tmp_path / "kernels/patches" / name).mkdir(parents=True)
        (tmp_path / "kernels/patches" / name / "series.yaml").write_text("")
    (tmp_path / "kernels/config").mkdir()
    for name in ("base", "extra", "c"):
        (tmp_path / f"kernels/config/{name}.config").write_text("")
    (tmp_path / "rootfs").symlink_to(ROOT / "rootfs")
    return tmp_path / "kernels"


def load(text: str | bytes, kernels: Path) -> Plan:
    return parse_plan(text, Path("p.yaml"), Library(roots=(kernels.parent,)))


def errors(text: str, kernels: Path) -> list[str]:
    with pytest.raises(GrammarErrors) as caught:
        load(text, kernels)
    assert [str(error) for error in caught.value.errors] == str(caught.value).splitlines()
    return [str(error) for error in caught.value.errors]


def by_id(plan: Plan) -> dict[str, Cell]:
    return {cell.id: cell for cell in plan.cells}


TEST = "tests:\n  a: {workload: anonmutate}\n"


def bad_plans() -> list[tuple[str, str]]:
    """Blocks of a plan, a line of dashes, and all its errors."""
    blocks = (GOLDEN / "errors.txt").read_text().split("=====\n")
    return [(plan, told) for plan, _, told in (block.partition("-----\n") for block in blocks) if plan]


def test_every_error_has_a_place_and_a_cure(kernels: Path) -> None:
    """Golden: KZRAM_REWRITE_GOLDEN=1 writes it anew; read every line of it as the person who made the mistake."""
    told = [(plan, "".join(f"{line}\n" for line in errors(plan, kernels))) for plan, _ in bad_plans()]
    assert all(line.startswith("p.yaml:") for _, text in told for line in text.splitlines())
    if os.environ.get("KZRAM_REWRITE_GOLDEN"):
        (GOLDEN / "errors.txt").write_text("".join(f"{plan}-----\n{text}=====\n" for plan, text in told))
    assert told == bad_plans()


def test_all_errors_are_reported_in_order(kernels: Path) -> None:
    text = "name: p q\nkernels: [stok, stock]\ntests:\n  a: {workload: x, zram: {siz: 1M, size: 1}}\nsed: 1\n"
    found = errors(text, kernels)
    assert [error.split(": ")[0] + ": " + error.split(": ")[1] for error in found] == [
        "p.yaml:1:7: name",
        "p.yaml:2:11: kernels[0]",
        "p.yaml:4:17: tests.a.workload",
        "p.yaml:4:27: tests.a.zram.siz",
        "p.yaml:4:42: tests.a.zram.size",
        "p.yaml:5:1: sed",
    ]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", "p.yaml:1:1: the file is empty"),
        (b"# nothing\n", "p.yaml:1:1: the file is empty"),
        (b"name: \xff", "p.yaml:1:7: not UTF-8 text"),
        (b"name: p\nx: \x01", "p.yaml:2:4: not YAML: character U+0001 is not allowed"),
        (b"- a\n", "p.yaml:1:1: expected a mapping (key: value), got a list"),
        (b"a: 1\n---\nb: 1\n", "p.yaml:2:1: not YAML: but found another document; expected a single document"),
        (b"[" * 5000, "p.yaml:1:1: nested too deeply"),
        (b"\ta: 1", "found character '\\t' that cannot start any token"),
    ],
)  # fmt: skip
def test_files_that_are_no_yaml(data: bytes, line: str, kernels: Path) -> None:
    with pytest.raises(GrammarErrors) as caught:
        load(data, kernels)
    assert line in str(caught.value)


def test_aliases_cannot_explode() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    problems = Problems()
    parse("\n".join(lines), "p.yaml", problems)
    with pytest.raises(GrammarErrors, match="aliases expand to too much"):
        problems.raise_if_any()


def test_an_unreadable_plan_is_a_plan_error(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"nowhere.yaml:1:1: cannot be read: No such file"):
        load_plan(tmp_path / "nowhere.yaml", Library())


def test_yaml_1_2_words_stay_words() -> None:
    problems = Problems()
    text = "on: no\ntime: 12:30\noct: 010\nhex: 0x10\nfloat: 1.5\nnull: ~\nday: 2024-01-01\nq: '1'"
    data = parse(text, "f", problems).data
    assert not problems
    assert data == {
        "on": "no", "time": "12:30", "oct": 10, "hex": 16, "float": 1.5, "null": None, "day": "2024-01-01", "q": "1",
    }  # fmt: skip


@given(st.binary(max_size=80) | st.text(alphabet="ab: -[]{}&*!?|>'\"\n#,%@`0", max_size=60).map(str.encode))
def test_any_bytes_give_a_plan_error_or_nothing_worse(data: bytes) -> None:
    with pytest.raises(GrammarErrors):
        parse_plan(data, Path("p.yaml"), Library())


BIG = """
name: big
kernels: [stock, unstable]
machine: {memory: 1G, cpus: 4, accel: tcg, disk: 256M, cmdline: [quiet], boot-timeout: 2m, console_limit: 8M}
defaults:
  workload: anonmutate
  args: {pages: 64, no-waves: true, keep-going: false, steps: 1}
  zram: {size: 256M}
tests:
  b:
    zram: {stable-writes: false}
    fault: {kind: failslab, times: 3}
    args: {steps: null}
    stop: {recompressions: 9, grew: 2}
  a: {duration: 90s, sample: 0.5s, readers: 2, machine: {memory: 512M}, axes: [compressor], control: true, repeats: 2}
matrix:
  axes:
    compressor: [zstd, 842]
    heap: {set: machine.memory, values: [64M]}
    speed: {values: {slow: {args: {pages: 1}}, fast: {args: {pages: 2}, expect: {floors: {grew: 1}}}}}
  exclude:
    - {kernel: unstable, test: b}
  include:
    - {kernel: "uns*", test: b, compressor: lz4, speed: fast}
expect:
  - {kernel: stock, test: b, floors: {recompressions: 5}, ceilings: {grew: 3}}
  - {test: b, kernel: stock, speed: fast, outcome: oops, oops: {types: bug}}
  - {test: a, compressor: 842, skip: too slow}
  - {test: a, kernel: unstable, skip: null, repeats: null}
seed: 7
boot-retries: 1
jobs: 3
"""


def test_expansion(kernels: Path) -> None:
    plan = load(BIG, kernels)
    cells = by_id(plan)
    assert list(cells) == [
        "stock/b/compressor=zstd/heap=64M/speed=slow",
        "stock/b/compressor=zstd/heap=64M/speed=fast",
        "stock/b/compressor=842/heap=64M/speed=slow",
        "stock/b/compressor=842/heap=64M/speed=fast",
        "stock/a/compressor=zstd",
        "stock/a/compressor=842",
        "unstable/a/compressor=zstd",
        "unstable/a/compressor=842",
        "unstable/b/compressor=lz4/speed=fast",
    ]
    assert (plan.name, plan.boot_retries, plan.jobs, plan.path) == ("big", 1, 3, "p.yaml")
    assert [kernel.name for kernel in plan.kernels()] == ["stock", "unstable"]

    slow = cells["stock/b/compressor=842/heap=64M/speed=slow"]
    assert slow.axes == (("compressor", "842"), ("heap", "64M"), ("speed", "slow"))
    assert slow.machine.memory_mib == 64
    assert (slow.machine.cpus, slow.machine.accel, slow.machine.disk_mib) == (4, Accel.TCG, 256)
    assert (slow.machine.cmdline, slow.machine.boot_seconds, slow.machine.console_limit_mib) == (("quiet",), 120.0, 8)
    assert slow.workload.args == ("--no-waves", "--pages", "1")
    assert (slow.workload.zram.algorithm, slow.workload.zram.size_mib) == ("842", 256)
    assert slow.workload.zram.stable_writes is False
    assert (slow.workload.fault.kind, slow.workload.fault.times) == (Fault.FAILSLAB, 3)
    assert slow.workload.stop == (("recompressions", 9), ("grew", 2))
    assert slow.expect.floors == (("recompressions", 5),)
    assert slow.expect.ceilings == (("grew", 3),)

    fast = cells["stock/b/compressor=zstd/heap=64M/speed=fast"]
    assert fast.expect.outcome == "oops"
    assert fast.expect.floors == ()  # another outcome starts afresh
    assert fast.expect.oops.types == ("bug",)
    assert cells["unstable/b/compressor=lz4/speed=fast"].expect.floors == (("grew", 1),)

    skipped = cells["stock/a/compressor=842"]
    assert (skipped.skip, skipped.repeats, skipped.control) == ("too slow", 2, True)
    assert (skipped.workload.duration_s, skipped.workload.sample_ms, skipped.workload.readers) == (90, 500, 2)
    assert skipped.machine.memory_mib == 512
    assert skipped.workload.args == ("--no-waves", "--pages", "64", "--steps", "1")
    again = cells["unstable/a/compressor=842"]
    assert (again.skip, again.repeats) == ("", 1)


def test_cells_survive_a_round_trip(kernels: Path) -> None:
    plan = load(BIG, kernels)
    assert codec.from_json(Plan, json.loads(json.dumps(codec.to_json(plan)))) == plan


def test_what_was_written_is_what_pydantic_would_dump(kernels: Path) -> None:
    """All of the grammar's models: with keys that were not given, below lists, below mappings."""
    from kzram_ci.base.grammar.validation import checked
    from kzram_ci.plan.schema import PlanFile

    problems = Problems()
    document = parse(BIG, "p.yaml", problems)
    context = {"axes": ("compressor", "heap", "speed"), "workloads": ("anonmutate", "pressure", "idle")}
    model = checked(PlanFile, document.data, document, problems, context=context)
    problems.raise_if_any()
    assert model is not None
    for part in (model.machine, model.defaults, *model.tests.values(), *model.expect):
        dumped = part.model_dump(exclude_unset=True)
        assert merge.written(part) == dumped
        assert list(merge.written(part)) == list(dumped)


def test_reordering_renames_and_reseeds_nothing(kernels: Path) -> None:
    turned = (
        BIG.replace("[stock, unstable]", "[unstable, stock]")
        .replace("[zstd, 842]", "[842, zstd]")
        .replace("pages: 64, no-waves: true", "no-waves: true, pages: 64")
    )
    lines = turned.splitlines()
    first = lines.index("  b:")
    lines[first : first + 6] = [lines[first + 5], *lines[first : first + 5]]
    axis = next(i for i, line in enumerate(lines) if line.startswith("    heap:"))
    lines[axis], lines[axis + 1] = lines[axis + 1], lines[axis]
    assert by_id(load("\n".join(lines), kernels)) == by_id(load(BIG, kernels))


def test_seeds_depend_on_name_and_plan_seed_only() -> None:
    assert seed_of(1, "stock/a") == seed_of(1, "stock/a") != seed_of(2, "stock/a")
    assert seed_of(1, "stock/a") != seed_of(1, "stock/b")
    assert 0 < seed_of(1, "stock/a") < 2**31 - 1000
    assert seed_of(1, "stock/anonmutate-failslab") == 1_821_440_154  # a change would lose everybody's reproducers


def test_ids_must_differ_as_file_names(kernels: Path) -> None:
    (kernels / "a.b.yaml").write_text("base: stock\n")
    (kernels / "a.yaml").write_text("base: stock\n")
    tests = "tests: {c: {workload: anonmutate}, b.c: {workload: anonmutate}}"
    found = errors(f"name: p\nkernels: [a.b, a]\n{tests}\n", kernels)
    assert "the cells a.b/c and a/b.c would share the directory a.b.c; rename one" in found[0]
    assert safe_id("stock/t/x=1") == "stock.t.x=1"


def test_named_kernels_resolve_their_bases(kernels: Path) -> None:
    spec = load("name: p\nkernels: [saved-clen]\n" + TEST, kernels).cells[0].kernel
    assert spec.name == "saved-clen"
    assert spec.series == ("detector", "unstable", "saved-clen")
    assert spec.config == ("base", "extra")
    assert spec.source == DebianSource(package="linux-source-6.12")


def test_inline_kernels(kernels: Path, tmp_path: Path) -> None:
    text = """
name: p
kernels:
  - {name: mine, base: stock, source: {kind: directory, path: ../linux}, make: {CC: gcc-11}, series: [], config: [c]}
  - {name: stock, base: stock, add_series: [more], arch: arm64}
  - {name: top, base: mine, make: {LLVM: 1}}
"""
    by_name = {cell.kernel.name: cell.kernel for cell in load(text + TEST, kernels).cells}
    assert by_name["mine"].source == DirectorySource(path=str(Path.cwd().parent / "linux"))
    assert (by_name["mine"].series, by_name["mine"].config) == ((), ("c",))
    assert by_name["stock"].series == ("detector", "more")  # stands on the file of the same name
    assert by_name["mine"].arch == "arm64"  # …, and the plan's own stock is the base of the others
    assert by_name["top"].make_vars == (("CC", "gcc-11"), ("LLVM", "1"))
    assert load(text + TEST, kernels).cells[0].machine.arch == "arm64"


BAD_KERNELS = [
    ("x", "base: y\n", {"y": "base: x\n"}, "y.yaml:1:7: base: kernels build on each other in a circle: x -> y -> x"),
    ("x", "base: x\n", {}, "x.yaml:1:7: base: kernels build on each other in a circle: x -> x"),
    ("x", "base: stok\n", {}, "x.yaml:1:7: base: unknown kernel 'stok'"),
    ("x", "arch: x86_64\n", {}, "x.yaml:1:1: a kernel needs a source or a base"),
    ("x", "name: z\nbase: stock\n", {}, "x.yaml:1:7: name: the name is 'z', the file is called x.yaml"),
    ("x", "base: stock\nseris: [a]\n", {}, "x.yaml:2:1: seris: unknown key 'seris'; allowed: add_config, add_series"),
    ("x", "source: {kind: git, url: u}\n", {}, "x.yaml:1:1: source: a git source needs ref"),
    ("x", "source: {kind: tarball, url: u, sha256: 12}\n", {}, "source.sha256: expected a word, got 12"),
    ("x", "source: {kind: directory, path: p, ref: v6}\n", {}, "x.yaml:1:36: source.ref: ref does not apply"),
    ("x", "base: stock\nconfig: base\n", {}, "x.yaml:2:9: config: expected a list ([a, b], or a line `- a` each)"),
    ("x", "base: [\n", {}, "x.yaml:2:1: not YAML"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "others", "line"), BAD_KERNELS, ids=[line[:40] for *_, line in BAD_KERNELS])
def test_errors_of_kernel_files(name: str, text: str, others: dict[str, str], line: str, kernels: Path) -> None:
    for other, content in {name: text, **others}.items():
        (kernels / f"{other}.yaml").write_text(content)
    found = errors(f"name: p\nkernels: [{name}, stock]\n" + TEST, kernels)
    assert len(found) == 1
    assert found[0].startswith(str(kernels))
    assert line in found[0]


def test_unknown_kernels_are_named_with_a_suggestion(kernels: Path) -> None:
    [line] = errors("name: p\nkernels: [stock, unstabel]\n" + TEST, kernels)
    assert line.startswith("p.yaml:2:18: kernels[1]: unknown kernel 'unstabel'; allowed: ")
    assert line.endswith("did you mean unstable?")


def test_selection(kernels: Path) -> None:
    plan = load(BIG, kernels)
    assert len(select(plan).cells) == 9
    assert {c.kernel.name for c in select(plan, kernels=["un*"]).cells} == {"unstable"}
    assert len(select(plan, kernels=["stock"], tests=["a"]).cells) == 2
    assert [c.id for c in select(plan, cells=["stock/a/compressor=zstd"]).cells] == ["stock/a/compressor=zstd"]
    assert [c.id for c in select(plan, cells=["stock.a.compressor=zstd"]).cells] == ["stock/a/compressor=zstd"]
    assert len(select(plan, cells=["*/compressor=842"]).cells) == 2
    with pytest.raises(UserError, match=r"no kernel of big matches 'unstabel'; it has stock, unstable; did you mean"):
        select(plan, kernels=["stock", "unstabel"])
    with pytest.raises(
        UserError, match=r"no cell of big matches 'stock/a/compressor=zst'; it has stock/b.*; did you mean stock"
    ):
        select(plan, cells=["stock/a/compressor=zst"])
    with pytest.raises(UserError, match="no cell of big matches all filters together"):
        select(plan, kernels=["unstable"], cells=["stock/*"])


fields: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from("abc"),
    st.integers() | st.none() | st.dictionaries(st.sampled_from("xy"), st.integers()),
    max_size=3,
)


@given(fields, fields)
def test_merging_keeps_what_is_not_named_and_takes_what_is(under: dict[str, Any], over: dict[str, Any]) -> None:
    clean = merge.merge({}, under)
    result = merge.merge(clean, over)
    assert None not in result.values()
    for key in clean:
        if key not in over:
            assert result[key] == clean[key]
    for key, value in over.items():
        if value is None:
            assert key not in result
        elif isinstance(value, dict):
            assert value.items() <= result[key].items()
        else:
            assert result[key] == value
    assert merge.merge(result, over) == result


def test_the_schema_describes_every_field() -> None:
    def check(node: Any, where: str) -> None:
        for name, field in node.get("properties", {}).items():
            assert field.get("description"), f"{where}.{name}"
            assert not name.startswith(" ")
        for name, inner in node.get("$defs", {}).items():
            check(inner, name)

    for kind in MODELS:
        schema = schema_of(kind)
        assert schema["$id"]
        assert schema["title"].startswith("kzram-ci")
        assert schema.get("items", schema).get("additionalProperties", False) is False
        check(schema, kind)
        json.dumps(schema)


def shipped() -> list[Path]:
    return sorted((ROOT / "testplans").glob("*.yaml"))


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_shipped_plans_expand_as_recorded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Golden: KZRAM_REWRITE_GOLDEN=1 writes it anew; look at the difference before you commit it."""
    monkeypatch.chdir(ROOT)
    plan = load_plan(path, Library())
    data = [{**codec.to_json(replace(cell, cases=())), "kernel": cell.kernel.name} for cell in plan.cells]
    for cell in data:
        for name in ("cases", *(name for name in ("evidence", "measured", "target") if not cell[name])):
            del cell[name]
    text = json.dumps(data, indent=1) + "\n"
    golden = GOLDEN / f"{path.stem}.json"
    if os.environ.get("KZRAM_REWRITE_GOLDEN"):
        golden.write_text(text)
    assert golden.read_text() == text


def test_the_overrun_plan_is_the_table_of_its_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    cells = by_id(load_plan(ROOT / "testplans" / "overrun.yaml", Library()))
    expected = {cell.id: cell.expect.outcome for cell in cells.values()}
    oopses = {name for name, outcome in expected.items() if outcome == "oops"}
    assert oopses == {
        "unstable/anonmutate-failslab",
        "unstable/anonmutate-window",
        *(f"{k}/directmutate-failslab" for k in ("stock", "unstable", "stable-page-v3")),
    }
    kernels = {"stock", "unstable", "stable-page-v3", "saved-clen", "emergency-class"}
    assert {cell.kernel.name for cell in cells.values()} == {*kernels, "window"}
    controls = {cell.id for cell in cells.values() if cell.control}
    lost = {"unstable/anonmutate-failslab", "unstable/anonmutate-window"}
    assert controls == lost | {f"{k}/pressure" for k in kernels}
    for cell in cells.values():
        floors, ceilings = dict(cell.expect.floors), dict(cell.expect.ceilings)
        if cell.expect.outcome == "oops":
            assert floors == {"overruns": 1}
            assert cell.workload.stop == ()
        elif cell.test != "pressure":
            assert ceilings["overruns"] == 0
            assert dict(cell.workload.stop).items() >= floors.items()  # it stops with its proof in hand
            assert floors["recompressions"] >= 1000
            if cell.kernel.name in {"saved-clen", "emergency-class"}:
                assert floors["grew_class"] >= 1000
            else:
                assert floors["reuse_refused_write"] >= (100 if cell.test == "anonmutate-failslab" else 1000)
            windowed = any(word.startswith("--window-us") for word in cell.workload.args)
            assert windowed <= ("async-window" in cell.kernel.series)
    for remedy in ("stock", "stable-page-v3", "saved-clen", "emergency-class"):
        tests = {cell.test for cell in cells.values() if cell.kernel.name in {remedy, "window"}}
        assert "anonmutate-fail-page-alloc" in tests, "the amplifier that is as in nature, for each remedy"
    for kernel in ("stock", "stable-page-v3"):
        stable = cells[f"{kernel}/anonmutate-failslab"].expect
        assert dict(stable.ceilings)["grew"] == 0
        assert dict(stable.floors)["reuse_refused_write"] >= 100


@pytest.mark.parametrize("name", kernel_names(Library()))
def test_shipped_kernels_are_sound(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    spec = load_kernel(name, Library())
    assert spec.name == name
    for series in spec.series:
        assert (ROOT / "kernels" / "patches" / series).is_dir(), series
    for fragment in spec.config:
        assert (ROOT / "kernels" / "config" / f"{fragment}.config").is_file(), fragment


def test_a_kernel_by_name_alone(kernels: Path) -> None:
    library = Library(roots=(kernels.parent,))
    with pytest.raises(PlanError, match=r"unknown kernel 'stok'; allowed: .*; did you mean stock\?"):
        load_kernel("stok", library)
    (kernels / "odd.yaml").write_text("sorce: {}\n")
    with pytest.raises(GrammarErrors, match=r"odd.yaml:1:1: sorce: unknown key 'sorce'.*did you mean source\?"):
        load_kernel("odd", library)


def test_a_kernel_of_the_plan_that_builds_on_itself(kernels: Path) -> None:
    [line] = errors("name: p\nkernels: [{name: mine, base: mine}]\n" + TEST, kernels)
    assert line == "p.yaml:2:30: kernels[0].base: 'mine' builds on itself, and no other kernel has that name"


def test_named_values_of_an_axis_without_their_key_are_one_error(kernels: Path) -> None:
    named = "matrix:\n  axes: {load: {low: {duration: 3s}, high: {duration: 9s}}}\n"
    [line] = errors("name: p\nkernels: [stock]\n" + TEST + named, kernels)
    assert line.endswith("matrix.axes.load: values with names stand under `values`: {values: {low: …}}")


@pytest.mark.parametrize(
    ("value", "words"), [("0", "expected more than 0, got 0"), ("2", "expected less than 1, got 2")]
)
def test_the_bounds_of_evidence_are_told_as_all_others(value: str, words: str, kernels: Path) -> None:
    text = "name: p\nkernels: [stock]\n" + TEST + f"defaults: {{stop: {{evidence: {value}}}}}\n"
    [line] = errors(text, kernels)
    assert line.endswith(f"defaults.stop.evidence: {words}")
