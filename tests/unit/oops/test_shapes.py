"""Every shape of shapes.txt: type and function; also with noise, cut short, and with the caller's id."""

from dataclasses import dataclass
from pathlib import Path

import oops_samples as splats
import pytest

from kzram_ci.oops import parse

NOISE = "zram0: detected capacity change from 0 to 524288"


@dataclass(frozen=True, slots=True)
class Shape:
    kind: str
    function: str | None
    text: str


def shapes() -> dict[str, Shape]:
    """The sections of shapes.txt by name."""
    found = {}
    for section in Path(__file__).with_name("shapes.txt").read_text().split("\n## ")[1:]:
        head, _, text = section.partition("\n")
        name, kind, function, _ = head.split(" | ", 3)
        found[name] = Shape(kind, None if function == "-" else function, text)
    return found


ALL = shapes()
ALONE = ("panic", "bad_page")  # whole without a function: any, or none, is named
each_shape = pytest.mark.parametrize("name", ALL)


@each_shape
def test_type_and_function(name: str) -> None:
    shape = ALL[name]
    (first, *others) = parse(shape.text.encode())
    assert first.type == shape.kind
    if shape.function or shape.kind not in ALONE:
        assert first.function == shape.function
    assert not first.corrupted
    assert {oops.type for oops in others} <= {"bad_page"}


@each_shape
def test_a_callers_id_and_chatter_of_others_change_nothing(name: str) -> None:
    text = ALL[name].text
    (plain, *_) = parse(text.encode())
    log = splats.stamped(text, "T41").splitlines(keepends=True)
    noisy = b"".join(line + splats.stamped(NOISE, "T1") for line in log)
    (found, *_) = parse(noisy)
    assert (found.signature, [frame.function for frame in found.frames]) == (
        plain.signature,
        [frame.function for frame in plain.frames],
    )


@each_shape
def test_noise_before_and_after_and_between_changes_no_type(name: str) -> None:
    lines = ALL[name].text.splitlines()
    noisy = [NOISE, *(part for line in lines for part in (line, NOISE) if line), NOISE]
    (found, *_) = parse("\n".join(noisy).encode())
    assert found.type == ALL[name].kind


@each_shape
def test_every_beginning_of_it_is_a_report_or_nothing(name: str) -> None:
    log = ALL[name].text.encode()
    whole = parse(log)[0]
    for cut in range(0, len(log), 17):
        for oops in parse(log[:cut]):
            assert oops.line == whole.line or oops.corrupted or oops.type == whole.type


@each_shape
def test_no_line_but_the_headline_makes_the_type(name: str) -> None:
    shape = ALL[name]
    lines = shape.text.splitlines(keepends=True)
    headline = parse(shape.text.encode())[0].line - 1
    for lost in range(len(lines)):
        if lost != headline:
            found = parse("".join(lines[:lost] + lines[lost + 1 :]).encode())
            assert found[0].type == shape.kind, lines[lost]
