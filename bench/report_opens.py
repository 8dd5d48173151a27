"""How long a report of 200 cells takes to open: python bench/report_opens.py [--cells N] [--rounds N]

Until the document is there and its scripts have run, in headless Chromium. Needs chromium in PATH, and playwright.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import report_pages as pages  # noqa: E402

from kzram_ci.results.reports import html  # noqa: E402

LOADED = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"


def main() -> int:
    """One line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("no chromium in PATH")
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as driver:
        place = Path(directory) / "report.html"
        place.write_text(html.render(pages.huge(args.cells)))
        opened = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"], timeout=180_000)
        page = opened.new_page()
        took = []
        for _ in range(args.rounds):
            page.goto(place.as_uri(), timeout=180_000)
            took.append(float(page.evaluate(LOADED)))
        opened.close()
        size = place.stat().st_size / (1 << 20)
    median, best = statistics.median(took), min(took)
    load = os.getloadavg()[0]
    print(f"{args.cells} cells, {size:.1f} MiB: median {median:.0f} ms, best {best:.0f} ms, load {load:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
