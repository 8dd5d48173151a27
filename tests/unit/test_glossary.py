"""docs/glossary.md: each term once, and the words that are not used are not used."""

import re
from pathlib import Path

import pytest

from kzram_ci.model.outcome import Outcome, Verdict

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "glossary.md").read_text()
USED, UNUSED = PAGE.split("## Words that are not used")
TERMS = [term for row in re.findall(r"^\| ([^|]+) \|", USED, re.MULTILINE) for term in row.split(", ")]
WORDS = """
line variant series fragment kernel source tree slot key cell test plan workload boot attempt repeat console finding
outcome verdict proof floor stop opportunity recompression grew overrun amplifier control oops signature
"""
NEEDED = WORDS.split()
TEXTS = [
    *(ROOT / "docs").glob("*.md"), ROOT / "README.md", *(ROOT / "kzram_ci").rglob("*.py"),
    *ROOT.glob("testplans/*.yaml"),
]  # fmt: skip
SUBJECTS = {
    line.removeprefix("Subject: ").removeprefix("[PATCH] ")
    for patch in ROOT.glob("kernels/patches/*/*/*.patch")
    for line in patch.read_text().replace("\n ", " ").splitlines()  # a long header is folded
    if line.startswith("Subject: ")
}
NEVER = ("splat", "second compression")  # whole words, anywhere; the others have other meanings as well


@pytest.mark.parametrize("term", NEEDED)
def test_the_glossary_has_the_term(term: str) -> None:
    assert term in TERMS


def test_every_term_is_there_once() -> None:
    sections = USED.split("\n## ")
    for section in sections:
        terms = re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)
        assert len(set(terms)) == len(terms), section.splitlines()[0]


def test_outcomes_and_verdicts_are_named_as_in_the_model() -> None:
    rows = dict(re.findall(r"^\| (outcome|verdict) \| (.+) \|$", USED, re.MULTILINE))
    assert set(re.findall(r"`([a-z-]+)`", rows["verdict"])) == set(Verdict)
    assert set(re.findall(r"`([a-z-]+)`", rows["outcome"])) <= set(Outcome)


@pytest.mark.parametrize("word", NEVER)
def test_words_that_are_not_used(word: str) -> None:
    assert word in UNUSED
    pattern = re.compile(rf"\b{word}s?\b", re.IGNORECASE)
    found = [str(path) for path in TEXTS if path.name != "glossary.md" and pattern.search(own_words(path))]
    assert not found


def own_words(path: Path) -> str:
    """A text without the subjects of patches: kernel developers write those, and what is printed quotes them."""
    text = path.read_text()
    for subject in SUBJECTS:
        text = text.replace(subject, "")
    return text


def test_the_glossary_is_linked() -> None:
    assert "docs/glossary.md" in (ROOT / "README.md").read_text()
