import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from git_tree import commit, git, repository
from noted import notes
from tiny_source import patch_text

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.kernel import kbuild, source
from kzram_ci.kernel.context import Context
from kzram_ci.kernel.kconfig import Fragment
from kzram_ci.kernel.series import Series, SeriesKind, choose
from kzram_ci.model.events import Event, Listener, silent
from kzram_ci.model.kernel import CommitTree, KernelImage, Patch, Tree
from kzram_ci.model.source import LocalGit, RemoteGit


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    repository(tmp_path / "linux")
    return tmp_path / "linux"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def fetch(cache: Path, repo: Path, ref: str = "HEAD") -> CommitTree:
    return source.commit(LocalGit(path=str(repo), ref=ref), source.Context(cache=cache, deadline=Deadline.after(60)))


def by_url(cache: Path, repo: Path, ref: str = "main") -> CommitTree:
    wanted = RemoteGit(url=f"file://{repo}", ref=ref)
    return source.commit(wanted, source.Context(cache=cache, deadline=Deadline.after(60)))


@pytest.fixture
def untouched(repo: Path) -> Iterator[None]:
    """Nothing below the user's repository may change: no object, no ref, no index, no time stamp."""

    def state() -> dict[str, tuple[int, int]]:
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(repo.rglob("*"))}

    before = state()
    yield
    assert state() == before


def test_identity_is_the_commits_tree(repo: Path, cache: Path) -> None:
    first = fetch(cache, repo)
    (repo / "a.c").write_text("int dirty;\n")
    assert fetch(cache, repo) == first, "the work tree is not asked"
    second = commit(repo, "second", a="int changed;\n")
    assert fetch(cache, repo).identity != first.identity
    assert fetch(cache, repo, "HEAD~1").identity == first.identity
    git(repo, "commit", "-q", "--allow-empty", "-m", "nothing")
    assert fetch(cache, repo).identity == fetch(cache, repo, second).identity, "the message is in no kernel"
    assert first.version.startswith("6.12.1-g")


@pytest.mark.usefixtures("untouched")
def test_the_users_repository_is_only_read(repo: Path, cache: Path) -> None:
    build(cache, fetch(cache, repo))


