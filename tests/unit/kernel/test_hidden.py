"""Headers that come to stand before others of the same name."""

from pathlib import Path

import pytest

from kzram_ci.kernel.kbuild import hidden

TREE = (
    "include/linux/both.h",
    "include/uapi/linux/both.h",
    "include/linux/mm.h",
    "include/uapi/linux/wait.h",
    "include/uapi/asm-generic/errno.h",
    "include/uapi/asm-generic/fcntl.h",
    "include/asm-generic/rwonce.h",
    "arch/x86/include/asm/fcntl.h",
    "arch/x86/include/uapi/asm/mce.h",
    "arch/x86/include/asm/mce.h",
    "arch/x86/include/uapi/asm/vm86.h",
    "arch/arm64/include/uapi/asm/sve.h",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for path in TREE:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    return tmp_path


@pytest.mark.parametrize(
    "path", ["include/linux/wait.h", "arch/x86/include/asm/vm86.h", "arch/x86/include/asm/errno.h"]
)
def test_what_hides_another(tree: Path, path: str) -> None:
    assert hidden.hides(tree, path)


@pytest.mark.parametrize(
    "path",
    [
        "include/linux/both.h",  # it did before
        "include/linux/new.h",
        "include/uapi/linux/mm.h",  # the other one is found first
        "arch/arm64/include/asm/vm86.h",
        "arch/x86/include/asm/rwonce.h",  # kbuild takes its copy of asm-generic/rwonce.h away
        "arch/x86/include/uapi/asm/errno.h",  # this one as well
        "drivers/block/wait.h",
        "include/linux/wait.c",
    ],
)
def test_what_hides_none(tree: Path, path: str) -> None:
    assert not hidden.hides(tree, path)


def test_the_pairs_of_a_tree(tree: Path) -> None:
    before = ["include/linux/both.h", "arch/x86/include/asm/fcntl.h", "arch/x86/include/asm/mce.h"]
    assert list(hidden.pairs(tree)) == before
    (tree / "include/linux/new.h").touch()
    (tree / "include/linux/wait.h").touch()
    assert list(hidden.pairs(tree)) == ["include/linux/both.h", "include/linux/wait.h", *before[1:]]
