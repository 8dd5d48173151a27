"""What a boot by hand comes to: the exit code, and which of several troubles is told."""

from pathlib import Path

import pytest

from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.model.kernel import KernelImage
from kzram_ci.model.layout import CellFile
from kzram_ci.run.aftermath import Place
from kzram_ci.run.boot_limits import Limits
from kzram_ci.run.boot_shell import _code
from kzram_ci.run.boot_state import BootState, Ending
from kzram_ci.run.shell import WITHOUT_SSH, Spoken, _in_time

IMAGE = KernelImage(key="k", name="k", arch="x86_64", release="6.12", image="/k")
PANIC = b"[    2.000000] Kernel panic - not syncing: sysrq triggered crash\n"


def code(where: Path, spoken: Spoken, console: bytes = b"", *, command: bool = True) -> tuple[int, str]:
    (where / CellFile.CONSOLE).write_bytes(console)
    said: list[str] = []
    found = _code(spoken, Place(path=where, temporary=False), IMAGE, said.append, command=command)
    return found, "\n".join(said)


def test_a_command_that_ran_gives_its_code_whatever_init_lacked(tmp_path: Path) -> None:
    assert code(tmp_path, Spoken(code=5, errors=("no zram",))) == (5, "the guest: no zram")


def test_a_guest_that_cannot_be_what_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^the guest: not bootable: x"):
        code(tmp_path, Spoken(errors=("no zram", "not bootable: x"), refused=True))


def test_a_crash_comes_before_it(tmp_path: Path) -> None:
    found, said = code(tmp_path, Spoken(panicked=True, errors=("not bootable: x",), refused=True), PANIC)
    assert found == 1
    assert "sysrq triggered crash" in said


def test_a_guest_that_went_away(tmp_path: Path) -> None:
    found, said = code(tmp_path, Spoken(errors=("no zram",)), b"[    1.000000] last\n")
    assert found == 1
    assert said.endswith("the guest went away; its last lines:\n[    1.000000] last")


def test_an_sshd_that_never_answers() -> None:
    limits = Limits(boot_until=120, until=720, work_seconds=600, dialogue=True)
    state = BootState(limits=limits, began=0)
    with pytest.raises(InfraError) as caught:
        _in_time(state, Ending.HUNG, limits, "sshd in the guest", "Connection reset", hint=WITHOUT_SSH)
    assert str(caught.value) == (
        "sshd in the guest did not answer before the boot deadline: Connection reset; "
        "fix: look at the root's sshd: the same command without --ssh runs on the console"
    )