def test_what_is_no_ref_and_no_repository(repo: Path, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no commit 'v9\.99'"):
        fetch(cache, repo, "v9.99")
    with pytest.raises(UserError, match="is not a git ref"):
        fetch(cache, repo, "--output=x")
    (tmp_path / "plain").mkdir()
    with pytest.raises(UserError, match="is not a git repository"):
        fetch(cache, tmp_path / "plain")


def test_a_url_is_fetched_and_asked_again(repo: Path, cache: Path) -> None:
    first = by_url(cache, repo)
    assert first.identity == fetch(cache, repo).identity
    commit(repo, "second", a="int changed;\n")
    second = by_url(cache, repo)
    assert second.identity != first.identity, "a branch moves"
    with pytest.raises(UserError, match="no commit 'nowhere'"):
        by_url(cache, repo, "nowhere")


def test_a_url_that_is_away_gives_what_was_fetched(repo: Path, cache: Path) -> None:
    first = by_url(cache, repo)
    ref = RemoteGit(url=f"file://{repo}", ref="main")
    other = replace(ref, ref="other")
    shutil.move(repo, repo.with_name("moved"))
    assert by_url(cache, repo) == first
    assert source.local(ref, source.Context(cache=cache, deadline=Deadline.after(60))) == first
    assert source.local(other, source.Context(cache=cache, deadline=Deadline.after(60))) is None
    with pytest.raises(InfraError, match="git fetch"):
        by_url(cache, repo, "other")


def test_history(repo: Path, cache: Path) -> None:
    first = git(repo, "rev-parse", "HEAD")
    commit(repo, "second", a="int changed;\n")
    by_url(cache, repo)  # one commit deep
    context = Context(cache=cache, deadline=Deadline.after(60))
    for ref in (
        RemoteGit(url=f"file://{repo}", ref="main"),
        LocalGit(path=str(repo), ref="main"),
    ):
        where = source.history(ref, context)
        assert git(where, "rev-list", "--all").splitlines()[-1] == first


def build(cache: Path, tree: Tree, name: str = "stock", listener: Listener = silent) -> KernelImage:
    patch = Patch(series=name, name="1", text=patch_text({"c.c": b"int patched;\n"}))
    series = Series(name=name, kind=SeriesKind.FIX, patches=(patch,))
    inputs = kbuild.Inputs(
        name=name, arch="x86_64", tree=tree, fragments=(Fragment(name="f.config", text="CONFIG_B=y\n"),),
        series=(choose(series, "6.12.1"),) if name == "patched" else (),
    )  # fmt: skip
    return kbuild.build(inputs, Context(cache=cache, jobs=1, deadline=Deadline.after(60), listener=listener))


def compiled(image: KernelImage) -> list[str]:
    lines = (Path(image.image).parent / "build.log").read_text().splitlines()
    return [line.split()[1] for line in lines if line.startswith("  CC")]


def test_neighbouring_commits_share_an_object_tree(repo: Path, cache: Path) -> None:
    tree = fetch(cache, repo)
    assert compiled(build(cache, tree)) == ["a.o", "b.o", "c.o"]
    commit(repo, "second", b="int changed;\n")
    image = build(cache, fetch(cache, repo))
    assert compiled(image) == ["b.o"]
    assert "int changed" in Path(image.vmlinux).read_text()
    assert len([path for path in (cache / "slots").iterdir() if path.is_dir()]) == 1


def test_commits_that_add_and_remove_files_and_a_series_between(repo: Path, cache: Path) -> None:
    build(cache, fetch(cache, repo))
    git(repo, "rm", "-q", "c.c")
    commit(repo, "second", d="int d;\n")
    image = build(cache, fetch(cache, repo))
    assert compiled(image) == ["d.o"]
    assert "int c;" not in Path(image.vmlinux).read_text()
    back = build(cache, fetch(cache, repo, "HEAD~1"))
    assert "int c;" in Path(back.vmlinux).read_text()
    assert "int d;" not in Path(back.vmlinux).read_text()


def test_a_directory_that_lost_its_last_file_is_not_left_behind(repo: Path, cache: Path) -> None:
    (repo / "sub/deep").mkdir(parents=True)
    (repo / "sub/deep/only.c").write_text("int only;\n")
    commit(repo, "second")
    build(cache, fetch(cache, repo))
    (slot,) = (path for path in (cache / "slots").iterdir() if path.is_dir())
    assert (slot / "src/sub/deep/only.c").is_file()
    git(repo, "rm", "-rq", "sub")
    commit(repo, "third", b="int changed;\n")
    build(cache, fetch(cache, repo))
    assert not (slot / "src/sub").exists()


def test_products_that_a_commit_tracks_are_left_out_with_a_note(repo: Path, cache: Path) -> None:
    plain = build(cache, fetch(cache, repo))
    for name in ("include/config/x", "arch/x86/include/generated/y.h", ".config", "a.o", ".a.o.cmd"):
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text("left over\n")
    git(repo, "add", "--all", "--force")
    git(repo, "commit", "-qm", "second")
    events: list[Event] = []
    image = build(cache, fetch(cache, repo), listener=events.append)
    assert Path(image.image).read_bytes() == Path(plain.image).read_bytes()
    assert any(
        text.startswith("5 build products left out of the source: .a.o.cmd, .config, a.o") for text in notes(events)
    )
    git(repo, "rm", "-rq", "include", "arch", ".config", "a.o", ".a.o.cmd")
    commit(repo, "third", b="int changed;\n")
    assert compiled(build(cache, fetch(cache, repo))) == ["b.o"]


def test_a_slot_with_an_empty_directory_that_kbuild_refuses_heals(repo: Path, cache: Path) -> None:
    build(cache, fetch(cache, repo))
    (slot,) = (path for path in (cache / "slots").iterdir() if path.is_dir())
    (slot / "src/include/config/left").mkdir(parents=True)  # as earlier versions left it
    commit(repo, "second", b="int changed;\n")
    assert compiled(build(cache, fetch(cache, repo))) == ["b.o"]


def test_config_is_made_again_only_when_it_may_change(repo: Path, cache: Path) -> None:
    build(cache, fetch(cache, repo))
    commit(repo, "second", b="int changed;\n")
    log = Path(build(cache, fetch(cache, repo)).image).parent / "build.log"
    assert ".config" not in log.read_text()
    (repo / "Kconfig").write_text("config A\n")
    commit(repo, "third")
    fetch(cache, repo)
    commit(repo, "fourth", b="int again;\n")
    log = Path(build(cache, fetch(cache, repo)).image).parent / "build.log"
    assert ".config" in log.read_text()


def lose(repo: Path, name: str) -> None:
    """Remove an object from a repository, as a broken disk or a partial clone does."""
    sha = git(repo, "rev-parse", name)
    (repo / ".git/objects" / sha[:2] / sha[2:]).unlink()


@pytest.mark.parametrize("name", ["HEAD:c.c", "HEAD:scripts"])
def test_missing_objects_are_told_in_gits_own_words(repo: Path, cache: Path, name: str) -> None:
    tree = fetch(cache, repo)
    lose(repo, name)
    with pytest.raises(InfraError) as caught:
        build(cache, tree)
    assert caught.value.message.startswith(("error: unable to read sha1 file of c.c", "error: Could not read"))
    assert f"git -C {repo} fsck" in caught.value.hint
    assert "$ git " in Path(caught.value.log).read_text()


def test_a_commit_whose_tree_is_missing_is_told_too(repo: Path, cache: Path) -> None:
    lose(repo, "HEAD^{tree}")
    with pytest.raises(InfraError, match=r"^fatal: .*\(git [a-z-]+ exited with 128\)") as caught:
        fetch_for_build(cache, repo)
    assert "$ git " in Path(caught.value.log).read_text()


def fetch_for_build(cache: Path, repo: Path) -> object:
    return source.fetch(LocalGit(path=str(repo), ref="HEAD"), Context(cache=cache, deadline=Deadline.after(60)))
