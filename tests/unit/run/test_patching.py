"""`--patch`: a plan with patches on its kernels, or with a new kernel beside the one that crashes."""

from functools import partial
from pathlib import Path

import pytest

from kzram_ci.base.errors import UserError
from kzram_ci.kernel.oneoff import OneOff
from kzram_ci.model.cell import Plan
from kzram_ci.model.kernel import KernelSpec, Patch
from kzram_ci.model.source import ImageSource
from kzram_ci.run import patching
from kzram_ci.run.kernels import specs_of, with_patches
from kzram_ci.run.selection import Selection, plan_of, plan_with, selected


def oneoff(variant: str = "", label: str = "fix") -> OneOff:
    return OneOff(label=label, variant=variant, patches=(Patch(series=f"{label}.patch", name="1", text="diff"),))


def chosen(name: str, *patches: OneOff, kernels: tuple[str, ...] = (), tests: tuple[str, ...] = ()) -> Plan:
    return selected(plan_of(name), Selection(kernels=kernels, tests=tests, patches=patches), partial(plan_with, name))


def test_on_every_selected_kernel_which_is_another_kernel_then() -> None:
    plan = chosen("overrun", oneoff(), kernels=("stock", "unstable"), tests=("pressure",))
    assert [cell.id for cell in plan.cells] == ["stock+fix/pressure", "unstable+fix/pressure"]
    assert all(cell.kernel.patches == oneoff().patches for cell in plan.cells)
    assert plan.cells[1].kernel.series[-1] == "unstable"


def test_several_on_one_kernel_in_order() -> None:
    plan = chosen("overrun", oneoff(label="a"), oneoff(label="b"), kernels=("stock",), tests=("pressure",))
    (cell,) = plan.cells
    assert cell.kernel.name == "stock+a+b"
    assert [patch.series for patch in cell.kernel.patches] == ["a.patch", "b.patch"]


def test_a_new_kernel_beside_its_base_must_pass_where_the_base_must_crash() -> None:
    plan = chosen("overrun", oneoff("my-fix"), kernels=("unstable",))
    cells = {cell.id: cell for cell in plan.cells}
    base, mine = cells["unstable/anonmutate-failslab"], cells["my-fix/anonmutate-failslab"]
    assert (base.expect.outcome, base.control) == ("oops", True)
    assert (mine.expect.outcome, mine.control) == ("pass", False)
    assert dict(mine.expect.floors) == {"recompressions": 50000}
    assert dict(mine.expect.ceilings) == {"overruns": 0}
    assert mine.workload.stop == (("recompressions", 50000),)
    assert mine.kernel.series == base.kernel.series
    assert (mine.kernel.patches, base.kernel.patches) == (oneoff().patches, ())
    assert {cell.kernel.name for cell in plan.cells} == {"unstable", "my-fix"}


def test_the_control_is_kept_when_the_base_is_another_kernel() -> None:
    plan = chosen("overrun", oneoff("my-fix"), kernels=("stock",), tests=("anonmutate-failslab",))
    ids = [cell.id for cell in plan.cells]
    assert ids == ["stock/anonmutate-failslab", "unstable/anonmutate-failslab", "my-fix/anonmutate-failslab"]


def test_without_a_selection_the_base_is_the_kernel_that_must_crash() -> None:
    plan = chosen("overrun", oneoff("my-fix"))
    mine = next(cell.kernel for cell in plan.cells if cell.kernel.name == "my-fix")
    assert mine.series == next(cell.kernel.series for cell in plan.cells if cell.kernel.name == "unstable")
    assert {"stock", "saved-clen", "my-fix"} <= {cell.kernel.name for cell in plan.cells}


def test_an_expectation_that_is_derived_is_a_pass_for_a_fix_that_the_map_does_not_know() -> None:
    plan = chosen("lines", oneoff("my-fix"), kernels=("unstable-6.1",))
    found = [cell for cell in plan.cells if cell.kernel.name == "my-fix"]
    assert found
    assert all(cell.expect.outcome == "pass" for cell in found if not cell.skip)
    assert any(cell.expect.outcome == "oops" for cell in plan.cells if cell.kernel.name == "unstable-6.1")


@pytest.mark.parametrize(
    ("name", "kernels", "why"),
    [
        ("stock", (), "has a kernel stock already"),
        ("mine", ("saved-clen", "emergency-class"), "mine can be built on saved-clen, emergency-class"),
    ],
)
def test_a_base_that_is_not_clear(name: str, kernels: tuple[str, ...], why: str) -> None:
    with pytest.raises(UserError, match=why) as caught:
        chosen("overrun", oneoff(name), kernels=kernels)
    assert caught.value.hint


def test_a_plan_that_was_expanded_before_takes_no_new_kernel() -> None:
    with pytest.raises(UserError, match="needs a plan to which NAME can be added"):
        selected(plan_of("overrun"), Selection(patches=(oneoff("mine"),)))


def test_nothing_is_put_into_a_ready_image(tmp_path: Path) -> None:
    (tmp_path / "vmlinuz").touch()
    with pytest.raises(UserError, match="cannot be put into it"):
        chosen("distro", oneoff(), kernels=(f"image:{tmp_path / 'vmlinuz'}",))


def test_build_and_boot_take_the_variant_beside_the_base() -> None:
    base, mine = with_patches(specs_of(("unstable",)), (oneoff("mine"),))
    assert (base.name, mine.name) == ("unstable", "mine")
    assert (base.patches, mine.patches) == ((), oneoff().patches)
    (fixed,) = with_patches(specs_of(("unstable",)), (oneoff(),))
    assert fixed.name == "unstable+fix"
    with pytest.raises(UserError, match="is built on one kernel, not 2"):
        with_patches(specs_of(("unstable", "stock")), (oneoff("mine"),))


def test_a_variant_has_no_place_among_the_variants_of_the_library() -> None:
    (base,) = specs_of(("unstable",))
    assert patching.variant(base, "mine", (oneoff(),)).variant == ""
    ready = KernelSpec(name="i", source=ImageSource(path="/i"))
    with pytest.raises(UserError, match="is ready"):
        patching.patched(ready, (oneoff(),))
