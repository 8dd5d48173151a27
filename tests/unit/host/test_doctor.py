import json
import re
import shutil
from pathlib import Path

import pytest

from kzram_ci.base import packages
from kzram_ci.base.clock import Deadline
from kzram_ci.base.needs import NEEDS, Proof
from kzram_ci.cli.main import main
from kzram_ci.host import doctor
from kzram_ci.host.doctor import Check, first_version, missing_command
from kzram_ci.model.arch import ARCHS
from kzram_ci.vm import binary


def test_one_command_for_all_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "here", lambda: "dnf")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    checks = (
        Check(name="bc", ok=False, required=True, fix="sudo dnf install bc", packages=("bc",)),
        Check(name="ok", ok=True, required=True),
        Check(name="ld", ok=False, required=True, fix="sudo dnf install binutils", packages=("binutils",)),
        Check(name="ccache", ok=False, required=False, fix="sudo dnf install ccache", packages=("ccache",)),
        Check(name="nm", ok=False, required=True, fix="sudo dnf install binutils", packages=("binutils",)),
        Check(name="disk", ok=False, required=True, fix="kzram-ci cache gc"),
    )
    assert missing_command(checks) == "sudo dnf install bc binutils"
    assert missing_command(checks[1:2]) == ""


@pytest.mark.parametrize(("manager", "name"), [("apt", "libelf-dev"), ("zypper", "libelf-devel"), ("nix", "elfutils")])
def test_packages_are_those_of_this_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manager: str, name: str
) -> None:
    monkeypatch.setattr(packages, "here", lambda: manager)
    monkeypatch.setenv("PATH", str(tmp_path))
    checks = doctor.examine(cache=tmp_path, deadline=Deadline.after(60))
    found = next(check for check in checks if check.name == "libelf headers")
    assert (found.ok, found.packages) == (False, (name,))
    assert found.fix.endswith(f" {name}")
    assert f" {name}" in missing_command(checks)


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
    tools = [check for check in checks if check.name not in ("disk space", "memory", "debian keyring")]
    assert {"qemu-system-x86_64", "qemu-system-aarch64", "gcc", "libc static", "busybox"} <= {c.name for c in tools}
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


def test_the_qemu_of_rhel_is_found_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    program = tmp_path / "libexec" / "qemu-kvm"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho QEMU emulator version 8.2.0\n")
    program.chmod(0o755)
    monkeypatch.setattr(binary, "NATIVE", ("qemu-kvm", str(program)))
    own = next(row for row in ARCHS if binary.native(row))
    other = next(row for row in ARCHS if not binary.native(row))
    checks = doctor.examine((own.name, other.name), cache=tmp_path, deadline=Deadline.after(60))
    found = {check.name: check for check in checks}
    assert (found[own.qemu].ok, found[own.qemu].version) == (True, "8.2.0")
    assert not found[other.qemu].ok, "it knows the host's architecture only"
    assert found[f"{other.triplet}-gcc"].required


def test_every_program_that_is_here_tells_its_version() -> None:
    """One that does not know the option would pass for missing."""
    here = [need for need in NEEDS if need.proof is Proof.COMMAND and shutil.which(need.what)]
    told = {need.what: doctor._look_for(need, Deadline.after(60)) for need in here}
    assert told
    assert not [what for what, (found, _) in told.items() if not found]
    assert not [what for what, (_, version) in told.items() if not re.match(r"\d+\.\d", version)], told
