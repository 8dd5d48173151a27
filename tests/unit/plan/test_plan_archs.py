"""Kernels on other architectures: names, patterns, and that what was there keeps its name, id and seed."""

from dataclasses import replace
from pathlib import Path

import pytest

from kzram_ci.base.errors import PlanError, UserError
from kzram_ci.base.library import Library
from kzram_ci.model.arch import ARCHS, DEFAULT
from kzram_ci.model.cell import Plan
from kzram_ci.model.source import DebianSource, ImageSource
from kzram_ci.plan import archs
from kzram_ci.plan.kernels import load_kernel
from kzram_ci.plan.load import load_plan
from kzram_ci.plan.select import select

TESTS = "tests: {t: {workload: anonmutate, duration: 10s}}\n"
OTHERS = [row.name for row in ARCHS if row.name != DEFAULT]


def plan(tmp_path: Path, text: str, asked: tuple[str, ...] = ()) -> Plan:
    path = tmp_path / "p.yaml"
    path.write_text(f"name: p\n{text}{TESTS}")
    return load_plan(path, Library(), archs=asked)


def test_a_kernel_by_name_for_another_architecture() -> None:
    stock, found = load_kernel("stock", Library()), load_kernel("stock-arm64", Library())
    assert (found.name, found.arch, found.line, found.variant) == ("stock-arm64", "arm64", stock.line, stock.variant)
    assert (found.source, found.series) == (stock.source, stock.series)
    assert found.config == ("base", "qemu", "zram", "faults", "debug", "arm64")
    assert load_kernel("saved-clen-6.1-arm64", Library()).line == "6.1"
    with pytest.raises(PlanError, match="unknown kernel 'stock-arm65'"):
        load_kernel("stock-arm65", Library())


def test_every_architecture_has_fragments_that_ship() -> None:
    for row in ARCHS:
        name = "stock" if row.name == DEFAULT else f"stock-{row.name}"
        assert load_kernel(name, Library()).config == ("base", "qemu", "zram", "faults", "debug", *row.fragments)


def test_there_and_back_is_where_it_was() -> None:
    stock = load_kernel("unstable", Library())
    there = archs.ported(stock, "arm64")
    assert archs.plain(there) == "unstable"
    back = archs.ported(there, DEFAULT)
    assert (back.name, back.arch, set(back.config)) == (stock.name, stock.arch, set(stock.config))
    assert archs.ported(stock, DEFAULT) is stock


def test_a_kernel_that_brings_its_own_configuration_keeps_it() -> None:
    own = replace(load_kernel("stock", Library()), config=("mine",))
    assert archs.ported(own, "riscv64").config == ("mine",)


def test_a_ready_kernel_of_debian_has_a_package_for_each() -> None:
    ready = replace(load_kernel("stock", Library()), source=DebianSource(package="linux-image-cloud-amd64"), config=())
    assert archs.ported(ready, "arm64").source == DebianSource(package="linux-image-cloud-arm64")
    image = replace(ready, source=ImageSource(path="/boot/vmlinuz"))
    with pytest.raises(UserError, match="stock is a ready kernel for x86_64, not for arm64"):
        archs.ported(image, "arm64")


@pytest.mark.parametrize("other", OTHERS)
def test_the_default_is_in_no_name(tmp_path: Path, other: str) -> None:
    """Existing ids, and the seeds made of them, stay; so two architectures of one plan can be compared."""
    kernels = "kernels: [{name: k, base: stock, config: [base]}]\n"
    before = plan(tmp_path, kernels).cells
    both = plan(tmp_path, f"{kernels}arch: [{DEFAULT}, {other}]\n").cells
    assert [cell.id for cell in both] == ["k/t", f"k-{other}/t"]
    assert both[0] == before[0]
    assert [cell.machine.arch for cell in both] == [DEFAULT, other]


def test_patterns_mean_a_kernel_on_every_architecture(tmp_path: Path) -> None:
    text = "kernels: [stock, unstable]\narch: [x86_64, arm64]\nexpect:\n"
    text += "- {kernel: unstable, repeats: 3}\n- {arch: arm64, machine: {memory: 1G}}\n"
    text += "- {kernel: unstable-arm64, control: true}\n"
    found = plan(tmp_path, text)
    assert {cell.id: (cell.repeats, cell.machine.memory_mib, cell.control) for cell in found.cells} == {
        "stock/t": (1, 768, False),
        "stock-arm64/t": (1, 1024, False),
        "unstable/t": (3, 768, False),
        "unstable-arm64/t": (3, 1024, True),
    }
    asked = {
        "unstable": ["unstable/t", "unstable-arm64/t"],
        "unstable-arm64": ["unstable-arm64/t"],
        "arch:arm*": ["stock-arm64/t", "unstable-arm64/t"],
    }
    for pattern, ids in asked.items():
        assert [cell.id for cell in select(found, kernels=(pattern,)).cells] == ids
    assert [cell.kernel.arch for cell in select(found, archs=("arm64",)).cells] == ["arm64", "arm64"]
    with pytest.raises(UserError, match="no architecture of p matches 'riscv64'; it has x86_64, arm64"):
        select(found, archs=("riscv64",))


def test_what_is_asked_for_takes_the_place_of_the_plans(tmp_path: Path) -> None:
    text = "kernels: [stock, {name: mine, base: unstable-arm64, add_config: [net]}]\n"
    assert [cell.id for cell in plan(tmp_path, text, ("arm64",)).cells] == ["stock-arm64/t", "mine/t"]
    found = plan(tmp_path, f"{text}arch: arm64\n", (DEFAULT,)).cells
    assert [cell.id for cell in found] == ["stock/t", "mine-x86_64/t"]
    assert found[1].kernel.config[-3:] == ("net", "x86_64", "acpi")


def test_an_unknown_one_of_a_command_line_is_told_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^unknown architecture 'arm65'; fix: use one of x86_64, arm64") as caught:
        plan(tmp_path, "kernels: [stock, unstable]\n", ("arm65",))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kernels: [stock]\narch: amd64\n", r"p.yaml:3:7: arch: unknown architecture 'amd64'; allowed: x86_64"),
        ("kernels: [stock]\narch: arm64\nexpect: [{kernel: unstable}]\n", "no kernel 'unstable'; allowed: stock"),
    ],
)
def test_what_cannot_be_has_a_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        plan(tmp_path, text)
