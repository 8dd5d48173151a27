"""A command that waits ends at the first Ctrl-C or SIGTERM: what only looks has no guests to stop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import requires


def started(*words: str, **streams: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "kzram_ci", *words], stderr=subprocess.PIPE, **streams)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", ["oops", "ktap"])
def test_a_log_that_has_no_end(command: str, number: int, tmp_path: Path) -> None:
    pipe = tmp_path / "log"
    os.mkfifo(pipe)
    with started(command, str(pipe)) as child, pipe.open("wb"):  # opened: it reads
        child.send_signal(number)
        _, err = child.communicate(timeout=60)
    assert err == b"kzram-ci: interrupted\n"
    assert child.returncode == 130


def test_a_worker_whose_scheduler_does_not_answer() -> None:
    if find_spec("distributed") is None:
        requires.lacking("cluster", "no distributed")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with started("worker", f"tcp://127.0.0.1:{silent.getsockname()[1]}") as child:
            silent.settimeout(60)
            silent.accept()[0].close()  # it tries
            child.send_signal(signal.SIGTERM)
            _, err = child.communicate(timeout=60)
    assert b"interrupted" in err
    assert b"Traceback" not in err
    assert child.returncode == 130
