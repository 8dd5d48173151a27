"""The pure parts of bench/: what is read from other tools' output, fits, tables and plots."""

from __future__ import annotations

import importlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

BENCH = Path(__file__).resolve().parents[3] / "bench"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A script of bench/, by its name."""
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module


@pytest.mark.parametrize(
    ("method", "output", "wanted"),
    [
        ("git bisect run", f"running sh\n{COMMIT} is the first bad commit\ncommit {COMMIT}\n", COMMIT),
        ("git bisect run", f"There are only 'skip'ped commits left to test.\n{COMMIT}\nWe cannot bisect more!\n", ""),
        (
            "git-bayesect",
            f"{'=' * 9}\nBisection converged to {COMMIT[:9]} (95.3%) after 31 observations\n",
            COMMIT[:9],
        ),
        ("git-bayesect", "Most likely commit: x (41.0%)\n", ""),
        ("kzram-ci bisect", "", ""),
        ("kzram-ci bisect", json.dumps({"commits": [{"commit": COMMIT, "roles": ["culprit", "bad"]}]}), COMMIT),
        (
            "kzram-ci bisect",
            json.dumps({"commits": [{"commit": COMMIT, "roles": ["culprit"]}, {"commit": "2", "roles": ["culprit"]}]}),
            "",
        ),
    ],
)
def test_the_culprit_that_a_method_names(script: Any, method: str, output: str, wanted: str) -> None:
    assert script("peers").named(method, output) == wanted


def test_whether_a_guest_said_its_release(script: Any) -> None:
    peers = script("peers")

    def wrong(code: int, output: str, errors: str = "") -> str:
        return str(peers.wrong(peers.Cost(wall=1, cpu=1, code=code, output=output, errors=errors)))

    assert wrong(0, "6.1.0-50-amd64\n") == ""
    assert wrong(255, "", "[ 12.2] virtme-ng-init: starting script\r\n6.12.117\r\n[ 12.4] exited with code 0\r\n") == ""
    assert wrong(255, "[    6.100000] booting\n") == "failed with 255 here: [    6.100000] booting"
    assert wrong(255, "") == "failed with 255 here, without a word"


def test_where_programs_of_peers_find_one_another(script: Any) -> None:
    found = {"a": Path("/e/bin/a"), "b": Path("/e/bin/b"), "c": "not installed", "d": Path("/f/d")}
    assert script("peers").bins(found) == "/e/bin:/f"


def test_a_command_that_does_not_end_is_ended(script: Any, tmp_path: Path) -> None:
    peers = script("peers")
    done = peers.cost(("sh", "-c", "echo a; echo b >&2; exec sleep 60"), at=tmp_path, limit=0.3)
    assert done.code == -15
    assert (done.output, done.errors) == ("a\n", "b\n")


def test_tables(script: Any) -> None:
    peers = script("peers")
    assert peers.head("a", "b") == "\n| a | b |\n|---|---|"
    assert peers.row("x", 3) == "| x | 3 |"
    assert peers.spread([2.0]) == "2.00"
    assert peers.spread([3.0, 1.0, 2.5]) == "2.50 (1.00 to 3.00)"


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_the_exponent_of_a_power_law(script: Any, power: float) -> None:
    exponent = script("growth").exponent
    assert exponent([(size, 0.01 * size**power) for size in (10, 100, 1_000)]) == pytest.approx(power)


def test_what_every_size_costs_does_not_hide_the_growth(script: Any) -> None:
    """Small sizes cost mostly what all do; only the larger ones are looked at."""
    points = [(size, 0.2 + 1e-6 * size**2) for size in (1, 10, 1_000, 10_000, 100_000)]
    assert script("growth").exponent(points) == pytest.approx(2.0, abs=0.1)


def test_a_plot_is_a_picture_of_its_points(script: Any) -> None:
    plot = script("plot")
    curves = {"a <b>": [(1, 0.01), (10, 0.1), (1000, 10.0)], "flat": [(1, 0.0), (1000, 0.5)]}
    picture = etree.fromstring(plot.plot("cost & size", "cells", curves).encode())
    names = {"s": "http://www.w3.org/2000/svg"}
    texts = picture.xpath("//s:text/text()", namespaces=names)
    assert {"a <b>", "flat", "linear", "cells", "cost & size"} <= set(texts)
    circles = picture.xpath("//s:circle", namespaces=names)
    assert len(circles) == 5
    places = [(float(one.get("cx")), float(one.get("cy"))) for one in circles]
    assert all(math.isfinite(a) and 0 <= a <= plot.WIDTH and 0 <= b <= plot.HEIGHT for a, b in places)
    slopes = [(places[1][1] - places[0][1]) / (places[1][0] - places[0][0])]
    slopes.append((places[2][1] - places[1][1]) / (places[2][0] - places[1][0]))
    assert slopes[0] == pytest.approx(slopes[1], abs=0.01)  # linear growth is a straight line


def test_intervals_of_the_comparison_of_guests(script: Any) -> None:
    snapshots = script("snapshots")
    low, high = snapshots.newcombe(5, 10, 5, 10)
    assert low == pytest.approx(-high)
    assert (low, high) == pytest.approx((-0.372, 0.372), abs=0.005)  # Newcombe 1998, method 10
    assert snapshots.variation([0.0, 0.0]) < -10
    assert snapshots.variation([math.log(1), math.log(3)]) == pytest.approx(math.log(0.5))
