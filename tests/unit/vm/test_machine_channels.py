import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.guest.control import KEPT, Report
from kzram_ci.guest.control import LINE_BYTES as CONTROL_LINE_BYTES
from kzram_ci.vm.console import LINE_BYTES, Console, LineFacts

LOG = (
    b"[    1.0] Linux version 6.12\r\n\0\r\n"
    b"[    2.0] zram: overrun: 4096 bytes into an object of 1138, 31 pages compressed again so far\r\n"
    b"[    2.1] zram: overrun: 3000 bytes into an object of 208\r\n"
    b"[    2.2] Kernel panic - not syncing: Fatal exception\r\n[    2.3] tor"
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@pytest.mark.parametrize(
    "line, told",
    [
        (b"[    0.016] tsc: PIT calibration deviates from HPET: 134409 2443843\n", "TSC taken for 134 MHz, not 2444"),
        (b"[    0.016] tsc: PIT calibration deviates from PMTIMER: 2300000 2443843\n", ""),
        (b"[    0.000] tsc: Detected 2440.962 MHz processor\n", ""),
    ],
)
def test_a_misjudged_clock_is_noticed(line: bytes, told: str) -> None:
    facts = LineFacts()
    facts.feed(line)
    assert facts.bad_clock == told


@given(st.lists(st.integers(min_value=0)))
def test_line_facts_do_not_depend_on_where_reads_end(cuts: list[int]) -> None:
    facts = LineFacts()
    for piece in pieces(LOG, cuts):
        facts.feed(piece)
    facts.finish()
    assert (facts.overruns, facts.panicked, facts.last_line) == (2, True, "[    2.3] tor")
    assert facts.recompressions == 31


@given(st.binary(max_size=400), st.lists(st.integers(min_value=0)))
def test_line_facts_survive_any_bytes(data: bytes, cuts: list[int]) -> None:
    whole, parts = LineFacts(), LineFacts()
    whole.feed(data)
    for piece in pieces(data, cuts):
        parts.feed(piece)
    for facts in (whole, parts):
        facts.finish()
    assert whole.last_line == parts.last_line


def test_an_endless_line_does_not_fill_the_memory() -> None:
    facts = LineFacts()
    for _ in range(100):
        facts.feed(b"x" * 100_000)
    facts.finish()
    assert len(facts.last_line) <= LINE_BYTES


def test_console_hands_every_byte_to_the_parser_and_notices_a_flood(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def feed(data: bytes) -> list[str]:
        seen.append(data)
        return ["oops"]

    log = tmp_path / "console.log"
    console = Console(log, feed, limit_bytes=10)
    assert not console.poll()
    with log.open("ab") as out:
        out.write(b"12345")
        out.flush()
        assert console.poll() == ["oops"]
        assert console.bytes == 5
        out.write(b"67890\nx")
    assert console.poll() == ["oops"]
    assert console.flooded
    assert b"".join(seen) == log.read_bytes()
    assert console.bytes == 12
    console.close()


def lines(*messages: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


TALK = lines(
    {"ev": "boot", "t": 1, "release": "6.12.1"},
    {"ev": "ready", "t": 2, "zram": {}},
    {"ev": "sample", "t": 3, "counters": {"overruns": 1, "vmstat.pswpout": 5, "float": 1.5, "yes": True}},
    {"ev": "progress", "t": 4, "rounds": 7, "overruns": 99},
    {"ev": "corruption", "t": 5, "page": 3, "offset": 8, "expected": "00", "got": "ff"},
    {"ev": "new-in-a-later-guest", "t": 5},
    {"ev": "stop", "t": 6, "why": "exposure"},
    {"ev": "exit", "t": 7, "nonce": "abc", "code": 3},
)


@given(st.lists(st.integers(min_value=0)))
def test_report_does_not_depend_on_where_reads_end(cuts: list[int]) -> None:
    told: list[dict[str, int]] = []
    report = Report("abc", lambda counters: told.append(dict(counters)))
    for piece in pieces(TALK, cuts):
        report.feed(piece)
    assert (report.booted, report.ready, report.release) == (True, True, "6.12.1")
    assert report.counters == {"overruns": 1, "vmstat.pswpout": 5, "workload.rounds": 7, "workload.overruns": 99}
    assert report.corruptions == ["page 3 offset 8: expected 00, got ff"]
    assert (report.stop_why, report.exit_code, report.garbage) == ("exposure", 3, 0)
    assert len(told) == 2


@given(st.binary(max_size=2000))
def test_report_survives_any_bytes(data: bytes) -> None:
    report = Report("abc", lambda counters: None)
    report.feed(data + b"\n")
    report.feed(lines({"ev": "exit", "nonce": "abc", "code": 0}))
    assert report.exit_code == 0


def test_an_exit_token_needs_our_nonce_and_a_number() -> None:
    report = Report("abc", lambda counters: None)
    wrong = ({"nonce": "x", "code": 0}, {"code": 0}, {"nonce": "abc", "code": "0"}, {"nonce": "abc", "code": True})
    for token in wrong:
        report.feed(lines({"ev": "exit", **token}))
    assert report.exit_code is None
    assert len(report.errors) == len(wrong)


def test_report_is_bounded() -> None:
    report = Report("abc", lambda counters: None)
    report.feed(lines(*({"ev": "corruption", "page": n} for n in range(KEPT * 2))))
    report.feed(b"x" * (CONTROL_LINE_BYTES + 1))
    report.feed(b'\n{"ev":"ready"}\n')
    assert len(report.corruptions) == KEPT
    assert report.garbage == 1
    assert report.ready


def test_deeply_nested_json_is_garbage() -> None:
    report = Report("abc", lambda counters: None)
    report.feed(b"[" * 200_000 + b"\n")
    assert report.garbage == 1
