from dataclasses import replace

import pytest

from kzram_ci.base.errors import UserError
from kzram_ci.kernel.series import SeriesKind
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.source import DebianSource, GivenSource, ImageSource, LocalGit
from kzram_ci.model.workload import Fault, FaultSpec, WorkloadSpec
from kzram_ci.run.known import known_of
from kzram_ci.run.retarget import Known, meant, on_sources, with_sources
from kzram_ci.run.selection import plan_without_name

OWN = DebianSource(package="linux-source-6.12")
GIT = LocalGit(path="/src/linux", ref="v6.13")
IMAGE = ImageSource(path="/boot/vmlinuz-6.1.0")
STOCK = KernelSpec(name="stock", source=OWN, series=("overrun-detector",), config=("base",), make_vars=(("CC", "gcc"),))
UNSTABLE = replace(STOCK, name="unstable", series=("overrun-detector", "unstable"))


def cell(spec: KernelSpec, fault: Fault = Fault.NONE) -> Cell:
    work = WorkloadSpec(program="pressure", fault=FaultSpec(kind=fault))
    return Cell(id=f"{spec.name}/t/axis=1", kernel=spec, test="t", workload=work)


KNOWN = Known(kinds={"overrun-detector": SeriesKind.INSTRUMENT, "unstable": SeriesKind.REGRESSION})
PLAN = Plan(name="p", cells=(cell(STOCK), cell(UNSTABLE)))


def test_series_and_config_stay() -> None:
    changed = with_sources(PLAN, [GIT], KNOWN)
    assert [one.kernel for one in changed.cells] == [replace(STOCK, source=GIT), replace(UNSTABLE, source=GIT)]
    assert [one.id for one in changed.cells] == [one.id for one in PLAN.cells]
    assert with_sources(PLAN, [], KNOWN) is PLAN


def test_a_tree_that_only_the_user_has_must_be_given() -> None:
    given = replace(STOCK, name="stock-5.15", source=GivenSource(how="ask the stable tree"), line="5.15")
    plan = replace(PLAN, cells=(cell(STOCK), cell(given)))
    here, lacking = with_sources(plan, [], KNOWN).cells
    assert (here.skip, lacking.skip) == ("", "no source: ask the stable tree")
    with pytest.raises(UserError, match=r"stock-5\.15 has no source: ask the stable tree") as caught:
        with_sources(replace(plan, cells=(cell(given),)), [], KNOWN)
    assert "--kernel git:PATH@REF" in caught.value.hint
    (there,) = with_sources(replace(plan, cells=(cell(given),)), [GIT], KNOWN).cells
    assert (there.skip, there.kernel) == ("", replace(given, source=GIT))  # it is still of its line
    other = replace(STOCK, line="6.12")
    assert on_sources(other, [GIT], KNOWN)[0].line == ""  # this source is of no line


def test_several_sources_give_several_kernels() -> None:
    again = replace(GIT, path="/src/other")
    changed = with_sources(PLAN, [GIT, again, OWN], KNOWN)
    assert [one.id for one in changed.cells[:3]] == [
        "stock@v6.13/t/axis=1",
        "stock@v6.13~2/t/axis=1",
        "stock@linux-source-6.12/t/axis=1",
    ]
    assert changed.cells[1].kernel == replace(STOCK, name="stock@v6.13~2", source=again)
    assert len({one.id for one in changed.cells}) == 6


def test_into_an_image_nothing_is_put() -> None:
    stock, unstable = with_sources(PLAN, [IMAGE], KNOWN).cells
    assert stock.kernel == KernelSpec(name="vmlinuz-6.1.0", source=IMAGE)
    assert stock.id == "vmlinuz-6.1.0/t/axis=1"
    assert not stock.skip
    assert unstable.id == "unstable@vmlinuz-6.1.0/t/axis=1"
    assert unstable.skip == "vmlinuz-6.1.0 is a ready image: series unstable cannot be put into it"


def test_kernels_that_are_one_on_an_image_run_once() -> None:
    plan = replace(PLAN, cells=(cell(STOCK), cell(replace(STOCK, name="other"))))
    assert [one.id for one in with_sources(plan, [IMAGE], KNOWN).cells] == ["vmlinuz-6.1.0/t/axis=1"]


def test_a_ready_image_is_replaced_by_what_stock_is_built_like() -> None:
    plan = replace(
        PLAN, cells=tuple(cell(KernelSpec(name=name, source=IMAGE)) for name in ("debian-6.1", "debian-6.12"))
    )
    (made,) = with_sources(plan, [GIT], known_of(plan.kernels(), [GIT])).cells
    assert (made.id, made.kernel.name, made.kernel.source) == ("v6.13/t/axis=1", "v6.13", GIT)
    assert "overrun-detector" in made.kernel.series
    assert "base" in made.kernel.config


def test_words_of_build_and_boot() -> None:
    assert meant("unstable", [GIT]) == ("unstable", (GIT,))
    assert meant("git:/src/linux@v6.13", [OWN]) == ("stock", (OWN, GIT))
    assert on_sources(UNSTABLE, [], KNOWN) == (UNSTABLE,)
    assert on_sources(UNSTABLE, [GIT], KNOWN) == (replace(UNSTABLE, source=GIT),)
    assert on_sources(STOCK, [IMAGE], KNOWN) == (KernelSpec(name="vmlinuz-6.1.0", source=IMAGE),)
    assert [spec.name for spec in on_sources(STOCK, [GIT, OWN], KNOWN)] == ["stock@v6.13", "stock@linux-source-6.12"]
    with pytest.raises(UserError, match="unstable: series unstable cannot be put"):
        on_sources(UNSTABLE, [IMAGE], KNOWN)


def test_what_must_be_known_is_read_only_where_it_matters() -> None:
    assert known_of([UNSTABLE], [GIT]) == Known()
    assert known_of([UNSTABLE], [IMAGE]) == KNOWN
    image = KernelSpec(name="debian-6.1", source=IMAGE)
    assert known_of([image], [GIT]).stock is not None
    assert known_of([image], [IMAGE]) == Known()


@pytest.mark.parametrize(
    ("words", "plan"),
    [
        (("image:/boot/vmlinuz-6.1",), "distro"),
        (("debian:linux-image-cloud-amd64@trixie", "image:/boot/vmlinuz-6.1"), "distro"),
        (("image:/boot/vmlinuz-6.1", "directory:."), ""),
        (("stock",), ""),
        ((), ""),
    ],
)
def test_kernels_as_they_are_need_no_plan_on_the_command_line(words: tuple[str, ...], plan: str) -> None:
    assert plan_without_name(words) == plan
