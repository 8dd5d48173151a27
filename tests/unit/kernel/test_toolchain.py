from pathlib import Path

import pytest

from kzram_ci.base import packages
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import UserError
from kzram_ci.kernel import compilers, toolchain


@pytest.mark.parametrize(
    ("variables", "cc", "ld"),
    [
        ({}, ("gcc",), ("ld",)),
        ({"CC": "ccache gcc-11 -fno-pie"}, ("ccache", "gcc-11", "-fno-pie"), ("ld",)),
        ({"CROSS_COMPILE": "aarch64-linux-gnu-"}, ("aarch64-linux-gnu-gcc",), ("aarch64-linux-gnu-ld",)),
        ({"LLVM": "1"}, ("clang",), ("ld.lld",)),
        ({"LLVM": "-18"}, ("clang-18",), ("ld.lld-18",)),
        ({"LLVM": "/opt/llvm/bin/"}, ("/opt/llvm/bin/clang",), ("/opt/llvm/bin/ld.lld",)),
    ],
)
def test_commands(variables: dict[str, str], cc: tuple[str, ...], ld: tuple[str, ...]) -> None:
    found = compilers.commands(variables)
    assert (found["CC"], found["LD"]) == (cc, ld)


def test_another_architecture_gets_its_cross_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert toolchain.make_vars("x86_64", ()) == ()
    assert dict(toolchain.make_vars("arm64", ())) == {"CROSS_COMPILE": "aarch64-linux-gnu-"}
    assert dict(toolchain.make_vars("arm64", (("LLVM", "1"),))) == {"LLVM": "1"}


def test_what_another_architecture_lacks_here_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(packages, "here", lambda: "apt")
    with pytest.raises(UserError) as caught:
        toolchain.make_vars("arm64", ())
    missing = "qemu-system-aarch64, aarch64-linux-gnu-gcc, aarch64-linux-gnu-ld"
    assert caught.value.message == f"missing for arm64 on x86_64: {missing}"
    for package in ("qemu-system-arm", "gcc-aarch64-linux-gnu", "binutils-aarch64-linux-gnu", "libc6-dev-arm64-cross"):
        assert f" {package}" in caught.value.hint


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    where = tmp_path / "bin"
    where.mkdir()
    for name in ("gcc", "ld", "make"):
        write(where / name, f"{name} 1.0")
    monkeypatch.setenv("PATH", f"{where}:/usr/bin:/bin")
    return where


def write(path: Path, version: str) -> None:
    path.write_text(f"#!/bin/sh\necho called >> $0.calls\necho '{version}'\necho more\n")
    path.chmod(0o755)


def identify(cache: Path) -> dict[str, str]:
    return dict(toolchain.identify({}, cache=cache, deadline=Deadline.after(60)))


def test_identity_is_the_first_line_and_asked_once(tools: Path, tmp_path: Path) -> None:
    first = identify(tmp_path)
    assert (first["CC"], first["LD"], first["MAKE"]) == ("gcc 1.0", "ld 1.0", "make 1.0")
    calls = (tools / "ld.calls").read_text()
    assert identify(tmp_path) == first
    assert (tools / "ld.calls").read_text() == calls


def test_an_optional_tool_that_does_not_run_is_none(tools: Path, tmp_path: Path) -> None:
    (tools / "rustc").write_text("#!/bin/sh\necho 'error: no default toolchain is configured' >&2\nexit 1\n")
    (tools / "rustc").chmod(0o755)
    assert "rustc" not in identify(tmp_path)
    write(tools / "rustc", "rustc 1.80")
    assert identify(tmp_path)["rustc"] == "rustc 1.80"


def test_another_compiler_is_noticed(tools: Path, tmp_path: Path) -> None:
    identify(tmp_path)
    write(tools / "gcc", "gcc 12.0")
    assert identify(tmp_path)["CC"] == "gcc 12.0"


def test_a_missing_compiler_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "here", lambda: "apt")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError) as caught:
        toolchain.identify({"CROSS_COMPILE": "aarch64-linux-gnu-"}, cache=tmp_path, deadline=Deadline.after(60))
    assert "not found" in caught.value.message
    assert "apt-get install gcc-aarch64-linux-gnu binutils-aarch64-linux-gnu" in caught.value.hint


def test_missing_tools_are_told_all_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "here", lambda: "apt")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError) as caught:
        toolchain.require()
    assert "flex, bison, bc" in caught.value.message
    assert "apt-get install make gcc binutils flex bison bc" in caught.value.hint


@pytest.mark.parametrize("name", ["gcc", "gcc-12", "clang-17", "ld.lld", "aarch64-linux-gnu-gcc", "make", "pahole"])
def test_compilers_of_the_host_may_be_asked_for_a_plan(name: str) -> None:
    assert toolchain._is_known((name,))


@pytest.mark.parametrize("command", ["./gcc", "/tmp/gcc", "evil-gcc", "gcc -fplugin=x", "sh", "gccx", "gcc-12;x", ""])
def test_other_commands_are_not(command: str) -> None:
    assert not toolchain._is_known(tuple(command.split()))


def test_an_answer_that_is_known_is_used_without_starting_anything(tmp_path: Path) -> None:
    tool = tmp_path / "my-cc"
    tool.write_text(f"#!/bin/sh\necho my-cc 1\necho ran >>{tmp_path}/log\n")
    tool.chmod(0o755)
    variables = {"CC": str(tool)}
    with pytest.raises(UserError, match=r"CC: '.*/my-cc' was not asked for its version yet"):
        toolchain.identify(variables, cache=tmp_path, deadline=Deadline.after(60), start=False)
    assert not (tmp_path / "log").exists()
    asked = toolchain.identify(variables, cache=tmp_path, deadline=Deadline.after(60))
    assert toolchain.identify(variables, cache=tmp_path, deadline=Deadline.after(60), start=False) == asked
    assert (tmp_path / "log").read_text() == "ran\n"
