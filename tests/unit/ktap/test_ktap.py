"""KTAP and TAP as kernels, the runner of kselftest and scripts print them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.ktap import Parser, Report, parse
from kzram_ci.model.points import BAD, PointStatus, summary

# KUnit on a console of 6.12, an interrupt's line between, and cut where the second suite still runs
KUNIT = """\
[    0.060000] printk: legacy console [ttyS0] enabled
[    1.060000] KTAP version 1
[    1.060000] 1..2
[    1.060000]     KTAP version 1
[    1.060000]     # Subtest: example
[    1.060000]     # module: kunit_example_test
[    1.060000]     1..3
[    1.060000]     # simple: initializing
[    1.060000]     ok 1 simple
[    1.061000] random: crng init done
[    1.061100] <6>ok then, this is no result
[    1.061200]     # skipped: initializing
[    1.061200]     ok 2 skipped # SKIP this test should be skipped
[    1.061300]         KTAP version 1
[    1.061300]         # Subtest: params
[    1.061300]         ok 1 value 3 # SKIP unsupported
[    1.061300]         ok 2 value 2
[    1.061300]     # params: pass:1 fail:0 skip:1 total:2
[    1.061300]     ok 3 params
[    1.061300] # example: pass:2 fail:0 skip:1 total:3
[    1.061300] ok 1 example
[    1.061300]     KTAP version 1
[    1.061300]     # Subtest: other
[    1.061300]     1..3
[    1.061300]     # sums: EXPECTATION FAILED at lib/sums.c:3
[    1.061300]     Expected 1 == 2, but
[    1.061300]     not ok 1 sums
"""
KSELFTEST = """\
TAP version 13
1..4
# timeout set to 45
# selftests: size: get_size
# TAP version 13
# # Testing system size.
# ok 1 # System runtime memory report
# # ---
# 1..1
ok 1 selftests: size: get_size
# selftests: timers: posix
#
not ok 2 selftests: timers: posix # TIMEOUT 45 seconds
# selftests: x: y
# TAP version 13
# 1..3
# ok 1 a # SKIP no root
# not ok 2 b # XFAIL known
# ok 3 c
not ok 3 selftests: x: y # exit=1
# selftests: zram: zram.sh
"""
TAP14 = """\
TAP version 14
1..4
# Subtest: foo.tap
    1..2
    ok 1 - this passed
    not ok 2 - nope
      ---
      message: "ok 3 - a trap"
      ok 9 another
      ...
not ok 1 - foo.tap
    ok 1 - part
    1..1
