"""report.html: its order, its size, its policy, and that the text of a guest stays text in every corner of it."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
import report_pages as pages
import report_samples as samples
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results.reports import charts, html
from kzram_ci.results.reports.fitting import escaped_bytes, fair_limit, fitted, shortened
from kzram_ci.results.reports.page import page_of
from kzram_ci.results.reports.summary_model import make_view
from kzram_ci.verdict.survival import Life, kaplan_meier

MIB = 1 << 20


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


@pytest.fixture(scope="module")
def text() -> str:
    return html.render(pages.view())


def test_what_happened_comes_before_how_that_is_known_and_the_cells(text: str) -> None:
    places = [text.index(f'id="{name}"') for name in ("what", "since", "how", "cells", "crashes", "tested")]
    assert places == sorted(places)


def test_every_link_inside_the_page_leads_somewhere_and_no_id_comes_twice(text: str) -> None:
    page = Page(text)
    inner = {link[1:] for link in page.links if link.startswith("#")}
    assert inner >= {"cell-stock-anonmutate", "cell-unstable-anonmutate-oops-2", "crash-1"}
    assert not inner - set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_the_policy_names_the_page_s_own_style_and_script_and_nothing_else_may_act(text: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    for tag, kind in (("style", "style-src"), ("script", "script-src")):
        [body] = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy[1]
    assert policy[1].startswith("default-src 'none'; ")
    assert "unsafe" not in policy[1]
    assert not {name for name in Page(text).attributes if name == "style" or name.startswith("on")}


def test_the_script_reaches_for_nothing_outside_and_writes_no_markup() -> None:
    script = str(html.inline(html.SCRIPT).text)
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "fetch(",
        "http",
        "import(",
    ):
        assert word not in script


def test_the_text_of_a_guest_stays_text(text: str) -> None:
    for made in (text, html.render(pages.huge(3))):
        page = Page(made)
        assert page.tags.count("script") == 1
        assert "img" not in page.tags
        assert "\x1b" not in made
        assert "\u202e" not in made
        assert "&lt;script&gt;window.hurt = 1&lt;/script&gt;" in made


def test_two_hundred_hostile_cells_are_at_most_five_megabytes() -> None:
    made = html.render(pages.huge())
    assert len(made.encode()) <= 5 * MIB
    assert made.count('<details class="cell') == 200
    assert "characters not shown here" in made
    assert "tests of cells are not shown here" in made


def test_a_cell_shows_its_counters_over_time_its_oopses_and_how_to_run_it_again(text: str) -> None:
    cell = text[text.index('id="cell-unstable-anonmutate"') : text.index('id="cell-unstable-directmutate')]
    for words in (
        'aria-label="recompressions: 48,243 after 11.3 s, 1 marked oops"',
        "memory used by zram",
        "time that tasks waited for memory",
        f"<li>{samples.TITLE}, at 3.50 s",
        '<a id="cell-unstable-anonmutate-oops-2"></a>[    3.500000] BUG: kernel NULL',
        'class="blamed">at obj_malloc+0x4b/0xf0 mm/zsmalloc.c:1234',
        "sh cells/unstable.anonmutate/repro.sh",
        "qemu-system-x86_64 -append &#39;a b&#39;",
        "Of the boot that decided, one of 3.",
    ):
        assert words in cell, words


def test_each_verdict_has_a_word_and_a_symbol_beside_its_colour(text: str) -> None:
    for words in (
        "✓</span> passed",
        "✓</span> crashed, as expected",
        "✗</span> FINDING: crashed",
        "?</span> INCONCLUSIVE",
    ):
        assert words in text
    kinds = dict(re.findall(r'data-kind="([\w-]+)" checked> [\w-]+ \((\d+)\)', text))
    assert kinds == {"ok": "3", "finding": "2", "inconclusive": "1", "skipped": "1"}


def test_odds_stand_beside_what_the_control_lost(text: str) -> None:
    assert '<td class="n">1,203 races</td><td class="n">0</td><td>at most 0.25 %</td><td>unstable lost 3 of 5' in text
    assert "forest plot" in text


def test_boots_that_lived_and_boots_that_died_are_curves_with_words(text: str) -> None:
    assert "3 of 3 boots crashed, half of them by 1 race<" in text
    assert "0 of 3 boots crashed in 402 races at most; at least 37 % of boots live so long" in text
    assert text.count('class="curve k0" stroke-dasharray="none"') == 2
    assert 'class="curve k1" stroke-dasharray="7 3"' in text


def test_kernels_of_failed_controls_are_the_first_rows() -> None:
    lost = samples.result(samples.PLAN.cells[2], Outcome.PASS, Verdict.FINDING, reason="not reproduced")
    view = make_view(samples.PLAN, (samples.results()[0], lost, samples.results()[4]), name="x")
    assert page_of(view).rows == ("unstable", "stock", "saved-clen")


def test_cells_whose_ids_read_alike_have_links_of_their_own() -> None:
    cells = tuple(samples.cell(kernel, "t") for kernel in ("a b", "a/b", "a-b", "ÄÖ"))
    view = make_view(replace(samples.PLAN, cells=cells), [samples.result(cell) for cell in cells], name="x")
    anchors = [one.anchor for one in page_of(view).cells]
    assert len(set(anchors)) == 4
    assert all(re.fullmatch(r"cell-[a-z0-9-]+", anchor) for anchor in anchors)


@pytest.mark.parametrize("results", [(), samples.results()[:1], samples.results()])
def test_a_run_without_anything_on_disk_is_a_page_too(results: tuple[object, ...]) -> None:
    made = html.render(make_view(samples.PLAN, results, name="x"))  # type: ignore[arg-type]
    assert made.rstrip().endswith("</html>")


@given(st.lists(st.text(max_size=400), min_size=1, max_size=20), st.integers(0, 4000))
def test_texts_are_cut_to_their_share(texts: list[str], total: int) -> None:
    room = max(total, 120 * len(texts))  # the note itself needs some
    cut = fitted(texts, room)
    assert sum(map(escaped_bytes, cut)) <= room + 80 * len(texts)
    limit = fair_limit([escaped_bytes(one) for one in texts], room)
    for before, after in zip(texts, cut, strict=True):
        assert (before == after) is (escaped_bytes(before) <= limit) or "not shown here" in before


def test_a_cut_text_keeps_its_beginning_and_its_end_and_says_what_is_missing() -> None:
    lines = [f"line {n:04d}" for n in range(1000)]
    kept = shortened("\n".join(lines), 1080).split("\n")
    assert (kept[0], kept[-1]) == ("line 0000", "line 0999")
    [note] = [line for line in kept if line.startswith("[")]
    missing = int(re.sub(r"\D", "", note))
    assert missing == 10 * (1000 - (len(kept) - 1))


def test_short_texts_leave_their_room_to_the_long_ones() -> None:
    assert fair_limit([10, 10, 1000], 620) == 600
    assert fair_limit([10, 10], 1000) >= 10
    assert fair_limit([], 5) == 5


def test_a_rate_of_none_reaches_to_the_edge_and_rates_keep_their_order() -> None:
    made = charts.forest(
        [
            charts.Interval(name="a", low=0.0, high=0.0025, value=None, text=""),
            charts.Interval(name="b", low=0.05, high=1.0, value=0.5, text=""),
        ]
    )
    assert made is not None
    first, second = made.rows
    assert first.open_left
    assert not second.open_left
    assert first.low < first.high < second.low < (second.middle or 0) < second.high
    assert [words for _, words in made.ticks] == ["0.1 %", "1 %", "10 %", "100 %"]


def test_curves_have_labels_that_do_not_cover_each_other() -> None:
    alive = kaplan_meier([Life(units=1000, died=False)] * 3)
    drawn = charts.curves([(f"k{n}", alive) for n in range(5)]).curves
    heights = sorted(curve.label_y for curve in drawn)
    assert all(high - low >= 12 for low, high in pairwise(heights))
    assert len({curve.dash for curve in drawn}) == 5
