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

from kzram_ci.model.evidence import CellResult
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results.reports import html, kcidb, summary, table
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
        assert not {"script", "link", "img", "iframe"} & set(page.tags)
        assert "Controls failed" not in page.text

    def test_broken_controls_come_before_everything(self) -> None:
        text = html.render(broken())
        assert text.index("Controls failed") < text.index("<h1>")
        assert "unstable/anonmutate: not reproduced" in text

    def test_guest_text_stays_text(self) -> None:
        page = Page(html.render(hostile()))
        assert "script" not in page.tags
        assert "<script>alert(1)</script>" in page.text
        assert "\x1b" not in page.text

    def test_newborn(self) -> None:
        assert "7 cells, none finished" in Page(html.newborn(sample())).text


class TestSummary:
    def test_grid_proofs_and_crashes(self) -> None:
        text = summary.render(sample())
        assert "| **unstable** | ✅ **ok oops**<br>" in text
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
        assert [len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) for row in rows] == [3, 3, 3, 6, 6, 6]


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


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestTable:
    def test_plain_lines(self) -> None:
        text = table.plain(sample(), root="runs/x", files=("junit: runs/x/junit.xml",))
        lines = text.splitlines()
        assert lines[0].split() == ["kernel", "anonmutate", "pressure", "directmutate[algorithm=lz4]"]
        assert re.match(r"unstable +ok oops \(control\) +- +FINDING pass", lines[2])
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
        assert table.plain(broken()).startswith(table.CONTROLS_FAILED)

    def test_a_pipe_gets_plain_text_in_its_own_encoding(self) -> None:
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
        view = hostile()
        table.show(
            replace(view, cells=(replace(view.cells[0], result=replace(view.cells[0].result, kernel="ö")),)), stream
        )
        assert b"\\xf6" in raw.getvalue()
        assert b"\x1b" not in raw.getvalue()

    @pytest.mark.parametrize("columns", ["20", "60", "200"])
    def test_a_terminal_of_any_width_gets_every_kernel_and_whole_paths(
        self, columns: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", columns)
        monkeypatch.setenv("TERM", "xterm")
        stream = Terminal()
        table.show(sample(), stream, root="runs/x", files=("junit: runs/x/junit.xml",))
        text = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
        assert "runs/x/cells/unstable.anonmutate/oops-1.txt" in text
        assert "junit: runs/x/junit.xml" in text
        assert "\x1b[2J" not in stream.getvalue()

    def test_hostile_text_cannot_drive_the_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TERM", "xterm")
        stream = Terminal()
        table.show(hostile(), stream)
        assert "\x1b[2J" not in stream.getvalue()


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
