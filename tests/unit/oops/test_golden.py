"""Consoles of kernels that were booted and provoked; the answers beside them are reviewed, see README.md there."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from kzram_ci.oops import Oops, StreamParser, parse

GOLDEN = Path(__file__).parents[2] / "golden" / "oops"
CASES = sorted(GOLDEN.glob("*.log"))
each_case = pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)


def answer(oopses: tuple[Oops, ...]) -> list[dict[str, Any]]:
    return [oops.to_json() for oops in oopses]


def test_there_are_cases() -> None:
    assert CASES


@each_case
def test_answer(case: Path) -> None:
    found = answer(parse(case))
    expected = case.with_suffix(".json")
    if os.environ.get("KZRAM_REWRITE_GOLDEN"):
        expected.write_text(json.dumps(found, indent=1) + "\n")
    assert found == json.loads(expected.read_text())


@each_case
def test_parsing_from_an_oops_on_finds_the_same_oops(case: Path) -> None:
    log = case.read_bytes()
    for oops in parse(log):
        again = parse(log[oops.start :])[0]
        assert (again.title, again.signature, again.frames) == (oops.title, oops.signature, oops.frames)


@each_case
@pytest.mark.parametrize("prefix", [b"Nov 23 00:51:05 debian kernel: ", b"<6>", b"\x1b[1;31m"])
def test_a_prefix_changes_no_signature(case: Path, prefix: bytes) -> None:
    log = case.read_bytes()
    prefixed = b"".join(prefix + line for line in log.splitlines(keepends=True))
    assert [oops.signature for oops in parse(prefixed)] == [oops.signature for oops in parse(log)]


@each_case
def test_live_and_afterwards_agree(case: Path) -> None:
    parser = StreamParser()
    live = [oops for line in case.read_bytes().splitlines(keepends=True) for oops in parser.feed(line)]
    live += parser.finish()
    assert sorted(oops.signature for oops in live) == sorted(oops.signature for oops in parse(case))


@each_case
def test_another_callers_chatter_changes_nothing(case: Path) -> None:
    log = case.read_bytes().splitlines(keepends=True)
    if not any(b"][ " in line for line in log):
        pytest.skip("no caller ids")
    noisy = b"".join(line + b"[    9.000000][ T9999] audit: backlog limit exceeded\r\n" for line in log)
    want = [(oops.signature, oops.frames) for oops in parse(b"".join(log))]
    assert [(oops.signature, oops.frames) for oops in parse(noisy)] == want
