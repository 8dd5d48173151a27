import pytest

from kzram_ci.model import version as versions


@pytest.mark.parametrize(
    ("constraints", "version", "fits"),
    [
        ((">=6.12", "<6.13"), "6.12.117-1~deb12u1", True),
        ((">=6.12", "<6.13"), "6.12", True),
        ((">=6.12", "<6.13"), "6.13", False),
        ((">=6.12", "<6.13"), "6.1.170", False),
        (("6.12",), "6.12.3", True),
        (("6.12",), "6.1", False),
        ((">6.12",), "6.12.1", False),
        ((">6.12",), "6.13.1", True),
        (("<=6.12",), "6.12.99", True),
        (("==6.12.5",), "6.12.50", False),
        (("six",), "6", False),
        ((), "4.9", True),
    ],
)
def test_constraints(constraints: tuple[str, ...], version: str, fits: bool) -> None:
    assert versions.applies_to(constraints, version) is fits


@pytest.mark.parametrize(
    ("text", "holds"), [(">=6.12", True), (" < 6.1", True), ("6", True), ("=>6", False), ("six", False), ("", False)]
)
def test_what_a_constraint_is(text: str, holds: bool) -> None:
    assert versions.is_constraint(text) is holds


def test_numbers() -> None:
    assert versions.numbers("6.12.117-1~deb12u1") == (6, 12, 117)
    assert versions.numbers("next-20261101") == ()


def test_distance_counts_releases_over_a_new_major_number() -> None:
    assert versions.distance((">=6.1", "<6.2"), "6.6") == 4
    assert versions.distance((">=5.19",), "6.0") == 1
    assert versions.distance((), "6.0") > versions.distance((">=4.9",), "6.0")


def test_kernel_version_of_a_makefile() -> None:
    text = "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\nEXTRAVERSION =\n"
    assert versions.kernel_version(text) == "6.12.117"
    assert versions.kernel_version("all:\n") == ""
