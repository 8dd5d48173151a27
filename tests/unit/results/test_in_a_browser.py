"""report.html from a file, in a browser: no complaint; filters, keys, links and search work; paper and phone."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import report_pages as pages
import requires

from kzram_ci.results.reports import html

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_MS = 180_000.0  # of a host that does much else; nothing is fast or slow by it


class Opened:
    """A page, and what the browser complained of."""

    def __init__(self, page: Any) -> None:
        self.page = page
        page.set_default_timeout(PATIENCE_MS)
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", self._asked)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith("file:"):
            self.complaints.append(f"asked for {request.url}")

    def text(self, query: str) -> str:
        return str(self.page.locator(query).first.inner_text())

    def says(self, query: str, text: str) -> None:
        """Its text, as soon as the page's handlers have written it."""
        from playwright.sync_api import expect

        expect(self.page.locator(query).first).to_have_text(text, timeout=PATIENCE_MS)

    def shown(self, query: str) -> int:
        return int(self.page.locator(f"{query}:visible").count())


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = next((found for name in NAMES if (found := shutil.which(name))), "")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        requires.lacking("browser", "no playwright")
    if not program:
        requires.lacking("browser", f"none of {', '.join(NAMES)} in PATH")
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=["--no-sandbox"], timeout=PATIENCE_MS)
        yield opened
        opened.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Opened]:
    place = tmp_path / "report.html"
    place.write_text(html.render(pages.view()))
    page = Opened(browser.new_page(viewport={"width": 1200, "height": 900}))
    page.page.goto(place.as_uri())
    yield page
    assert page.complaints == []
    assert page.page.evaluate("window.hurt") is None
    page.page.close()


def test_filters_show_what_they_say_and_the_matrix_with_them(opened: Opened) -> None:
    opened.says("#filter-count", "7 of 7 cells")
    opened.page.fill("#filter-text", "saved directmutate")
    opened.says("#filter-count", "1 of 7 cells")
    assert opened.shown("details.cell") == 1
    assert opened.page.locator("td.out").count() == 6
    opened.page.click("#filters button")
    opened.page.uncheck("input[data-kind=ok]")
    opened.says("#filter-count", "4 of 7 cells")
    opened.page.check("#filter-changed")
    opened.says("#filter-count", "1 of 7 cells")
    opened.page.fill("#filter-text", "no such cell")
    assert opened.shown("#filter-none") == 1


def test_a_link_opens_what_it_leads_to_even_when_that_is_filtered_out(opened: Opened) -> None:
    opened.page.fill("#filter-text", "saved")
    opened.page.click('td[data-cell="cell-unstable-anonmutate"] a')
    opened.page.wait_for_selector("#cell-unstable-anonmutate[open]")
    opened.page.click('#cell-unstable-anonmutate a[href$="-oops-2"]')
    opened.page.wait_for_selector("#cell-unstable-anonmutate .console[open]")
    assert opened.shown("#cell-unstable-anonmutate .console pre") == 1
    seen = opened.page.locator("#cell-unstable-anonmutate-oops-2")
    seen.wait_for(state="attached")
    opened.page.wait_for_url("**oops-2")


def test_the_search_finds_lines_of_the_console_and_each_line_has_a_link(opened: Opened) -> None:
    opened.page.goto(f"{opened.page.url}#cell-unstable-anonmutate-L3")
    opened.page.wait_for_selector("#cell-unstable-anonmutate-L3")
    assert opened.text("#cell-unstable-anonmutate-L3").startswith("[    1.000001] line 1 of a guest")
    find = opened.page.locator("#cell-unstable-anonmutate .find input")
    find.fill("LINE 19")
    opened.says("#cell-unstable-anonmutate output", "line 21, 1 of 11")
    find.press("Enter")
    opened.says("#cell-unstable-anonmutate output", "line 192, 2 of 11")
    find.press("Shift+Enter")
    opened.says("#cell-unstable-anonmutate output", "line 21, 1 of 11")
    find.fill("no such words")
    opened.says("#cell-unstable-anonmutate output", "not found")
    kept = opened.page.locator("#cell-unstable-anonmutate .console pre").evaluate("one => one.textContent")
    assert kept.count("\n") == pages.CONSOLE.count("\n")


