"""A command by ssh, with a stand-in that runs the line here: output, status, a link that comes late or breaks."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kzram_ci.base.clock import Deadline
from kzram_ci.guest.messages import Ready
from kzram_ci.run import ssh_dialogue
from kzram_ci.run.boot_limits import Limits
from kzram_ci.run.boot_state import BootState, DialogueOver, Input, WorkBegan, step
from kzram_ci.run.ssh import Door
from kzram_ci.run.ssh_dialogue import SshDialogue

READY = step(BootState(limits=Limits(boot_until=1, until=1, work_seconds=1), began=0), Ready(), 0)
RUNS_IT = 'for line; do :; done; exec sh -c "$line"\n'
Talk = Callable[..., tuple[list[Input], str, str]]


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in: what it is asked for is in the log."""
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/log\n{RUNS_IT}')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setattr(ssh_dialogue, "AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(ssh_dialogue, "LINK_SECONDS", 0.2)
    return program


@pytest.fixture
def talk(tmp_path: Path, ssh: Path) -> Iterator[Talk]:
    def run(line: str, stdin: int | None = None) -> tuple[list[Input], str, str]:
        out: list[str] = []
        err: list[str] = []
        door = Door(port=2222, directory=tmp_path)
        found: list[Input] = []
        limit = Deadline.after(20)
        with closing(SshDialogue(door, line, "n0nce", out.append, err.append, stdin=stdin)) as dialogue:
            assert dialogue.poll() == [], "not before the guest is ready"
            dialogue.observe(Ready(), READY)
            while not found or not isinstance(found[-1], DialogueOver):
                assert not limit.expired(), (found, out)
                found += dialogue.poll()
                dialogue.wait()
        return found, "".join(out), "".join(err)

    yield run


def over(found: list[Input]) -> DialogueOver:
    assert found[0] == WorkBegan()
    assert isinstance(found[-1], DialogueOver)
    return found[-1]


@pytest.mark.parametrize(
    ("line", "out", "err", "code"),
    [
        ("echo hello; exit 7", "hello\n", "", 7),
        ("printf 'no newline'", "no newline", "", 0),
        ("echo out; echo oops >&2; false", "out\n", "oops\n", 1),
        ("seq 1 20000", "".join(f"{number}\n" for number in range(1, 20001)), "", 0),
        ("printf '<n0nce>'; printf '%s' '<'; exit 255", "<n0nce><", "", 255),
        ("printf 'gr\\303'; sleep 0.1; printf '\\274n'", "grün", "", 0),
        ("cat", "", "", 0),
    ],
)
def test_a_command(talk: Talk, line: str, out: str, err: str, code: int) -> None:
    found, printed, complained = talk(line)
    assert (printed, complained) == (out, err)
    assert over(found).code == code
    assert not over(found).why


def test_it_reads_what_it_is_given(talk: Talk) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"given\n")
    os.close(writing)
    assert talk("cat", reading)[1] == "given\n"
    os.close(reading)


def test_an_sshd_that_does_not_listen_yet(talk: Talk, ssh: Path, tmp_path: Path) -> None:
    refuses = f'[ $(wc -l <{tmp_path}/log) -gt 2 ] || {{ echo "Connection refused" >&2; exit 255; }}\n'
    ssh.write_text(f'#!/bin/sh\necho "$1" >>{tmp_path}/log\n{refuses}{RUNS_IT}')
    found, printed, complained = talk("echo late")
    assert (printed, complained, over(found).code) == ("late\n", "", 0)


def test_a_link_that_breaks_is_told_after_a_crash_had_its_time(talk: Talk) -> None:
    began = Deadline.after(0.2)
    found, printed, _ = talk("echo begun; echo 'client_loop: send disconnect: Broken pipe' >&2; kill -9 $$")
    assert printed == "begun\n"
    assert over(found) == DialogueOver(why="the ssh link was lost: client_loop: send disconnect: Broken pipe")
    assert began.expired()


def test_what_ssh_is_asked_for(talk: Talk, tmp_path: Path) -> None:
    talk("true")
    asked = (tmp_path / "log").read_text()
    for words in ("-p 2222 -F none", "BatchMode=yes", "StrictHostKeyChecking=yes", "root@127.0.0.1 printf"):
        assert words in asked
