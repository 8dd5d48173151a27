from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.results.reports.sanitize import cut, decode, one_line, visible


def test_what_acts_becomes_visible() -> None:
    assert visible("\x1b[31mred\x00") == "\\x1b[31mred\\x00"
    assert visible("a\r\nb\rc\td") == "a\nb\\x0dc\td"
    assert visible("\udc80 \ud800 \ufffe \U0001fffe \u202e \x9b") == "\\x80 \\ud800 \\ufffe \\U0001fffe \\u202e \\x9b"
    assert visible("naïve ✅ 漢字") == "naïve ✅ 漢字"
    assert decode(b"ok \xff\xfe\x1b") == "ok \\xff\\xfe\\x1b"


@given(st.binary())
def test_any_bytes_fit_into_xml_and_a_log(data: bytes) -> None:
    text = decode(data)
    text.encode()
    assert ElementTree.fromstring(f"<a>{text.replace('&', '&amp;').replace('<', '&lt;')}</a>").text in (text, None)
    assert visible(text) == text  # nothing is escaped twice


@given(st.text(alphabet=st.characters()), st.integers(1, 50))
def test_one_line_is_one_short_line(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1


def test_cut_says_what_is_missing() -> None:
    assert cut("abc", 3) == "abc"
    assert cut("abcdef", 2) == "ab\n[… 4 characters cut …]"
    assert cut("abcdef", 2, tail=True) == "[… 4 characters cut …]\nef"
