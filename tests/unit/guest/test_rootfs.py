import shutil
import subprocess
from pathlib import Path

import pytest
import requires

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, KzramError, UserError
from kzram_ci.guest import recipe as recipes
from kzram_ci.guest import rootfs
from kzram_ci.model.kernel import RootfsImage

RECIPE = """\
programs:
  hello: [src/hello.c]
headers: [src/hello.h]
cflags: [-O1, -static]
files:
  /init: { from: init, mode: "0755" }
busybox:
  init: [sh, true]
  shell: [false, nosuchapplet]
directories: [/bin, /tmp]
nodes:
  - { path: /dev/console, type: c, major: 5, minor: 1, mode: "0600" }
kernel_config: [PRINTK]
"""
COMPILER = rootfs.Compiler(command=("gcc",), identity="gcc 1")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    root = tmp_path / "rootfs"
    (root / "src").mkdir(parents=True)
    (root / "rootfs.yaml").write_text(RECIPE)
    (root / "init").write_text("#!/bin/sh\n")
    (root / "src" / "hello.h").write_text("#define CODE 3\n")
    (root / "src" / "hello.c").write_text('#include "hello.h"\nint main(void) { return CODE; }\n')
    return root / "rootfs.yaml"


def build(recipe: Path, cache: Path) -> RootfsImage:
    loaded = recipes.load(recipe)
    return rootfs.build(loaded, arch="x86_64", compiler=COMPILER, cache=cache, deadline=Deadline.after(120))


def test_same_inputs_same_bytes_wherever_they_lie(recipe: Path, tmp_path: Path) -> None:
    first = build(recipe, tmp_path / "cache")
    moved = tmp_path / "elsewhere" / "deep"
    shutil.copytree(recipe.parent, moved)
    second = build(moved / "rootfs.yaml", tmp_path / "cache2")
    assert first.key == second.key
    image = Path(first.path).read_bytes()
    assert image == Path(second.path).read_bytes()
    assert b"bin/hello\0" in image
    assert b"bin/true\0" in image
    assert b"nosuchapplet" not in image


def test_built_once(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build(recipe, tmp_path / "cache")
    monkeypatch.setattr(rootfs, "_compile", None)
    assert build(recipe, tmp_path / "cache") == first


@pytest.mark.parametrize("name", ["init", "src/hello.c", "src/hello.h"])
def test_every_source_is_in_the_key(recipe: Path, tmp_path: Path, name: str) -> None:
    before = build(recipe, tmp_path / "cache").key
    with (recipe.parent / name).open("a") as out:
        out.write("\n")
    assert build(recipe, tmp_path / "cache").key != before


def test_a_compiler_that_is_killed_leaves_no_file(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    dying = tmp_path / "dying-gcc"
    dying.write_text('#!/bin/sh\ncase "$*" in -print*) exec gcc "$@" ;; esac\n: >$TMPDIR/ccx.s\nkill -9 $$\n')
    dying.chmod(0o755)
    compiler = rootfs.Compiler(command=(str(dying),), identity="gcc 1")
    with pytest.raises(KzramError):
        rootfs.build(
            recipes.load(recipe),
            arch="x86_64",
            compiler=compiler,
            cache=tmp_path / "cache",
            deadline=Deadline.after(60),
        )
    assert not list((tmp_path / "tmp").iterdir())


def test_a_compile_error_is_one_line(recipe: Path, tmp_path: Path) -> None:
    (recipe.parent / "src" / "hello.c").write_text("int main(void) { return NOTHING; }\n")
    with pytest.raises(UserError) as caught:
        build(recipe, tmp_path / "cache")
    assert caught.value.message.startswith("guest program hello: src/hello.c:1:25: error: ")
    assert not list((tmp_path / "cache").glob("rootfs/*/manifest.json"))


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("src/hello.c:1:1: fatal error: error writing to /tmp/ccpk33pa.s: No space left on device", "where TMPDIR is"),
        ("gcc: fatal error: Killed signal terminated program cc1", "free memory"),
        ("collect2: fatal error: ld terminated with signal 9 [Killed]", "free memory"),
        ("Cannot create temporary file in /gone/: No such file or directory", "TMPDIR"),
    ],
)
def test_a_host_in_trouble_is_not_the_recipes_fault(recipe: Path, tmp_path: Path, line: str, hint: str) -> None:
    sick = tmp_path / "sick-gcc"
    sick.write_text(f'#!/bin/sh\ncase "$*" in -print*) exec gcc "$@" ;; esac\necho "{line}" >&2\nexit 1\n')
    sick.chmod(0o755)
    compiler = rootfs.Compiler(command=(str(sick),), identity="gcc 1")
    with pytest.raises(InfraError) as caught:
        rootfs.build(
            recipes.load(recipe),
            arch="x86_64",
            compiler=compiler,
            cache=tmp_path / "cache",
            deadline=Deadline.after(60),
        )
    assert caught.value.message == f"guest program hello: {line}"
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("init: [sh, true]", "init: [sh, nosuchapplet]"), "lacks nosuchapplet"),
        (("programs:", "programms:"), r"yaml:1:1: programms: unknown key 'programms'; .*did you mean programs\?"),
        (("major: 5", "major: five"), r"yaml:12:43: nodes\[0\].major: expected a whole number, got 'five'"),
        (('"0755" }', '"0789" }'), r"yaml:6:30: files\./init\.mode: '0789' does not have the form"),
        (("from: init, ", ""), r"yaml:6:10: files\./init\.from: from is required"),
        (("from: init", "from: initt"), "initt does not exist"),
        (("/init:", "/bin/hello:"), "bin/hello is in the archive twice"),
    ],
)
def test_a_bad_recipe_is_named(recipe: Path, tmp_path: Path, change: tuple[str, str], message: str) -> None:
    recipe.write_text(RECIPE.replace(*change))
    with pytest.raises(UserError, match=message):
        build(recipe, tmp_path / "cache")


def test_a_dynamic_busybox_is_refused(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    shutil.copy("/bin/true", tools / "busybox")
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    with pytest.raises(UserError, match="dynamically linked") as caught:
        build(recipe, tmp_path / "cache")
    assert "busybox-static" in caught.value.hint


def test_a_busybox_for_another_machine_is_refused(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not built for arm64"):
        rootfs.build(recipes.load(recipe), arch="arm64", compiler=COMPILER, cache=tmp_path, deadline=Deadline.after(60))


def test_the_applets_of_a_busybox_that_cannot_run_here_are_read_from_it() -> None:
    path = Path(requires.tool("busybox"))
    said = subprocess.run((path, "--list"), capture_output=True, text=True, check=True).stdout.split()
    assert rootfs.applets_in(path.resolve().read_bytes()) == set(said)
    assert rootfs.applets_in(b"\x7fELF no table here\0sh\0ls\0") == frozenset()


def test_the_recipe_that_ships_is_valid() -> None:
    path = Path(rootfs.__file__).parents[2] / "rootfs" / "rootfs.yaml"
    loaded = recipes.load(path)
    assert "anonmutate" in loaded.programs
    for name in {source for sources in loaded.programs.values() for source in sources}:
        assert (path.parent / name).is_file()


def test_an_image_that_is_damaged_is_made_again(recipe: Path, tmp_path: Path) -> None:
    """A guest that cannot unpack it would fail for no fault of its kernel's."""
    path = Path(build(recipe, tmp_path / "cache").path)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        path.write_bytes(damaged)
        assert Path(build(recipe, tmp_path / "cache").path).read_bytes() == whole
    (path.parent / "manifest.json").write_text("{")
    assert Path(build(recipe, tmp_path / "cache").path).read_bytes() == whole
