"""Markdown, HTML, KCIDB and the terminal table, from the same results."""

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import kcidb_io
import pytest
import report_samples as samples
from hypothesis import given, settings
from hypothesis import strategies as st

from kzram_ci.cli.output import Terminal
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results.reports import controls, html, junit, kcidb, summary, table
from kzram_ci.results.reports.compare import compare
from kzram_ci.results.reports.summary_model import RunView, make_view

HOSTILE = "<script>alert(1)</script> `| **x** \x1b[2J\n[a](b) ```"


def sample(results: tuple[CellResult, ...] | None = None) -> RunView:
    view = make_view(
        samples.PLAN,
        samples.results() if results is None else results,
        name="20260102T030405Z-overrun-abcdef",
        started="2026-01-02T03:04:05+00:00",
        environment={"host": {"system": "Linux", "cpus": 2}, "tools": {"gcc": "gcc 12.2"}, "accel": "tcg: no KVM"},
    )
    cells = tuple(
        replace(cell, files=(f"{cell.result.directory}/console.log",), console_tail="Linux version 6.12\n")
        for cell in view.cells
    )
    return replace(view, cells=cells)


def broken() -> RunView:
    lost = samples.result(samples.PLAN.cells[2], Outcome.PASS, Verdict.FINDING, reason="not reproduced")
    return sample((samples.results()[0], lost))


def hostile() -> RunView:
    oops = replace(samples.OOPS, title=HOSTILE, text=HOSTILE, signature=HOSTILE, function=HOSTILE)
    results = (samples.result(samples.PLAN.cells[0], Outcome.OOPS, Verdict.FINDING, reason=HOSTILE, oopses=(oops,)),)
    view = sample(results)
    return replace(view, cells=tuple(replace(cell, console_tail=HOSTILE) for cell in view.cells))


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


class TestHtml:
    def test_shows_the_facts_and_needs_nothing_from_elsewhere(self) -> None:
        page = Page(html.render(sample()))
        for fact in (samples.TITLE, "51,234", "0 overruns in 51,234 recompressions", "gcc 12.2", "host.cpus"):
            assert fact in page.text
        assert "cells/stock.anonmutate/console.log" in page.links
        assert not [link for link in page.links if ":" in link or link.startswith("/")]
        assert not {"link", "img", "iframe", "object", "base"} & set(page.tags)
        assert "Controls failed" not in page.text

    def test_broken_controls_come_before_everything(self) -> None:
        text = html.render(broken())
        assert text.index("Controls failed") < text.index("<h1>")
        assert "unstable/anonmutate: not reproduced" in text

    def test_guest_text_stays_text(self) -> None:
        page = Page(html.render(hostile()))
        assert page.tags.count("script") == page.tags.count("style") == 1  # ours
        assert "<script>alert(1)</script>" in page.text
        assert "\x1b" not in page.text

    def test_newborn(self) -> None:
        assert "7 cells, none finished" in Page(html.newborn(sample())).text


class TestSummary:
    def test_grid_proofs_and_crashes(self) -> None:
        text = summary.render(sample())
        assert "| **unstable** | ✅ **crashed, as expected**<br>" in text
        assert "[console.log](<cells/stock.anonmutate/console.log>)" in text
        assert "0 overruns in 51,234 recompressions" in text
        assert "<summary>2 x BUG: kernel NULL pointer dereference" in text
        assert "CONTROLS FAILED" not in text

    def test_broken_controls_come_first_and_bold(self) -> None:
        text = summary.render(broken())
        assert text.index("> **CONTROLS FAILED") < text.index("| kernel |")

    def test_guest_text_stays_text(self) -> None:
        text = summary.render(hostile())
        fence = re.search(r"^(`{4,})text\n.*?^\1$", text, re.M | re.S)
        assert fence is not None  # longer than the backticks in the text
        outside = text.replace(fence[0], "")
        assert "<script>" not in outside
        assert "\x1b" not in text

    @settings(deadline=None)
    @given(st.text(max_size=80))
    def test_any_reason_keeps_the_tables_in_shape(self, reason: str) -> None:
        text = summary.render(
            sample((samples.result(samples.PLAN.cells[0], Outcome.FAIL, Verdict.FINDING, reason=reason),))
        )
        rows = [line for line in text.split("\n") if line.startswith("|")]
        assert [len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) for row in rows] == [3, 3, 3, 7, 7, 7, 6, 6, 6]


