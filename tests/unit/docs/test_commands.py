"""Every command that is shown: the parser takes it, what it names is there, and what only looks is run."""

import argparse
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import git_tree
import pytest
import report_samples as samples
import shown
import tutorial
import zram_like
from shown import ROOT, Shown

from kzram_ci.base.library import Library
from kzram_ci.cli import main
from kzram_ci.model.layout import CellFile
from kzram_ci.plan.load import load_plan
from kzram_ci.plan.select import select
from kzram_ci.results import rundir

ALL = shown.shown()
# Commands that only look; of others what is shown with an option that makes them look
LOOKING = ("validate", "plan", "schema", "oops", "ktap", "report", "history", "compare", "cache", "mechanism", "repro")
SOURCE = r"(git|directory|debian|tarball|image):"
MAKEFILE = "VERSION = 6\nPATCHLEVEL = 13\nSUBLEVEL = 0\nEXTRAVERSION =\n"
# What stands for the reader's own plan
THEIRS = re.compile(r"(\S*/)?(my[\w-]*|mine|repro|evidence)\.yaml|PLAN|\$+\w+")
# It serves, it waits for another command, it needs a server, a history, symbols, or the source of a distribution
NOT_RUN = re.compile(
    r"serve|-|last-good|postgresql://\S+|~/\.cache/\S+|20260101\S+|(\S*/)?vmlinux|KERNEL|FILE|[\w-]+-\d\.\d+"
)
SAID = {"COMMAND": "run", "X": "RUNDIR", "LOG...": "LOG", "CELL": "stock/anonmutate"}


def unique(commands: list[Shown]) -> list[Shown]:
    """One of each, with the first place that shows it."""
    return list({command.words: command for command in reversed(commands)}.values())


@pytest.fixture(autouse=True)
def _whole_words_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """argparse takes the beginning of an option for the option, which hides that it was renamed."""
    monkeypatch.setattr(argparse.ArgumentParser, "_get_option_tuples", lambda self, word: [])


def test_they_are_found() -> None:
    assert len(ALL) > 200
    assert {command.command for command in ALL} == {*main.COMMANDS, ""}
    pages = {command.where.partition(":")[0] for command in ALL}
    assert {"README.md", "docs/boot.md", "docs/runs.md"} <= pages


def test_a_line_of_shell_is_read_as_a_shell_reads_it() -> None:
    def words(line: str) -> list[tuple[str, ...]]:
        return [command.words for command in shown.commands(line, "")]

    assert words("$ kzram-ci plan a --json | jq . >out   # what") == [("plan", "a", "--json")]
    assert words("b4 am -o- ID | kzram-ci try -") == [("try", "-")]
    assert words("KZRAM_CCACHE=0 kzram-ci build stock && kzram-ci cache ls") == [("build", "stock"), ("cache", "ls")]
    assert words("git bisect run kzram-ci run x") == [("run", "x")]
    assert words("kzram-ci boot stock -- 'cat /proc/x | wc' <in") == [("boot", "stock", "--", "cat /proc/x | wc")]
    assert words("kzram-ci: interrupted; to go on: what") == []
    assert words("the kzram-ci that works on it") == []
    assert words("kzram-ci bisect mark COMMIT good|bad [DIR]") == [("bisect", "mark", "COMMIT", "good", "DIR")]


@pytest.mark.parametrize("command", unique(ALL), ids=str)
def test_the_parser_takes_it(command: Shown, capsys: pytest.CaptureFixture[str]) -> None:
    if len(command.words) == 1 and not command.words[0].startswith("-"):  # the name of a command, in a sentence
        assert command.command, str(command)
        return
    for name in main.COMMANDS if command.words[0] == "COMMAND" else command.words[:1]:
        try:
            main.parse((name, *(SAID.get(word, word) for word in command.words[1:])))
        except SystemExit as stopped:
            assert stopped.code == 0, f"{command}\n{capsys.readouterr().err}"


def test_an_option_that_was_renamed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as stopped:
        main.parse(("run", "overrun", "--kern", "stock"))
    assert stopped.value.code == 2


