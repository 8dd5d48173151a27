from dataclasses import replace

import pytest

from kzram_ci.base.errors import UserError
from kzram_ci.kernel import kbuild
from kzram_ci.kernel.buildfixes import Fix
from kzram_ci.kernel.kconfig import Fragment
from kzram_ci.kernel.recipe import recipe
from kzram_ci.kernel.series import Line, Series, SeriesKind
from kzram_ci.kernel.tools import Parts, Toolchain
from kzram_ci.model.kernel import ArchiveTree, KernelSpec, Patch
from kzram_ci.model.source import LocalTarball

SPEC = KernelSpec(name="k", source=LocalTarball(path="/l.tar", sha256="0" * 64), series=("s", "t"), config=("a",))
TOOLS = Toolchain(make_vars=(("LLVM", "1"),), cc=("clang",), identity=(("CC", "clang version 18.1.2"),))
PATCHES = {version: Patch(series="s", name=version, text=f"diff --git a/{version} b/x\n") for version in ("5.10", "6")}
PARTS = Parts(
    series=(
        Series(
            name="s",
            kind=SeriesKind.FIX,
            lines=(
                Line(versions=(">=5.10", "<5.11"), patches=(PATCHES["5.10"],)),
                Line(versions=(">=6",), patches=(PATCHES["6"],)),
            ),
        ),
        Series(name="t", kind=SeriesKind.INSTRUMENT, after=("s",)),
    ),
    fragments=(Fragment(name="a.config", text="CONFIG_A=y\n\n# versions: <6\nCONFIG_OLD=y\n"),),
    fixes=(
        Fix(name="old", why="w", versions=("<6",), tools=("clang>=15",), cc=("-Wno-x",), config=("CONFIG_B=n",)),
        Fix(name="tip", why="w", symptoms=("never",), advice="do that"),
    ),
)


def tree(version: str) -> ArchiveTree:
    return ArchiveTree(identity=f"test:{version}", version=version, archive="/l.tar")


def test_the_trees_version_decides() -> None:
    new, old = (recipe(SPEC, tree(version), TOOLS, PARTS) for version in ("6.12.3-1~deb", "5.10.262"))
    assert [choice.candidates[0].patches for choice in new.series] == [(PATCHES["6"],), ()]
    assert [fragment.text.split() for fragment in new.fragments] == [["CONFIG_A=y"]]
    assert new.make_vars == (("LLVM", "1"),)
    assert old.series[0].candidates[0].patches == (PATCHES["5.10"],)
    assert [fragment.name for fragment in old.fragments] == ["a.config", "toolchain:old"]
    assert "CONFIG_OLD=y" in old.fragments[0].text
    assert old.make_vars == (("CC", "clang -Wno-x"), ("LLVM", "1"))
    assert new.advice == old.advice == (("never", "do that"),)
    assert new.toolchain == TOOLS.identity
    assert (new.name, new.arch, new.tree) == ("k", "x86_64", tree("6.12.3-1~deb"))


def test_a_kernel_between_the_lines_has_a_key_of_its_own() -> None:
    """Left out of the key it would find the kernel that was built without it."""
    between = recipe(SPEC, tree("5.19.1"), TOOLS, PARTS)
    assert between.series[0].near
    bare = replace(between, series=between.series[1:])
    assert kbuild.key(between) != kbuild.key(bare)
    reversed_lines = replace(PARTS.series[0], lines=PARTS.series[0].lines[::-1])
    changed = recipe(SPEC, tree("5.19.1"), TOOLS, replace(PARTS, series=(reversed_lines, PARTS.series[1])))
    assert kbuild.key(changed) != kbuild.key(between)


def test_series_out_of_order_are_found_before_anything_is_built() -> None:
    with pytest.raises(UserError, match="series t requires s"):
        recipe(SPEC, tree("6.12"), TOOLS, replace(PARTS, series=PARTS.series[::-1]))


def test_the_same_values_give_the_same_recipe() -> None:
    assert recipe(SPEC, tree("6.12"), TOOLS, PARTS) == recipe(SPEC, tree("6.12"), TOOLS, PARTS)
