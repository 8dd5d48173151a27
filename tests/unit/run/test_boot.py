"""Orchestration faults, with a fake QEMU: each ends in evidence or in one line that says who must act."""

import io
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from builders import a_cell, a_rootfs, a_workload, an_accel, an_image

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, Interrupted, UserError
from kzram_ci.cli.progress import watch
from kzram_ci.guest import control
from kzram_ci.model.cell import Plan
from kzram_ci.model.events import CellProgress, Event, Listener
from kzram_ci.model.evidence import Evidence, MemoryDump
from kzram_ci.model.machine import Dump, MachineSpec
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.run import boot, boot_state, channels, memory
from kzram_ci.run.boot_state import Input
from kzram_ci.verdict.judge import judge
from kzram_ci.vm import argv, qemu

FAKE = Path(__file__).parents[2] / "support" / "fake_qemu.py"


@pytest.fixture(autouse=True)
def fake_qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "qemu-system-x86_64"
    program.parent.mkdir()
    # it knows no -sandbox, and says so before Python has started: a deadline below is half a second
    knows = 'case "$*" in "-machine none "*) exit 1 ;; esac'
    program.write_text(f'#!/bin/sh\n{knows}\nexec {sys.executable} {FAKE} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setattr(qemu, "QUIT_SECONDS", 0.3)


CELL = a_cell(id="k-t", workload=a_workload(duration_s=60))
HOSTILE = (
    b'{"ev":"counters","recompressions":"x"}\n',
    b'{"ev":"sample","counters":{"recompressions":"x","overruns":[]}}\n{"ev":"stop","ran_ms":' + b"9" * 300 + b"}\n",
    b'{"ev":"_line"}\n{"ev":"feed"}\n{"ev":"__class__"}\n{"ev":"exit","nonce":"","code":0}\n',
    b'{"ev":"error","text":"\\ud800"}\n{"ev":"corruption","page":{"\\ud800":1}}\n',
    b"\xff\xfe\x00" * 1000 + b"\n" + b"[" * 100_000 + b"\n",
)


def boot_fake(
    tmp_path: Path,
    *,
    machine: MachineSpec | None = None,
    seconds: float = 15,
    listener: Listener = lambda event: None,
) -> Evidence:
    (tmp_path / "rootfs").write_bytes(b"odd")
    return boot.boot_once(
        replace(CELL, machine=machine or MachineSpec()),
        an_image(),
        a_rootfs(path=str(tmp_path / "rootfs")),
        directory=tmp_path / "cells, deep" / "k-t",
        accel=an_accel(),
        deadline=Deadline.after(seconds),
        listener=listener,
    )


def no_qemu_left() -> bool:
    lines = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # gone meanwhile, or a zombie of another test's
            lines.append(" ".join(child.cmdline()))
    return not any("fake_qemu" in line for line in lines)


def test_a_good_boot_leaves_evidence_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []
    monkeypatch.setattr(argv, "escaped", lambda path: path.replace("cells, deep", "cells"))
    (tmp_path / "cells, deep" / "k-t").mkdir(parents=True)
    (tmp_path / "cells").symlink_to(tmp_path / "cells, deep")
    evidence = boot_fake(tmp_path, listener=events.append)
    assert (evidence.booted, evidence.ready, evidence.exit_code, evidence.qemu_exit) == (True, True, 0, 0)
    assert evidence.counters == {"vmstat.pswpout": 5, "overruns": 1, "recompressions": 31}  # the last from the console
    assert evidence.overrun_lines == 1
    assert evidence.last_line == "torn"
    assert evidence.host_error == ""
    sampled = {"vmstat.pswpout": 5, "overruns": 1}
    assert [event.counters for event in events if isinstance(event, CellProgress)] == [sampled]
    left = {path.name for path in (tmp_path / "cells" / "k-t").iterdir()}
    assert left == {
        "cell.conf",
        "cell.cpio",
        "console.log",
        "control.log",
        "counters.json",
        "qemu.log",
        "qemu.txt",
    }


@pytest.mark.usefixtures("plain")
class TestMemory:
    """`machine: {dump: on-crash}`."""

    MACHINE = MachineSpec(dump=Dump.ON_CRASH, dump_limit_mib=2)

    def test_of_a_crash_is_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_QEMU", "crash")
        evidence = boot_fake(tmp_path, machine=self.MACHINE)
        assert [oops.function for oops in evidence.oopses] == ["obj_malloc"]
        assert (evidence.dump, evidence.dump_missing) == (MemoryDump(file="vmcore", bytes=1000, vmlinux=""), "")
        assert (tmp_path / "cells, deep" / "k-t" / "vmcore").read_bytes().startswith(b"KDUMP")
        assert no_qemu_left()

    def test_of_a_hang_is_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_QEMU", "silent")
        monkeypatch.setattr(qemu, "SYSRQ_SECONDS", 0.5)
        evidence = boot_fake(tmp_path, machine=self.MACHINE, seconds=2)
        assert evidence.deadline_hit
        assert evidence.dump is not None

    def test_of_a_guest_that_ended_well_is_not(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_QEMU", "pass")
        evidence = boot_fake(tmp_path, machine=self.MACHINE)
        assert (evidence.exit_code, evidence.qemu_exit) == (0, 0)
        assert (evidence.dump, evidence.dump_missing) == (None, "")

    @pytest.mark.parametrize(
        ("status", "why"),
        [
            ("failed", "QEMU could not dump the guest's memory: failed"),
            ("huge", "the dump of the guest's memory is larger than 2 MiB"),
        ],
    )
    def test_a_dump_that_fails_is_told_and_leaves_no_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str, why: str
    ) -> None:
        monkeypatch.setenv("FAKE_QEMU", "crash")
        monkeypatch.setenv("FAKE_QEMU_DUMP", status)
        evidence = boot_fake(tmp_path, machine=self.MACHINE)
        assert (evidence.dump, evidence.dump_missing) == (None, why)
        assert evidence.oopses
        assert not (tmp_path / "cells, deep" / "k-t" / "vmcore").exists()

    def test_a_disk_without_room(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_QEMU", "crash")
        monkeypatch.setattr(memory, "RESERVE_MIB", 1 << 40)
        assert "MiB free, too few for a dump" in boot_fake(tmp_path, machine=self.MACHINE).dump_missing


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The fake's own parsing of options knows neither blanks nor commas."""
    (tmp_path / "cells, deep" / "k-t").mkdir(parents=True)
    (tmp_path / "cells").symlink_to(tmp_path / "cells, deep")
    monkeypatch.setattr(argv, "escaped", lambda path: path.replace("cells, deep", "cells"))


@pytest.mark.usefixtures("plain")
class TestFaults:
    def test_qemu_that_dies_at_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_QEMU", "error-at-start")
        with pytest.raises(InfraError, match=r"QEMU did not start: .*flux-capacitor' is not a valid device"):
            boot_fake(tmp_path)

    def test_the_operators_own_arguments_are_the_operators_fault(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FAKE_QEMU", "error-at-start")
        with pytest.raises(UserError, match=r"-device flux-capacitor.*machine.qemu_args"):
            boot_fake(tmp_path, machine=MachineSpec(qemu_args=("-device", "flux-capacitor,x=1")))

    def test_qemu_without_a_monitor(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_QEMU", "no-qmp")
        with pytest.raises(InfraError, match="monitor never answered"):
            boot_fake(tmp_path, seconds=1)
        assert no_qemu_left()

    def test_guest_that_never_prints(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_QEMU", "silent")
        monkeypatch.setattr(qemu, "SYSRQ_SECONDS", 0.2)
        evidence = boot_fake(tmp_path, machine=MachineSpec(boot_seconds=2))
        assert evidence.deadline_hit
        assert not evidence.booted
        assert evidence.console_bytes == 0
        assert no_qemu_left()

    def test_guest_that_floods_the_console(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_QEMU", "flood")
        evidence = boot_fake(tmp_path, machine=MachineSpec(console_limit_mib=1))
        assert evidence.flooded
        assert evidence.console_bytes > 1 << 20
        assert no_qemu_left()

    def test_qemu_that_will_not_go_is_killed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_QEMU", "deaf")
        monkeypatch.setattr(qemu, "SYSRQ_SECONDS", 0.2)
        evidence = boot_fake(tmp_path, machine=MachineSpec(boot_seconds=2))
        assert evidence.qemu_exit == -9
        assert evidence.host_error == ""  # we killed it
        assert no_qemu_left()

    def test_lost_guest(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_QEMU", "lost")
        evidence = boot_fake(tmp_path)
        assert evidence.ready
        assert evidence.exit_code is None
        assert not evidence.deadline_hit

    def test_a_wrong_nonce_is_no_exit_token(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_QEMU", "garbage")
        evidence = boot_fake(tmp_path)
        assert evidence.exit_code is None
        assert evidence.guest_errors == ("exit token with a wrong nonce or code",)
        assert evidence.garbage == 2

    @pytest.mark.parametrize("chatter", HOSTILE)
    def test_no_word_of_the_guest_makes_a_crash_unjudged(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chatter: bytes
    ) -> None:
        (tmp_path / "chatter").write_bytes(chatter)
        monkeypatch.setenv("FAKE_QEMU", "hostile")
        monkeypatch.setenv("FAKE_QEMU_CHATTER", str(tmp_path / "chatter"))
        with watch(Plan(name="p", cells=(CELL,)), io.StringIO(), plain=True) as listener:
            evidence = boot_fake(tmp_path, listener=listener)
        word = judge(CELL, evidence)
        assert (word.outcome, word.verdict) == (Outcome.OOPS, Verdict.FINDING)
        assert "in obj_malloc" in word.reason
        assert b"ready" in (tmp_path / "cells" / "k-t" / "control.log").read_bytes()

    def test_a_guest_that_floods_its_port(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_QEMU", "flood-port")
        evidence = boot_fake(tmp_path, machine=MachineSpec(console_limit_mib=1))
        assert evidence.flooded
        assert "control port flooded" in judge(CELL, evidence).reason
        assert (tmp_path / "cells" / "k-t" / "control.log").stat().st_size < 4 << 20
        assert no_qemu_left()

    def test_a_port_that_is_lost_is_the_hosts_fault(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_QEMU", "lost-port")
        monkeypatch.setattr(boot_state, "PORT_SECONDS", 0.2)
        evidence = boot_fake(tmp_path)
        assert judge(CELL, evidence).outcome is Outcome.INFRA
        assert "control port was lost" in evidence.host_error
        assert no_qemu_left()

    def test_a_log_that_cannot_be_written_leaves_the_crash_judged(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = control.ControlPort.poll

        def full(self: control.ControlPort) -> list[Any]:
            if b"end trace" in (tmp_path / "cells" / "k-t" / "console.log").read_bytes():
                raise InfraError("cannot write control.log: No space left on device")
            return [*real(self)]

        monkeypatch.setenv("FAKE_QEMU", "hostile")
        (tmp_path / "chatter").write_bytes(b"")
        monkeypatch.setenv("FAKE_QEMU_CHATTER", str(tmp_path / "chatter"))
        monkeypatch.setattr(control.ControlPort, "poll", full)
        evidence = boot_fake(tmp_path)
        assert "No space left" in evidence.host_error
        assert judge(CELL, evidence).outcome is Outcome.OOPS

    def test_killed_qemu_is_the_hosts_fault(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_QEMU", "killed")
        evidence = boot_fake(tmp_path)
        assert evidence.host_error.startswith("QEMU was killed by signal 9")

    def test_interruption_stops_the_guest_and_keeps_the_logs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FAKE_QEMU", "silent")
        real = channels.HostChannel.poll

        def cancel(self: channels.HostChannel) -> list[Input]:
            proc.cancel_all()
            return real(self)

        monkeypatch.setattr(channels.HostChannel, "poll", cancel)
        try:
            with pytest.raises(Interrupted):
                boot_fake(tmp_path)
        finally:
            proc.resume_all()
        assert (tmp_path / "cells" / "k-t" / "counters.json").is_file()
        assert no_qemu_left()

    def test_full_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_QEMU", "silent")
        monkeypatch.setattr(channels, "DISK_RESERVE_BYTES", 1 << 60)
        assert "is full" in boot_fake(tmp_path).host_error


def test_missing_qemu_names_the_command_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"qemu-system-x86_64 not found.*apt-get install qemu-system-x86"):
        boot_fake(tmp_path)
