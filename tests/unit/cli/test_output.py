"""The guard around every command: streams that are broken, and errors that nothing expected."""

import errno
import io
import sys
from pathlib import Path

import pytest

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError
from kzram_ci.cli import history, output
from kzram_ci.cli.main import COMMANDS, MODULES, main

ROOT = Path(__file__).resolve().parents[3]


def shell(line: str, tmp_path: Path) -> tuple[int, str, str]:
    """A command line with redirections, in a shell; `$K` is kzram-ci."""
    env = {"PYTHONPATH": str(ROOT), "K": f"{sys.executable} -m kzram_ci", "KZRAM_CACHE": str(tmp_path / "cache")}
    done = proc.run(("sh", "-c", line), deadline=Deadline.after(120), check=False, env=env, cwd=tmp_path)
    return done.code, done.text(), done.stderr.decode()


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_a_broken_error_output_changes_no_exit_code(redirection: str, tmp_path: Path) -> None:
    assert shell(f"$K plan nosuch {redirection}", tmp_path)[0] == 2
    code, out, _ = shell(f"$K plan smoke {redirection}", tmp_path)
    assert (code, "smoke" in out) == (0, True)


def test_everything_closed_is_still_an_exit_code(tmp_path: Path) -> None:
    assert shell("$K plan smoke >&- 2>&- <&-", tmp_path)[0] == 69


def test_a_defect_is_one_line_and_not_a_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(args: object) -> int:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(history, "main", broken)
    assert main(("history",)) == 70
    err = capsys.readouterr().err
    assert "a defect: ZeroDivisionError: ours (test_output.py:" in err
    assert err.count("\n") == 1
    monkeypatch.setenv("KZRAM_TRACEBACK", "1")
    main(("history",))
    assert "Traceback" in capsys.readouterr().err


def test_an_error_of_the_system_is_the_hosts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(args: object) -> int:
        raise OSError(errno.EIO, "Input/output error", "/x")

    monkeypatch.setattr(history, "main", broken)
    assert main(("history",)) == 69
    assert capsys.readouterr().err == "kzram-ci: infrastructure: [Errno 5] Input/output error: '/x'\n"


def test_streams_are_as_before_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with output.guarded():
        sys.stdout.write("shown\n")
        sys.stdout.writelines(["and ", "this\n"])
    assert (sys.stdout, sys.stderr, out.getvalue()) == (out, err, "shown\nand this\n")
    with pytest.raises(InfraError, match="cannot write to standard output"), output.guarded():
        out.close()
        sys.stdout.write("nowhere")
    assert sys.stdout is out


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_no_color_means_no_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "77")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert output.terminal_of(Tty()) == output.Terminal(width=77, styled=True)
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert output.terminal_of(Tty()) == output.Terminal(width=77, styled=False)
    assert output.terminal_of(io.StringIO()) is None


def test_every_command_is_guarded() -> None:
    """The guard stands in one place: no command flushes or catches on its own."""
    folder = Path(output.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} >= {MODULES.get(name, name) for name in COMMANDS}
    wrong = [path.name for path in folder.glob("*.py") if path.stem != "main" and "BrokenPipe" in path.read_text()]
    assert wrong == ["output.py"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "smoke", "--budget", "-2h"), "argument --budget: expected a duration such as 60s or 2m, got '-2h'"),
        (("cache", "gc", "--older-than", "-3d"), "argument --older-than: expected a duration such as 60s or 2m, got"),
        (("run", "smoke", "--repeat", "1001"), "argument --repeat: 1001 is out of bounds: 1000 at most, as in plans"),
        (("try", "a.patch", "--luck", "x"), "argument --luck: 'x' is not a number"),
        (("bisect", "mark", "1a2b3c"), "the following arguments are required: good|bad|skip"),
    ],
)
def test_a_value_that_cannot_be_is_told_by_its_option(
    words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert told in capsys.readouterr().err
