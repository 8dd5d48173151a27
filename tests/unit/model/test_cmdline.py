"""Words for the kernel's command line, read back as the kernel's own parser reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.model.cmdline import kernel_word, kernel_words


def next_args(text: str) -> list[str]:
    """next_arg() of lib/cmdline.c, up to the name: words end at blanks outside double quotes."""
    found, word, quoted = [], "", False
    for char in text:
        if char == '"':
            quoted = not quoted
        if char == " " and not quoted:
            found += [word] if word else []
            word = ""
        else:
            word += char
    return [*found, word] if word else found


@pytest.mark.parametrize(
    ("given_", "word"),
    [
        ("quiet", "quiet"),
        (' dyndbg="file zram_drv.c +p" ', 'dyndbg="file zram_drv.c +p"'),
        ("dyndbg=file zram_drv.c +p", 'dyndbg="file zram_drv.c +p"'),
        ('"dyndbg=file a.c +p"', '"dyndbg=file a.c +p"'),
    ],
)
def test_a_word(given_: str, word: str) -> None:
    assert kernel_word(given_) == word


@pytest.mark.parametrize("text", ["", "  ", "two words", 'a="b', "a b=c", 'a=b "c d" e', "a\nb", "a=\x1b"])
def test_what_is_not_one_word(text: str) -> None:
    with pytest.raises(ValueError, match=r"word|quote"):
        kernel_word(text)


@given(st.text(alphabet=' ab="', max_size=20))
def test_what_is_accepted_is_what_the_kernel_reads(text: str) -> None:
    try:
        words = kernel_words(text)
    except ValueError:
        assert text.count('"') % 2
        return
    assert next_args(" ".join(words)) == next_args(text) == list(words)
    try:
        word = kernel_word(text)
    except ValueError:
        return
    assert next_args(word) == [word]