def test_keys_walk_over_the_cells(opened: Opened) -> None:
    opened.page.keyboard.press("/")
    opened.page.keyboard.type("stock")
    opened.says("#filter-count", "2 of 7 cells")
    opened.page.keyboard.press("Escape")
    opened.says("#filter-count", "7 of 7 cells")
    opened.page.keyboard.press("j")
    opened.page.keyboard.press("j")
    assert opened.page.locator("details.here").get_attribute("id") == "cell-stock-pressure"
    opened.page.keyboard.press("k")
    assert opened.page.locator("details.here").get_attribute("id") == "cell-stock-anonmutate"
    before = opened.page.locator("details.here").evaluate("one => one.open")
    opened.page.keyboard.press("o")
    assert opened.page.locator("details.here").evaluate("one => one.open") is not before


@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_a_phone_scrolls_down_only_and_text_is_readable_in_both_lights(
    opened: Opened, width: int, colours: Any
) -> None:
    opened.page.emulate_media(color_scheme=colours)
    opened.page.set_viewport_size({"width": width, "height": 800})
    opened.page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert contrast(opened.page.evaluate(COLOURS.replace("QUERY", "small"))) >= 4.5
    for kind in ("ok", "finding", "inconclusive"):
        assert contrast(opened.page.evaluate(COLOURS.replace("QUERY", f".{kind} a.w"))) >= 4.5, kind


COLOURS = """[getComputedStyle(document.querySelector('QUERY')).color,
getComputedStyle(document.body).backgroundColor].map((text) => text.match(/\\d+/g).slice(0, 3).map(Number))"""


def contrast(colours: list[list[int]]) -> float:
    """As WCAG 2 defines it."""

    def light(colour: list[int]) -> float:
        linear = [c / 12.92 if (c := one / 255) <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for one in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one) for one in colours), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_paper_has_the_cells_open_and_no_filter(opened: Opened) -> None:
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    opened.page.emulate_media(media="print")
    assert opened.shown("details.cell figure") > 5
    assert opened.shown("#filters") == 0
    opened.page.evaluate("dispatchEvent(new Event('afterprint'))")


def test_what_opening_costs_grows_with_the_cells_and_no_faster(browser: Any, tmp_path: Path) -> None:
    """Counted, not timed: steps of scripts and nodes for each cell. bench/report_opens.py times it."""
    place = tmp_path / "report.html"
    place.write_text(html.render(pages.huge()))
    page = Opened(browser.new_page())
    devtools = page.page.context.new_cdp_session(page.page)
    devtools.send("Performance.enable")
    devtools.send("Profiler.enable")
    devtools.send("Profiler.startPreciseCoverage", {"callCount": True, "detailed": True})
    page.page.goto(place.as_uri())
    scripts = devtools.send("Profiler.takePreciseCoverage")["result"]
    blocks = [block for script in scripts for function in script["functions"] for block in function["ranges"]]
    numbers = {one["name"]: one["value"] for one in devtools.send("Performance.getMetrics")["metrics"]}
    assert page.shown("details.cell") == 200
    assert 200 <= sum(block["count"] for block in blocks) <= 5 * 200
    assert 200 <= numbers["Nodes"] <= 800 * 200
    assert page.complaints == []
    assert page.page.evaluate("window.hurt") is None
    page.page.close()


def test_without_scripts_everything_is_there(browser: Any, tmp_path: Path) -> None:
    place = tmp_path / "report.html"
    place.write_text(html.render(pages.view()))
    page = browser.new_context(java_script_enabled=False).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(place.as_uri())
    assert page.locator("details.cell:visible").count() == 7
    assert page.locator("#filters:visible").count() == 0
    page.locator("#cell-stock-anonmutate > summary").click()
    page.locator("#cell-stock-anonmutate .console > summary").click()
    assert "Kernel panic" in page.locator("#cell-stock-anonmutate .console pre").inner_text()
    page.close()
