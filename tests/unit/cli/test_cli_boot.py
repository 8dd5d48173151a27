"""boot: options to a request, and the errors that come before any guest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kzram_ci.base.errors import UserError
from kzram_ci.cli.main import main
from kzram_ci.model.machine import Accel, MachineSpec, Share
from kzram_ci.run import aftermath, boot_shell
from kzram_ci.run.boot_shell import BootRequest

Out = Callable[[str], None]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[BootRequest]:
    found: list[BootRequest] = []

    def boot(request: BootRequest, *, tell: Out, output: Out) -> int:
        found.append(request)
        tell("tcg: no KVM here")
        output("Linux\n")
        return 9

    monkeypatch.setattr(boot_shell, "boot", boot)
    return found


def test_options_become_a_request(asked: list[BootRequest], capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--memory", "512", "--accel", "tcg", "--append", "quiet nokaslr", "--kernel", "directory:.", "stock")
    assert main(("boot", *words, "--timeout", "5", "--", "uname", "-r", "--", "x")) == 9
    machine = MachineSpec(memory_mib=512, accel=Accel.TCG, cmdline=("quiet", "nokaslr"))
    assert asked == [
        BootRequest(
            kernel="stock", source="directory:.", machine=machine, command=("uname", "-r", "--", "x"), timeout=5.0
        )
    ]
    out, err = capsys.readouterr()
    assert (out, err) == ("Linux\n", "kzram-ci: tcg: no KVM here\n")


def test_words_with_blanks_reach_the_kernel_and_qemu(asked: list[BootRequest], tmp_path: Path) -> None:
    dyndbg = 'dyndbg="file zram_drv.c +p"'
    words = ("--append", f"quiet {dyndbg}", "--kernel-arg", dyndbg, "--kernel-arg", "a=b c", "--qemu-arg=-device x,y=z")
    assert main(("boot", *words, "--gdb", "--config", "debug-info", "--share", f"{tmp_path}:rw", "stock")) == 9
    (request,) = asked
    assert request.machine.cmdline == ("quiet", dyndbg, dyndbg, 'a="b c"')
    assert request.machine.qemu_args == ("-device", "x,y=z")
    assert request.machine.shares == (Share(directory=str(tmp_path), mount=f"/mnt/{tmp_path.name}", writable=True),)
    assert (request.gdb, request.config) == (True, ("debug-info",))


def test_a_shell_is_the_default(asked: list[BootRequest]) -> None:
    main(("boot", "stock"))
    assert asked == [BootRequest(kernel="stock")]


def test_a_command_without_dashes_is_an_error_that_shows_them(
    asked: list[BootRequest], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(("boot", "stock", "uname")) == 2
    assert "a command for the guest comes after --; fix: kzram-ci boot stock -- uname" in capsys.readouterr().err
    assert not asked


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("./gone",), "./gone is not a file"),
        (("stok",), "unknown kernel 'stok'"),
        (("--kernel", "st*", "stock"), "--kernel st* is not a source"),
        (("--rootfs", "gone", "image.bin"), "gone is not a file"),
        (("--share", "gone", "stock"), "gone does not exist"),
        (("--root", "image:gone", "stock"), "--root image:gone: gone does not exist"),
        (("--ssh", "stock"), "--ssh needs a root with an sshd; fix: --root debian:trixie+openssh-server"),
        (("--share", "image.bin:rw", "stock"), "image.bin is not a directory"),
        (("--share", ".", "--share", ".:rw", "stock"), "is shared twice"),
        (("--kernel-arg", 'a="b', "stock"), "a double quote without its other half"),
        (("--kernel-arg", "two words", "stock"), "is several words"),
        (("--qemu-arg", "'", "stock"), "--qemu-arg: No closing quotation"),
        (("--config", "debug-info", "image.bin"), "is ready, --config cannot change it"),
        (("--config", "debug-inf", "stock"), "debug-inf"),
    ],
)
def test_errors_come_before_any_guest(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    (tmp_path / "image.bin").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(boot_shell, "image_for", lambda spec, context: None)
    assert main(("boot", *words)) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "word",
    [
        "--cpus=0",
        "--cpus=9999",
        "--memory=1",
        "--memory=99999999",
        "--disk=-1",
        "--zram=x",
        "--timeout=-5",
        "--timeout=nan",
    ],
)
def test_a_machine_that_cannot_be_is_the_users_error(
    word: str, asked: list[BootRequest], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(("boot", word, "stock", "--", "true"))
    assert f"argument {word.partition('=')[0]}: " in capsys.readouterr().err
    assert not asked


def test_logs_that_cannot_be_kept_are_told_before_a_guest(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot create .*file: File exists"), aftermath.place(tmp_path / "file"):
        pytest.fail("a guest was booted")
