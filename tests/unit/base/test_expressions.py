"""An expression that is put off is the expression."""

import re

import pytest

from kzram_ci.base.expressions import later


def test_it_is_compiled_on_first_use_and_the_pattern_from_then_on() -> None:
    words = later(r"(?P<word>[a-z]+)", re.IGNORECASE)
    assert words.search("12 Ab") is not None
    assert words.findall("a b") == ["a", "b"]
    assert words.sub("-", "a1b") == "-1-"
    assert words.pattern == r"(?P<word>[a-z]+)"
    assert words.match is words.match  # the pattern's own, not looked up again


def test_bytes_stay_bytes() -> None:
    found = later(rb"\d+").findall(b"1 22")
    assert found == [b"1", b"22"]


def test_a_wrong_one_is_found_on_use() -> None:
    wrong = later("(")
    with pytest.raises(re.error):
        wrong.match("x")
