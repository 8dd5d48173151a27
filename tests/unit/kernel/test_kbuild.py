import os
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_source import Files, patch_text, write_archive, write_tree

from kzram_ci.base import clock, files, proc
from kzram_ci.base.cache import complete
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import BuildFailed, CommandTimeout, ConfigUnmet, InfraError, Interrupted, UserError
from kzram_ci.kernel import kbuild
from kzram_ci.kernel.context import Context
from kzram_ci.kernel.kbuild.rewrite import remove, write_if_changed
from kzram_ci.kernel.kbuild.slot import OBJECTS, Slot
from kzram_ci.kernel.kconfig import Fragment
from kzram_ci.kernel.series import Series, SeriesKind, choose
from kzram_ci.model.events import BuildDone, BuildProgress, BuildStarted, Event, Listener, Note
from kzram_ci.model.kernel import ArchiveTree, KernelImage, Patch, Tree
from kzram_ci.model.source import DirectorySource


class Bench:
    """Builds variants of the tiny source; a variant is what it makes of the files, as a series of its name."""

    def __init__(self, tree: Tree, cache: Path) -> None:
        self.cache = cache
        self.events: list[Event] = []
        self.inputs = kbuild.Inputs(
            name="stock", arch="x86_64", tree=tree, fragments=(Fragment(name="f.config", text="CONFIG_B=y\n"),)
        )

    def variant(self, name: str, files: Files) -> kbuild.Inputs:
        patch = Patch(series=name, name="1", text=patch_text(files))
        series = Series(name=name, kind=SeriesKind.FIX, patches=(patch,))
        return replace(self.inputs, name=name, series=(choose(series, "6.12.1"),))

    def build(self, name: str = "stock", files: Files | None = None, *, seconds: float = 60) -> KernelImage:
        inputs = self.inputs if name == "stock" else self.variant(name, files or {})
        context = Context(cache=self.cache, jobs=1, deadline=Deadline.after(seconds), listener=self.events.append)
        return kbuild.build(inputs, context)

    @property
    def slot(self) -> Path:
        return self.cache / "slots" / kbuild.slot_key(self.inputs)

    def compiled(self, image: KernelImage) -> list[str]:
        log = (Path(image.image).parent / "build.log").read_text()
        return sorted(line.split()[1] for line in log.splitlines() if line.startswith("  CC "))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    archive = write_archive(tmp_path)
    return Bench(ArchiveTree(identity="test:1", version="6.12.1", archive=str(archive)), tmp_path / "cache")


def content(image: KernelImage) -> bytes:
    return Path(image.image).read_bytes()


B2: Files = {"b.c": b"int b2;\n"}


def test_a_build_leaves_everything_at_its_address(bench: Bench) -> None:
    image = bench.build()
    assert Path(image.image) == bench.cache / "kernels" / kbuild.key(bench.inputs) / "bzImage"
    assert (image.release, image.cached) == ("6.12.1", False)
    names = {path.name for path in Path(image.image).parent.iterdir()}
    assert names == {"bzImage", "vmlinux", "config", "System.map", "build.log", "manifest.json"}
    assert "CONFIG_B=y" in Path(image.config).read_text()
    manifest = files.read_json(Path(image.image).parent / "manifest.json")
    assert manifest["repro"] == "kzram-ci build stock"
    assert "KBUILD_BUILD_TIMESTAMP=" in manifest["make"]
    assert b"by kzram-ci" in content(image)


