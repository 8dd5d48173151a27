"""Write what is made from the parser of the command line: docs/cli.md, the man pages, the completions of shells.

`make reference` runs it; tests/unit/docs/test_reference.py fails when a file is not what this writes.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shtab

from kzram_ci.cli import answers, build, main
from kzram_ci.cli.kernel_names import kernels_there_are

ROOT = Path(__file__).resolve().parents[1]
CLI_PAGE = "docs/cli.md"
JSON_PAGE = "docs/json.md"
MAN = "share/man/man1"
BASH = "share/bash-completion/completions/kzram-ci"
ZSH = "share/zsh/site-functions/_kzram-ci"
FISH = "share/fish/vendor_completions.d/kzram-ci.fish"
# What a word of the usage stands for, as far as a shell can complete it
FILES = frozenset({"FILE", "FILE|URL", "LOG", "PATH", "PLAN", "SERIES", "[NAME=]FILE", "NAME|SCRIPT", "PLAN|RUNDIR"})
FOLDERS = frozenset({"DIR", "RUNDIR", "DIR[:rw]"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """An option, or a word that a command takes: its spellings, what follows it, what it means."""

    names: tuple[str, ...]
    value: str
    help: str
    choices: tuple[str, ...]

    @property
    def head(self) -> str:
        """As usage shows it."""
        return " ".join(filter(None, (", ".join(self.names), self.value)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command, or the action of one, as its parser describes it."""

    name: str
    usage: str
    summary: str
    description: str
    epilog: str
    words: tuple[Word, ...]
    options: tuple[Word, ...]
    actions: tuple[str, ...]


def everything() -> Command:
    """`kzram-ci` itself."""
    return _command(main.parser_of(), "kzram-ci", "test kernels for the zram overrun, in QEMU")


def commands() -> tuple[Command, ...]:
    """Each command, and each action of those that have some."""
    parser = main.parser_of(*main.COMMANDS)
    return tuple(one for name, below in _below(parser) for one in _walk(below, f"kzram-ci {name}", main.COMMANDS[name]))


def _walk(parser: argparse.ArgumentParser, name: str, summary: str) -> Iterator[Command]:
    yield _command(parser, name, summary)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {one.dest: one.help or "" for one in action._choices_actions}
            for below, its in action.choices.items():
                yield from _walk(its, f"{name} {below}", helps.get(below, ""))


