"""docs/troubleshooting.md: each message that it explains is one that the program can print."""

import ast
import re
from pathlib import Path

import pytest
from shown import ROOT

PAGE = ROOT / "docs" / "troubleshooting.md"
MESSAGES = re.findall(r"^\*\*`(.+)`\*\*$", PAGE.read_text(), re.MULTILINE)
GAP = "…"


def templates() -> set[str]:
    """Every text of the program, with gaps where values go; of a longer one also each sentence's part."""
    found = set()
    for path in (ROOT / "kzram_ci").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (one.value if isinstance(one, ast.Constant) else GAP for one in node.values)
                found.add("".join(str(part) for part in parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return {re.sub(f"{GAP}+", GAP, text) for text in found}


TEMPLATES = templates()


def pieces(text: str) -> list[str]:
    return [piece.strip() for piece in text.split(GAP) if len(piece.strip()) > 1]


def can_print(message: str, among: set[str]) -> bool:
    """Whether a text of the program has all that the message has between its gaps, in that order."""
    pattern = ".*".join(re.escape(piece) for piece in pieces(message))
    return any(re.search(pattern, text) for text in among)


def test_there_are_enough_messages_and_none_twice() -> None:
    assert len(MESSAGES) >= 20
    assert len(set(MESSAGES)) == len(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES)
def test_the_program_can_print_it(message: str) -> None:
    assert sum(map(len, pieces(message))) >= 12, "too little of it is fixed to be looked for"
    assert can_print(message, TEMPLATES), f"{PAGE.name}: no text of the program is {message!r}"


def test_a_message_that_was_changed_is_noticed(tmp_path: Path) -> None:
    assert can_print("no guest runs under KVM: …", {"no guest runs under KVM: …"})
    assert not can_print("no guest runs under KVM: …", {"no guest starts under KVM: …"})
    assert not can_print("… lost none of … races", {"races … lost none of …"})
