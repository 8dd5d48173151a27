"""Tests that a plan brings, in a real guest: the example that ships, programs with libraries, and what goes wrong."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requires
from junitparser import JUnitXml

from kzram_ci.cli.main import main

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]
PLANS = Path(__file__).resolve().parents[2] / "testplans"
PLAN = """\
name: mine
kernels: [stock]
machine: {memory: 256M}
tests:
  linked: # with the C library and others; and it is a test of many parts
    workload: script
    run: ./linked
    results: [left/behind]
    expect: {floors: {workload.numbers: 3}}
  fails:
    workload: script
    run: [sh, -c, "echo 'no luck' >&2; exit 3"]
  bash:
    workload: script
    run: ./in-bash.sh a 'b c'
    programs: [bash]
  warns:
    workload: script
    run: [sh, -c, "echo c >/proc/sysrq-trigger; sleep 60"]
  endless:
    workload: script
    run: sleep 600
    duration: 3s
"""
LINKED = """\
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
int main(int argc, char **argv) {
    mkdir("left", 0755);
    FILE *out = fopen("left/behind", "w");
    printf("TAP version 13\\n1..2\\nok 1 linked\\nok 2 s # SKIP no\\nkzram: numbers=%d\\n", (int)sqrt(9.0 * argc));
    fprintf(out, "%s", argv[0]);
    return fclose(out);
}
"""


def run(plan: str, runs: Path) -> tuple[int, dict[str, Any], Path]:
    code = main(["run", plan, "--runs", str(runs), "--no-history", "--jobs", "1"])
    [directory] = runs.iterdir()
    lines = (directory / "results.jsonl").read_text().splitlines()
    return code, {result["test"]: result for result in map(json.loads, lines)}, directory


def test_the_example_that_ships(tmp_path: Path) -> None:
    code, results, directory = run(str(PLANS / "script-example.yaml"), tmp_path / "runs")
    assert code == 0, results
    first = results["ends-by-itself"]
    assert first["judgement"]["reason"].endswith("20 tests: 20 pass")
    [report] = (directory / "cells" / "stock.ends-by-itself" / "results").iterdir()
    assert len(report.read_text().split()) >= 8  # mm_stat
    assert "stopped by its counters" in results["until-it-is-stopped"]["judgement"]["reason"]
    suite = next(iter(JUnitXml.fromfile(str(directory / "junit.xml"))))
    assert suite.tests >= 2 + 20 + 10


def test_programs_and_what_goes_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requires.tool("bash")
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(PLAN)
    Path("linked.c").write_text(LINKED)
    subprocess.run((requires.tool("gcc"), "-fno-builtin", "linked.c", "-o", "linked", "-lm"), check=True)
    script = Path("in-bash.sh")
    script.write_text('#!/usr/bin/env bash\nwords=("$@")\n[[ ${words[1]} == "b c" ]] && [ -n "$KZRAM_SEED" ]\n')
    script.chmod(0o755)
    code, results, directory = run("mine.yaml", tmp_path / "runs")
    found = {name: (each["judgement"]["outcome"], each["judgement"]["reason"]) for name, each in results.items()}
    assert code == 1
    assert found["linked"] == ("pass", "exit code 0, workload.numbers 3, 2 tests: 1 pass, 1 skip")
    assert (directory / "cells" / "stock.linked" / "results" / "left" / "behind").read_text() == "./linked"
    assert found["fails"] == ("fail", "the test exited with 3: no luck")
    assert found["bash"][0] == "pass"
    assert "exit code 0 alone" in found["bash"][1]
    assert found["warns"][0] == "oops"
    assert found["endless"][0] == "fail"
    assert "did not end within its 3 s" in found["endless"][1]


SELFTESTS = """\
name: selftests
kernels: [stock]
machine: {memory: 256M}
tests:
  size: {workload: kselftest, collections: [size]}
  watched: {workload: kselftest, collections: ["breakpoints:breakpoint_test"], duration: 120s}
  late: # sleeps for 2 s at a time; size comes first in the runner's order
    workload: kselftest
    collections: [size, "timers:posix_timers"]
    test-timeout: 2s
"""


def test_selftests_of_the_cells_own_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requires.tool("rsync")
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(SELFTESTS)
    _, results, directory = run("mine.yaml", tmp_path / "runs")
    size, watched = (results[name]["evidence"]["points"] for name in ("size", "watched"))
    assert [(point["name"], point["status"]) for point in size] == [
        ("selftests: size: get_size / get runtime memory use", "pass")
    ]
    assert results["size"]["judgement"]["outcome"] == "pass"
    # 110 on x86; an emulated CPU fails two: icebp and int 3
    assert len(watched) == 110
    assert all(point["name"].startswith("selftests: breakpoints: breakpoint_test / Test ") for point in watched)
    failed = [point["name"].rpartition(" / ")[2] for point in watched if point["status"] != "pass"]
    assert set(failed) <= {"Test icebp", "Test int 3 trap"}
    assert results["watched"]["judgement"]["outcome"] == ("fail" if failed else "pass")
    late = results["late"]["evidence"]["points"]
    assert [point["status"] for point in late] == ["pass", "missing", "timeout"], late
    assert (late[2]["name"], late[2]["reason"]) == ("selftests: timers: posix_timers", "2 seconds")
    assert results["late"]["judgement"]["outcome"] == "fail"
    suite = next(iter(JUnitXml.fromfile(str(directory / "junit.xml"))))
    assert (suite.tests, suite.failures) == (3 + 1 + 110 + 3, len(failed) + bool(failed) + 3)


def test_the_kernels_unit_tests(tmp_path: Path) -> None:
    code, results, directory = run(str(PLANS / "kunit.yaml"), tmp_path / "runs")
    assert code == 0, results
    everything = [point["name"] for point in results["all"]["evidence"]["points"]]
    lists = [point["name"] for point in results["lists-only"]["evidence"]["points"]]
    assert any(name.startswith("example / ") for name in everything)
    assert lists
    assert all(name.startswith("list") for name in lists)
    suite = next(iter(JUnitXml.fromfile(str(directory / "junit.xml"))))
    assert suite.tests == 2 + len(everything) + len(lists)
