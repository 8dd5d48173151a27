"""The commands that only read plans: output for people, for programs, and exit codes."""

import argparse
import json
import re
from pathlib import Path

import pytest

from kzram_ci.base.errors import UserError
from kzram_ci.cli import build as build_command
from kzram_ci.cli import plan as plan_command
from kzram_ci.cli import schema as schema_command
from kzram_ci.cli import validate as validate_command
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.plan import cost
from kzram_ci.run import preview


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "kernels/linux").mkdir(parents=True)
    (tmp_path / "kernels/linux/Kbuild").write_text("")
    (tmp_path / "kernels/linux/Makefile").write_text("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\n")
    (tmp_path / "kernels" / "stock.yaml").write_text("source: {kind: directory, path: linux}\n")
    (tmp_path / "kernels" / "odd.yaml").write_text("base: stock\nadd_series: [overrun-detector]\n")
    (tmp_path / "p.yaml").write_text(
        """
name: p
description: what it shows
kernels: [stock, odd]
tests:
  a: {workload: anonmutate, stop: {grew: 5}, duration: 30s, repeats: 2, expect: {floors: {grew: 5}}}
  b: {workload: pressure, control: true}
expect: [{kernel: odd, test: b, skip: no need}]
"""
    )
    (tmp_path / "bad.yaml").write_text("name: p\nkernels: [stok]\ntests: {a: {workload: pressure}}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def parse(module: object, *words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kzram-ci")
    module.add_parser(parser.add_subparsers())  # type: ignore[attr-defined]
    return parser.parse_args(words)


def half_cached(spec: KernelSpec, context: object) -> tuple[str, bool]:
    return f"{spec.name}-key-0123456789", spec.name == "stock"


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "plan_build", half_cached)
    monkeypatch.setattr(preview, "facts_at_hand", lambda spec, context: None)
    monkeypatch.setattr(preview, "prospect", lambda spec, context, fetch: None)


