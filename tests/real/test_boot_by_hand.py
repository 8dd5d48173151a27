"""`kzram-ci boot` as a person uses it: a shared directory, gdb, words for the kernel, an oops on the way."""

import os
import pty
import re
import select
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requires

from kzram_ci.base.clock import Deadline
from kzram_ci.cli.main import main

pytestmark = pytest.mark.real
BOOT = (sys.executable, "-m", "kzram_ci", "boot")
DYNDBG = 'dyndbg="file zram_drv.c +p"'


def test_a_shared_directory(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    read, write = tmp_path / "read me", tmp_path / "out"
    for directory in (read, write):
        directory.mkdir()
    (read / "run.sh").write_text("#!/bin/sh\necho from the host\n")
    (read / "run.sh").chmod(0o755)
    line = "/mnt/read-me/run.sh; echo $? >/mnt/out/code; echo x >/mnt/read-me/x; exit 5"
    kernel = "debian:linux-image-amd64@trixie"  # 9p as modules; a kernel of ours would be built for it
    assert main(["boot", "--share", str(read), "--share", f"{write}:rw", kernel, "--", line]) == 5
    out, err = capfd.readouterr()
    assert "from the host\n" in out
    assert (write / "code").read_text() == "0\n"
    assert "Read-only file system" in out
    assert sorted(path.name for path in read.iterdir()) == ["run.sh"]
    assert f"{read} is /mnt/read-me in the guest, read-only" in err


def test_an_oops_is_shown_with_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    words = ("--kernel-arg", DYNDBG, "unstable", "--", "cat /proc/cmdline; echo c >/proc/sysrq-trigger")
    assert main(["boot", *words]) == 1
    out, err = capfd.readouterr()
    assert f" {DYNDBG}\n" in out
    assert "kzram-ci: kernel panic: sysrq triggered crash\n" in err
    assert "  sysrq_handle_crash+" in err
    (file,) = re.findall(r"all of it: (\S+)", err)
    assert "Kernel panic - not syncing: sysrq triggered crash" in Path(file).read_text()
    assert (Path(file).parent / "console.log").is_file()


def test_an_oops_that_a_command_prints_is_no_crash(capfd: pytest.CaptureFixture[str]) -> None:
    line = "echo 'BUG: kernel NULL pointer dereference, address: 0000000000000000'; echo 'Kernel panic - not syncing'"
    assert main(["boot", "unstable", "--", line]) == 0
    assert "all of it" not in capfd.readouterr().err


@pytest.fixture
def waiting() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A guest that waits for gdb, and the line that attaches."""
    requires.tool("gdb", "debuggers")
    command = (*BOOT, "--gdb", "unstable", "--", "echo alive; exit 3")
    pipe = subprocess.PIPE
    child = subprocess.Popen(command, stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL, text=True)
    assert child.stderr is not None
    yield child, next(line for text in child.stderr if (line := text.removeprefix("kzram-ci: ")).startswith("gdb "))
    child.terminate()
    child.wait(30)


def test_gdb(waiting: tuple[subprocess.Popen[str], str]) -> None:
    child, line = waiting
    asked = ("hbreak start_kernel", "continue", "info symbol $pc", "delete", "detach")
    gdb = (*shlex.split(line), "-batch", *(word for text in asked for word in ("-ex", text)))
    done = subprocess.run(gdb, capture_output=True, text=True, timeout=120, check=False)
    assert "start_kernel in section" in done.stdout, done.stderr
    out, _ = child.communicate(timeout=120)
    assert (out, child.returncode) == ("alive\n", 3)


def test_a_shell_on_a_terminal() -> None:
    """It has the terminal's size, Ctrl-] ends it, and the terminal is as before."""
    process, terminal = pty.fork()
    if not process:
        os.execv(BOOT[0], (*BOOT, "unstable"))
    import fcntl
    import struct
    import termios

    before = termios.tcgetattr(terminal)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    seen = wait_for(terminal, b"/ # ")
    os.write(terminal, b"stty size; echo $((6*7))\r")
    seen += wait_for(terminal, b"42\r\n")
    assert b"33 101\r\n" in seen
    os.write(terminal, b"\x1d")
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert termios.tcgetattr(terminal) == before
    os.close(terminal)


def wait_for(terminal: int, wanted: bytes) -> bytes:
    seen, limit = b"", Deadline.after(120)
    while wanted not in seen:
        assert not limit.expired(), seen
        if select.select((terminal,), (), (), 1)[0]:
            seen += os.read(terminal, 65536)
    return seen
