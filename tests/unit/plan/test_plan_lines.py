"""Kernels as line by variant: every combination, names, own rows and files, errors with their place."""

import json
from pathlib import Path

import pytest

from kzram_ci.base.errors import PlanError
from kzram_ci.base.grammar.problems import GrammarErrors
from kzram_ci.base.library import Library
from kzram_ci.kernel import mechanism
from kzram_ci.model.cell import Plan
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.source import GivenSource
from kzram_ci.plan import tables
from kzram_ci.plan.kernels import load_kernel
from kzram_ci.plan.lines import Axes
from kzram_ci.plan.load import load_plan
from kzram_ci.plan.select import select
from kzram_ci.plan.tables import kernel_names

ROOT = Path(__file__).resolve().parents[3]
BY_HAND = json.loads((ROOT / "tests/golden/plan/kernels-by-hand.json").read_text())
ROW = "source: {kind: git, path: ../linux, ref: v6.7}"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory with kernels/ in it, as a user's."""
    for series in ("mine", "my-fix", "more"):
        (tmp_path / "kernels/patches" / series).mkdir(parents=True)
        (tmp_path / "kernels/patches" / series / "series.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def axes_here() -> Axes:
    return tables.axes(Library())


def spec(name: str) -> KernelSpec:
    return load_kernel(name, Library())


def plan(text: str) -> Plan:
    Path("p.yaml").write_text(text)
    return load_plan(Path("p.yaml"), Library())


def test_every_variant_on_every_line_resolves() -> None:
    axes = axes_here()
    assert len(axes.names()) == len(set(axes.names())) == len(axes.lines) * len(axes.variants) >= 28
    assert set(axes.names()) <= set(kernel_names(Library()))
    for name in axes.names():
        found = spec(name)
        assert (found.name, found.line, found.variant) == (name, *reversed(axes.split(name) or ()))
        assert found.source == spec(axes.name("stock", found.line)).source
        assert set(axes.variants[found.variant].row.add_series or ()) <= set(found.series)


@pytest.mark.parametrize("name", BY_HAND)
def test_kernels_are_what_their_own_files_said(name: str) -> None:
    """Until lines and variants were axes each of these was a file: source, series in their order, config."""
    found = spec(name)
    have = {"source": found.source.words(), "series": list(found.series), "config": list(found.config)}
    assert have == BY_HAND[name]


def test_the_default_line_may_be_written_out() -> None:
    assert spec("saved-clen-6.12").series == spec("saved-clen").series
    assert spec("saved-clen-6.12").line == "6.12"
    assert "stock-6.12" not in kernel_names(Library())


def test_remedies_get_an_open_race_where_swap_leaves_none() -> None:
    for line in axes_here().lines:
        facts = axes_here().facts(line)
        assert facts is not None
        for variant in ("stable-page-v3", "saved-clen", "emergency-class"):
            series = spec(axes_here().name(variant, line)).series
            assert ("async-window" in series) is (facts["swap_path"].value == "rw_page")
            if "async-window" in series:
                assert series.index("async-window") < series.index("unstable")


def test_facts_on_record_are_those_the_rules_ask_for() -> None:
    for line in axes_here().lines:
        facts = axes_here().facts(line)
        assert facts is not None
        assert set(facts) == set(mechanism.asked())


def test_a_file_of_ones_own_wins(here: Path) -> None:
    (here / "kernels/saved-clen-6.1.yaml").write_text("base: stock-6.1\nadd_series: [mine]\n")
    (here / "kernels/stock-5.10.yaml").write_text("source: {kind: directory, path: linux}\nseries: [mine]\n")
    (here / "kernels/mine.yaml").write_text("base: saved-clen-5.10\nadd_series: [more]\n")
    own = spec("saved-clen-6.1")
    assert own.series == ("overrun-detector", "reuse-counters", "mine")
    assert (own.line, own.variant) == ("6.1", "")
    assert spec("unstable-5.10").series == ("mine", "unstable")  # also as a base
    assert spec("unstable-5.10").source.words() == f"directory:{here}/kernels/linux"
    assert spec("mine").series[-3:] == ("saved-clen", "saved-clen-counters", "more")
    cells = plan(
        "name: p\nkernels: {lines: '6.1', variants: [stock, saved-clen]}\ntests: {t: {workload: pressure}}\n"
    ).cells
    assert [(cell.kernel.line, cell.kernel.variant) for cell in cells] == [("6.1", "stock"), ("6.1", "saved-clen")]
    assert cells[1].kernel.series == own.series


def test_rows_of_ones_own_are_added_and_win(here: Path) -> None:
    (here / "kernels/lines.yaml").write_text(f"lines:\n  6.7: {{{ROW}}}\n  '6.1': {{{ROW}, add_config: [net]}}\n")
    (here / "kernels/variants.yaml").write_text("variants:\n  mine: {base: unstable, add_series: [my-fix]}\n")
    assert spec("mine-6.7").series == ("overrun-detector", "reuse-counters", "unstable", "my-fix")
    assert spec("saved-clen-6.7").source.words() == f"git:{here}/linux@v6.7"
    assert spec("stock-6.1").source == spec("stock-6.7").source
    assert spec("stock-6.1").config[-1] == "net"
    assert "async-window" in spec("saved-clen-6.1").series  # what a row of one's own leaves out is as it ships
    assert [*axes_here().lines][-1] == "6.7"
    assert spec("mine").source == spec("stock").source  # the default line is still that which ships
    assert spec("stock").line == "6.12"
    with (here / "kernels/lines.yaml").open("a") as file:
        file.write("default: 6.1\n")
    assert spec("stock").line == "6.1"
    assert "stock-6.12" in kernel_names(Library())
    assert not {"lines", "variants"} & set(kernel_names(Library()))


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        (
            "lines",
            "lines:\n  6.7: {kind: git}\n",
            "lines.yaml:2:9: lines.6.7.kind: unknown key 'kind'; allowed: add_config",
        ),
        ("lines", "lines:\n  6.7: {}\n", "lines.yaml:2:3: lines.6.7: a line needs a source"),
        (
            "lines",
            f"default: '6.9'\nlines:\n  6.7: {{{ROW}}}\n",
            "lines.yaml:1:10: default: no line '6.9'; allowed: 4.9, 5.10",
        ),
        (
            "lines",
            f"lines:\n  6.7: {{{ROW}, facts: {{swap-path: bio}}}}\n",
            "lines.yaml:2:65: lines.6.7.facts.swap-path: no fact 'swap-path'; allowed: second_compression",
        ),
        (
            "lines",
            f"lines:\n  6.7: {{{ROW}, facts: {{swap_path: boi}}}}\n",
            "lines.yaml:2:76: lines.6.7.facts.swap_path: swap_path is never 'boi'; allowed: rw_page, bio; did you",
        ),
        (
            "lines",
            f"lines:\n  6.7: {{{ROW}, facts: {{swap_path: bio}}}}\n",
            "lines.yaml:2:57: lines.6.7.facts: facts that the rules ask for are missing: second_compression",
        ),
        (
            "lines",
            "lines:\n  6.1: {facts: {swap_path: boi}}\n",
            "lines.yaml:2:28: lines.6.1.facts.swap_path: swap_path is never 'boi'",
        ),
        (
            "variants",
            "variants:\n  mine: {base: unstabel}\n",
            "variants.yaml:2:16: variants.mine.base: no variant 'unstabel'; allowed: stock, unstable",
        ),
        (
            "variants",
            "variants:\n  mine: {serie: []}\n",
            "variants.yaml:2:10: variants.mine.serie: unknown key 'serie'",
        ),
    ],
)
def test_errors_of_rows_have_a_place(here: Path, file: str, text: str, told: str) -> None:
    (here / f"kernels/{file}.yaml").write_text(text)
    with pytest.raises(GrammarErrors) as caught:
        spec("stock-6.1")
    assert f"{here}/kernels/{told}" in str(caught.value)


