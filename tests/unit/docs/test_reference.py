"""What is made from the parser is as the parser is, and shells and man take it."""

import re
import subprocess
from pathlib import Path

import pytest
import reference
import requires
from shown import ROOT

from kzram_ci.cli import main

MADE = reference.made()
MAN_PAGES = sorted(name for name in MADE if name.endswith(".1"))


def run(*argv: str, script: str | None = None, path: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, input=script, cwd=path, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", sorted(MADE))
def test_the_file_is_what_the_parser_says(name: str) -> None:
    assert (ROOT / name).read_text() == MADE[name], f"{name} is old: make reference"


def test_nothing_is_left_of_a_command_that_is_gone() -> None:
    there = {str(path.relative_to(ROOT)) for path in (ROOT / "share").rglob("*") if path.is_file()}
    assert there == set(MADE) - {reference.CLI_PAGE, reference.JSON_PAGE}


def test_every_command_and_option_is_in_page_and_man_pages() -> None:
    for command in reference.commands():
        first = command.name.split()[1]
        man = MADE[f"{reference.MAN}/kzram-ci-{first}.1"]
        for option in command.options:
            for name in option.names:
                assert name.replace("-", "\\-") in man, f"{command.name} {name}"
                assert name == "-h" or name == "--help" or name in MADE[reference.CLI_PAGE]
    assert {command.name.split()[1] for command in reference.commands()} == set(main.COMMANDS)


@pytest.mark.parametrize("name", MAN_PAGES)
def test_man_shows_the_page_without_a_warning(name: str) -> None:
    requires.tool("groff", "shells")
    done = run("groff", "-man", "-Tutf8", "-K", "utf8", "-ww", name)
    assert (done.returncode, done.stderr) == (0, "")
    plain = re.sub("\x1b\\[[0-9;]*m|.\b", "", done.stdout)
    assert "SYNOPSIS" in plain and "kzram-ci" in plain.replace("\u2010", "-")


@pytest.mark.parametrize("name", MAN_PAGES)
def test_mandoc_finds_nothing_wrong(name: str) -> None:
    requires.tool("mandoc", "shells")
    done = run("mandoc", "-Tlint", "-Wwarning", name)
    said = [line for line in done.stdout.splitlines() if "missing date" not in line]
    assert not said, "\n".join(said)


def completed(line: str) -> list[str]:
    """What bash offers at the end of a line."""
    script = f"""
    COMP_WORDS=({line}X)
    COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
    COMP_WORDS[COMP_CWORD]=${{COMP_WORDS[COMP_CWORD]%X}}
    . {reference.BASH}
    spec=$(complete -p kzram-ci) || exit 9
    set -- $spec
    while [ "$1" != -F ]; do shift; done
    "$2" kzram-ci "${{COMP_WORDS[COMP_CWORD]}}"
    printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = run(requires.tool("bash"), "--norc", script=script)
    assert done.returncode == 0, done.stderr
    return [word.strip() for word in done.stdout.split("\n") if word.strip()]


def test_bash_completes_commands_options_choices_and_files() -> None:
    assert set(completed("kzram-ci ")) >= set(main.COMMANDS)
    assert completed("kzram-ci val") == ["validate"]
    assert "--kernel" in completed("kzram-ci run --")
    assert set(completed("kzram-ci run --accel ")) == {"auto", "kvm", "tcg"}
    assert set(completed("kzram-ci cache ")) >= {"ls", "gc"}
    assert "--older-than" in completed("kzram-ci cache gc --")
    assert "testplans" in [word.rstrip("/") for word in completed("kzram-ci run testpl")]


def test_zsh_reads_its_completion() -> None:
    zsh = requires.tool("zsh", "shells")
    assert run(zsh, "-n", reference.ZSH).stderr == ""
    script = f"autoload -U compinit; compinit -D; fpath=({Path(reference.ZSH).parent} $fpath); autoload -U +X _kzram-ci"
    done = run(zsh, "-f", script=f"{script}; whence -w _kzram-ci")
    assert "_kzram-ci: function" in done.stdout, done.stderr


def test_fish_completes() -> None:
    fish = requires.tool("fish", "shells")

    def offered(line: str) -> list[str]:
        done = run(fish, "--no-config", script=f"source {reference.FISH}\ncomplete -C '{line}'\n")
        assert done.stderr == ""
        return [word.partition("\t")[0] for word in done.stdout.splitlines()]

    assert set(offered("kzram-ci ")) >= set(main.COMMANDS)
    assert "--kernel" in offered("kzram-ci run --")
    assert set(offered("kzram-ci run --accel ")) == {"auto", "kvm", "tcg"}
    assert set(offered("kzram-ci cache ")) == {"ls", "gc"}
    assert "--older-than" in offered("kzram-ci cache gc --")
