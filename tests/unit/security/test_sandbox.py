"""What code of a source tree can do when it is built under bubblewrap, by trees that try."""

import os
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import requires
from tiny_source import FILES, MAKEFILE, Files, patch_text, write_archive, write_tree

from kzram_ci.base import clock, files, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import BuildFailed, CommandTimeout, InfraError, KzramError, UserError
from kzram_ci.cli.main import main
from kzram_ci.kernel import compilers, kbuild, sandbox
from kzram_ci.kernel.context import Context
from kzram_ci.kernel.kbuild.slot import OBJECTS
from kzram_ci.kernel.kconfig import Fragment
from kzram_ci.kernel.series import Series, SeriesKind, choose
from kzram_ci.model.events import Note
from kzram_ci.model.kernel import ArchiveTree, KernelImage, Patch


@pytest.fixture(autouse=True)
def bwrap() -> None:
    requires.tool("bwrap")
    if why := sandbox.unusable():
        requires.lacking("sandbox", why)


class Bench:
    """Builds the tiny source with a recipe of someone else's in its Makefile."""

    def __init__(self, root: Path) -> None:
        self.root, self.cache = root, root / "cache"
        self.notes: list[str] = []
        tree = ArchiveTree(identity="test:1", version="6.12.1", archive=str(write_archive(root)))
        self.inputs = kbuild.Inputs(
            name="k", arch="x86_64", tree=tree, fragments=(Fragment(name="f.config", text="CONFIG_B=y\n"),)
        )

    def inputs_with(self, recipe: str, files: Files | None = None) -> kbuild.Inputs:
        """`recipe`: a line of shell that make runs first."""
        target = f".PHONY: evil\nevil:\n\t{recipe}\nbzImage: evil\n"
        text = patch_text({"Makefile": (MAKEFILE + target).encode(), **(files or {})})
        patch = Patch(series="evil", name="1", text=text)
        series = Series(name="evil", kind=SeriesKind.ONE_OFF, patches=(patch,))
        return replace(self.inputs, name="evil", series=(choose(series, "6.12.1"),))

    def build(self, inputs: kbuild.Inputs, *, sandboxed: bool = True, seconds: float = 60) -> KernelImage:
        def listen(event: object) -> None:
            if isinstance(event, Note):
                self.notes.append(event.text)

        context = Context(
            cache=self.cache, jobs=2, deadline=Deadline.after(seconds), sandbox=sandboxed, listener=listen
        )
        return kbuild.build(inputs, context)

    def out(self) -> Path:
        """The object directory of kernels with patches of others."""
        (slot,) = (path for path in self.cache.glob("slots/*-foreign") if path.is_dir())
        return slot / "src" / OBJECTS

    def said(self, recipe: str) -> str:
        """What a recipe writes to a file among the objects."""
        self.build(self.inputs_with(f"({recipe}) > $(O)/said 2>&1 || :"))
        return (self.out() / "said").read_text()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id_rsa").write_text("the key of the house\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", os.defpath)  # no rustc in a home, which would be seen
    monkeypatch.setenv("SECRET_TOKEN", "the token of the house")
    return Bench(tmp_path)