ok 2 - bare
ok - unnumbered \\# hash # TODO later
not ok - planned one # TODO later
"""


def words(report: Report) -> list[tuple[str, str]]:
    return [(point.name, str(point.status)) for point in report.points()]


def test_kunit_on_a_console_that_ends_in_the_middle() -> None:
    report = parse(KUNIT.encode())
    assert words(report) == [
        ("example / simple", "pass"),
        ("example / skipped", "skip"),
        ("example / params / value 3", "skip"),
        ("example / params / value 2", "pass"),
        ("other / sums", "fail"),
        ("other / 2 to 3", "missing"),
    ]
    assert not report.problems
    failed = report.points()[4]
    assert "EXPECTATION FAILED at lib/sums.c:3" in failed.output
    assert "Expected 1 == 2, but" in failed.output
    assert "random: crng" not in failed.output


@pytest.mark.parametrize(
    "prefix", ["", "[    5.000001] ", "<6>[    5.000001] ", "[    5.000001][  T1] ", "6,339,5140900,-;", "serial 0 | "]
)
def test_the_prefixes_of_a_log_change_nothing(prefix: str) -> None:
    bare = [line.partition("] ")[2] for line in KUNIT.splitlines()[1:]]
    report = parse("".join(f"{prefix}{line}\n" for line in bare).encode())
    assert words(report) == words(parse(KUNIT.encode()))


def test_a_record_of_the_kernel_in_the_middle_of_a_line_of_a_program() -> None:
    report = parse(b"TAP version 13\n1..2\nok 1 first[   12.345678] random: crng init done\nok 2 second\n")
    assert words(report) == [("first", "pass"), ("second", "pass")]


def test_kselftest_with_results_behind_hashes() -> None:
    report = parse(KSELFTEST.encode())
    assert words(report) == [
        ("selftests: size: get_size / System runtime memory report", "pass"),
        ("selftests: timers: posix", "timeout"),
        ("selftests: x: y / a", "skip"),
        ("selftests: x: y / b", "xfail"),
        ("selftests: x: y / c", "pass"),
        ("selftests: x: y", "fail"),  # its exit code says so, and none of its parts
        ("4", "missing"),
    ]
    assert report.points()[5].reason == "exit=1"


def test_tap_14() -> None:
    report = parse(TAP14.encode())
    assert words(report) == [
        ("foo.tap / this passed", "pass"),
        ("foo.tap / nope", "fail"),
        ("bare / part", "pass"),
        ("unnumbered # hash", "pass"),
        ("planned one", "todo"),
    ]


def test_kunit_before_6_3_has_names_and_no_heads_below() -> None:
    old = b"TAP version 14\n1..1\n    # Subtest: old\n    1..2\n    ok 1 - a\n    ok 2 - b\nok 1 - old\n"
    assert words(parse(old)) == [("old / a", "pass"), ("old / b", "pass")]
    assert parse(old).proved


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1..99999999999999999999999\nok 1 a", "the plan 1..99999999999999999999 cannot be"),
        ("1..-1\nok 1 a", "the plan 1..-1 cannot be"),
        ("1..1\nok 1 a\nok 2 b", "a result with the number 2, and the plan is 1..1"),
        ("1..2\nok 1 a\nok 1 b", "the number 1 comes twice"),
        ("1..1\nok 0 a\nok 1 b", "no test can have the number of 'a'"),
        ("1..1\nok 99999999999999999999 a\nok 1 b", "no test can have the number of 'a'"),
        ("1..1\nok 1 a\n1..2", "a second plan, 1..2, after 1..1"),
        ("1..0\nok 1 a", "a result with the number 1, and the plan is 1..0"),
    ],
)
def test_counts_that_cannot_be(text: str, problem: str) -> None:
    report = parse(f"TAP version 13\n{text}\n".encode())
    assert report.bad
    assert problem in "; ".join(report.problems)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1..3\nok 1\nok 3 c\n", [("1", "pass"), ("c", "pass"), ("2", "missing")]),
        ("ok 1 a\n1..2\n", [("a", "pass"), ("2", "missing")]),  # the plan comes last
        ("1..1000000\nok 1 a\n", [("a", "pass"), ("2 to 1000000", "missing")]),
        ("1..0 # SKIP no kvm\n", [("all", "skip")]),
        ("1..1\nok 1 a # TIMEOUT\n", [("a", "timeout")]),
        ("1..1\nnot ok 1 a # SKIP not here\n", [("a", "skip")]),
        ("1..1\nok 1 # skip only a reason\n", [("only a reason", "skip")]),
        ("1..2\nok 1 a\nBail out! disk full\nok 2 b\n", [("a", "pass"), ("2", "missing")]),
        ("1..1\n    TAP version 13\n    1..1\n    ok 1 a\n", [("1 / a", "pass"), ("1", "missing")]),
    ],
)
def test_what_did_not_come_is_missing(text: str, found: list[tuple[str, str]]) -> None:
    assert words(parse(f"TAP version 13\n{text}".encode())) == found


def test_without_a_plan_nothing_is_proved_and_nothing_is_bad() -> None:
    report = parse(b"TAP version 13\nok 1 a\n")
    assert (report.bad, report.proved, report.unplanned) == (False, False, True)


def test_a_log_may_hold_several_streams() -> None:
    report = parse(b"KTAP version 1\n1..2\nok 1 a\nKTAP version 1\n1..1\nnot ok 1 c\n")
    assert words(report) == [("a", "pass"), ("2", "missing"), ("c", "fail")]


def test_a_log_without_tests_tells_of_none() -> None:
    report = parse(b"[    1.000000] all is ok\nnot ok at all\n    ok then\n1, 2..3\n")
    assert report == Report()
    assert not report.proved


LINES = st.sampled_from(
    [
        *KUNIT.splitlines(), *KSELFTEST.splitlines(), *TAP14.splitlines(),
        "1..0", "1..2", "ok 1", "    ok 2 x", "\t# ok 3", "# # # 1..1", "  ---", "  ...", "Bail out!", "TAP version 13",
    ]
)  # fmt: skip


@given(st.lists(LINES, max_size=60), st.integers(1, 50))
def test_any_order_of_lines_gives_a_report_however_it_is_cut(lines: list[str], size: int) -> None:
    data = "\n".join(lines).encode()
    parser = Parser()
    for start in range(0, len(data), size):
        parser.feed(data[start : start + size])
    report = parser.finish()
    assert report == parse(data)
    assert not (report.bad and report.proved)
    json.dumps(report.to_json())
    failing = sum("not ok" in line for line in lines)
    assert failing >= sum(point.status is PointStatus.FAIL for point in report.points())


@given(st.binary(max_size=2000))
def test_any_bytes_give_a_report(data: bytes) -> None:
    parse(b"TAP version 13\n" + data).points()


NAMES = st.text("abcdefgh_", min_size=1, max_size=6)
STATUS = st.sampled_from(["ok", "not ok"])
TREES = st.recursive(
    st.tuples(NAMES, STATUS, st.just(())),
    lambda inner: st.tuples(NAMES, STATUS, st.lists(inner, min_size=1, max_size=4).map(tuple)),
    max_leaves=12,
)


def printed(tests: tuple[Any, ...], depth: int = 0) -> str:
    lead = "    " * depth
    lines = [f"{lead}KTAP version 1", f"{lead}1..{len(tests)}"]
    for number, (name, status, inner) in enumerate(tests, start=1):
        if inner:
            lines.append(printed(inner, depth + 1))
        lines.append(f"{lead}{status} {number} {name}")
    return "\n".join(lines)


def named(tests: tuple[Any, ...]) -> list[Any]:
    return [(name, {"ok": "pass", "not ok": "fail"}[status], named(inner)) for name, status, inner in tests]


def seen(nodes: tuple[Any, ...]) -> list[Any]:
    return [(node.name, str(node.status), seen(node.tests)) for node in nodes]


@given(st.lists(TREES, min_size=1, max_size=4).map(tuple))
def test_a_tree_comes_back_as_it_was_printed(tests: tuple[Any, ...]) -> None:
    report = parse(printed(tests).encode())
    assert seen(report.tests) == named(tests)
    assert not report.problems
    assert report.bad == ("not ok" in printed(tests))


@given(st.lists(TREES, min_size=1, max_size=3).map(tuple), st.data())
def test_a_log_that_is_cut_anywhere_never_proves(tests: tuple[Any, ...], data: st.DataObject) -> None:
    lines = printed(tests).splitlines()
    kept = data.draw(st.integers(0, len(lines) - 1))
    report = parse("\n".join(lines[:kept]).encode())
    assert not report.proved
    assert kept < 2 or any(point.status in BAD for point in report.points())


def test_deep_and_wide_logs_stay_bounded() -> None:
    deep = "".join(f"{'  ' * depth}1..1\n" for depth in range(500))
    parse(f"TAP version 13\n{deep}".encode()).points()
    wide = parse(b"TAP version 13\n" + b"# noise\n" * 100_000 + b"1..1\nok 1 a\n")
    assert summary(wide.points()) == "1 test: 1 pass"


# ---- the command


def run(*argv: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = (sys.executable, "-m", "kzram_ci", "ktap", *argv)
    return subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("TAP version 13\n1..1\nok 1 a\n", 0),
        ("TAP version 13\n1..1\nnot ok 1 a\n", 1),
        ("TAP version 13\n1..2\nok 1 a\n", 1),
        ("TAP version 13\n1..1\nok 1 a\nok 2 b\n", 1),
        ("TAP version 13\n1..1\nok 1 a # SKIP\n", 3),
        ("TAP version 13\nok 1 a\n", 3),
        ("no tests here\n", 3),
    ],
)
def test_the_exit_code_is_the_answer(text: str, code: int) -> None:
    done = run("-", stdin=text.encode())
    assert (done.returncode, done.stderr) == (code, b"")


def test_a_log_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    done = run(str(tmp_path / "missing"), "-", stdin=b"1..1\nok 1 a\n")
    assert done.returncode == 2
    assert done.stderr.decode() == f"kzram-ci: {tmp_path / 'missing'}: No such file or directory\n"
    assert b"1 test: 1 pass" in done.stdout


def test_text_and_json(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_text(KUNIT)
    text = run(str(log)).stdout.decode()
    assert "fail     other / sums" in text
    assert "EXPECTATION FAILED" in text
    assert text.endswith(f"{log}: 6 tests: 2 pass, 1 fail, 2 skip, 1 missing\n")
    [entry] = json.loads(run(str(log), "--json").stdout)
    assert entry["counts"] == {"pass": 2, "fail": 1, "skip": 2, "missing": 1}
    assert [test["name"] for test in entry["tests"]] == ["example", "other"]


MISSED = "planned, and no result came"
SELFTEST = """\
TAP version 13
1..1
# selftests: timers: posix_timers
# TAP version 13
# 1..3
# ok 1 first
{parts}not ok 1 selftests: timers: posix_timers # {end}
"""


@pytest.mark.parametrize(
    ("parts", "end", "expected"),
    [
        ("", "TIMEOUT 45 seconds", [("pass", ""), ("missing", MISSED), ("timeout", "45 seconds")]),
        (
            "# not ok 2 x\n# ok 3 y\n",
            "TIMEOUT 45 seconds",
            [("pass", ""), ("fail", ""), ("pass", ""), ("timeout", "45 seconds")],
        ),
        ("", "exit=139", [("pass", ""), ("missing", MISSED), ("fail", "exit=139")]),
        ("# not ok 2 x\n", "exit=1", [("pass", ""), ("fail", ""), ("missing", MISSED)]),
    ],
)
def test_what_cut_off_its_parts_is_a_point_of_its_own(parts: str, end: str, expected: list[tuple[str, str]]) -> None:
    points = parse(SELFTEST.format(parts=parts, end=end).encode()).points()
    assert [(str(point.status), point.reason) for point in points] == expected