def test_the_second_time_make_is_not_called(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    first = bench.build()

    def never(*words: object, **more: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(proc, "spawn", never)
    again = bench.build()
    assert again == replace(first, cached=True)


def test_a_kernel_that_is_found_is_used(bench: Bench) -> None:
    manifest = Path(bench.build().image).parent / "manifest.json"
    os.utime(manifest, (1, 1))
    bench.build()
    assert manifest.stat().st_mtime > 1


def test_make_does_not_wait_for_a_listener_that_does_not_return(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kzram_ci.kernel.kbuild.make._FOLLOWER_SECONDS", 0.2)
    stuck, began = threading.Event(), clock.monotonic()
    context = Context(cache=bench.cache, jobs=1, deadline=Deadline.after(60), listener=_stuck_at_progress(stuck))
    try:
        assert kbuild.build(bench.variant("v", {"b.c": b"NAP\n"}), context).release == "6.12.1"
        assert clock.monotonic() - began < 15
    finally:
        stuck.set()


def _stuck_at_progress(stuck: threading.Event) -> Listener:
    def listen(event: Event) -> None:
        if isinstance(event, BuildProgress):
            stuck.wait(30)

    return listen


def test_a_variant_compiles_what_differs(bench: Bench) -> None:
    assert bench.compiled(bench.build()) == ["a.o", "b.o", "c.o"]
    variant = bench.build("v", B2)
    assert bench.compiled(variant) == ["b.o"]
    assert b"int b2;" in content(variant)
    third = bench.build("w", {"c.c": b"int c3;\n"})
    assert bench.compiled(third) == ["b.o", "c.o"], "the first variant's file went back"
    assert b"int b;" in content(third)


def test_incremental_and_clean_builds_give_the_same_bytes(bench: Bench, tmp_path: Path) -> None:
    bench.build("v", {**B2, "new.c": b"int new;\n", "a.c": None})
    incremental = bench.build()
    clean = Bench(bench.inputs.tree, tmp_path / "another cache".replace(" ", "-")).build()
    assert incremental.key == clean.key
    assert content(incremental) == content(clean)


def test_files_come_and_go_with_their_variant(bench: Bench) -> None:
    image = bench.build("v", {"sub/new.h": b"x\n", "new.c": b"int new;\n", "a.c": None})
    assert b"int new;" in content(image)
    assert b"int a;" not in content(image)
    stock = bench.build()
    assert b"int new;" not in content(stock)
    assert b"int a;" in content(stock)
    assert not (bench.slot / "src" / "sub" / "new.h").exists()


def test_the_pristine_tree_is_never_written(bench: Bench) -> None:
    bench.build("v", B2)
    (pristine,) = (bench.cache / "sources").glob("*/tree/b.c")
    assert pristine.read_text() == "int b;\n"


def test_writing_breaks_hard_links_and_keeps_modes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(0o755)
    os.link(tmp_path / "a", tmp_path / "b")
    assert write_if_changed(tmp_path / "b", b"new")
    assert (tmp_path / "a").read_text() == "old"
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o755
    assert not write_if_changed(tmp_path / "b", b"new"), "what is right is not touched"


def test_a_slot_killed_in_make_starts_anew(bench: Bench) -> None:
    bench.build()
    half = bench.slot / "src" / OBJECTS / "a.o"
    half.write_text("trunca")  # newer than its source: make would take it
    (bench.slot / "building").touch()
    image = bench.build("v", B2)
    assert bench.compiled(image) == ["a.o", "b.o", "c.o"]
    assert b"trunca" not in content(image)


def test_a_slot_killed_while_switching_heals(bench: Bench) -> None:
    bench.build()
    slot = Slot(bench.slot)
    slot.remember(touched=("a.c", "b.c", "gone.c"))  # the journal comes first …
    write_if_changed(slot.src / "b.c", b"int torn;\n")  # … then some of the files
    image = bench.build("v", {"c.c": b"int c2;\n"})
    assert b"int torn;" not in content(image)
    assert b"int b;" in content(image)


def test_what_make_was_done_with_is_known_until_the_tree_changes(bench: Bench) -> None:
    bench.build()
    done = Slot(bench.slot).state
    assert done.made == done.config != ""
    with pytest.raises(BuildFailed):
        bench.build("v", {"b.c": b"#error\n"})
    assert Slot(bench.slot).state.made == "", "a make that failed leaves it open what it did not come to"
    bench.build("w", B2)
    assert Slot(bench.slot).state.made == done.made


def test_a_slot_killed_while_switching_knows_no_changes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.build()

    def dies(*words: object, **more: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("kzram_ci.kernel.kbuild.slot.write_if_changed", dies)
        with pytest.raises(KeyboardInterrupt):
            bench.build("v", B2)
    state = Slot(bench.slot).state
    assert (state.made, state.checked) == ("", False)


def test_the_next_make_is_told_what_changed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.build()
    asked: list[set[str]] = []

    def idle(src: Path, out: Path, changed: Collection[str]) -> frozenset[str]:
        asked.append(set(changed))
        return frozenset()

    monkeypatch.setattr("kzram_ci.kernel.kbuild.descent.idle", idle)
    bench.build("v", B2)
    bench.build("w", {"c.c": b"int c3;\n"})
    assert asked == [{"b.c"}, {"b.c", "c.c"}]
    with pytest.raises(BuildFailed):
        bench.build("x", {"a.c": b"#error\n"})
    bench.build("y", {"a.c": b"int a4;\n"})
    assert asked[2:] == [{"a.c", "c.c"}], "after a make that failed everything is entered"
    (bench.slot / "src" / OBJECTS / "vmlinux").unlink()
    bench.build("z", {"a.c": b"int a5;\n"})
    assert len(asked) == 3, "nor is there a kernel without vmlinux"


def test_a_header_that_hides_another_has_all_made_anew(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What objects were made of is all there, as it was: make would leave them."""
    below: Files = {"include/uapi/linux/x.h": b"#define X 1\n"}
    above: Files = {**below, "include/linux/x.h": b"#define X 2\n"}
    bench.build("v", below)
    assert bench.compiled(bench.build("w", {**below, "include/linux/y.h": b"#define Y 1\n", **B2})) == ["b.o"]
    assert bench.compiled(bench.build("x", above)) == ["a.o", "b.o", "c.o"]
    assert bench.compiled(bench.build("y", {**above, **B2})) == ["b.o"], "it hides it since before"
    bench.build("z", {**below, "c.c": b"int c4;\n"})
    with monkeypatch.context() as patch:
        patch.setattr("kzram_ci.kernel.kbuild.exec_bits.restore", _dies)
        with pytest.raises(KeyboardInterrupt):
            bench.build("killed", {**above, "c.c": b"int c5;\n"})  # after the header came, before make
    assert bench.compiled(bench.build("last", {**above, "c.c": b"int c3;\n"})) == ["a.o", "b.o", "c.o"]


def _dies(*words: object, **more: object) -> tuple[str, ...]:
    raise KeyboardInterrupt


def test_scripts_that_came_with_a_variant_are_made_executable(bench: Bench) -> None:
    bench.build()
    bench.build("v", {"tools/new.sh": b"#!/bin/sh\n"})
    assert (bench.slot / "src/tools/new.sh").stat().st_mode & 0o111


def test_the_state_of_an_earlier_version_is_read(bench: Bench) -> None:
    bench.build()
    kept = files.read_json(bench.slot / "state.json")
    files.write_json(bench.slot / "state.json", {name: kept[name] for name in kept if name not in ("made", "checked")})
    assert bench.compiled(bench.build("v", B2)) == ["b.o"]


def test_a_damaged_journal_costs_the_slot(bench: Bench) -> None:
    bench.build()
    (bench.slot / "state.json").write_text("{")
    assert bench.compiled(bench.build("v", B2)) == ["a.o", "b.o", "c.o"]


def test_a_compile_error_is_the_compilers_line(bench: Bench) -> None:
    bench.build()
    with pytest.raises(BuildFailed) as caught:
        bench.build("v", {"b.c": b"#error\n"})
    assert caught.value.message == "v: b.c:1:2: error: #error told so"
    assert "error: #error told so" in Path(caught.value.log).read_text()
    assert Path(caught.value.log).parent == bench.cache / "logs"
    assert not complete(bench.cache / "kernels" / kbuild.key(bench.variant("v", {"b.c": b"#error\n"})))
    assert bench.compiled(bench.build("w", {"c.c": b"int c3;\n"})) == ["b.o", "c.o"], "the slot is still good"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("KILL", "killed by signal 9"),
        ("FULL", "No space left on device"),
        ("OOM", "Killed signal terminated program"),
    ],
)
def test_the_hosts_troubles_are_the_hosts(bench: Bench, text: str, message: str) -> None:
    with pytest.raises(InfraError, match=message):
        bench.build("v", {"b.c": f"{text}\n".encode()})
    assert bench.compiled(bench.build()) == ["a.o", "b.o", "c.o"], "nothing of that object directory is trusted"


def test_a_compiler_killed_beside_others_is_the_hosts_matter(bench: Bench) -> None:
    """The out-of-memory killer takes one of several compilers; what the others say meanwhile does not hide it."""
    context = Context(cache=bench.cache, jobs=4, deadline=Deadline.after(60), listener=bench.events.append)
    inputs = bench.variant("v", {"a.c": b"NAP\n#error\n", "b.c": b"OOM\n", "c.c": b"NAP\nint c;\n"})
    with pytest.raises(InfraError, match="Killed signal") as caught:
        kbuild.build(inputs, context)
    assert "fewer jobs" in caught.value.hint


def test_a_compiler_that_crashes_is_asked_once_more(bench: Bench, tmp_path: Path) -> None:
    bench.build()
    image = bench.build("v", {"b.c": f"// CRASH-ONCE {tmp_path / 'once'}\n".encode()})
    (note,) = [event.text for event in bench.events if isinstance(event, Note) and "crashed" in event.text]
    assert "b.c:1:1: internal compiler error: in expand_expr_real_1" in note
    assert "made once more" in note
    assert "CRASH-ONCE" in content(image).decode()


def test_a_compiler_that_crashes_again_leaves_a_kernel_that_cannot_be_built(bench: Bench) -> None:
    bench.build()
    with pytest.raises(BuildFailed, match=r"v: b\.c:1:1: internal compiler error: Segmentation fault") as caught:
        bench.build("v", {"b.c": b"CC-DIES\n"})
    assert "another compiler may not" in caught.value.hint
    assert Path(caught.value.log).read_text().count("internal compiler error") == 2
    assert bench.compiled(bench.build("w", {"c.c": b"int c3;\n"})) == ["b.o", "c.o"], "the slot is still good"


def test_the_deadline_ends_make(bench: Bench) -> None:
    bench.build()
    with pytest.raises(CommandTimeout):
        bench.build("v", {"b.c": b"SLEEP\n"}, seconds=2)
    assert bench.compiled(bench.build("w", {"c.c": b"int c3;\n"})) == ["b.o", "c.o"], "make cleaned up after itself"


def test_cancelling_ends_make(bench: Bench) -> None:
    bench.build()
    timer = threading.Timer(0.7, proc.cancel_all)
    timer.start()
    try:
        with pytest.raises(Interrupted):
            bench.build("v", {"b.c": b"SLEEP\n"})
    finally:
        timer.join()
        proc.resume_all()
    assert content(bench.build("w", B2))


def test_an_unmet_symbol_is_named_before_the_build(bench: Bench) -> None:
    wanted = Fragment(name="g.config", text="CONFIG_GONE=y\n")
    bench.inputs = replace(bench.inputs, fragments=(wanted,))
    with pytest.raises(ConfigUnmet, match=r"CONFIG_GONE: wanted y, got absent \(fragment g\.config\)"):
        bench.build()
    assert not (bench.slot / "src" / OBJECTS / "a.o").exists()


def test_a_symbol_that_may_be_unknown_is_void_where_no_kconfig_declares_it(bench: Bench, tmp_path: Path) -> None:
    wanted = Fragment(name="g.config", text="# may be unknown: CONFIG_GONE\nCONFIG_GONE=y\n")
    bench.inputs = replace(bench.inputs, fragments=(wanted,))
    assert "CONFIG_GONE" not in Path(bench.build().config).read_text()

    (tmp_path / "other/linux-6.12.1/mm").mkdir(parents=True)
    (tmp_path / "other/linux-6.12.1/mm/Kconfig.debug").write_text("config GONE\n\tbool\n\tdepends on NOTHING\n")
    knows = ArchiveTree(identity="test:2", version="6.12.1", archive=str(write_archive(tmp_path / "other")))
    bench.inputs = replace(bench.inputs, tree=knows)
    with pytest.raises(ConfigUnmet, match=r"CONFIG_GONE: wanted y, got absent"):
        bench.build()


def test_the_callers_environment_stays_outside(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KCFLAGS", "-O0")
    monkeypatch.setenv("MAKEFLAGS", "-n")  # as from a Makefile that calls us
    image = bench.build()
    assert b"flags  of  by" in content(image)


def test_make_variables_reach_make_and_the_key(bench: Bench) -> None:
    plain = kbuild.key(bench.inputs)
    bench.inputs = replace(bench.inputs, make_vars=(("KCFLAGS", "-O3"),))
    assert kbuild.key(bench.inputs) != plain
    assert b"flags -O3 of -O3" in content(bench.build())


@pytest.mark.parametrize("name", ["O", "ARCH", "V"])
def test_make_variables_that_are_ours_are_refused(bench: Bench, name: str) -> None:
    bench.inputs = replace(bench.inputs, make_vars=((name, "x"),))
    with pytest.raises(UserError, match=f"make variable {name} cannot be set"):
        bench.build()


def test_debug_info_does_not_hold_the_caches_path(bench: Bench) -> None:
    wanted = Fragment(name="g.config", text="CONFIG_DEBUG_INFO=y\n")
    bench.inputs = replace(bench.inputs, fragments=(wanted,), make_vars=(("KCFLAGS", "-O3"),))
    told = content(bench.build()).decode()
    out = bench.slot.resolve() / "src" / OBJECTS
    assert f"flags -O3 -fdebug-prefix-map={out}=/{OBJECTS} of" in told


def test_progress_has_a_total_once_it_is_known(bench: Bench) -> None:
    bench.build()
    assert [type(event) for event in bench.events][:2] == [BuildStarted, Note]
    assert isinstance(bench.events[-1], BuildDone)
    progress = [event for event in bench.events if isinstance(event, BuildProgress)]
    assert (progress[-1].done, progress[-1].total) == (4, 0)
    (bench.slot / "building").touch()
    bench.events.clear()
    bench.build("v", B2)
    last = [event for event in bench.events if isinstance(event, BuildProgress)][-1]
    assert (last.kernel, last.done, last.total) == ("v", 4, 4)


def test_two_at_a_time(bench: Bench) -> None:
    jobs: list[Callable[[], KernelImage]] = [
        bench.build,
        bench.build,
        lambda: bench.build("v", B2),
        lambda: bench.build("w", {"c.c": b"int c3;\n"}),
    ]
    with ThreadPoolExecutor(4) as pool:
        stock, again, v, w = (future.result() for future in [pool.submit(job) for job in jobs])
    assert content(stock) == content(again)
    assert b"int b2;" in content(v)
    assert b"int b;" in content(w)
    assert sorted([stock.cached, again.cached]) == [False, True]


def test_a_place_kbuild_cannot_work_in_is_named(bench: Bench, tmp_path: Path) -> None:
    bench.cache = tmp_path / "with blank"
    with pytest.raises(InfraError, match="cannot work below") as caught:
        bench.build()
    assert "KZRAM_CACHE" in caught.value.hint


def test_an_archive_that_is_none(bench: Bench, tmp_path: Path) -> None:
    broken = tmp_path / "broken.tar.xz"
    broken.write_bytes(b"no archive")
    bench.inputs = replace(bench.inputs, tree=ArchiveTree(identity="x", version="1", archive=str(broken)))
    with pytest.raises(InfraError, match="cannot unpack broken"):
        bench.build()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "mine")


def directory_tree(root: Path, cache: Path) -> Tree:
    from kzram_ci.kernel import source

    return source.fetch(DirectorySource(path=str(root)), Context(cache=cache, deadline=Deadline.after(60)))


def test_a_directory_is_followed_and_never_written(directory: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = sorted(str(path) for path in directory.rglob("*"))
    bench = Bench(directory_tree(directory, cache), cache)
    first = bench.build("v", B2)
    assert bench.compiled(first) == ["a.o", "b.o", "c.o"]
    slot = bench.slot
    (directory / "c.c").write_text("int edited;\n")
    (directory / "a.c").unlink()
    bench.inputs = replace(bench.inputs, tree=directory_tree(directory, cache))
    second = bench.build("v", B2)
    assert bench.slot == slot
    assert second.key != first.key
    assert bench.compiled(second) == ["c.o"]
    assert b"int edited;" in content(second)
    assert b"int a;" not in content(second)
    assert b"int b2;" in content(second)
    assert sorted(str(path) for path in directory.rglob("*")) == [p for p in before if not p.endswith("/a.c")]
    assert (directory / "b.c").read_text() == "int b;\n"


def test_a_directory_that_changes_meanwhile_is_noticed(directory: Path, tmp_path: Path) -> None:
    bench = Bench(directory_tree(directory, tmp_path / "cache"), tmp_path / "cache")
    (directory / "c.c").write_text("int other;\n")
    with pytest.raises(UserError, match="changed since its build was planned"):
        bench.build()


def test_the_key_ignores_comments_and_order_of_fragments(bench: Bench) -> None:
    def with_fragments(*texts: str) -> str:
        named = tuple(Fragment(name=f"{n}.config", text=text) for n, text in enumerate(texts))
        return kbuild.key(replace(bench.inputs, fragments=named))

    plain = with_fragments("CONFIG_A=y\nCONFIG_B=y\n")
    assert with_fragments("# why\nCONFIG_B=y\n", "CONFIG_A=y\n") == plain
    assert with_fragments("CONFIG_A=y\n") != plain


def test_the_key_ignores_changelogs_and_names(bench: Bench) -> None:
    def with_text(text: str, name: str) -> str:
        patch = Patch(series="s", name=name, text=text)
        series = Series(name=name, kind=SeriesKind.FIX, patches=(patch,))
        return kbuild.key(replace(bench.inputs, name=name, series=(choose(series, "6"),)))

    diff = "diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-int a;\n+int x;\n"
    assert with_text(f"Subject: one\n\n{diff}", "one") == with_text(f"Subject: two\n\n{diff}", "two")
    assert with_text(diff, "one") != with_text(diff.replace("int x", "int y"), "one")


def test_directories_that_lost_their_last_file_go(bench: Bench) -> None:
    bench.build("v", {"other/x": b"x\n", "sub/deep/er.h": b"x\n", "sub/kept.h": b"y\n"})
    assert (bench.slot / "src/other/x").is_file()
    bench.build("w", {"sub/kept.h": b"y\n"})
    assert not (bench.slot / "src/other").exists()
    assert sorted(path.name for path in (bench.slot / "src/sub").iterdir()) == ["kept.h"]


def test_removing_never_follows_a_link_out_of_the_tree(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/b").write_text("kept")
    root = tmp_path / "src"
    root.mkdir()
    (root / "a").symlink_to(tmp_path / "outside")
    (root / "f").write_text("a file in the place of a directory")
    assert not remove(root, "a/b")
    assert not remove(root, "f/b")
    assert not remove(root, "gone/b")
    assert (tmp_path / "outside/b").read_text() == "kept"
    assert remove(root, "f")
    assert root.is_dir(), "the tree itself stays"


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [_flip, lambda path: os.truncate(path, 3), Path.unlink], ids=("bit", "cut", "gone"))
def test_a_kernel_that_is_damaged_is_built_again(bench: Bench, damage: Callable[[Path], None]) -> None:
    """Its guest would crash, and the crash would be taken for the kernel's."""
    first = bench.build()
    whole = content(first)
    damage(Path(first.image))
    assert kbuild.cached(bench.inputs, cache=bench.cache) is None
    again = bench.build()
    assert not again.cached
    assert content(again) == whole
    assert [event.text for event in bench.events if isinstance(event, Note) and "damaged" in event.text]
    assert bench.build().cached


def test_a_kernel_of_an_earlier_version_has_no_digest(bench: Bench) -> None:
    manifest = Path(bench.build().image).parent / "manifest.json"
    files.write_json(manifest, {key: value for key, value in files.read_json(manifest).items() if key != "booted"})
    assert bench.build().cached
