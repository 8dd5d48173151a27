"""The site: every page has its place, builds without a warning, and needs nothing from elsewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from shown import ROOT

PAGES = {str(path.relative_to(ROOT).with_suffix("")) for path in (ROOT / "docs").rglob("*.md")}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site")
    words = ("-q", "-W", "--keep-going", "-n", "-d", str(place / "trees"), "-c", "docs", ".", str(place / "html"))
    argv = (sys.executable, "-m", "sphinx", *words)
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return place / "html"


def test_every_page_has_one_place_in_the_navigation() -> None:
    toc = yaml.safe_load((ROOT / "docs" / "_toc.yml").read_text())
    listed = [toc["root"], *(entry["file"] for part in toc["subtrees"] for entry in part["entries"])]
    assert len(listed) == len(set(listed))
    assert set(listed) == PAGES | {"README", "SECURITY", "CONTRIBUTING", "CHANGELOG"}


def test_the_site_is_whole(site: Path) -> None:
    for page in PAGES:
        assert (site / f"{page}.html").is_file()


def test_it_needs_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|img|iframe)[^>]*\ssrc="([^"]+)"|<link[^>]*stylesheet[^>]*href="([^"]+)"', page.read_text()
        )
        assert not [one for pair in loaded for one in pair if re.match(r"(https?:)?//", one)], page
