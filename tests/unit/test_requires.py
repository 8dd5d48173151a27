"""A skip is silent; KZRAM_REQUIRE makes it heard. Every skip goes through one helper."""

import re
from pathlib import Path

import pytest
import requires

TESTS = Path(__file__).resolve().parents[1]
SKIPS = re.compile(r"pytest\.(?:skip|importorskip|xfail)\(|mark\.(?:skip|skipif|xfail)|SkipTest")


def test_what_is_missing_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KZRAM_REQUIRE", "network")
    with pytest.raises(pytest.skip.Exception, match="kvm: no /dev/kvm"):
        requires.lacking("kvm", "no /dev/kvm")


@pytest.mark.parametrize("value", ["kvm", "real, kvm", "all"])
def test_what_is_required_and_missing_fails(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("KZRAM_REQUIRE", value)
    with pytest.raises(pytest.fail.Exception, match=r"no /dev/kvm \(KZRAM_REQUIRE wants kvm: an acc"):
        requires.lacking("kvm", "no /dev/kvm")


def test_a_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert requires.tool("sh").endswith("/sh")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("KZRAM_REQUIRE", "tools")
    with pytest.raises(pytest.fail.Exception, match="no sh in PATH"):
        requires.tool("sh")


def test_an_unknown_word_is_not_passed_over() -> None:
    with pytest.raises(pytest.UsageError, match="'kmv' is not one of tools"):
        requires.required("real,kmv")


def test_no_test_skips_on_its_own() -> None:
    own = {TESTS / "support" / "requires.py", Path(__file__).resolve()}
    found = [path for path in TESTS.rglob("*.py") if path not in own and SKIPS.search(path.read_text())]
    assert not found
