"""Every command line of kzram-ci that a page, a template or `--help` shows, with where it stands."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kzram_ci.cli import main

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = re.compile(r"(\$KZRAM_CI|(\S*/)?kzram-ci)")
# What may stand before the program in a command: nothing, variables, something that starts programs, a label
LAUNCHER = re.compile(
    r"(\w+=\S* )*((sudo|time|exec|nice|timeout \d+|git bisect run) (-\S+ )*)*"
    r"|[\w.-]+ = |(-|(- )?(run|script|command):) |examples?: "
)
FENCE = re.compile(r"^\s*(?:```|~~~)(.*)$")
TICKED = re.compile(r"`(kzram-ci [^`]+)`")
QUOTED = re.compile(r"'(kzram-ci [^']+)'")
SEPARATORS = frozenset({"|", "||", "&&", ";", "&"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A command: where it is shown, and its words after the name of the program."""

    where: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.where}: {' '.join(self.words)}"

    @property
    def command(self) -> str:
        """The name of the command, empty where there are options only."""
        return next((word for word in self.words if word in main.COMMANDS), "")


def pages() -> list[Path]:
    """All pages that people write; docs/cli.md repeats what --help shows."""
    tops = ("README.md", "SECURITY.md", "CONTRIBUTING.md", "bench/README.md")
    return [*(ROOT / top for top in tops), *sorted({*(ROOT / "docs").rglob("*.md")} - {ROOT / "docs" / "cli.md"})]


def templates() -> list[Path]:
    """What other CI systems take, and our own."""
    found = [path for path in (ROOT / "ci").rglob("*") if path.is_file()]
    return [*sorted(found), *sorted((ROOT / ".github" / "workflows").glob("*.yml"))]


def shown() -> list[Shown]:
    """All of them."""
    return [*_of_pages(), *_of_templates(), *_of_help()]


def _of_pages() -> Iterator[Shown]:
    for page in pages():
        for number, line, inside in blocks(page.read_text()):
            where = f"{page.relative_to(ROOT)}:{number}"
            for text in [line] if inside or line.startswith("    kzram-ci ") else TICKED.findall(line):
                yield from commands(text, where)


def _of_templates() -> Iterator[Shown]:
    for path in templates():
        for number, line in _joined(path.read_text().splitlines()):
            for text in QUOTED.findall(line) or [line.strip()]:
                yield from commands(text, f"{path.relative_to(ROOT)}:{number}")


def _of_help() -> Iterator[Shown]:
    for name in main.COMMANDS:
        for parser in parsers(main.parser_of(name), f"kzram-ci {name}"):
            for number, line in _joined((parser.epilog or "").splitlines()):
                yield from commands(line.strip(), f"{parser.prog} --help:{number}")


def parsers(parser: argparse.ArgumentParser, prefix: str = "kzram-ci") -> Iterator[argparse.ArgumentParser]:
    """A parser and those of its commands, where the name of the program begins with `prefix`."""
    if parser.prog.startswith(prefix):
        yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in dict.fromkeys(action.choices.values()):
                yield from parsers(below, prefix)


def blocks(text: str) -> Iterator[tuple[int, str, bool]]:
    """The lines of a page with their numbers, continued lines joined, and whether they stand in a block."""
    inside = False
    for number, line in _joined(text.splitlines()):
        if FENCE.match(line):
            inside = not inside
        else:
            yield number, line, inside


def _joined(lines: list[str]) -> Iterator[tuple[int, str]]:
    held, first = "", 0
    for number, line in enumerate(lines, 1):
        first = first or number
        if line.endswith("\\"):
            held += line[:-1]
            continue
        yield first, held + line
        held, first = "", 0


def commands(line: str, where: str) -> Iterator[Shown]:
    """The commands of ours in a line of shell, or of something that contains such a line."""
    if not PROGRAM.search(line):
        return
    text = re.sub(r"^\s*[$#] ", "", line)
    text = re.sub(r"(^|\s)#\s.*$", "", text).strip()
    text = re.sub(r"\$\([^)]*\)", "X", text)
    text = re.sub(r"(?<!\S)\[([^\]]*)\](?!\S)", r"\1", text)  # [WORD] may be left out
    text = re.sub(r"(?<=\w)\|\w+", "", text)  # this|or|that
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";|&<>")
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError:  # prose with an apostrophe
        words = text.split()
    for segment in _segments(words):
        at = next((at for at, word in enumerate(segment) if PROGRAM.fullmatch(word)), None)
        before = "".join(f"{word} " for word in segment[:at])
        if at is not None and LAUNCHER.fullmatch(before):
            yield Shown(where=where, words=tuple(segment[at + 1 :]))


def _segments(words: list[str]) -> Iterator[list[str]]:
    """What stands between pipes and the like, without redirections."""
    segment: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in SEPARATORS:
            yield segment
            segment = []
        elif set(word) <= set("<>&"):
            next(rest, None)
        else:
            segment.append(word)
    yield segment
