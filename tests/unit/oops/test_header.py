"""The line of a report with CPU, task, taint and release."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.oops import Oops, parse
from kzram_ci.oops.taint import WORDS

FLAGS = "GFSRMBUDAWCIOELKXTNJ"  # as the kernel prints them: a letter, or a blank where the flag is not set


def report(taint: str, release: str = "5.10.0-8-amd64 #1 Debian") -> Oops:
    (oops,) = parse(
        "\n".join(
            (
                "BUG: kernel NULL pointer dereference, address: 0000000000000028",
                f"CPU: 5 PID: 4711 Comm: kswapd0 {taint} {release}".rstrip(),
                "RIP: 0010:obj_malloc+0x4b/0x160",
                "Call Trace:",
                " zs_malloc+0x1e7/0x4f0",
                "---[ end trace 0 ]---",
                "",
            )
        ).encode()
    )
    return oops


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("Not tainted", None),
        ("Tainted: P           OE    ", "POE"),
        ("Tainted: GOE", "GOE"),
        ("Tainted: G    B   W  OEL   ", "GBWOEL"),
        ("Tainted: G        W         ", "GW"),
        ("Tainted: [W]=WARN, [O]=OOT_MODULE", "WO"),
    ],
)
def test_taint_and_release(text: str, letters: str | None) -> None:
    for release in ("5.10.0-8-amd64 #1 Debian", ""):
        oops = report(text, release)
        assert oops.taint == letters
        assert oops.kernel == ("5.10.0-8-amd64" if release else None)
        assert (oops.cpu, oops.pid, oops.comm) == (5, 4711, "kswapd0")


@given(st.sets(st.sampled_from(FLAGS[1:])), st.sampled_from("GP"))
def test_any_set_of_flags(flags: set[str], first: str) -> None:
    printed = first + "".join(letter if letter in flags else " " for letter in FLAGS[1:])
    oops = report(f"Tainted: {printed}")
    letters = [letter for letter in FLAGS[1:] if letter in flags]
    assert oops.taint == first + "".join(letters)
    assert oops.kernel == "5.10.0-8-amd64"
    assert oops.taint_words == tuple(WORDS[letter] for letter in [*("P" if first == "P" else ""), *letters])
