"""The control port's bytes: each line has one typed value, whatever the guest sends."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.guest.messages import (
    LINE_BYTES,
    MAKERS,
    Booted,
    Corruption,
    Exited,
    FileEnd,
    FilePiece,
    Garbage,
    GuestError,
    Message,
    Note,
    Output,
    OwnTestEnded,
    Parked,
    Reader,
    Ready,
    Sample,
    Stopped,
    message,
)

NONCE = "abc"


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


TABLE: list[tuple[dict[str, Any], Message]] = [
    ({"ev": "boot", "t": 1, "release": "6.12.1"}, Booted(release="6.12.1")),
    ({"ev": "parked", "t": 1}, Parked()),
    ({"ev": "ready", "t": 2, "zram": {}}, Ready()),
    (
        {"ev": "sample", "counters": {"overruns": 1, "vmstat.pswpout": 5, "float": 1.5, "yes": True, "big": 1 << 63}},
        Sample(counters=(("overruns", 1), ("vmstat.pswpout", 5))),
    ),
    (
        {"ev": "progress", "t": 4, "rounds": 7, "overruns": 99},
        Sample(counters=(("workload.rounds", 7), ("workload.overruns", 99))),
    ),
    (
        {"ev": "corruption", "page": 3, "offset": 8, "expected": "00", "got": "ff"},
        Corruption(text="page 3 offset 8: expected 00, got ff"),
    ),
    ({"ev": "stop", "why": "exposure", "ran_ms": 1500}, Stopped(why="exposure", ran_seconds=1.5)),
    ({"ev": "exit", "nonce": NONCE, "code": 3}, Exited(code=3)),
    ({"ev": "error", "text": "no swap"}, GuestError(text="no swap")),
    ({"ev": "error"}, GuestError(text="unnamed error")),
    ({"ev": "note", "text": "evicting"}, Note(text="evicting")),
    ({"ev": "output", "stream": "stderr", "text": "\0\u00ff\n"}, Output(stream="stderr", data=b"\0\xff\n")),
    ({"ev": "test", "code": 143, "stopped": True}, OwnTestEnded(code=143, stopped=True)),
    ({"ev": "file", "index": 2, "data": "AAE="}, FilePiece(index=2, data=b"\0\1")),
    ({"ev": "file_end", "index": 2, "problem": "cut"}, FileEnd(index=2, problem="cut")),
]


@pytest.mark.parametrize(("fields", "value"), TABLE)
def test_the_table(fields: dict[str, Any], value: Message) -> None:
    assert message(line(**fields), NONCE) == value


def test_every_event_of_the_guest_is_in_the_table() -> None:
    assert {fields["ev"] for fields, _ in TABLE} == set(MAKERS)


@pytest.mark.parametrize(
    "text",
    [
        b"not JSON",
        b"[]",
        b'"boot"',
        b"{}",
        b'{"ev":["boot"]}',
        b'{"ev":"counters","recompressions":"x"}',  # a name inside this program, not an event
        b'{"ev":"__init__"}',
        b'{"ev":"feed","data":1}',
        b'{"ev":"boot","release":{}}',
        b'{"ev":"sample","counters":[]}',
        b'{"ev":"sample"}',
        b'{"ev":"stop","why":5}',
        b'{"ev":"output","stream":"console","text":"x"}',
        b'{"ev":"output","stream":"stdout","text":"\\u1234"}',
        b'{"ev":"output","stream":"stdout"}',
        b'{"ev":"test","code":256}',
        b'{"ev":"test"}',
        b'{"ev":"file","index":-1,"data":""}',
        b'{"ev":"file","index":0,"data":"?"}',
        b'{"ev":"file_end","problem":""}',
        b'{"ev":"stop","ran_ms":' + b"9" * 400 + b"}",
        b'{"ev":"error","text":[]}',
        b"[" * 200_000,
        b"\xff\x00\xfe",
    ],
)
def test_anything_else_is_garbage(text: bytes) -> None:
    assert isinstance(message(text, NONCE), Garbage)


@pytest.mark.parametrize(
    "token",
    [
        {"nonce": "x", "code": 0},
        {"code": 0},
        {"nonce": NONCE},
        {"nonce": NONCE, "code": "0"},
        {"nonce": NONCE, "code": True},
        {"nonce": NONCE, "code": 0.0},
        {"nonce": NONCE, "code": -1},
        {"nonce": NONCE, "code": 256},
        {"nonce": [NONCE], "code": 0},
    ],
)
def test_an_exit_token_needs_our_nonce_and_a_status(token: dict[str, Any]) -> None:
    assert message(line(ev="exit", **token), NONCE) == GuestError(text="exit token with a wrong nonce or code")


def test_without_a_nonce_there_is_no_token() -> None:
    assert not isinstance(message(line(ev="exit", nonce="", code=0), ""), Exited)


TALK = b"".join(line(**fields) + b"\n" for fields, _ in TABLE)


@given(st.lists(st.integers(min_value=0)))
def test_messages_do_not_depend_on_where_reads_end(cuts: list[int]) -> None:
    reader = Reader(NONCE)
    heard = [each for piece in pieces(TALK, cuts) for each in reader.feed(piece)]
    assert heard == [value for _, value in TABLE]


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
names = st.sampled_from(["release", "counters", "why", "ran_ms", "code", "nonce", "text", "page", "got"])
events = st.builds(
    lambda word, fields: json.dumps({**fields, "ev": word}).encode(),
    st.sampled_from([*MAKERS, "counters", "feed", "_line", ""]) | json_values,
    st.dictionaries(names | st.text(max_size=8), json_values, max_size=5),
)


@given(st.lists(events | st.binary(max_size=200), max_size=8), st.lists(st.integers(min_value=0), max_size=4))
def test_no_bytes_raise_and_none_but_the_token_is_one(lines: list[bytes], cuts: list[int]) -> None:
    reader = Reader("a nonce that nothing guesses")
    for piece in pieces(b"\n".join(lines) + b"\n", cuts):
        for each in reader.feed(piece):
            assert not isinstance(each, Exited)
            repr(each).encode()  # and all of it can be written to a file
    assert reader.feed(b'\n{"ev":"ready"}\n') == [Ready()]


def test_an_overlong_line_is_dropped_to_its_end() -> None:
    reader = Reader(NONCE)
    token = line(ev="exit", nonce=NONCE, code=0)
    assert reader.feed(b"x" * (LINE_BYTES + 1)) == [Garbage(why="overlong")]
    assert reader.feed(b"x" * LINE_BYTES) == []
    assert reader.feed(token + b"\n" + line(ev="ready") + b"\n") == [Ready()]
