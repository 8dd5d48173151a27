"""The formulas of zsmalloc's classes against lists of booted kernels (testplans/pages.yaml, the cells `classes`)."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
import zsmalloc_classes as formulas

ROOT = Path(__file__).parents[2]
LISTS = sorted((ROOT / "tests" / "data" / "zsmalloc").glob("classes-*"))


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.name)
def test_the_formulas_give_what_a_kernel_lists(path: Path) -> None:
    page = int(path.name.partition("-")[2])
    found = formulas.listed(path.read_text(), page)
    assert found == formulas.classes(page)
    assert formulas.huge(found) == formulas.huge(formulas.classes(page))


def test_the_table_of_the_documentation() -> None:
    text = (ROOT / "docs" / "architectures.md").read_text()
    for page in formulas.PAGES:
        found = formulas.classes(page)
        for number in (len(found), found[1].size, formulas.huge(found)):
            assert f"{number:,}" in text
