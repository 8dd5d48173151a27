"""A kernel whose series have no meaning on its source is told so, and never built."""

from dataclasses import replace
from pathlib import Path

import pytest
from builders import a_cell, a_kernel, an_image

from kzram_ci.base.errors import NotApplicable
from kzram_ci.kernel import source_facts
from kzram_ci.kernel.fit import fitted
from kzram_ci.kernel.workshop import KernelContext, facts_at_hand, facts_for, image_for
from kzram_ci.model.cell import Cell, Expectation
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.machine import MachineSpec
from kzram_ci.model.source import DirectorySource, ImageSource
from kzram_ci.model.workload import Fault, FaultSpec, WorkloadSpec

ONCE = "int zram_write_page(void)\n{\n\treturn 0;\n}\n"
TWICE = ONCE.replace("return 0", "goto compress_again")


@pytest.fixture
def spec(tmp_path: Path) -> KernelSpec:
    root = tmp_path / "linux"
    (root / "drivers/block/zram").mkdir(parents=True)
    (root / "Kbuild").touch()
    (root / "Makefile").write_text("VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\n")
    (root / "drivers/block/zram/zram_drv.c").write_text(ONCE)
    return KernelSpec(
        name="mine",
        source=DirectorySource(path=str(root)),
        series=("unstable", "saved-clen"),
    )


@pytest.fixture
def context(tmp_path: Path) -> KernelContext:
    return KernelContext(cache=tmp_path / "cache")


def test_a_kernel_without_meaning_is_not_built(spec: KernelSpec, context: KernelContext) -> None:
    with pytest.raises(NotApplicable, match=r"^saved-clen: zram compresses a page once here"):
        image_for(spec, context)
    assert not list(context.cache.glob("slots/*"))


def test_the_source_decides_not_its_version(spec: KernelSpec, context: KernelContext) -> None:
    assert isinstance(spec.source, DirectorySource)
    (Path(spec.source.path) / "drivers/block/zram/zram_drv.c").write_text(TWICE)
    assert facts_for(spec, context)["second_compression"].where.endswith("zram_drv.c:3")


def test_nothing_is_asked_of_ready_images(spec: KernelSpec, context: KernelContext) -> None:
    assert facts_at_hand(spec, context) is not None
    ready = ImageSource(path="/no/such/image")
    assert facts_at_hand(replace(spec, source=ready), context) is None


def cell(*, floors: tuple[tuple[str, int], ...], cmdline: tuple[str, ...] = ()) -> Cell:
    return a_cell(
        kernel=a_kernel("mine", series=("overrun-detector",)),
        machine=MachineSpec(cmdline=cmdline),
        workload=WorkloadSpec(program="anonmutate", fault=FaultSpec(kind=Fault.FAILSLAB)),
        expect=Expectation(floors=floors),
    )


def test_what_was_learnt_of_a_source_is_used_when_its_kernel_is_booted(
    spec: KernelSpec, context: KernelContext
) -> None:
    image = an_image("mine", release="7.3.4")
    wants = cell(floors=(("recompressions", 1),))
    assert fitted(wants, image, context) == wants  # nothing known: as the plan says
    source_facts.remember(image.key, facts_for(spec, context), cache=context.cache)
    recalled = source_facts.recall(image.key, cache=context.cache)
    assert recalled == facts_for(spec, context)
    with pytest.raises(NotApplicable, match=r"recompressions cannot be reached: zram compresses a page once here"):
        fitted(wants, image, context)
