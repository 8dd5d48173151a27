"""scripts/check, with stand-ins for its tools: every gate runs, and the first that fails gives its number."""

from pathlib import Path

import pytest

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline

CHECK = Path(__file__).resolve().parents[2] / "scripts" / "check"


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("ruff", "mypy", "pytest", "sphinx-build", "shellcheck"):
        write(tmp_path / name, "exit 0")
    monkeypatch.setenv("KZRAM_BIN", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path


def write(tool: Path, body: str) -> None:
    tool.write_text(f'#!/bin/sh\necho "$(basename "$0") $*" >>"$(dirname "$0")/calls"\n{body}\n')
    tool.chmod(0o755)


def check() -> proc.Completed:
    return proc.run((str(CHECK),), deadline=Deadline.after(60), check=False)


def test_all_is_well(tools: Path) -> None:
    done = check()
    assert (done.code, done.stderr) == (0, b"")
    assert done.text().count("ok ") == 6


@pytest.mark.parametrize(
    ("tool", "body", "code"),
    [
        ("ruff", "exit 1", 11),
        ("ruff", '[ "$1" = check ]', 12),
        ("mypy", "exit 1", 13),
        ("shellcheck", "exit 1", 14),
        ("pytest", "exit 1", 15),
        ("sphinx-build", "exit 1", 16),
    ],
)
def test_each_gate_has_its_number(tools: Path, tool: str, body: str, code: int) -> None:
    write(tools / tool, body)
    done = check()
    assert done.code == code
    assert f"FAILED {code} " in done.stderr.decode()


def test_one_failure_does_not_hide_the_next(tools: Path) -> None:
    write(tools / "mypy", "exit 1")
    write(tools / "pytest", "exit 1")
    done = check()
    assert done.code == 13
    assert "FAILED 15 layers" in done.stderr.decode()


def test_every_shell_script_is_checked(tools: Path) -> None:
    assert check().code == 0
    (line,) = [line for line in (tools / "calls").read_text().splitlines() if line.startswith("shellcheck")]
    root = CHECK.parents[1]
    ours = {".ci/run", "rootfs/init", "scripts/check", "scripts/lock", "scripts/setup"}
    assert ours <= set(line.split()[1:])
    assert not [name for name in line.split()[1:] if not (root / name).read_text().startswith("#!")]


def test_a_missing_tool_is_not_a_failed_check(tools: Path) -> None:
    (tools / "mypy").unlink()
    done = check()
    assert done.code == 2
    assert "no " in done.stderr.decode()
    assert "make setup" in done.stderr.decode()
