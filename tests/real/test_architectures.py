"""Other architectures, emulated: a kernel boots, loses the race without a remedy, and passes with proof with one.

The first of an architecture's builds takes minutes: they are made only where KZRAM_REQUIRE names it, else what is built
is tested. Debian's own kernel needs no build, but the network once.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import requires
from other_arch import at_hand, needs_tools, run

from kzram_ci.base.library import Library
from kzram_ci.cli.main import main
from kzram_ci.kernel.source import debian
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.arch import ARCHS, DEFAULT, arch_of
from kzram_ci.model.source import DebianSource
from kzram_ci.plan.kernels import load_kernel
from kzram_ci.run.selection import plan_of

pytestmark = [pytest.mark.real, pytest.mark.timeout(3600)]
KERNELS = ("unstable", "saved-clen")
TEST = "anonmutate-window"


@pytest.fixture(scope="module", params=[row.name for row in ARCHS if row.name != DEFAULT])
def arch(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    needs_tools(name)
    return name


def test_a_kernel_boots_and_powers_off(arch: str, capfd: pytest.CaptureFixture[str]) -> None:
    at_hand(load_kernel(f"stock-{arch}", Library()))
    assert main(["boot", "stock", "--arch", arch, "--json", "--", "uname -m"]) == 0
    assert json.loads(capfd.readouterr().out)["output"].strip() in arch_of(arch).uname


@pytest.fixture(scope="module")
def results(arch: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The bug and a remedy, in one run."""
    specs = {cell.kernel.name: cell.kernel for cell in plan_of("overrun", (arch,)).cells}
    at_hand(*(specs[f"{name}-{arch}"] for name in KERNELS))
    words = [word for kernel in KERNELS for word in ("--kernel", kernel)]
    return run(tmp_path_factory.mktemp("runs"), "overrun", "--arch", arch, "--test", TEST, *words)


def test_the_race_is_lost_without_a_remedy(arch: str, results: dict[str, dict[str, Any]]) -> None:
    lost = results[f"unstable-{arch}/{TEST}"]
    assert lost["judgement"]["outcome"] == "oops"
    assert max(lost["evidence"]["counters"].get("overruns", 0), lost["evidence"]["overrun_lines"]) > 0


def test_a_remedy_comes_through_with_the_proof(arch: str, results: dict[str, dict[str, Any]]) -> None:
    won = results[f"saved-clen-{arch}/{TEST}"]
    counters = won["evidence"]["counters"]
    assert won["judgement"]["outcome"] == "pass"
    assert counters["overruns"] == 0
    assert min(counters["grew_class"], counters["reallocated"]) >= 1000
    assert counters["selftest_failures"] == 0


@pytest.mark.parametrize(
    ("name", "suite", "package", "words", "shown"),
    [
        ("arm64", "trixie", "linux-image-cloud-arm64", ("distro", "--kernel", "debian-6.12"), "] pc : "),
        ("i386", "bookworm", "linux-image-686-pae", ("--kernel", "debian:linux-image-686-pae@bookworm"), "] EIP: "),
    ],
)
def test_debians_own_kernel_overruns_through_o_direct(
    name: str, suite: str, package: str, words: tuple[str, ...], shown: str, tmp_path: Path
) -> None:
    """Its modules, its initramfs, and an oops that is disassembled by tools of its architecture."""
    needs_tools(name)
    image = DebianSource(package=package, suite=suite)
    if not debian.is_local(image, KernelContext().begin()) and "network" not in requires.required():
        requires.lacking("network", f"{image.words()} was not downloaded")
    (result,) = run(tmp_path, *words, "--arch", name).values()
    # zram may read what was overrun, and warn, before zsmalloc follows it
    found = enumerate(result["evidence"]["oopses"], start=1)
    number, oops = next(((number, oops) for number, oops in found if oops["type"] != "warning"), (0, None))
    assert oops is not None
    assert oops["type"] in {"null_deref", "paging_fault", "bug"}
    (crash,) = tmp_path.glob(f"*/cells/*/oops-{number}.txt")
    assert shown in crash.read_text()
    assert re.search(r"^ {2}\+0> \w+", crash.read_text(), re.MULTILINE), "the instruction that failed"
