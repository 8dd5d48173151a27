"""Fragments say themselves what is different in other versions; the ones that ship do so for the lines and beyond."""

from pathlib import Path

import pytest
import yaml

from kzram_ci.base.errors import UserError
from kzram_ci.kernel import fragments, kconfig
from kzram_ci.kernel.kconfig import Fragment

KERNELS = Path(__file__).resolve().parents[3] / "kernels"
TEXT = """\
CONFIG_A=y
# Only then.
# versions: >=5.1 <6.12
CONFIG_B=y
# CONFIG_C is not set

CONFIG_D=y
"""


@pytest.mark.parametrize(
    ("version", "symbols"),
    [("5.0.9", "AD"), ("5.1", "ABCD"), ("6.11.0-rc1", "ABCD"), ("6.12.117-1", "AD"), ("", "AD")],
)
def test_a_paragraph_for_some_versions(version: str, symbols: str) -> None:
    fitted = fragments.for_version(Fragment(name="f", text=TEXT), version)
    wants = kconfig.wants(fitted)
    assert "".join(want.symbol.removeprefix("CONFIG_") for want in wants) == symbols
    assert wants[-1].line == 7  # as in the file


def test_a_constraint_that_is_none_is_named() -> None:
    with pytest.raises(UserError, match=r"f:2: versions: '6\.x'"):
        fragments.for_version(Fragment(name="f", text="\n# versions: >=5 6.x\n"), "6.1")


def shipped(version: str) -> dict[str, str]:
    names = yaml.safe_load((KERNELS / "variants.yaml").read_text())["variants"]["stock"]["config"]
    texts = [Fragment(name=name, text=(KERNELS / f"config/{name}.config").read_text()) for name in names]
    merged = kconfig.merge(fragments.for_version(text, version) for text in texts)
    return {symbol: want.value for symbol, want in merged.items()}


@pytest.mark.parametrize(
    ("version", "has", "lacks"),
    [
        ("4.9.337", {"FRAME_POINTER", "SLUB", "CRYPTO_LZO"}, {"ZRAM_BACKEND_LZO"}),
        ("5.10.262", {"SLUB", "CRYPTO_LZO"}, {"ZRAM_BACKEND_LZO", "FRAME_POINTER"}),
        ("6.6.1", {"CRYPTO_LZO"}, {"ZRAM_BACKEND_LZO", "SLUB"}),
        ("6.12.117", {"ZRAM_BACKEND_LZO"}, {"CRYPTO_LZO", "SLUB"}),
        ("", {"ZRAM_BACKEND_LZO"}, {"CRYPTO_LZO", "SLUB"}),
    ],
)
def test_the_fragments_that_ship_follow_the_version(version: str, has: set[str], lacks: set[str]) -> None:
    symbols = {symbol.removeprefix("CONFIG_") for symbol in shipped(version)}
    assert has <= symbols
    assert not lacks & symbols


def test_everything_that_may_be_unknown_is_wanted() -> None:
    for path in (KERNELS / "config").glob("*.config"):
        fragment = Fragment(name=path.name, text=path.read_text())
        assert kconfig.may_be_unknown([fragment]) <= {want.symbol for want in kconfig.wants(fragment)}
