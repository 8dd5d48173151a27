"""Tests that a plan brings: what is wrong with them is found before anything is built, at its place."""

import os
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import requires
from builders import a_cell, a_workload

from kzram_ci.base import budget
from kzram_ci.base.budget import Memory
from kzram_ci.base.errors import UserError
from kzram_ci.base.grammar.problems import GrammarErrors
from kzram_ci.base.library import Library
from kzram_ci.guest import parcel
from kzram_ci.guest.conf import LIBRARIES, TEST, cell_conf
from kzram_ci.guest.messages import FileEnd, FilePiece, Output
from kzram_ci.kernel import selftests
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.cell import Plan
from kzram_ci.model.evidence import Evidence
from kzram_ci.model.points import PointStatus
from kzram_ci.model.workload import OwnTest
from kzram_ci.run.checks import checked_plan
from kzram_ci.run.collected import Collected, result_place
from kzram_ci.run.selftests import with_selftests

PLAN = """\
name: p
kernels: [stock]
machine: {memory: 64M}
tests:
  t:
    workload: script
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(budget, "memory", lambda: Memory(total=4096, available=2048))
    monkeypatch.chdir(tmp_path)
    file("good.sh", "#!/bin/sh\nexit 0\n", 0o755)
    return tmp_path


def file(name: str, text: str | bytes = "", mode: int = 0o644) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def plan(*lines: str) -> Plan:
    Path("p.yaml").write_text(PLAN + "".join(f"    {line}\n" for line in lines))
    return checked_plan(Path("p.yaml"), Library())


def errors(*lines: str) -> list[str]:
    with pytest.raises(GrammarErrors) as caught:
        plan(*lines)
    return [str(error) for error in caught.value.errors]


def sent(*lines: str) -> dict[str, int]:
    own = plan(*lines).cells[0].workload.own
    assert own is not None
    return {each.path: each.mode for each in own.sent}


def test_what_run_names_is_sent_with_what_files_names() -> None:
    file("data/deep/x", "x")
    file("data/tool", "#!/bin/sh\n", 0o700)
    assert sent("run: ./good.sh a 'b c'", "files: [data]") == {
        "/test/data/deep/x": 0o644,
        "/test/data/tool": 0o755,
        "/test/good.sh": 0o755,
    }
    assert sent("run: [sh, -c, 'echo a | cat']") == sent("run: /usr/bin/env true") == {}


def arm_program() -> bytes:
    """The head of an arm64 program: as much as is looked at."""
    head = bytearray(64)
    head[:7] = b"\x7fELF\x02\x01\x01"
    head[16:20] = b"\x02\x00\xb7\x00"  # ET_EXEC, EM_AARCH64
    head[20] = 1
    head[52:54] = (64).to_bytes(2, "little")
    head[54:56], head[58:60] = (56).to_bytes(2, "little"), (64).to_bytes(2, "little")
    return bytes(head)


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["duration: 1s"], "tests.t.workload: a script needs `run`: its program and arguments"),
        (["run: ./missing.sh"], "p.yaml:7:5: tests.t.run: {here}/missing.sh does not exist"),
        (["run: ./plain.sh"], "tests.t.run: ./plain.sh is not executable: chmod +x {here}/plain.sh"),
        (["run: ./arm"], "tests.t.run: ./arm is a program for aarch64 (64 bit), and the guest is x86_64"),
        (["run: ./text"], "tests.t.run: ./text is no program and has no #! line: the kernel cannot run it"),
        (["run: ./dos.sh"], "tests.t.run: ./dos.sh has lines that end in CR LF"),
        (["run: ./good.sh", "test-timeout: 5s"], "t.test-timeout: `test-timeout` goes with `workload: kselftest`"),
        (["run: ./empty"], "tests.t.run: ./empty is empty"),
        (["run: ./torn"], "tests.t.run: ./torn is a damaged ELF file"),
        (["run: ./bash.sh"], "./bash.sh is run by /bin/bash, and the guest has none: write it for #!/bin/sh, or bring"),
        (["run: ./env.sh"], "./env.sh asks env for python9, and the guest has none"),
        (["run: good.sh"], "tests.t.run: good.sh lies beside the plan: write ./good.sh"),
        (["run: drop"], "tests.t.run: the guest has no program 'drop'"),
        (["run: ./good.sh | tee x"], "tests.t.run: '|' is a shell's: write sh -c"),
        (["run: ./good.sh 'x"], "tests.t.run: \"./good.sh 'x\" cannot be split into words: No closing quotation"),
        (["run: ./link.sh"], "./link.sh goes through the link {here}/link.sh"),
        (["run: ./good.sh", "files: [linked/x]"], "linked/x goes through the link {here}/linked"),
        (["run: ./good.sh", "files: [with]"], "{here}/with/link is a link: the guest gets copies of files only"),
        (["run: ./good.sh", "files: [../x]"], "p.yaml:8:13: tests.t.files[0]: ../x is not inside the plan's folder"),
        (["run: ./good.sh", "files: [a/../../x]"], "a/../../x is not inside the plan's folder"),
        (["run: ./good.sh", "files: [/etc/passwd]"], "/etc/passwd is not inside the plan's folder"),
        (["run: ./good.sh", "files: [text, ./text]"], "{here}/text is named twice"),
        (["run: ./good.sh", "files: [pipe]"], "{here}/pipe is not a file"),
        (["run: ./good.sh", "files: [big]"], "22 MiB with libraries, and a guest of 64 MiB takes a third of"),
        (["run: ./good.sh", "programs: [no-such-prog]"], "t.programs[0]: this host has no program 'no-such-prog'"),
        (["run: ./good.sh", "results: [out, out/x]"], "out/x and out would be kept in one place"),
        (["run: ./good.sh", "results: [x, /x]"], "/x and x would be kept in one place"),
        (["run: ./good.sh", "results: [../x]"], "'../x' is not a file of the guest"),
        (["run: ./good.sh", "args: {a: 1}"], "tests.t.args: script takes its arguments in `run`"),
        (["run: ./good.sh", "fault: {kind: failslab}"], "t.fault: faults are injected into zram's allocations: add"),
        (["run: ./good.sh", "programs: [/usr/bin/bash]"], "t.programs[0]: '/usr/bin/bash' is not a name; letters"),
        (['run: "./good.sh \\0"'], "tests.t.run: '\\x00' holds a NUL, which no argument can"),
        (["run: ./good.sh", "uid: 7"], "tests.t.uid: script runs as root: a script can change that itself"),
        (["run: ./good.sh", "collections: size"], "`collections` goes with `workload: kselftest`, and this is script"),
        (["run: ./good.sh", "suites: list"], "`suites` goes with `workload: kunit`, and this is script"),
        (["run: ./good.sh", "expect: {floors: {nix.x: 1}}"], "unknown group of counters 'nix'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_at_its_place(folder: Path, lines: list[str], text: str) -> None:
    file("plain.sh", "#!/bin/sh\n")
    file("arm", arm_program(), 0o755)
    file("text", "just text", 0o755)
    file("empty", "", 0o755)
    file("dos.sh", "#!/bin/sh\r\nexit 0\r\n", 0o755)
    file("torn", b"\x7fELF\x02", 0o755)
    file("bash.sh", "#!/bin/bash\n", 0o755)
    file("env.sh", "#!/usr/bin/env python9\n", 0o755)
    file("with/x")
    Path("link.sh").symlink_to("good.sh")
    Path("linked").symlink_to("with")
    Path("with/link").symlink_to("x")
    os.mkfifo("pipe")
    with file("big").open("wb") as big:
        big.truncate(22 << 20)
    found = errors(*lines)
    assert len(found) == 1, found
    assert text.format(here=folder) in found[0]


def test_words_of_a_script_in_another_test() -> None:
    Path("p.yaml").write_text(PLAN.replace("script", "pressure") + "    files: [good.sh]\n")
    with pytest.raises(GrammarErrors, match="`files` goes with `workload: script`, and this is pressure"):
        checked_plan(Path("p.yaml"), Library())


def test_kunit_needs_its_symbol_and_gets_its_words() -> None:
    text = PLAN.replace("script", "kunit").replace("[stock]", "[{name: k, base: stock%s}]") + "    suites: list*\n"
    Path("p.yaml").write_text(text % "")
    with pytest.raises(GrammarErrors, match="the config of k has no CONFIG_KUNIT: add_config: "):
        checked_plan(Path("p.yaml"), Library())
    Path("p.yaml").write_text(text % ", add_config: [kunit]")
    [cell] = checked_plan(Path("p.yaml"), Library()).cells
    assert cell.machine.cmdline == ("kunit.enable=1", "kunit.filter_glob=list*")
    assert not cell.workload.zram.present
    assert "kztest -- true" in cell_conf(cell, "n")


def test_kselftest_needs_collections() -> None:
    Path("p.yaml").write_text(PLAN.replace("script", "kselftest"))
    with pytest.raises(GrammarErrors, match="kselftest needs `collections`, such as"):
        checked_plan(Path("p.yaml"), Library())


def test_selftests_go_into_the_guest_as_they_were_installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file("tests/run_kselftest.sh", "#!/bin/sh\n", 0o755)
    file("tests/size/get_size", "#!/bin/sh\n", 0o755)
    file("tests/size/config", "CONFIG_X=y\n")
    found = selftests.Installed(path=folder / "tests", tests=("size:get_size",))
    monkeypatch.setattr(selftests, "installed", lambda spec, wanted, context: found)
    Path("p.yaml").write_text(PLAN.replace("script", "kselftest") + "    collections: size\n")
    [cell] = checked_plan(Path("p.yaml"), Library()).cells
    own = with_selftests(cell, KernelContext()).workload.own
    assert own is not None
    assert own.run == ("./run_kselftest.sh", "-t", "size:get_size")
    entries = {entry.path: (entry.mode & 0o777, entry.data) for entry in parcel.entries(own, "x86_64")}
    assert entries["/test/size/get_size"] == (0o755, b"#!/bin/sh\n")
    assert entries["/test/size/config"] == (0o644, b"CONFIG_X=y\n")


@pytest.mark.parametrize("knows", [True, False])
def test_another_limit_for_each_selftest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, knows: bool) -> None:
    path = tmp_path / "tests"
    path.mkdir()
    (path / "run_kselftest.sh").write_text("  -o | --override-timeout  seconds\n" if knows else "")
    installed = selftests.Installed(path=path, tests=("size:get_size",))
    monkeypatch.setattr(selftests, "installed", lambda *given: installed)
    cell = plan("run: ./good.sh").cells[0]
    own = OwnTest(collections=("size",), test_timeout=90)
    cell = replace(cell, workload=replace(cell.workload, program="kselftest", own=own))
    if not knows:
        with pytest.raises(UserError, match="has no --override-timeout, which test-timeout needs"):
            with_selftests(cell, KernelContext())
        return
    fitted = with_selftests(cell, KernelContext()).workload.own
    assert fitted is not None
    assert fitted.run == ("./run_kselftest.sh", "--override-timeout", "90", "-t", "size:get_size")


def test_no_zram_unless_it_is_asked_for() -> None:
    assert not plan("run: ./good.sh").cells[0].workload.zram.present
    cell = plan("run: ./good.sh", "zram: {swap: false}").cells[0]
    assert cell.workload.zram.present
    assert "ZRAM='1'\n" in cell_conf(cell, "n")
    assert "ZRAM='0'\n" in cell_conf(plan("run: ./good.sh").cells[0], "n")


def test_the_command_keeps_every_word() -> None:
    cell = plan("run: [./good.sh, 'a b', \"it's\", '$HOME', \"two\\nlines\"]", "results: [out/x]").cells[0]
    [line] = [word for word in shlex.split(cell_conf(cell, "n")) if word.startswith("COMMAND=")]
    words = shlex.split(line.removeprefix("COMMAND="))
    words = words[words.index("cd") :]
    assert words[:5] == ["cd", "/test", "&&", "exec", "env"]
    assert words[9:] == ["kztest", "--result", "out/x", "--", "./good.sh", "a b", "it's", "$HOME", "two\nlines"]
    assert words[5] == f"KZRAM_SEED={cell.seed}"


def test_a_stop_may_name_what_the_test_counts() -> None:
    assert plan("run: ./good.sh", "stop: {workload.rounds: 5}").cells[0].workload.stop == (("workload.rounds", 5),)


def compiled(name: str, *flags: str) -> None:
    source = file("main.c", "#include <math.h>\nint main(int n, char **a) { return a[0] && cos(n) > 2; }\n")
    subprocess.run((requires.tool("gcc"), str(source), "-o", name, *flags, "-lm"), check=True)


def test_a_dynamic_program_brings_its_libraries() -> None:
    compiled("prog", "-fno-builtin")
    own = plan("run: ./prog").cells[0].workload.own
    assert own is not None
    entries = {entry.path: entry for entry in parcel.entries(own, "x86_64")}
    assert entries[f"{TEST}/prog"].mode & 0o111
    names = {path.rpartition("/")[2] for path in entries}
    assert {"libm.so.6", "libc.so.6"} <= names
    assert any(name.startswith("ld-linux") for name in names)
    assert f"{LIBRARIES}/libc.so.6".strip("/") in entries


def test_a_library_that_is_missing_is_named() -> None:
    file("lib.c", "int lib(void) { return 0; }\n")
    gcc = requires.tool("gcc")
    subprocess.run((gcc, "-shared", "-fPIC", "lib.c", "-o", "libmissing9.so"), check=True)
    file("main.c", "int lib(void);\nint main(void) { return lib(); }\n")
    subprocess.run((gcc, "main.c", "-o", "prog", "-L.", "-lmissing9"), check=True)
    assert len(plan("run: ./prog").cells) == 1  # it lies beside the program
    Path("libmissing9.so").unlink()
    [text] = errors("run: ./prog")
    assert "./prog is linked with libmissing9.so, not found here: install it, or link with -static" in text


def test_a_program_of_this_host_is_an_interpreter_of_the_guest() -> None:
    requires.tool("bash")
    file("bash.sh", "#!/bin/bash\n", 0o755)
    places = sent("run: ./bash.sh", "programs: bash", "machine: {memory: 256M}")
    assert {"/bin/bash", "/usr/bin/bash", "/test/bash.sh"} <= set(places)


def test_a_file_that_changed_is_not_sent() -> None:
    cell = plan("run: ./good.sh").cells[0]
    assert cell.workload.own is not None
    file("good.sh", "#!/bin/sh\nexit 1\n", 0o755)
    with pytest.raises(UserError, match=r"good\.sh has changed since the plan was read"):
        parcel.entries(cell.workload.own, "x86_64")


# ---- what comes back


def collected(directory: Path, *given: Output | FilePiece | FileEnd, results: tuple[str, ...] = ()) -> Evidence:
    sink = Collected(directory, OwnTest(run=("x",), results=results))
    for each in given:
        sink.observe(each)
    sink.close()
    return sink.added(Evidence())


def test_output_and_tests_of_a_script(tmp_path: Path) -> None:
    text = b"TAP version 13\n1..3\n# why\nnot ok 1 a\nok 2 b\n"
    evidence = collected(
        tmp_path, Output(stream="stdout", data=text[:9]), Output(stream="stdout", data=text[9:]),
        Output(stream="stderr", data=b"one\nlast words \n\n"),
    )  # fmt: skip
    assert (tmp_path / "stdout.txt").read_bytes() == text
    assert (tmp_path / "stderr.txt").read_bytes() == b"one\nlast words \n\n"
    assert [(point.name, point.status, point.output) for point in evidence.points] == [
        ("a", PointStatus.FAIL, "# why"),
        ("b", PointStatus.PASS, ""),
        ("3", PointStatus.MISSING, ""),
    ]
    assert evidence.last_words == "last words"


def test_results_lie_below_one_folder_and_nothing_else_is_written(tmp_path: Path) -> None:
    evidence = collected(
        tmp_path,
        FilePiece(index=0, data=b"ab"), FilePiece(index=0, data=b"c"), FileEnd(index=0, problem=""),
        FileEnd(index=1, problem="No such file or directory"), FilePiece(index=7, data=b"forged"),
        FilePiece(index=3, data=b"half"),
        results=("/tmp/x/out", "gone", "never", "half"),
    )  # fmt: skip
    files = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"results/tmp/x/out": b"abc", "results/half": b"half", "stdout.txt": b"", "stderr.txt": b""} | {
        name: data for name, data in files.items() if name.endswith((".sh", ".yaml"))
    }
    assert evidence.lost_results == (
        "gone did not come back: No such file or directory",
        "never did not come back",
        "half did not come back",
    )


@pytest.mark.parametrize("name", ["../../etc/x", "/", "..", ".", "a/../../b", "//x"])
def test_no_result_leaves_its_folder(name: str) -> None:
    place = result_place(name)
    assert place
    assert not place.startswith(("/", ".."))


def test_kunit_tells_on_the_console(tmp_path: Path) -> None:
    console = tmp_path / "console.log"
    console.write_text("[    1.0] x\n[    1.060000] KTAP version 1\n[    1.060000] 1..1\n[    1.070000] not ok 1 a\n")
    sink = Collected(tmp_path, OwnTest())
    sink.close()
    [point] = sink.added(Evidence(), console).points
    assert (point.name, point.status) == ("a", PointStatus.FAIL)


def test_a_boot_of_ours_keeps_nothing(tmp_path: Path) -> None:
    sink = Collected(tmp_path / "new", a_cell(workload=a_workload()).workload.own)
    sink.observe(Output(stream="stdout", data=b"1..1\nok 1"))
    assert sink.added(Evidence()) == Evidence()
    assert not (tmp_path / "new").exists()