def test_a_kernel_has_the_same_key_and_bytes_with_it_and_without(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    boxed, plain = Bench(tmp_path / "a"), Bench(tmp_path / "b")
    first, second = boxed.build(boxed.inputs), plain.build(plain.inputs, sandboxed=False)
    assert first.key == second.key
    for name in ("bzImage", "vmlinux", "config", "System.map"):
        assert (Path(first.image).parent / name).read_bytes() == (Path(second.image).parent / name).read_bytes()
    assert "built under bubblewrap: no network, no home" in boxed.notes
    assert not [note for note in plain.notes if "bubblewrap" in note]


def test_no_home_no_secrets_no_sockets_of_services(bench: Bench) -> None:
    said = bench.said(
        f"cat {bench.root}/home/.ssh/id_rsa; ls {bench.root}/home /root /home /var /run /etc/shadow /sys; env; "
        f"ls -d {bench.root}/*"
    )
    assert "of the house" not in said
    assert "id_rsa: No such file" in said
    for name in ("/root", "/home", "/var", "/run", "/etc/shadow", "/sys"):
        assert f"'{name}': No such file" in said, name
    assert "HOME=/tmp" in said
    assert str(bench.root / "linux.tar.xz") not in said


def test_no_network(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        said = bench.said(f"cat /proc/net/dev; bash -c 'echo hello >/dev/tcp/127.0.0.1/{port}'")
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()
    assert "Connection refused" in said
    assert [line.split(":")[0].strip() for line in said.splitlines() if ":" in line and "bash" not in line] == ["lo"]


def test_nothing_is_written_but_objects(bench: Bench) -> None:
    before = sorted(path for path in bench.root.rglob("*") if "cache" not in path.parts)
    targets = ["a.c", "../x", f"{bench.root}/x", f"{bench.cache}/kernels/x", "/usr/x", "/etc/x", "/x", "/bin/x"]
    said = bench.said("; ".join(f"echo poison >> {name}" for name in targets) + "; ln a.c $(O)/hard; chmod 777 a.c")
    assert len([line for line in said.splitlines() if "Read-only" in line or "nonexistent" in line]) == 5, said
    assert [place for place in ("/x", "/etc/x", "/usr/x") if Path(place).exists()] == []
    assert sorted(path for path in bench.root.rglob("*") if "cache" not in path.parts) == before
    poisoned = [path for path in bench.cache.rglob("*") if path.is_file() and b"poison" in path.read_bytes()]
    allowed = {bench.out(), bench.out().parent / "Makefile"}
    assert [path for path in poisoned if not (allowed & {path, *path.parents}) and "log" not in path.name] == []
    for path in bench.cache.glob("sources/*/tree/*.c"):
        assert path.read_text() == FILES[path.name]


@pytest.mark.parametrize(
    "trick",
    [
        "ln -sf {secret} $(O)/arch/x86/boot/bzImage",
        "ln -sf {secret} $(O)/vmlinux",
        "ln -sf {secret} $(O)/.config",
        "ln -sf {secret} $(O)/include/config/kernel.release",
        "ln -sf {secret} $(O)/System.map",
        "rm $(O)/System.map; ln -s System.map $(O)/System.map",
        "rm $(O)/include/config/kernel.release; mkfifo $(O)/include/config/kernel.release",
        "rm -rf $(O)/arch; ln -s {home} $(O)/arch; ln -s ../home $(O)/x86",
    ],
)
def test_products_that_are_links_or_pipes_are_not_followed(bench: Bench, trick: str) -> None:
    """Make could not read the target, and we could: the kernel would carry the secret away."""
    home = bench.root / "home"
    trick = trick.format(secret=home / ".ssh" / "id_rsa", home=home)
    makefile = MAKEFILE.replace("kernel.release\n$(O)/%.o", f"kernel.release\n\t@{trick}\n$(O)/%.o")
    assert makefile != MAKEFILE
    text = patch_text({"Makefile": makefile.encode()})
    series = Series(name="evil", kind=SeriesKind.ONE_OFF, patches=(Patch(series="evil", name="1", text=text),))
    inputs = replace(bench.inputs, series=(choose(series, "6.12.1"),))
    with pytest.raises(BuildFailed):
        bench.build(inputs)
        bench.build(replace(inputs, fragments=(Fragment(name="g", text="CONFIG_B=y\nCONFIG_C=y\n"),)))
    for path in bench.cache.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert b"of the house" not in path.read_bytes(), path


def slots(bench: Bench) -> list[str]:
    """The kinds of slots there are."""
    names = (path.name for path in (bench.cache / "slots").iterdir() if path.is_dir())
    return sorted(f"-{kind}" if kind else "" for _, _, kind in (name.partition("-") for name in names))


def test_programs_that_others_left_run_in_no_other_build(bench: Bench) -> None:
    evil = bench.inputs_with("touch $(O)/evil.o")
    bench.build(evil)
    assert (bench.out() / "evil.o").exists()
    bench.build(bench.inputs)
    assert not list(bench.cache.glob("slots/*-sandbox/**/evil.o"))
    bench.build(evil)  # in the cache
    bench.build(bench.inputs_with("touch $(O)/more.o"))
    assert (bench.out() / "more.o").exists()
    assert not (bench.out() / "evil.o").exists(), "objects of patched makefiles are thrown away"
    bench.build(bench.inputs, sandboxed=False)
    assert slots(bench) == ["-foreign", "-sandbox"], "without a sandbox the kernel was there already"
    bench.build(replace(bench.inputs, series=bench.inputs_with("true").series), sandboxed=False)
    assert slots(bench) == ["", "-foreign", "-sandbox"]
    assert not list(bench.cache.glob("slots/*-sandbox/**/more.o"))


@pytest.mark.parametrize("sandboxed", [True, False], ids=["sandbox", "own"])
def test_a_kernel_with_patches_of_others_starts_from_what_its_family_made(bench: Bench, sandboxed: bool) -> None:
    """Its objects are the family's, in a copy; what its makefiles do to them is done to the copy."""
    bench.build(bench.inputs, sandboxed=sandboxed)
    (family,) = (path for path in bench.cache.glob("slots/*") if path.is_dir())
    before = (family / "src" / OBJECTS / "vmlinux").read_bytes()
    (family / "src" / OBJECTS / "made-before").write_text("by the family\n")
    said = bench.said("cat $(O)/made-before; echo spoilt > $(O)/vmlinux; echo spoilt > $(O)/made-before")
    assert said == "by the family\n"
    assert (family / "src" / OBJECTS / "vmlinux").read_bytes() == before
    assert (family / "src" / OBJECTS / "made-before").read_text() == "by the family\n"
    assert bench.said("echo again; cat $(O)/made-before") == "again\nby the family\n", "nothing of the other's is left"


def test_objects_are_made_where_their_family_makes_them(bench: Bench) -> None:
    """objtool's build notes absolute names: under others it is built again, and with it each object of the kernel."""
    said = bench.said("pwd -P").strip()
    (own,) = {path.name.partition("-")[0] for path in (bench.cache / "slots").iterdir() if path.is_dir()}
    assert Path(said).is_relative_to(bench.cache.resolve() / "slots" / own)


def test_a_family_whose_make_was_killed_gives_nothing(bench: Bench) -> None:
    bench.build(bench.inputs)
    (family,) = (path for path in bench.cache.glob("slots/*") if path.is_dir())
    (family / "building").touch()
    (family / "src" / OBJECTS / "made-before").write_text("half of it")
    assert "No such file" in bench.said("LC_ALL=C cat $(O)/made-before")


def test_objects_that_resist_are_removed(bench: Bench, request: pytest.FixtureRequest) -> None:
    request.addfinalizer(lambda: files.remove_tree(bench.cache, Deadline.after(60)))  # pytest cannot
    deep = "mkdir -p $(O)/locked/in && chmod 0 $(O)/locked; cd $(O); for i in $$(seq 1500); do mkdir d && cd d; done"
    bench.build(bench.inputs_with(deep))
    assert (bench.out() / "d").exists()
    bench.build(bench.inputs_with("true"))
    assert not (bench.out() / "d").exists()
    assert not (bench.out() / "locked").exists()


def test_no_process_outlives_its_build(bench: Bench) -> None:
    bench.build(bench.inputs_with("setsid sh -c 'sleep 61' & sleep 0.2"))
    clock.sleep(0.5)
    running = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert not [line for line in running if line == "sleep 61"]


def test_a_build_that_does_not_end_is_killed_whole(bench: Bench) -> None:
    began = clock.monotonic()
    with pytest.raises(CommandTimeout, match=r"make ARCH=\S+ O=\S+ did not end before its deadline"):
        bench.build(bench.inputs_with("trap '' TERM; setsid sh -c 'sleep 62' & sleep 62"), seconds=3)
    assert clock.monotonic() - began < 20
    clock.sleep(0.5)
    running = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert not [line for line in running if line in ("sleep 61", "sleep 62")]
    bench.build(bench.inputs)


def test_a_make_that_is_killed_is_the_hosts_matter(bench: Bench) -> None:
    with pytest.raises(InfraError, match="killed by signal 9"):
        bench.build(bench.inputs_with("kill -9 $$PPID"))


def test_there_is_no_terminal_to_type_into(bench: Bench) -> None:
    assert "No such device" in bench.said("cat </dev/tty")


def test_the_privileges_of_root_are_gone(bench: Bench) -> None:
    said = bench.said("grep CapEff /proc/self/status; mount -t tmpfs x /usr; mknod /tmp/x c 1 1; ls /dev")
    assert "CapEff:\t0000000000000000" in said
    assert not {"kvm", "sda", "mem", "kmsg"} & set(said.split())


def test_a_toolchain_outside_of_the_system_is_there_and_the_rest_of_its_home_is_not(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = bench.root / "home" / "tc"
    for name in ("bin", "lib", "private"):
        (tools / name).mkdir(parents=True)
        (tools / name / "there").write_text("there\n")
    shutil.copy("/usr/bin/true", tools / "bin" / "my-gcc")
    found = sandbox.tools_of(compilers.words({"CROSS_COMPILE": f"{tools}/bin/my-"}))
    assert found == (tools / "bin", tools / "lib")
    (bench.root / "home" / "cc").write_text("#!/bin/sh\n")
    (bench.root / "home" / "cc").chmod(0o755)
    assert sandbox.tools_of(compilers.words({"CC": f"{bench.root}/home/cc"})) == (bench.root / "home" / "cc",)
    box = sandbox.Sandbox(program=proc.which("bwrap"), tools=found)
    done = proc.run(box.argv(("ls", str(tools)), cwd=Path("/usr")), deadline=Deadline.after(20))
    assert done.text().split() == ["bin", "lib"]


def test_without_bubblewrap_who_asks_for_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sandbox, "unusable", lambda: "bwrap not found in PATH")
    told: list[str] = []
    assert sandbox.wanted(None, told.append) is False
    assert told[0].startswith("builds are NOT sandboxed: bwrap not found in PATH (")
    assert sandbox.wanted(False, told.append) is False
    with pytest.raises(UserError, match="--sandbox: bwrap not found"):
        sandbox.wanted(True, told.append)
    monkeypatch.setenv("KZRAM_CACHE", str(tmp_path))
    assert main(("build", "stock", "--sandbox")) == 2
    assert "bwrap not found in PATH" in capsys.readouterr().err


def test_what_does_not_work_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    why = sandbox.unusable.__wrapped__()
    assert why == "bubblewrap does not work here: bwrap: setting up uid map: Permission denied"


def test_links_out_of_what_a_sandbox_wrote_are_cut(tmp_path: Path) -> None:
    write_tree(tmp_path / "made")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "made" / "good").symlink_to("a.c")
    (tmp_path / "made" / "bad").symlink_to(tmp_path / "secret")
    (tmp_path / "made" / "dir").symlink_to(tmp_path)
    (tmp_path / "made" / "self").symlink_to("self")
    os.mkfifo(tmp_path / "made" / "pipe")
    sandbox.cut(tmp_path / "made")
    left = {path.name for path in (tmp_path / "made").iterdir()}
    assert left == {"a.c", "b.c", "c.c", "Kbuild", "Makefile", "scripts", "good"}
    with pytest.raises(KzramError):
        sandbox.fetched(tmp_path / "secret", tmp_path / "made")


def test_optional_tools_of_this_host_say_the_same_inside() -> None:
    """Their versions are in the key and in .config: what is found outside must run inside, wherever it lies."""
    words = [name for name in (*compilers.OPTIONAL, "gcc", "ld", "make") if shutil.which(name)]
    box = sandbox.sandbox_for(words)
    for name in words:
        outside = proc.run((name, "--version"), deadline=Deadline.after(60), check=False)
        inside = proc.run(box.argv((name, "--version"), cwd=Path("/usr")), deadline=Deadline.after(60), check=False)
        assert (inside.code, inside.stdout) == (outside.code, outside.stdout), (name, inside.stderr)