NAMING = [command for command in unique(ALL) if command.command in ("run", "plan", "validate", "bisect", "try")]


def plans(args: argparse.Namespace) -> list[str]:
    """The plans that a command line names."""
    words = getattr(args, "plans", None) or [getattr(args, "plan", None)]
    return [word for word in words if word and not THEIRS.fullmatch(word)]


@pytest.mark.parametrize("command", [one for one in NAMING if len(one.words) > 1], ids=str)
def test_what_it_names_is_there(command: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    if "--help" in command.words:
        return
    args, library = main.parse(command.words), Library()
    for word in plans(args):
        for path in ROOT.glob(word) if "*" in word else [library.plan(word)]:
            plan = load_plan(path, library)
            kernels = getattr(args, "kernel", None) or []
            named = [kernels] if isinstance(kernels, str) else kernels
            globs = [name for name in named if name and (not re.match(SOURCE, name))]
            asked = getattr(args, "test", None) or []
            tests = [name for name in ([asked] if isinstance(asked, str) else asked) if "/" not in name]
            assert select(plan, kernels=globs, tests=tests).cells


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with what the commands are written for."""
    top = tmp_path_factory.mktemp("shown")
    here = top / "here"
    (here / "runs").mkdir(parents=True)
    for name in ("testplans", "kernels", "rootfs", "docs", "tests"):
        (here / name).symlink_to(ROOT / name)
    for name in ("my.yaml", "my-plan.yaml", "mine.yaml", "PLAN"):
        shutil.copy(ROOT / "testplans" / "smoke.yaml", here / name)
    oops = (ROOT / "tests" / "golden" / "oops" / "general-protection.log").read_text()
    for name in ("console.log", "LOG", "serial.txt", "test.tap"):
        (here / name).write_text(f"KTAP version 1\n1..1\nok 1 a\n{oops}")
    tutorial.write(here)
    (here / "junit.xml").write_text('<testsuite name="s" tests="1"><testcase classname="a" name="b"/></testsuite>')
    for name in (
        "runs/20260101T000000Z-overrun-1a2b3c",
        "runs/20260102T000000Z-overrun-4d5e6f",
        "RUNDIR",
        "RUN_A",
        "RUN_B",
    ):
        run = rundir.create(top / "made" / name.replace("/", "-"), samples.PLAN)
        for result in samples.results():
            run.finish(result)
        shutil.copy(here / "console.log", run.cell_dir(samples.PLAN.cells[0]).file(CellFile.CONSOLE))
        run.path.rename(here / name)
    made = zram_like.tree(zram_like.NEW, zram_like.LOCKED)
    for path, text in ({"Makefile": MAKEFILE, "Kbuild": "", "MAINTAINERS": "", "Kconfig": ""} | made).items():
        file = top / "linux" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    git_tree.git(top / "linux", "init", "-q", "-b", "main")
    git_tree.commit(top / "linux", "v6.13")
    git_tree.git(top / "linux", "tag", "v6.13")
    return here


def looking() -> Iterator[Shown]:
    for command in unique(ALL):
        looks = command.command in LOOKING and (command.command != "repro" or "--print" in command.words)
        if len(command.words) == 1 and command.command not in ("schema", "history"):
            continue  # the name of a command, in a sentence
        if "--help" in command.words or (looks and not any(map(NOT_RUN.fullmatch, command.words))):
            yield command


@pytest.mark.parametrize("command", list(looking()), ids=str)
def test_what_only_looks_is_run(
    command: Shown, made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KZRAM_CACHE", str(made.parent / "cache"))
    monkeypatch.chdir(made)
    words = [
        found
        for word in command.words
        for found in (sorted(str(path.relative_to(made)) for path in made.glob(word)) if "*" in word else []) or [word]
    ]
    try:
        code = main.main([SAID.get(word, word) for word in words])
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    out, err = capsys.readouterr()
    assert code in (0, 1), f"{command}\n{out}\n{err}"
    assert "a defect" not in err
