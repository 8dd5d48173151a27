"""A kernel whose series have no meaning on its source is told so, and never built."""

from dataclasses import replace
from pathlib import Path

import pytest

from kzram_ci.base.errors import NotApplicable
from kzram_ci.model.kernel import KernelSpec, SourceKind, SourceRef
from kzram_ci.run.kernels import KernelContext, facts_for, image_for, why_skipped

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
        source=SourceRef(kind=SourceKind.DIRECTORY, path=str(root)),
        series=("saved-clen",),
    )


@pytest.fixture
def context(tmp_path: Path) -> KernelContext:
    return KernelContext(cache=tmp_path / "cache")


def test_a_kernel_without_meaning_is_not_built(spec: KernelSpec, context: KernelContext) -> None:
    with pytest.raises(NotApplicable, match=r"^saved-clen: zram compresses a page once here"):
        image_for(spec, context)
    assert why_skipped(spec, context).startswith("saved-clen: ")
    assert not list(context.cache.glob("slots/*"))


def test_the_source_decides_not_its_version(spec: KernelSpec, context: KernelContext) -> None:
    (Path(spec.source.path) / "drivers/block/zram/zram_drv.c").write_text(TWICE)
    assert facts_for(spec, context)["second_compression"].where.endswith("zram_drv.c:3")
    assert why_skipped(spec, context) == ""


def test_nothing_is_asked_of_kernels_without_series_or_ready_images(spec: KernelSpec, context: KernelContext) -> None:
    assert why_skipped(replace(spec, series=()), context) == ""
    ready = SourceRef(kind=SourceKind.IMAGE, path="/no/such/image")
    assert why_skipped(replace(spec, source=ready), context) == ""
