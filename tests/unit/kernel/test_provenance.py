"""What was tested goes with the kernel: into its manifest, and to whoever finds it in the cache."""

from dataclasses import replace
from pathlib import Path

import pytest
from git_tree import commit, git, repository
from tiny_source import patch_text, write_tree

from kzram_ci.base import files
from kzram_ci.base.clock import Deadline
from kzram_ci.kernel import kbuild, source
from kzram_ci.kernel.context import Context
from kzram_ci.kernel.kconfig import Fragment
from kzram_ci.kernel.series import Series, SeriesKind, choose
from kzram_ci.model.kernel import KernelImage, Patch, Tree
from kzram_ci.model.provenance import AppliedSeries, Provenance
from kzram_ci.model.source import DirectorySource, LocalGit


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(cache=tmp_path / "cache", deadline=Deadline.after(60), jobs=1)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    repository(tmp_path / "linux")
    return tmp_path / "linux"


def series(name: str, content: bytes) -> Series:
    text = patch_text({"b.c": content})
    return Series(name=name, kind=SeriesKind.FIX, patches=(Patch(series=name, name="1.patch", text=text),))


def inputs(tree: Tree, *parts: Series) -> kbuild.Inputs:
    return kbuild.Inputs(
        name="k",
        arch="x86_64",
        tree=tree,
        series=tuple(choose(part, tree.version) for part in parts),
        fragments=(Fragment(name="f.config", text="CONFIG_B=y\n"),),
        make_vars=(("KCFLAGS", "-O2"),),
        toolchain=(("CC", "gcc 12"),),
    )


def manifest_of(image: KernelImage) -> Path:
    return Path(image.image).parent / "manifest.json"


def test_a_built_and_a_cached_kernel_say_what_they_are(repo: Path, context: Context) -> None:
    ref = LocalGit(path=str(repo), ref="main")
    wanted = inputs(source.fetch(ref, context), series("s", b"int s;\n"))
    built = kbuild.build(wanted, context)
    assert built.provenance == Provenance(
        source=f"git:{repo}@main",
        version=wanted.tree.version,
        identity=wanted.tree.identity,
        commit=git(repo, "rev-parse", "HEAD"),
        series=(AppliedSeries(name="s", kind="fix", patches=("1.patch",)),),
        fragments=("f.config",),
        make_vars=(("KCFLAGS", "-O2"),),
        toolchain=(("CC", "gcc 12"),),
    )
    assert files.read_json(manifest_of(built))["image"]["provenance"]["commit"] == built.provenance.commit
    again = kbuild.cached(wanted, cache=context.cache)
    assert again is not None
    assert again.provenance == built.provenance


def test_another_commit_with_the_same_content_is_named_though_the_kernel_is_cached(
    repo: Path, context: Context
) -> None:
    ref = LocalGit(path=str(repo), ref="main")
    kbuild.build(inputs(source.fetch(ref, context)), context)
    git(repo, "commit", "-q", "--allow-empty", "-m", "nothing")
    again = kbuild.cached(inputs(source.fetch(ref, context)), cache=context.cache)
    assert again is not None
    assert again.provenance is not None
    assert again.provenance.commit == git(repo, "rev-parse", "HEAD")


def test_a_patch_that_was_there_already_is_not_among_the_applied(repo: Path, context: Context) -> None:
    tree = source.fetch(LocalGit(path=str(repo), ref="main"), context)
    same = series("again", b"int s;\n")
    wanted = inputs(tree, series("s", b"int s;\n"), same)
    built = kbuild.build(wanted, context)
    again = kbuild.cached(wanted, cache=context.cache)
    assert again is not None
    for image in (built, again):
        assert image.provenance is not None
        _, last = image.provenance.series
        assert last == AppliedSeries(name="again", kind="fix", notes=("again/1.patch: already applied, left out",))


def test_a_kernel_of_an_earlier_version_of_the_cache_has_what_its_inputs_say(repo: Path, context: Context) -> None:
    wanted = inputs(source.fetch(LocalGit(path=str(repo), ref="main"), context), series("s", b"int s;\n"))
    built = kbuild.build(wanted, context)
    data = files.read_json(manifest_of(built))
    del data["image"]["provenance"]
    files.write_json(manifest_of(built), data)
    again = kbuild.cached(wanted, cache=context.cache)
    assert again is not None
    assert again == replace(built, cached=True)


def test_a_directory_is_at_a_commit_and_dirty_or_not(repo: Path, context: Context) -> None:
    def fetch() -> tuple[str, bool]:
        tree = kbuild.provenance_of(inputs(source.fetch(DirectorySource(path=str(repo)), context)))
        return tree.commit, tree.dirty

    head = git(repo, "rev-parse", "HEAD")
    assert fetch() == (head, False)
    (repo / "new.c").write_text("int untracked;\n")
    assert fetch() == (head, True)
    (repo / "new.c").unlink()
    (repo / "a.c").write_text("int edited;\n")
    assert fetch() == (head, True)
    assert fetch() != (commit(repo, "second"), True)
    assert not fetch()[1]


def test_a_directory_without_git_has_no_commit(tmp_path: Path, context: Context) -> None:
    tree = source.fetch(DirectorySource(path=str(write_tree(tmp_path / "plain"))), context)
    found = kbuild.provenance_of(inputs(tree))
    assert (found.source, found.commit, found.dirty) == (f"directory:{tmp_path / 'plain'}", "", False)


def test_looking_at_a_plan_runs_nothing_of_a_tree(repo: Path, context: Context, tmp_path: Path) -> None:
    """A filter in the configuration of a repository is a command; to build a tree is to run its Makefile anyway."""
    (repo / ".gitattributes").write_text("*.c filter=trap\n")
    git(repo, "config", "filter.trap.clean", f"touch {tmp_path / 'sprung'}; cat")
    git(repo, "config", "core.fsmonitor", f"touch {tmp_path / 'sprung'}")
    (repo / "a.c").write_text("int other;\n")
    assert source.local(DirectorySource(path=str(repo)), context) is not None
    assert not (tmp_path / "sprung").exists()