def test_a_source_that_is_none_is_told_at_its_row(here: Path) -> None:
    (here / "kernels/lines.yaml").write_text("lines:\n  6.7: {source: {kind: git, path: ../linux}}\n")
    with pytest.raises(GrammarErrors, match=r"lines.yaml:2:9: lines.6.7.source: a git source needs ref"):
        spec("saved-clen-6.7")


def test_a_line_whose_tree_only_the_user_has(here: Path) -> None:
    """The row says how to come by one; a row of one's own gives it."""
    lacking = spec("saved-clen-5.15")
    assert isinstance(lacking.source, GivenSource)
    assert "async-window" in lacking.series
    (here / "kernels/lines.yaml").write_text(f"lines:\n  5.15: {{{ROW}}}\n")
    assert spec("saved-clen-5.15").source.words() == f"git:{here}/linux@v6.7"
    assert spec("saved-clen-5.15").series == lacking.series
    (here / "kernels/lines.yaml").write_text("lines:\n  5.15: {source: {kind: given}}\n")
    with pytest.raises(GrammarErrors, match=r"lines.yaml:2:10: lines.5.15.source: a given source needs how"):
        spec("stock-5.15")


def test_variants_that_stand_on_each_other(here: Path) -> None:
    (here / "kernels/variants.yaml").write_text("variants:\n  a: {base: b}\n  b: {base: a}\n")
    with pytest.raises(GrammarErrors, match=r"variants.yaml:\d:\d+: .*in a circle: a-6.1 -> b-6.1 -> a-6.1"):
        spec("a-6.1")


