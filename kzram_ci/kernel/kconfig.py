"""Kernel configuration as values: fragments, their merge, and what of it survived in .config. Pure.

Two fragments that want different values for a symbol are an error, unless the later one says so with a
comment line of its own, `# override CONFIG_X`. Order alone decides nothing: a fragment must mean the same
wherever it stands in the list. A symbol that not every kernel has is named in a comment line
`# may be unknown: CONFIG_X`: where no Kconfig file of the tree declares it, the want is void.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from kzram_ci.base.errors import UserError
from kzram_ci.base.expressions import later
from kzram_ci.base.values import dataclass

_SET = re.compile(r"(CONFIG_\w+)=(.*)")
_UNSET = re.compile(r"# (CONFIG_\w+) is not set\s*")
_OVERRIDE = re.compile(r"#\s*override:?\s+((?:CONFIG_\w+[,\s]*)+)$")
_MAYBE = re.compile(r"#\s*may be unknown:\s+((?:CONFIG_\w+[,\s]*)+)$")
_DECLARED = later(r"^[ \t]*(?:menu)?config[ \t]+(\w+)[ \t]*$", re.MULTILINE)
_VALUE = re.compile(r'[ymn]|-?\d+|0[xX][0-9a-fA-F]+|"(?:[^"\\]|\\.)*"')
ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """A config fragment: its name for people, its text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """One wanted symbol. "n" stands for "is not set"."""

    symbol: str
    value: str
    fragment: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmet:
    """A wanted symbol that has another value in the result; `got` is "absent" when .config does not mention it."""

    symbol: str
    wanted: str
    got: str
    fragment: str

    def __str__(self) -> str:
        return f"{self.symbol}: wanted {self.wanted}, got {self.got} (fragment {self.fragment})"


def parse(text: str) -> dict[str, str]:
    """A .config as symbol -> value, "n" for "is not set"."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if match := _SET.fullmatch(line):
            found[match[1]] = match[2]
        elif match := _UNSET.fullmatch(line):
            found[match[1]] = "n"
    return found


def wants(fragment: Fragment) -> tuple[Want, ...]:
    """What a fragment asks for. Raises UserError with file and line for a line that says nothing clear."""
    found: dict[str, Want] = {}
    for number, raw in enumerate(fragment.text.splitlines(), start=1):
        line = raw.strip()
        if match := _UNSET.fullmatch(line):
            symbol, value = match[1], "n"
        elif not line or line.startswith("#"):
            continue
        elif (match := _SET.fullmatch(line)) and _VALUE.fullmatch(match[2]):
            symbol, value = match[1], match[2]
        else:
            raise UserError(
                f"{fragment.name}:{number}: not a config line: {line[:80]}",
                hint="CONFIG_X=y, CONFIG_X=m, CONFIG_X=64, CONFIG_X=\"text\" or '# CONFIG_X is not set'",
            )
        if symbol in found and found[symbol].value != value:
            raise UserError(f"{fragment.name}:{number}: {symbol} has another value in line {found[symbol].line}")
        found[symbol] = Want(symbol=symbol, value=value, fragment=fragment.name, line=number)
    return tuple(found.values())


def overrides(fragment: Fragment) -> frozenset[str]:
    """The symbols a fragment says it overrides."""
    return _named(fragment, _OVERRIDE)


def may_be_unknown(fragments: Iterable[Fragment]) -> frozenset[str]:
    """The symbols that a kernel need not have."""
    return frozenset[str]().union(*(_named(fragment, _MAYBE) for fragment in fragments))


def declared(text: str) -> frozenset[str]:
    """The symbols, with CONFIG_, that a Kconfig file declares."""
    return frozenset(f"CONFIG_{name}" for name in _DECLARED.findall(text))


def _named(fragment: Fragment, directive: re.Pattern[str]) -> frozenset[str]:
    lines = (directive.fullmatch(line.strip()) for line in fragment.text.splitlines())
    return frozenset(symbol for match in lines if match for symbol in re.findall(r"CONFIG_\w+", match[1]))


def merge(fragments: Iterable[Fragment], under: Mapping[str, Want] | None = None) -> dict[str, Want]:
    """All wants by symbol, after those `under` them. Raises UserError naming both fragments of a conflict."""
    merged = dict(under or {})
    for fragment in fragments:
        wins = overrides(fragment)
        for want in wants(fragment):
            before = merged.get(want.symbol)
            if before is not None and before.value != want.value and want.symbol not in wins:
                raise UserError(
                    f"{want.symbol}: {before.fragment}:{before.line} wants {before.value}, "
                    f"{want.fragment}:{want.line} wants {want.value}",
                    hint=f"if the later one is meant to win, add the line `# override {want.symbol}` to it",
                )
            merged[want.symbol] = want
    return merged


def render(merged: Mapping[str, Want]) -> str:
    """The merged wants as one fragment for the kernel's merge_config.sh, sorted."""
    rows = sorted(merged.values(), key=lambda want: want.symbol)
    return "".join(
        f"# {want.symbol} is not set\n" if want.value == "n" else f"{want.symbol}={want.value}\n" for want in rows
    )


def unmet(want: Mapping[str, Want], got: Mapping[str, str]) -> tuple[Unmet, ...]:
    """Every want that the result does not hold. "n" is held by a symbol that is absent, and by a number that is 0.

    Switches have become numbers (BOOTPARAM_HUNG_TASK_PANIC in 7.x: how many hung tasks make a panic).
    """
    missing = []
    for symbol, row in sorted(want.items()):
        value = got.get(symbol, ABSENT)
        if value != row.value and not (row.value == "n" and value in (ABSENT, "0")):
            missing.append(Unmet(symbol=symbol, wanted=row.value, got=value, fragment=row.fragment))
    return tuple(missing)