def _below(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _command(parser: argparse.ArgumentParser, name: str, summary: str) -> Command:
    words = tuple(_word(action, parser) for action in parser._actions if action.help != argparse.SUPPRESS)
    actions = tuple(below for below, _ in _below(parser))
    taken = tuple(word for word in words if not word.names)
    said = "" if actions else "".join(f" {word.value}" for word in taken)
    usage = parser.usage or f"{name} " + (f"{'|'.join(actions)} …" if actions else f"[options]{said}")
    return Command(
        name=name,
        usage=re.sub(r"\n\s+", "\n", usage.replace("%(prog)s", name)),
        summary=summary,
        description=" ".join((parser.description or "").split()),
        epilog=(parser.epilog or "").strip("\n").replace(build.KERNELS, kernels_there_are()),
        words=() if actions else taken,
        options=tuple(word for word in words if word.names),
        actions=actions,
    )


def _word(action: argparse.Action, parser: argparse.ArgumentParser) -> Word:
    choices = tuple(map(str, action.choices)) if isinstance(action.choices, (list, tuple)) else ()
    names = tuple(action.option_strings)
    shown = action.metavar if isinstance(action.metavar, str) else "|".join(choices)
    shown = shown or (action.dest.upper() if names else action.dest)
    value = "" if action.nargs == 0 else _repeated(shown, action.nargs)
    text = (action.help or "") % {**vars(action), "prog": parser.prog}
    return Word(names=names, value=value, help=" ".join(text.split()), choices=choices)


def _repeated(value: str, nargs: int | str | None) -> str:
    forms = {"?": f"[{value}]", "*": f"[{value}...]", "+": f"{value}..."}
    return forms.get(str(nargs), value)


def page() -> str:
    """docs/cli.md."""
    top = everything()
    parts = [
        "# Commands\n\n<!-- made by `make reference` from the parser of the command line -->\n",
        top.description,
        "\n| command | what it does |\n|---|---|",
        *(f"| [`{name}`](#kzram-ci-{name}) | {text} |" for name, text in main.COMMANDS.items()),
        f"\n```text\n{top.epilog}\n```",
    ]
    for command in commands():
        parts.append(f"\n{'##' if command.name.count(' ') == 1 else '###'} {command.name}\n\n{command.description}")
        parts.append(f"\n```text\n{command.usage}\n```")
        if rows := [*command.words, *(word for word in command.options if "--help" not in word.names)]:
            parts.append("\n| word | meaning |\n|---|---|")
            parts += [f"| {_code(word.head)} | {_cell(word.help)} |" for word in rows]
        if command.epilog:
            parts.append(f"\n```text\n{command.epilog}\n```")
    return "\n".join(parts) + "\n"


def _code(text: str) -> str:
    return f"`{_cell(text)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def man_pages() -> dict[str, str]:
    """The man pages by path: one of the program, one of each command with its actions."""
    listed = commands()
    pages = {f"{MAN}/kzram-ci.1": _man_of_all(listed)}
    for name in main.COMMANDS:
        its = [one for one in listed if one.name.split()[1] == name]
        pages[f"{MAN}/kzram-ci-{name}.1"] = _man_of_command(its)
    return pages


def _man_of_all(listed: tuple[Command, ...]) -> str:
    top = everything()
    lines = [_title("kzram-ci"), f".SH NAME\nkzram\\-ci \\- {_roff(top.summary)}"]
    lines += [".SH SYNOPSIS\n.B kzram\\-ci\n.I COMMAND\n[options]\n.SH DESCRIPTION", _roff(top.description)]
    lines.append(".SH COMMANDS")
    lines += [f".TP\n.BR kzram\\-ci\\-{_roff(name)} (1)\n{_roff(text)}" for name, text in main.COMMANDS.items()]
    return "\n".join([*lines, ".SH OPTIONS", *map(_tagged, top.options), _literal("NOTES", top.epilog)]) + "\n"


def _man_of_command(its: list[Command]) -> str:
    first = its[0]
    page = first.name.replace(" ", "-")
    lines = [_title(page), f".SH NAME\n{_roff(page)} \\- {_roff(first.summary)}", ".SH SYNOPSIS\n.nf"]
    lines += [_roff(line) for one in its if not one.actions for line in one.usage.splitlines()]
    lines += [".fi\n.SH DESCRIPTION", _roff(first.description)]
    for one in its:
        lines.append(f".SH {'OPTIONS' if one is first else _roff(one.name.split()[-1].upper())}")
        if one is not first:
            lines.append(f"{_roff(one.description)}")
        lines += map(_tagged, (*one.words, *one.options))
    for text in dict.fromkeys(one.epilog for one in its if one.epilog):
        lines.append(_literal("NOTES", text))
    return "\n".join([*lines, ".SH SEE ALSO", ".BR kzram\\-ci (1)"]) + "\n"


def _title(name: str) -> str:
    made = '.\\" made by `make reference` from the parser of the command line'
    return f'{made}\n.TH "{_roff(name.upper())}" 1 "" "kzram\\-ci"'


def _tagged(word: Word) -> str:
    return f".TP\n.B {_roff(word.head)}\n{_roff(word.help)}"


def _literal(heading: str, text: str) -> str:
    lines = "\n".join(_roff(line) for line in text.splitlines())
    return f".SH {heading}\n.nf\n{lines}\n.fi"


def _roff(text: str) -> str:
    """Text as roff takes it; the marks of a shell stay what a reader can copy."""
    signs = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq"}
    made = "".join(signs.get(sign, sign) for sign in text)
    return f"\\&{made}" if made.startswith(".") else made


JSON_HEAD = f"""\
# JSON

<!-- made by `make reference` from the schemas -->

Every command that has `--json` prints one document on standard output, and nothing else there; what a person should
know goes to standard error. `kzram-ci schema --json-of COMMAND` prints the JSON Schema (2020-12) of it, whose `$id`
ends in its version, {answers.VERSION}. The version goes up when a field goes or changes its meaning; new fields may
come at any time, so pass over what you do not know. Words (`outcome`, `verdict`) are those of [a run and its
results](runs.md). Tests hold real answers of all commands against these schemas. Files of the run directory
(`cell.json`, `results.jsonl`) are written by the same code: a line of `results.jsonl` is a `CellResult`.
"""


def json_page() -> str:
    """docs/json.md."""
    lines = [JSON_HEAD, "| `--json-of` | command |\n|---|---|"]
    lines += [f"| [`{name}`](#{name}) | `{command}` |" for name, (command, _) in answers.ANSWERS.items()]
    parts: dict[str, dict[str, Any]] = {}
    for name, (command, _) in answers.ANSWERS.items():
        schema = answers.schema_of(name)
        parts |= schema.get("$defs", {})
        lines += [f"\n## {name}\n", f"`{command}`: {_kind_of(schema, parts)}", *_fields(schema, parts)]
    lines.append("\n## Values\n\nWhat the names above stand for.")
    for name in sorted(parts):
        if parts[name].get("properties"):
            text = " ".join(parts[name].get("description", "").split())
            lines += [f"\n### {name}\n", text, *_fields(parts[name], parts)]
    return "\n".join(lines) + "\n"


def _fields(schema: dict[str, Any], parts: dict[str, Any]) -> list[str]:
    rows = _rows(schema, "", parts)
    return ["\n| field | type | meaning |\n|---|---|---|", *rows] if rows else []


def _rows(schema: dict[str, Any], prefix: str, parts: dict[str, Any]) -> list[str]:
    while schema.get("type") == "array" and "items" in schema:
        schema, prefix = schema["items"], f"{prefix}[]"
    rows = []
    for name, its in schema.get("properties", {}).items():
        path = f"{prefix}.{name}" if prefix else name
        rows.append(f"| `{path}` | {_kind_of(its, parts)} | {_cell(' '.join(its.get('description', '').split()))} |")
        rows += _rows(its, path, parts) if its.get("type") in ("array", "object") else []
    return rows


def _kind_of(schema: dict[str, Any], parts: dict[str, Any]) -> str:
    """The type of a value, in words."""
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}](#{name.lower()})" if "properties" in parts[name] else _kind_of(parts[name], parts)
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema.get("enum", [schema.get("const")]))
    if several := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(_kind_of(one, parts) for one in several))
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"array of {_kind_of(schema['items'], parts)}" if "items" in schema else "array"
    return str(kind)