def test_unknown_names_are_told_with_the_nearest() -> None:
    with pytest.raises(PlanError, match=r"unknown kernel 'saved-clen-6.2'; .*did you mean saved-clen-6.[16]\?"):
        spec("saved-clen-6.2")


def test_kernels_are_chosen_by_their_axes(here: Path) -> None:
    tests = "tests: {t: {workload: pressure}}\n"
    made = plan(f"name: p\nkernels: {{lines: ['6.1*', '5.10'], variants: [stock, 'saved-c*n']}}\n{tests}")
    assert [cell.kernel.name for cell in made.cells] == [
        "stock-6.1", "saved-clen-6.1", "stock", "saved-clen", "stock-5.10", "saved-clen-5.10",
    ]  # fmt: skip
    assert [cell.kernel.name for cell in select(made, kernels=["line:6.1"]).cells] == ["stock-6.1", "saved-clen-6.1"]
    assert len(select(made, kernels=["variant:saved-c*n"]).cells) == 3
    assert len(select(made, kernels=["variant:stock", "saved-clen"]).cells) == 4
    with pytest.raises(
        PlanError.__mro__[1], match=r"no kernel of p matches 'line:6.2'; it has .*; did you mean line:6.12\?"
    ):
        select(made, kernels=["line:6.2"])


def test_entries_select_by_line_and_variant(here: Path) -> None:
    made = plan(
        "name: p\nkernels: {lines: ['6.1', '6.12', '7.3'], variants: [stock, unstable]}\n"
        "tests:\n  t: {workload: pressure}\n  u: {workload: pressure, kernels: {lines: '7.*', variants: stock}}\n"
        "  v: {workload: pressure, kernels: ['line:6.1']}\n"
        "matrix:\n  exclude: [{line: '6.12', variant: stock}]\n  include: [{line: '6.12', variant: stock, test: v}]\n"
        "expect: [{line: '6.1', variant: unstable, repeats: 3}]\n"
    )
    assert [cell.id for cell in made.cells] == [
        "stock-6.1/t", "stock-6.1/v", "unstable-6.1/t", "unstable-6.1/v", "unstable/t",
        "stock-7.3/t", "stock-7.3/u", "unstable-7.3/t", "stock/v",
    ]  # fmt: skip
    assert [cell.id for cell in made.cells if cell.repeats == 3] == ["unstable-6.1/t", "unstable-6.1/v"]


def of_another_architecture(tmp_path: Path, kernel: str) -> KernelSpec:
    path = tmp_path / "p.yaml"
    test = "tests: {t: {workload: anonmutate, duration: 10s}}"
    path.write_text(f"name: p\nkernels: [{{name: k, {kernel}}}]\n{test}\n")
    return load_plan(path, Library()).cells[0].kernel


def test_another_architecture_has_its_own_fragments(tmp_path: Path) -> None:
    assert of_another_architecture(tmp_path, "base: stock").config[-2:] == ("x86_64", "acpi")
    found = of_another_architecture(tmp_path, "base: stock, arch: arm64, add_config: [net]").config
    assert found == ("base", "qemu", "zram", "faults", "debug", "arm64", "net")
    assert of_another_architecture(tmp_path, "base: stock, arch: riscv64, config: [base]").config == ("base",)
    assert of_another_architecture(tmp_path, "base: stock, arch: i386").config[-2:] == ("i386", "acpi")
