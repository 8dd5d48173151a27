"""What a kernel lacks for a cell is known before it boots, and is the reason why the cell is skipped."""

from pathlib import Path

import pytest
from builders import a_cell, a_kernel, a_workload, an_image

from kzram_ci.base.errors import NotApplicable
from kzram_ci.kernel.fit import fitted, without_proof
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.cell import Cell, Expectation
from kzram_ci.model.kernel import KernelImage
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.model.provenance import AppliedSeries, Provenance
from kzram_ci.model.source import ImageSource
from kzram_ci.model.workload import Fault, FaultSpec
from kzram_ci.run.cell_run import from_error

LEFT_OUT = AppliedSeries(name="overrun-detector", kind="instrument", left_out="nothing for 6.6 applies")
APPLIED = AppliedSeries(name="overrun-detector", kind="instrument", patches=("0001.patch",))
THERE_ALREADY = AppliedSeries(name="overrun-detector", kind="instrument", notes=("0001.patch: already applied",))


@pytest.fixture
def context(tmp_path: Path) -> KernelContext:
    return KernelContext(cache=tmp_path / "cache")


def ready(tmp_path: Path, config: str) -> KernelImage:
    (tmp_path / "config").write_text(config)
    return an_image("distro", release="6.1.0", config=str(tmp_path / "config"))


@pytest.mark.parametrize(
    ("fault", "config", "missing"),
    [
        (Fault.FAILSLAB, "CONFIG_ZRAM=m\n", "CONFIG_FAULT_INJECTION_DEBUG_FS"),
        (Fault.FAIL_PAGE_ALLOC, "CONFIG_ZRAM=m\nCONFIG_FAULT_INJECTION_DEBUG_FS=y\n", "CONFIG_FAIL_PAGE_ALLOC"),
        (Fault.NONE, "# CONFIG_ZRAM is not set\n", "CONFIG_ZRAM"),
        (Fault.NONE, "CONFIG_ZRAM=m\n", ""),
        (Fault.NONE, "CONFIG_ZRAM=m\nCONFIG_CRYPTO_LZO=y\n", ""),
        (Fault.NONE, "CONFIG_ZRAM=m\nCONFIG_CRYPTO_ZSTD=m\n", "CONFIG_CRYPTO_LZO: zram cannot use lzo-rle"),
    ],
)
def test_a_cell_that_an_image_cannot_run_is_skipped(
    tmp_path: Path, context: KernelContext, fault: Fault, config: str, missing: str
) -> None:
    kernel = a_kernel("distro", source=ImageSource(path="/boot/vmlinuz-6.1.0"))
    wanted = a_cell(kernel=kernel, workload=a_workload(fault=FaultSpec(kind=fault)))
    if not missing:
        assert fitted(wanted, ready(tmp_path, config), context) == wanted
        return
    with pytest.raises(NotApplicable, match=missing) as caught:
        fitted(wanted, ready(tmp_path, config), context)
    result = from_error(wanted, caught.value, relative="cells/x")
    assert (result.judgement.outcome, result.judgement.verdict) == (Outcome.SKIPPED, Verdict.SKIPPED)
    assert missing in result.judgement.reason


def test_a_built_kernel_is_not_asked_for_options(tmp_path: Path, context: KernelContext) -> None:
    wanted = a_cell(workload=a_workload(fault=FaultSpec(kind=Fault.FAILSLAB)))
    assert fitted(wanted, ready(tmp_path, ""), context) == wanted


@pytest.mark.parametrize("source", [None, ImageSource(path="/boot/vmlinuz-6.1.0")])
@pytest.mark.parametrize(
    ("args", "config", "missing"),
    [
        (("--evict", "memcg"), "", "CONFIG_MEMCG, which evict: memcg needs; add_config: [memcg] has it"),
        (("--evict", "memcg"), "CONFIG_MEMCG=y\n", ""),
        (("--evict", "auto"), "", ""),
        (
            ("--pages", "8", "--thp", "always"),
            "",
            "CONFIG_TRANSPARENT_HUGEPAGE, which thp: always needs; add_config: [thp]",
        ),
        (("--thp", "madvise"), "CONFIG_MEMCG=y\n", "CONFIG_TRANSPARENT_HUGEPAGE, which thp: madvise needs"),
        (("--thp", "madvise"), "CONFIG_TRANSPARENT_HUGEPAGE=y\n", ""),
        (("--thp", "never"), "", ""),
    ],
)
def test_what_an_argument_needs_is_asked_of_every_kernel(
    tmp_path: Path, source: ImageSource | None, args: tuple[str, ...], config: str, missing: str
) -> None:
    kernel = a_kernel(source=source) if source else a_kernel()
    image = ready(tmp_path, f"CONFIG_ZRAM=m\n{config}")
    skip = without_proof(a_cell(kernel=kernel, workload=a_workload(args=args)), image).skip
    assert missing in skip
    assert bool(skip) is bool(missing)
    assert not without_proof(a_cell(kernel=kernel, workload=a_workload(program="pressure", args=args)), image).skip


def built(*series: AppliedSeries) -> KernelImage:
    return an_image(provenance=Provenance(source="git:x", version="6.6.87", identity="i", series=series))


def needs(*, floors: tuple[tuple[str, int], ...] = (), stop: tuple[tuple[str, int], ...] = ()) -> Cell:
    return a_cell(workload=a_workload(stop=stop), expect=Expectation(floors=floors))


@pytest.mark.parametrize(
    ("cell", "series", "counter"),
    [
        (needs(floors=(("recompressions", 50_000),)), (LEFT_OUT,), "recompressions"),
        (needs(stop=(("grew", 200),)), (LEFT_OUT,), "grew"),
        (needs(floors=(("recompressions", 50_000),)), (APPLIED,), ""),
        (needs(floors=(("recompressions", 50_000),)), (THERE_ALREADY,), ""),
        (needs(floors=(("recompressions", 50_000),)), (), ""),  # the source may have a detector of its own
        (needs(floors=(("recompressions", 0),)), (LEFT_OUT,), ""),
        (needs(floors=(("vmstat.pswpout", 1),)), (LEFT_OUT,), ""),
        (needs(floors=(("reuse_refused", 1),)), (LEFT_OUT,), ""),  # of another series
    ],
)
def test_a_cell_whose_counters_were_left_out_is_skipped(
    cell: Cell, series: tuple[AppliedSeries, ...], counter: str, context: KernelContext
) -> None:
    image = built(*series)
    if not counter:
        assert fitted(cell, image, context) == cell
        return
    told = f"{counter} is not counted here: overrun-detector was left out, nothing for 6.6 applies"
    assert without_proof(cell, image).skip == told
    with pytest.raises(NotApplicable, match=told):
        fitted(cell, image, context)


def test_a_counter_that_another_series_reports_as_well(context: KernelContext) -> None:
    one = AppliedSeries(name="saved-clen-counters", kind="instrument", left_out="no")
    other = AppliedSeries(name="saved-clen-emergency-counters", kind="instrument", patches=("1.patch",))
    cell = needs(floors=(("reallocated", 1),))
    assert fitted(cell, built(one, other), context) == cell
    with pytest.raises(NotApplicable, match="saved-clen-counters was left out"):
        fitted(cell, built(one), context)
