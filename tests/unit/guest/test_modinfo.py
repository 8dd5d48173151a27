import pytest
from elf_module import module

from kzram_ci.guest import modinfo
from kzram_ci.guest.modinfo import Info


def test_parse() -> None:
    found = modinfo.parse(module("virtio_pci", "virtio,virtio-ring", "pre: crc32c lzo-rle post: late"))
    assert found == Info(name="virtio_pci", depends=("virtio", "virtio_ring"), before=("crc32c", "lzo_rle"))
    assert modinfo.parse(module("alone")) == Info(name="alone")


@pytest.mark.parametrize("cut", [0, 3, 40, 70, 150])
def test_what_is_no_module(cut: int) -> None:
    with pytest.raises(ValueError, match="ELF"):
        modinfo.parse(module("x", "y")[:cut])


def order(wanted: str, **depends: str) -> str:
    known = {name: Info(name=name, depends=tuple(text.split())) for name, text in depends.items()}
    return " ".join(modinfo.in_order(wanted.split(), known.get))


def test_what_is_needed_comes_first_and_once() -> None:
    assert order("pci console", pci="modern ring virtio", console="virtio", virtio="ring", modern="", ring="") == (
        "modern ring virtio pci console"
    )


def test_built_in_modules_are_left_out() -> None:
    assert order("zram lzo-rle", zram="zsmalloc") == "zram"


def test_a_circle_of_soft_dependencies_ends() -> None:
    known = {"a": Info(name="a", before=("b",)), "b": Info(name="b", before=("a",))}
    assert modinfo.in_order(["a"], known.get) == ("b", "a")