class TestKcidb:
    def test_objects_link_to_each_other(self) -> None:
        report = json.loads(json.dumps(kcidb.render(sample())))
        ids = {kind: {item["id"] for item in report[kind]} for kind in ("checkouts", "builds", "tests", "issues")}
        assert {build["checkout_id"] for build in report["builds"]} <= ids["checkouts"]
        assert {test["build_id"] for test in report["tests"]} <= ids["builds"]
        assert {incident["test_id"] for incident in report["incidents"]} <= ids["tests"]
        assert {incident["issue_id"] for incident in report["incidents"]} == ids["issues"]
        assert [test["status"] for test in report["tests"]] == ["PASS", "PASS", "PASS", "FAIL", "FAIL", "ERROR", "SKIP"]
        assert report["tests"][3]["path"] == "kzram.directmutate.algorithm-lz4"
        assert report["tests"][0]["number"] == {"value": 51_234, "unit": "recompressions"}

    def test_a_kernel_that_did_not_build_has_no_tests(self) -> None:
        word = samples.result(samples.PLAN.cells[0], Outcome.PATCH_FAILED, Verdict.ERROR, reason="hunk 2", key="")
        report = kcidb.render(sample((replace(word, kernel_release=""),)))
        assert report["tests"] == []
        assert report["builds"][0]["status"] == "FAIL"
        assert report["checkouts"][0]["valid"] is False

    @pytest.mark.parametrize("view", [sample(), broken(), hostile(), sample(())])
    def test_the_public_schema_takes_it(self, view: RunView) -> None:
        kcidb_io.schema.V5_0.validate(kcidb.render(view))


