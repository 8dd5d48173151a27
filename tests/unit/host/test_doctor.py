import json
import shutil
from pathlib import Path

import pytest

from kzram_ci.base.clock import Deadline
from kzram_ci.cli.main import main
from kzram_ci.host import doctor
from kzram_ci.host.doctor import NEEDS, Check, first_version, install_command, missing_command, package_manager


@pytest.mark.parametrize(
    ("text", "manager"),
    [
        ('NAME="Debian"\nID=debian\n', "apt"),
        ("ID=linuxmint\nID_LIKE=ubuntu\n", "apt"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf"),
        ("ID=arch\n", "pacman"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "zypper"),
        ("ID=plan9\n", ""),
        ("", ""),
    ],
)
def test_package_manager(text: str, manager: str) -> None:
    assert package_manager(text) == manager


def test_install_commands() -> None:
    elf = next(need for need in NEEDS if need.header == "gelf.h")
    assert install_command(elf, "apt") == "sudo apt-get install -y libelf-dev"
    assert install_command(elf, "dnf") == "sudo dnf install -y elfutils-libelf-devel"
    assert install_command(elf, "") == "install libelf-dev"


def test_one_command_for_all_that_is_missing() -> None:
    checks = (
        Check(name="bc", ok=False, required=True, fix="sudo apt-get install -y bc"),
        Check(name="ok", ok=True, required=True),
        Check(name="flex", ok=False, required=True, fix="sudo apt-get install -y flex"),
        Check(name="ccache", ok=False, required=False, fix="sudo apt-get install -y ccache"),
        Check(name="disk", ok=False, required=True, fix="kzram-ci cache gc"),
    )
    assert missing_command(checks) == "sudo apt-get install -y bc flex"
    assert missing_command(checks[1:2]) == ""


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg)", "7.2.22"),
        ("gcc (Debian 12.2.0-14) 12.2.0", "12.2.0"),
        ("BusyBox v1.35.0 (Debian)", "1.35.0"),
        ("", ""),
    ],
)
def test_first_version(text: str, version: str) -> None:
    assert first_version(text) == version


def test_on_an_empty_host_everything_is_missing_and_nothing_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    checks = doctor.examine(("x86_64", "arm64"), cache=tmp_path / "not" / "yet", deadline=Deadline.after(60))
    tools = [check for check in checks if check.name not in ("disk space", "memory")]
    assert len(tools) == len(NEEDS) + 2
    assert not any(check.ok for check in tools)
    assert all(check.fix for check in tools)


@pytest.mark.parametrize(("content", "told"), [("", "(dynamic)"), ("#!/bin/sh\necho v1.0.1\n", "(not an ELF file)")])
def test_the_guest_needs_a_static_busybox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, told: str
) -> None:
    program = tmp_path / "busybox"
    shutil.copy("/bin/true", program)
    if content:
        program.write_text(content)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    checks = doctor.examine(cache=tmp_path, deadline=Deadline.after(60))
    found = next(check for check in checks if check.name == "busybox")
    assert not found.ok
    assert found.version.endswith(told)


def test_json_and_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("KZRAM_CACHE", str(tmp_path))
    assert main(["doctor", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert {check["name"] for check in told["checks"]} >= {"gcc", "qemu-system-x86_64", "disk space"}
    assert main(["doctor"]) == 2
    assert "install what is missing: " in capsys.readouterr().out
