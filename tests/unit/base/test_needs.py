"""One table of what a host needs: packages by distribution, advice for errors, the copy that scripts/setup reads."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kzram_ci.base import needs, packages, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import CommandFailed, UserError
from kzram_ci.base.needs import NEEDS, Proof, Task
from kzram_ci.base.packages import MANAGERS, Packages, manager_of
from kzram_ci.model import arch

ROOT = Path(__file__).resolve().parents[3]
On = Callable[..., None]
OS_RELEASES = {
    "apt": 'NAME="Debian"\nID=debian\n',
    "dnf": 'ID="rocky"\nID_LIKE="rhel centos fedora"\n',
    "zypper": 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\n',
    "pacman": "ID=endeavouros\nID_LIKE=arch\n",
    "nix": "ID=nixos\n",
}


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> On:
    """Makes this host one of another distribution."""

    def choose(manager: str, *, root: bool = False) -> None:
        monkeypatch.setattr(packages, "here", lambda: manager)
        monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)

    return choose


@pytest.mark.parametrize(
    ("text", "manager"),
    [
        *((text, manager) for manager, text in OS_RELEASES.items()),
        ("ID=linuxmint\nID_LIKE=ubuntu\n", "apt"),
        ("ID=fedora\n", "dnf"),
        ("ID='opensuse-tumbleweed'\n", "zypper"),
        ("ID_LIKE=arch\nID=debian\n", "apt"),
        ("ID=plan9\n", ""),
        ("", ""),
    ],
)
def test_the_manager_is_the_distributions(text: str, manager: str) -> None:
    assert manager_of(text) == manager


def test_an_unknown_distribution_is_known_by_its_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "OS_RELEASE", (str(tmp_path / "none"),))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert packages.here.__wrapped__() == ""
    (tmp_path / "zypper").write_text("#!/bin/sh\n")
    (tmp_path / "zypper").chmod(0o755)
    assert packages.here.__wrapped__() == "zypper"


@pytest.mark.parametrize(
    ("manager", "root", "command"),
    [
        ("apt", False, "sudo apt-get install flex libelf-dev"),
        ("apt", True, "apt-get install flex libelf-dev"),
        ("dnf", False, "sudo dnf install flex elfutils-libelf-devel"),
        ("zypper", False, "sudo zypper install flex libelf-devel"),
        ("pacman", False, "sudo pacman -S --needed flex libelf"),
        ("nix", False, "nix-shell -p flex elfutils"),
        ("", False, "install flex, gelf.h"),
    ],
)
def test_advice_is_one_command_of_this_host(manager: str, root: bool, command: str, on: On) -> None:
    on(manager, root=root)
    assert needs.advice("flex", "gelf.h", "flex") == command


def test_advice_for_what_has_no_package_here(on: On) -> None:
    on("zypper")
    assert needs.advice("aarch64-linux-gnu-gcc", more=arch.needs()) == "install aarch64-linux-gnu-gcc"
    assert needs.advice("bc", "frobnicate") == "sudo zypper install bc, and install frobnicate"
    assert needs.advice("gcc-11") == "install gcc-11"
    on("apt")
    assert needs.advice("gcc-11", "ld.lld-18") == "sudo apt-get install gcc-11 lld-18"


def test_a_missing_program_says_how_to_get_it_here(on: On, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on("pacman")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="zstd not found in PATH; fix: sudo pacman -S --needed zstd"):
        proc.which("zstd")
    with pytest.raises(UserError, match="flex not found; fix: sudo pacman -S --needed flex; kzram-ci doctor"):
        proc.run(("flex",), deadline=Deadline.after(5))


def test_every_row_is_whole() -> None:
    rows = (*NEEDS, *arch.needs())
    assert {need.task for need in rows} == set(Task)
    assert {need.proof for need in rows} == set(Proof)
    assert len({(need.task, need.what) for need in rows}) == len(rows)
    for need in rows:
        assert need.packages.of("apt"), f"{need.what}: kzram-ci is served on Debian"
        assert need.why
        assert not set(need.what) & set("|\n ")
    for need in needs.of_task(Task.BUILD, Task.BOOT, Task.PYTHON, Task.LINT):
        for manager in MANAGERS:
            assert need.packages.of(manager), f"{need.what} by {manager}"


def test_a_manager_has_a_column_and_a_column_a_manager() -> None:
    assert tuple(Packages.__slots__) == tuple(MANAGERS)


def test_the_copy_for_the_shell_is_up_to_date() -> None:
    path = ROOT / "scripts" / "needs.txt"
    text = needs.table((*NEEDS, *arch.needs()))
    if os.environ.get("KZRAM_REWRITE_GOLDEN"):
        path.write_text(text)
    assert path.read_text() == text, "KZRAM_REWRITE_GOLDEN=1 writes it"


class TestSetUp:
    """scripts/setup on hosts made of stubs: it must name the packages that the table names."""

    @pytest.fixture
    def host(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        tools = tmp_path / "bin"
        tools.mkdir()
        for name in ("bash", "env", "dirname", "tail", "id", "ldd", "uname"):
            found = shutil.which(name)
            assert found
            (tools / name).symlink_to(found)
        monkeypatch.setenv("PATH", str(tools))
        monkeypatch.setenv("OS_RELEASE", str(tmp_path / "os-release"))
        return tmp_path

    def printed(self, host: Path, os_release: str, *words: str) -> list[str]:
        (host / "os-release").write_text(os_release)
        bash = (str(host / "bin" / "bash"), str(ROOT / "scripts" / "setup"), *words, "--print")
        return proc.run(bash, deadline=Deadline.after(60)).text().splitlines()

    @pytest.mark.parametrize("manager", MANAGERS)
    def test_an_empty_host_lacks_all(self, host: Path, manager: str) -> None:
        tasks = {Task.FETCH, Task.BUILD, Task.BOOT, Task.PYTHON, Task.LINT}
        if os.uname().machine != "x86_64":
            tasks.add(Task.CROSS)
        wanted = [need for need in (*NEEDS, *arch.needs()) if need.task in tasks and need.arch in ("", "x86_64")]
        keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
        names = [name for need in wanted if need.what != str(keyring) for name in need.packages.of(manager)]
        first, *rest = self.printed(host, OS_RELEASES[manager])
        command = packages.install_command((), manager, root=os.geteuid() == 0).strip()
        assert first.startswith(command + " ")
        found = first.removeprefix(command).split()
        assert set(found) - {"debian-archive-keyring", "debian-keyring"} == set(names)
        assert len(found) == len(set(found))
        assert not rest

    @pytest.mark.parametrize("row", [row for row in arch.ARCHS if row.name != arch.DEFAULT], ids=lambda row: row.name)
    def test_another_architecture_is_installed_on_demand_only(self, host: Path, row: arch.Arch) -> None:
        (plain,) = self.printed(host, OS_RELEASES["apt"])
        (asked,) = self.printed(host, OS_RELEASES["apt"], "--arch", row.name)
        more = set(asked.split()) - set(plain.split())
        native = os.uname().machine in row.uname
        theirs = {*row.qemu_packages.apt.split(), *(() if native else row.cross_packages.apt.split())}
        assert more == theirs - set(plain.split())  # one QEMU is of several

    def test_an_architecture_that_is_not_known(self, host: Path) -> None:
        with pytest.raises(CommandFailed, match="unknown architecture amd64"):
            self.printed(host, OS_RELEASES["apt"], "--arch", "amd64")

    def test_an_unknown_host_gets_words(self, host: Path) -> None:
        (words,) = self.printed(host, "ID=plan9\n")
        assert words.startswith("by hand: make gcc ld flex bison bc")

    def test_this_host_lacks_nothing(self) -> None:
        done = proc.run((str(ROOT / "scripts" / "setup"), "--print"), deadline=Deadline.after(60))
        assert done.text() == ""