@pytest.mark.usefixtures("cache")
def test_the_plan_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert plan_command.main(parse(plan_command, "plan", "p.yaml")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "p: what it shows"
    assert [line.split("  ")[0] for line in lines[3:7]] == ["stock/a", "stock/b *", "odd/a", "odd/b *"]
    assert "pass, grew >= 5" in lines[3]
    assert lines[3].endswith("grew 5, or 30 s, 2 times")
    assert "skip: no need" in lines[6]
    assert lines[9].split() == ["stock", "stock-key-012345", "cached"]
    assert lines[10].endswith("to build, about 20 s")
    assert lines[-1] == "3 cells, at most 3 min 20 s one after another; builds 20 s"


@pytest.mark.usefixtures("cache")
def test_the_plan_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("plan", "p.yaml", "--json", "--kernel", "st*", "--test", "a")
    assert plan_command.main(parse(plan_command, *words)) == 0
    data = json.loads(capsys.readouterr().out)
    [cell] = data["cells"]
    assert (cell["id"], cell["at_most_seconds"], cell["expect"]["floors"]) == ("stock/a", 68.0, [["grew", 5]])
    assert data["kernels"] == [{"kernel": "stock", "key": "stock-key-0123456789", "cached": True, "seconds": 0.0}]


def test_the_first_kernel_of_a_kind_costs_a_clean_build() -> None:
    args = parse(plan_command, "plan", "p.yaml")
    assert args.func is plan_command.main
    from kzram_ci.base.library import Library
    from kzram_ci.plan.load import load_plan

    plan = load_plan(Path("p.yaml"), Library())
    costs = cost.build_costs(plan, cost.unknown)
    assert [(c.kernel, c.seconds, c.key) for c in costs] == [("stock", 240.0, ""), ("odd", 20.0, "")]


def test_an_unknown_selection_is_the_users_error() -> None:
    with pytest.raises(UserError, match=r"no kernel of p matches 'stok'; it has stock, odd; did you mean stock\?"):
        plan_command.main(parse(plan_command, "plan", "p.yaml", "--kernel", "stok"))
    with pytest.raises(UserError, match=r"no plan 'q'; known: "):
        plan_command.main(parse(plan_command, "plan", "q.yaml"))


def test_validate_goes_on_after_a_bad_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert validate_command.main(parse(validate_command, "validate", "bad.yaml", "p.yaml", "gone.yaml")) == 2
    out, err = capsys.readouterr()
    assert out == "p.yaml: good, 4 cells on 2 kernels\n"
    assert err.splitlines()[0].startswith("bad.yaml:2:11: kernels[0]: unknown kernel 'stok'")
    assert "no plan 'gone'; known: " in err
    assert validate_command.main(parse(validate_command, "validate", "p.yaml")) == 0


def test_schema_to_a_file_and_to_the_terminal(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert schema_command.main(parse(schema_command, "schema", "--output", "s.json")) == 0
    assert capsys.readouterr().out == ""
    assert schema_command.main(parse(schema_command, "schema")) == 0
    assert json.loads((home / "s.json").read_text()) == json.loads(capsys.readouterr().out)
    assert schema_command.main(parse(schema_command, "schema", "--kernel")) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "kzram-ci kernel"
    for kind in schema_command.MODELS:
        assert schema_command.main(parse(schema_command, "schema", kind)) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["title"], found["$id"]) == (f"kzram-ci {kind}", f"urn:kzram-ci:schema:{kind}:1")


@pytest.mark.parametrize("module", [plan_command, schema_command, validate_command])
def test_help_has_an_example(module: object, capsys: pytest.CaptureFixture[str]) -> None:
    name = module.__name__.rsplit(".", 1)[1]  # type: ignore[attr-defined]
    with pytest.raises(SystemExit) as caught:
        parse(module, name, "--help")
    assert caught.value.code == 0
    assert f"example: kzram-ci {name}" in capsys.readouterr().out


def test_plan_starts_nothing_that_a_plan_names(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The key goes by the compiler's version; a compiler of the plan's own is not asked for it here."""
    marks = [home / "by-path", home / "by-shell", home / "by-prefix-gcc-ran"]
    for name, mark in (("my-cc", marks[0]), ("x-gcc", marks[2])):
        (home / name).write_text(f"#!/bin/sh\ntouch {mark}\n")
        (home / name).chmod(0o755)
    for make in (
        f"{{CC: {home}/my-cc}}",
        f"{{CC: 'sh -c \"touch {marks[1]}\"'}}",
        f"{{CROSS_COMPILE: {home}/x-}}",
        "{CC: 'gcc -wrapper touch,by-shell'}",
        f"{{HOSTCC: {home}/my-cc, LD: {home}/my-cc, LLVM: {home}/}}",
    ):
        kernel = f"{{name: a, base: stock, make: {make}}}"
        (home / "q.yaml").write_text(f"name: q\nkernels: [{kernel}]\ntests: {{a: {{workload: anonmutate}}}}\n")
        assert plan_command.main(parse(plan_command, "plan", "q.yaml")) == 0
        assert validate_command.main(parse(validate_command, "validate", "q.yaml")) == 0
        assert re.search(r"^a +unknown +to build", capsys.readouterr().out, re.MULTILINE)
    assert not [mark for mark in marks if mark.exists()]


def test_plan_says_that_a_source_is_not_there(home: Path) -> None:
    with pytest.raises(UserError, match=f"{home} is not a kernel source tree"):
        plan_command.main(parse(plan_command, "plan", "p.yaml", "--kernel", f"directory:{home}"))


READY = """
name: p
kernels: [{name: ready, source: {kind: %s}}]
tests: {a: {workload: directmutate, zram: {swap: false}}}
"""


def test_a_ready_kernel_that_is_not_here_is_not_built(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KZRAM_CACHE", str(home / "cache"))
    (home / "ready.yaml").write_text(READY % "debian, package: linux-image-none-amd64")
    assert plan_command.main(parse(plan_command, "plan", "ready.yaml")) == 0
    told = capsys.readouterr().out
    assert "to fetch, nothing to build" in told
    assert told.endswith("builds 0 s\n")


def test_plan_says_that_an_image_is_not_there(home: Path) -> None:
    (home / "ready.yaml").write_text(READY % "image, path: nope")
    with pytest.raises(UserError, match="nope is not a file"):
        plan_command.main(parse(plan_command, "plan", "ready.yaml"))


def test_the_help_of_build_names_the_kernels_there_are(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = "  my-line: {source: {kind: directory, path: linux}}\n"
    (home / "kernels/lines.yaml").write_text(f"lines:\n{row}")
    with pytest.raises(SystemExit):
        parse(build_command, "build", "--help")
    text = " ".join(capsys.readouterr().out.split())
    assert "variants stock, unstable, " in text
    assert "6.12 (needs no suffix)" in text
    assert "my-line" in text
    (home / "kernels/lines.yaml").write_text("lines: [")
    with pytest.raises(SystemExit):
        parse(build_command, "build", "--help")
    assert "lines.yaml:1:9: not YAML" in capsys.readouterr().out
