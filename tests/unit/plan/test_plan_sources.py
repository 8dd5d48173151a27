from pathlib import Path

import pytest

from kzram_ci.base.grammar.problems import GrammarErrors
from kzram_ci.base.library import Library
from kzram_ci.model.source import DebianSource, ImageSource, Source
from kzram_ci.plan.load import parse_plan

PLAN = """\
name: p
kernels:
  - name: k
    source: {%s}
tests:
  t: {workload: pressure}
"""
HERE = Path("/plans")


def source(fields: str) -> Source:
    plan = parse_plan(PLAN % fields, HERE / "p.yaml", Library())
    return plan.cells[0].kernel.source


def test_an_image_with_what_belongs_to_it() -> None:
    assert source("kind: image, path: bzImage, modules: m, config: /c, debug: ../vmlinux") == ImageSource(
        path="/plans/bzImage", modules="/plans/m", config="/c", debug="/vmlinux"
    )


def test_a_mirror_of_the_plan() -> None:
    found = source("kind: debian, package: linux-source-6.1, suite: sid, mirror: 'http://mirror.example.org/debian'")
    assert found == DebianSource(package="linux-source-6.1", suite="sid", mirror="http://mirror.example.org/debian")


def test_a_place_here_and_a_place_elsewhere() -> None:
    with pytest.raises(GrammarErrors, match="a git source has a url or a path, not both"):
        source("kind: git, path: linux, url: 'http://git.example.org/linux', ref: v6.13")


def test_a_package_that_is_ready() -> None:
    ref = source("kind: debian, package: linux-image-cloud-amd64, suite: trixie")
    assert ref.ready
    assert not source("kind: debian, package: linux-source-6.1").ready
    assert ref.words() == "debian:linux-image-cloud-amd64@trixie"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ("kind: git, path: x", "a git source needs ref"),
        ("kind: tarball, path: x", "a tarball source needs sha256"),
        ("kind: directory, path: x, modules: y", "modules does not apply to a directory source"),
    ],
)
def test_fields_that_do_not_fit(fields: str, told: str) -> None:
    with pytest.raises(GrammarErrors, match=told):
        source(fields)