def bash() -> str:
    """The completion of bash."""
    return shtab.complete(_completed(), "bash")


def zsh() -> str:
    """The completion of zsh."""
    return shtab.complete(_completed(), "zsh")


def _completed() -> argparse.ArgumentParser:
    """The whole parser; words that are files and directories are completed as such."""
    parser = main.parser_of(*main.COMMANDS)
    waiting = [parser]
    while waiting:
        for action in waiting.pop()._actions:
            if isinstance(action, argparse._SubParsersAction):
                waiting += action.choices.values()
            elif kind := _kind(action):
                setattr(action, "complete", kind)  # noqa: B010
    return parser


def _kind(action: argparse.Action) -> Mapping[str, Any] | None:
    shown = str(action.metavar)
    return shtab.FILE if shown in FILES else shtab.DIRECTORY if shown in FOLDERS else None


def fish() -> str:
    """The completion of fish."""
    lines = ["# made by `make reference` from the parser of the command line", "complete -c kzram-ci -f"]
    first = "complete -c kzram-ci -n __fish_use_subcommand"
    lines += [f"{first} -l version -d 'print the version'"]
    lines += [f"{first} -a {name} -d {_fish(text)}" for name, text in main.COMMANDS.items()]
    for command in commands():
        words = command.name.split()[1:]
        where = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in words)
        none_yet = f"{where}; and not __fish_seen_subcommand_from {' '.join(command.actions)}"
        lines += [f"complete -c kzram-ci -n '{none_yet}' -a {action}" for action in command.actions]
        for word in command.words:
            if word.value.strip("[].") in FILES | FOLDERS:
                lines.append(f"complete -c kzram-ci -n '{where}' -F")
            elif word.choices:
                lines.append(f"complete -c kzram-ci -n '{where}' -a {_fish(' '.join(word.choices))}")
        lines += [_fish_option(where, option) for option in command.options]
    return "\n".join(dict.fromkeys(lines)) + "\n"


def _fish_option(where: str, option: Word) -> str:
    names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
    value = option.value.strip("[].")
    takes = "" if not value else " -x" if option.choices else " -r -F" if value in FILES | FOLDERS else " -x"
    among = f" -a {_fish(' '.join(option.choices))}" if option.choices else ""
    return f"complete -c kzram-ci -n '{where}' {names}{takes}{among} -d {_fish(_short(option.help))}"


def _short(text: str) -> str:
    """As much as stands beside a word in a menu."""
    return re.split(r"; | \(|: |, (?=applied)", text)[0]


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def made() -> dict[str, str]:
    """All files by their paths."""
    return {CLI_PAGE: page(), JSON_PAGE: json_page(), **man_pages(), BASH: bash(), ZSH: zsh(), FISH: fish()}


def write() -> int:
    """Write them; say which changed."""
    files = made()
    for path in (ROOT / MAN).glob("*.1"):
        if str(path.relative_to(ROOT)) not in files:
            path.unlink()
    for name, text in files.items():
        path = ROOT / name
        if not path.is_file() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            sys.stdout.write(f"wrote {name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(write())
