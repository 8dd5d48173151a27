"""Sizes and durations, as every option and every plan reads them."""

import pytest

from kzram_ci.base import units


@pytest.mark.parametrize(
    ("text", "mib"), [("768M", 768), ("1G", 1024), ("1.5GiB", 1536), ("2 TB", 2 << 20), ("2048k", 2), (0, 0)]
)
def test_sizes(text: object, mib: int) -> None:
    assert units.parse_size(text) == mib


@pytest.mark.parametrize("text", ["1.5K", "12", "M", "-1M", "", None, 5, True, [1], "1,5G"])
def test_no_sizes(text: object) -> None:
    with pytest.raises(ValueError, match=r"unit|expected|whole"):
        units.parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("2m", 120), ("1.5h", 5400), ("250ms", 0.25), ("30d", 2_592_000), ("1 w", 604_800), (0, 0)],
)
def test_durations(text: object, seconds: float) -> None:
    assert units.parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "count"), [("20G", 20 << 30), ("512 MiB", 512 << 20), ("1.5K", 1536), ("9B", 9), ("0", 0)]
)
def test_bytes(text: str, count: int) -> None:
    assert units.parse_bytes(text) == count


@pytest.mark.parametrize("text", ["60", "s", 60, None, True, "1 y", "one minute"])
def test_no_durations(text: object) -> None:
    with pytest.raises(ValueError, match=r"unit|expected"):
        units.parse_duration(text)


def test_said_durations() -> None:
    assert [units.say_duration(s) for s in (3.2, 65, 3700)] == ["3 s", "1 min 05 s", "1 h 01 min"]


def test_said_sizes() -> None:
    assert [units.say_size(count) for count in (12, 2048, 1.7 * (1 << 30), 3 << 40)] == [
        "12 B",
        "2.0 KB",
        "1.7 GB",
        "3.0 TB",
    ]
