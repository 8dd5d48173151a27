import pytest
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.base.errors import UserError
from kzram_ci.kernel import kconfig
from kzram_ci.kernel.kconfig import Fragment


def fragment(text: str, name: str = "a.config") -> Fragment:
    return Fragment(name=name, text=text)


def test_parse_reads_values_and_not_set() -> None:
    text = '# comment\nCONFIG_A=y\nCONFIG_S="x y"\n# CONFIG_B is not set\nCONFIG_N=0x10\n'
    assert kconfig.parse(text) == {"CONFIG_A": "y", "CONFIG_S": '"x y"', "CONFIG_B": "n", "CONFIG_N": "0x10"}


@pytest.mark.parametrize("line", ["CONFIG_A", "A=y", "CONFIG_A = y", "CONFIG_A=yes", 'CONFIG_A="open'])
def test_a_line_that_says_nothing_clear_is_named(line: str) -> None:
    with pytest.raises(UserError, match=r"a\.config:2: not a config line"):
        kconfig.wants(fragment(f"# fine\n{line}\n"))


def test_a_fragment_that_contradicts_itself_is_named() -> None:
    with pytest.raises(UserError, match=r"a\.config:2: CONFIG_A has another value in line 1"):
        kconfig.wants(fragment("CONFIG_A=y\n# CONFIG_A is not set\n"))


def test_conflict_names_both_fragments() -> None:
    with pytest.raises(UserError, match=r"CONFIG_A: a\.config:1 wants y, b\.config:2 wants n") as caught:
        kconfig.merge([fragment("CONFIG_A=y\n"), fragment("\n# CONFIG_A is not set\n", "b.config")])
    assert "# override CONFIG_A" in caught.value.hint


def test_an_explicit_override_wins() -> None:
    later = fragment("# override CONFIG_A\nCONFIG_A=8\n", "b.config")
    assert kconfig.merge([fragment("CONFIG_A=64\n"), later])["CONFIG_A"].value == "8"


def test_an_override_names_its_symbols_only() -> None:
    later = fragment("# override CONFIG_AB\nCONFIG_A=8\n", "b.config")
    with pytest.raises(UserError, match="CONFIG_A"):
        kconfig.merge([fragment("CONFIG_A=64\n"), later])


def test_the_same_want_twice_is_fine() -> None:
    assert len(kconfig.merge([fragment("CONFIG_A=y\n"), fragment("CONFIG_A=y\n", "b.config")])) == 1


def test_unmet_names_symbol_wanted_got_and_fragment() -> None:
    want = kconfig.merge([fragment("CONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\n# CONFIG_D is not set\n")])
    missing = kconfig.unmet(want, {"CONFIG_A": "y", "CONFIG_C": "m"})
    assert [str(item) for item in missing] == [
        "CONFIG_B: wanted y, got absent (fragment a.config)",
        "CONFIG_C: wanted n, got m (fragment a.config)",
    ]


def test_a_number_that_is_zero_is_off() -> None:
    want = kconfig.merge([fragment("# CONFIG_A is not set\n# CONFIG_B is not set\nCONFIG_C=y\n")])
    missing = kconfig.unmet(want, {"CONFIG_A": "0", "CONFIG_B": "1", "CONFIG_C": "0"})
    assert [item.symbol for item in missing] == ["CONFIG_B", "CONFIG_C"]


def test_symbols_that_may_be_unknown_and_those_a_kernel_declares() -> None:
    texts = [fragment("# may be unknown: CONFIG_A, CONFIG_B\nCONFIG_A=y\n"), fragment("# may be unknown CONFIG_C\n")]
    assert kconfig.may_be_unknown(texts) == {"CONFIG_A", "CONFIG_B"}
    text = "menuconfig ZRAM\n\ttristate\n\tdepends on CONFIGURED\n  config SWAP  \nconfig X if Y\n# config NO\n"
    assert kconfig.declared(text) == {"CONFIG_ZRAM", "CONFIG_SWAP"}


SYMBOLS = st.from_regex(r"CONFIG_[A-Z0-9_]{1,8}", fullmatch=True)
VALUES = st.sampled_from(["y", "m", "n", "17", "0xff", '"some text"'])


@given(st.dictionaries(SYMBOLS, VALUES))
def test_what_is_rendered_is_met_by_itself(wanted: dict[str, str]) -> None:
    text = "".join(f"# {k} is not set\n" if v == "n" else f"{k}={v}\n" for k, v in wanted.items())
    merged = kconfig.merge([fragment(text)])
    rendered = kconfig.render(merged)
    assert kconfig.parse(rendered) == wanted
    assert kconfig.unmet(merged, kconfig.parse(rendered)) == ()
