"""Dialogues with a shell behind a socket, as a guest's serial line has one."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kzram_ci.base.clock import Deadline
from kzram_ci.guest.conf import quoted
from kzram_ci.guest.messages import Ready
from kzram_ci.run import dialogue
from kzram_ci.run.boot_limits import Limits
from kzram_ci.run.boot_state import BootState, DialogueOver, Input, WorkBegan, step
from kzram_ci.run.dialogue import CommandDialogue, Dialogue, TerminalDialogue

READY = step(BootState(limits=Limits(boot_until=1, until=1, work_seconds=1), began=0), Ready(), 0)


@pytest.fixture
def serial() -> Iterator[socket.socket]:
    """The host's end of a line with a shell at its other end."""
    ours, theirs = socket.socketpair()
    child = subprocess.Popen(["sh"], stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.DEVNULL)
    theirs.close()
    yield ours
    ours.close()
    child.wait(timeout=10)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the guest's configuration is."""
    conf = tmp_path / "cell.conf"
    monkeypatch.setattr(dialogue, "CONF", str(conf).lstrip("/"))
    (tmp_path / "tainted").write_text("8\n")
    monkeypatch.setattr(dialogue, "_TAINTED", str(tmp_path / "tainted"))
    return conf


def talk(with_guest: Dialogue) -> list[Input]:
    """All that a dialogue reports until it is over."""
    found: list[Input] = []
    limit = Deadline.after(20)
    with_guest.observe(Ready(), READY)
    while not found or not isinstance(found[-1], DialogueOver):
        assert not limit.expired(), found
        found += with_guest.poll()
        with_guest.wait()
    return found


@pytest.mark.parametrize(
    ("line", "printed", "code"),
    [
        ("echo hello; exit 7", "hello\n", 7),
        ("printf 'no newline'", "no newline", 0),
        ("seq 1 2000", "".join(f"{number}\n" for number in range(1, 2001)), 0),
        ("printf '%s' " + "x" * 5000 + " | wc -c", "5000\n", 0),  # longer than a line that can be typed
        ("echo 'it''s \"quoted\" $HOME' | cat", 'its "quoted" $HOME\n', 0),
        ("false", "", 1),
        ("nosuchprogram", "", 127),
    ],
)
def test_a_command(serial: socket.socket, command: Path, line: str, printed: str, code: int) -> None:
    command.write_text(f"NONCE='x'\nCOMMAND={quoted(line)}\n")
    output: list[str] = []
    found = talk(CommandDialogue(serial, "n0nce", output.append, None))
    assert found == [WorkBegan(), DialogueOver(code=code, tainted=8)]
    assert "".join(output) == printed


def test_a_guest_that_goes_away_before_the_end(serial: socket.socket, command: Path) -> None:
    command.write_text("COMMAND='kill -9 $$'\n")
    assert talk(CommandDialogue(serial, "n0nce", lambda text: None, None))[-1] == DialogueOver()


def test_a_command_that_never_stops_printing_does_not_hold_the_loop(serial: socket.socket, command: Path) -> None:
    command.write_text("COMMAND='yes'\n")
    endless = CommandDialogue(serial, "n0nce", lambda text: None, None)
    limit = Deadline.after(20)
    endless.observe(Ready(), READY)
    while WorkBegan() not in endless.poll():
        assert not limit.expired()
    for _ in range(20):
        assert endless.poll() == []
    serial.shutdown(socket.SHUT_RDWR)


def test_nothing_is_asked_before_there_is_a_shell(serial: socket.socket, command: Path) -> None:
    early = CommandDialogue(serial, "n0nce", lambda text: None, None)
    for _ in range(3):
        assert early.poll() == []
        early.wait()
    early.observe(Ready(), READY)
    command.write_text("COMMAND='exit 3'\n")
    assert talk(early)[-1] == DialogueOver(code=3, tainted=8)


def test_a_pipe_is_typed_at_the_shell_and_its_end_ends_it(
    serial: socket.socket, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dialogue, "END", b"exit\n")  # what Ctrl-D is on a terminal
    keyboard, given = os.pipe()
    os.write(given, b"echo $((6*7))\n")
    os.close(given)
    person = TerminalDialogue(serial, keyboard)
    for _ in range(3):
        assert person.poll() == []  # not before there is a shell
    assert talk(person)[-1] == DialogueOver()
    assert capfd.readouterr().out == "42\n"


def test_ctrl_bracket_ends_a_persons_session(serial: socket.socket) -> None:
    keyboard, given = os.pipe()
    os.write(given, b"\x1d")
    person = TerminalDialogue(serial, keyboard)
    assert talk(person) == [DialogueOver()]
    serial.shutdown(socket.SHUT_RDWR)