class TestTable:
    def test_plain_lines(self) -> None:
        text = table.plain(sample(), root="runs/x", files=("junit: runs/x/junit.xml",))
        lines = text.splitlines()
        assert lines[0].split() == ["kernel", "anonmutate", "pressure", "directmutate[algorithm=lz4]"]
        assert re.match(r"unstable +crashed, as expected \(control\) +- +FINDING: did not crash", lines[2])
        assert (
            f"crash unstable/anonmutate: {samples.TITLE} in obj_malloc: runs/x/cells/unstable.anonmutate/oops-1.txt"
            in lines
        )
        assert any(line.startswith("proof stock/anonmutate: 0 overruns in 51,234") for line in lines)
        assert f"  same crash in 2 cells: {samples.OOPS.signature}" in lines
        total = "7 cells: 3 ok, 2 FINDING, 1 INCONCLUSIVE, 1 skipped; 2 crashed in 1 way"
        assert lines[-2:] == [total, "junit: runs/x/junit.xml"]
        assert "\x1b" not in text

    def test_broken_controls_come_first(self) -> None:
        assert table.plain(broken()).startswith(controls.FAILED)

    def test_a_pipe_gets_plain_text_in_its_own_encoding(self) -> None:
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
        view = hostile()
        table.show(
            replace(view, cells=(replace(view.cells[0], result=replace(view.cells[0].result, kernel="ö")),)), stream
        )
        assert b"\\xf6" in raw.getvalue()
        assert b"\x1b" not in raw.getvalue()

    @pytest.mark.parametrize("styled", [True, False])
    @pytest.mark.parametrize("width", [20, 60, 80, 99, 100, 120, 200])
    def test_a_terminal_of_any_width_gets_every_word_and_whole_paths(
        self, width: int, styled: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TERM", "xterm")
        stream = io.StringIO()
        screen = Terminal(width=width, styled=styled)
        table.show(sample(), stream, screen=screen, root="runs/x", files=("junit: runs/x/junit.xml",))
        assert ("\x1b" in stream.getvalue()) is styled
        text = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
        for kernel in sample().kernels:
            assert re.search(rf"(?m)^[│ ]*{kernel}\b", text)
        for words in ("crashed,", "expected", "(control)", "INCONCLUSIVE", "51,234", "directmutate[algorithm=lz4]"):
            assert words in text  # not broken
        assert "runs/x/cells/unstable.anonmutate/oops-1.txt" in text
        assert "junit: runs/x/junit.xml" in text
        assert ("  anonmutate: crashed, as expected (control)" in text) is (width < 100)

    def test_many_tests_are_a_list_on_a_wide_terminal_too(self) -> None:
        results = [samples.result(samples.cell("stock", f"a-test-with-a-name-{n}")) for n in range(20)]
        view = make_view(samples.PLAN, results, name="x")
        stream = io.StringIO()
        table.show(view, stream, screen=Terminal(width=150, styled=False))
        assert "  a-test-with-a-name-19: passed\n" in stream.getvalue()

    @pytest.mark.parametrize("width", [60, 150])
    def test_hostile_text_cannot_drive_the_terminal(self, width: int) -> None:
        stream = io.StringIO()
        table.show(hostile(), stream, screen=Terminal(width=width, styled=True))
        assert "\x1b[2J" not in stream.getvalue()

    def test_a_cause_that_cells_share_is_told_once(self) -> None:
        cause = "kernels/x/0001.patch does not apply to mm/zsmalloc.c"
        results = [
            samples.result(cell, Outcome.PATCH_FAILED, Verdict.ERROR, reason=cause, key="")
            for cell in samples.PLAN.cells[:4]
        ]
        view = make_view(samples.PLAN, results, name="x")
        text = table.plain(
            replace(view, cells=tuple(replace(c, result=replace(c.result, control=False)) for c in view.cells))
        )
        assert text.count(cause) == 1
        assert "stock/anonmutate, stock/pressure, unstable/anonmutate, " in text
        assert summary.render(view).count("does not apply") == 3  # the cell, and two controls
        assert junit.render(view).count(f'message="{cause}"') == 4

    def test_kernels_that_fail_for_one_cause_share_it_whatever_their_names(self) -> None:
        cause = "scripts/cc-version.sh: Permission denied"
        results = []
        for cell in samples.PLAN.cells[:4]:
            made = samples.result(
                cell, Outcome.BUILD_FAILED, Verdict.ERROR, reason=f"{cell.kernel.name}: {cause}", key=""
            )
            results.append(replace(made, control=False, judgement=replace(made.judgement, cause=cause)))
        view = make_view(samples.PLAN, results, name="x")
        assert len({result.kernel for result in results}) > 1
        assert "\n".join(table.reason_lines(view)).count(cause) == 1
        details = summary.render(view).partition("### Cells")[2]
        assert details.count(cause) == 1
        assert details.count(f"as {results[0].id}") == 3


class TestCompare:
    def test_kinds_of_change(self) -> None:
        before = samples.results()
        cells = samples.PLAN.cells
        after = (
            samples.result(cells[0], Outcome.OOPS, Verdict.FINDING, oopses=(samples.OOPS,)),
            replace(before[1], kernel_key="beef"),
            replace(
                before[2], evidence=replace(before[2].evidence, oopses=(replace(samples.OOPS, signature="other"),))
            ),
            samples.result(cells[3], Outcome.OOPS, Verdict.OK, oopses=(samples.OOPS,)),
            samples.result(cells[4], Outcome.INFRA, Verdict.ERROR),
            before[5],
        )
        assert [(change.kind, change.id) for change in compare(before, after)] == [
            ("regressed", "stock/anonmutate"),
            ("fixed", "unstable/directmutate/algorithm=lz4"),
            ("changed", "saved-clen/anonmutate"),
            ("crash", "unstable/anonmutate"),
            ("kernel", "stock/pressure"),
            ("removed", "emergency-class/anonmutate"),
        ]
        assert compare(before, before) == ()
        assert compare((), before[:1])[0].kind == "added"
