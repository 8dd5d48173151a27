"""A script of the user's in place of a plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kzram_ci.base.errors import UserError
from kzram_ci.trial.session import request
from kzram_ci.trial.session.own_test import chosen_tests
from kzram_ci.trial.session.request import TryRequest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "re pro.sh").write_text("#!/bin/sh\necho ok\n")
    (tmp_path / "re pro.sh").chmod(0o755)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/x.bin").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_names_are_tests_of_the_plan() -> None:
    found = chosen_tests("overrun", ("anon*",), (), "")
    assert (found.name, found.names, found.text) == ("overrun", ("anon*",), "")
    assert found.plan().name == "overrun"


def test_a_script_is_a_plan_of_one_test_on_both_kernels(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "repro.sh").write_text("#!/bin/sh\nexit 0\n")
    (folder / "repro.sh").chmod(0o755)
    monkeypatch.chdir(folder.parent)
    found = chosen_tests("overrun", (f"{folder}/repro.sh",), (f"{folder}/data/x.bin",), "")
    plan = found.plan()
    (cell,) = plan.cells
    own = cell.workload.own
    assert own is not None and own.run == ("./repro.sh",) and own.files == ("data/x.bin",)
    assert {sent.path for sent in own.sent} == {"/test/repro.sh", "/test/data/x.bin"}
    spec = cell.kernel
    again = found.with_kernels(lambda known: {**known, "before": replace(spec, name="before")})
    assert {one.kernel.name: one.workload.own for one in again.cells} == {"before": own, spec.name: own}


def test_a_series_has_the_tests_of_a_plan_for_another_architecture() -> None:
    """`pages` chooses kernels by what it leaves out, so one that it does not name has its tests."""
    chosen = chosen_tests("pages", ("anonmutate-window",), (), "")
    plan = chosen.plan()
    spec = next(cell.kernel for cell in plan.cells if cell.kernel.name == "unstable-64k")
    (test,) = request.tests_of(plan, chosen, TryRequest(series=("x.patch",), plan=chosen.name), spec)
    assert (test.cell.machine.arch, test.cell.kernel.name, test.cell.expect.outcome) == (
        "arm64",
        "unstable-64k",
        "pass",
    )
    assert test.described is not None


def test_a_plan_whose_tests_name_their_kernels_has_none_for_a_series(folder: Path) -> None:
    path = folder / "named.yaml"
    test = "{workload: anonmutate, duration: 10s, kernels: [stock]}"
    path.write_text(f"name: named\nkernels: [stock]\ntests: {{t: {test}}}\n")
    chosen = chosen_tests(str(path), (), (), "")
    plan = chosen.plan()
    with pytest.raises(UserError, match="no test of named runs on a kernel that the plan does not name"):
        request.tests_of(plan, chosen, TryRequest(series=("x.patch",), plan=chosen.name), plan.cells[0].kernel)


def test_what_is_refused(folder: Path) -> None:
    other = folder / "data" / "other.sh"
    other.write_text("")
    for tests, files, why in (
        (("anon*",), ("data/x.bin",), "--files belongs to a script"),
        (("./re pro.sh", "anon*"), (), "other tests are of a plan"),
        (("./re pro.sh", str(other)), (), "several folders"),
        (("data/other.sh",), ("re pro.sh",), "is not below"),
    ):
        with pytest.raises(UserError, match=why):
            chosen_tests("overrun", tests, files, "")
    (folder / "repro.c").write_text("int main(void) { return 0; }\n")
    with pytest.raises(UserError, match=r"repro\.c is source: the guest has no compiler") as caught:
        chosen_tests("overrun", ("./repro.c",), (), "")
    assert caught.value.hint == "gcc -O2 -static -pthread -o repro ./repro.c, then --test ./repro"
    with pytest.raises(UserError, match="no-such"):
        chosen_tests("overrun", ("./no-such.sh",), (), "").plan()
