"""The log that others replay."""

from pathlib import Path

import pytest
from bisect_histories import CLEAN, CRASH, Machine, begin, bisect, infected, line, name

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.bisect.belief.model import Bisection, Observation, observe, start
from kzram_ci.bisect.belief.standing import standing_of
from kzram_ci.bisect.reports.git_log import fixes, git_bisect_log


def git(root: Path, *words: str, given: str = "") -> str:
    argv = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main", *words)
    done = proc.run(argv, deadline=Deadline.after(60), cwd=root, input=given.encode())
    return done.stdout.decode()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Twenty commits in a line; their names, oldest first."""
    root = tmp_path_factory.mktemp("replayed")
    git(root, "init", "-q")
    stream = "".join(
        f"commit refs/heads/main\ncommitter t <t@example.org> {1_700_000_000 + commit} +0000\n"
        f"data 2\nc{chr(97 + commit)}\nM 644 inline f\ndata 1\n{chr(97 + commit)}\n"
        for commit in range(20)
    )
    git(root, "fast-import", "--quiet", given=stream)
    git(root, "reset", "-q", "--hard", "main")
    return root, git(root, "rev-list", "--reverse", "main").split()


def real(root: Path, names: list[str]) -> Bisection:
    text = git(root, "rev-list", "--parents", "--topo-order", names[-1], f"^{names[0]}")
    return start(text, bad=names[-1], goods=(names[0],))


def test_git_replays_it_and_finds_the_same_commit(repository: tuple[Path, list[str]], tmp_path: Path) -> None:
    root, names = repository
    state = real(root, names)
    for commit, what in ((19, CRASH), (10, CLEAN), (15, CRASH), (12, CLEAN), (13, CRASH)):
        for _ in range(8):
            state = observe(state, names[commit], what)
    state = observe(state, names[11], Observation.UNBUILDABLE)
    log = git_bisect_log(standing_of(state), {names[13]: "break it"})
    assert f"# bad: [{names[13]}] break it\ngit bisect bad {names[13]}\n" in log
    assert f"git bisect skip {names[11]}\n" in log
    (tmp_path / "log").write_text(log)
    told = git(root, "bisect", "replay", str(tmp_path / "log"))
    git(root, "bisect", "reset")
    assert f"{names[13]} is the first bad commit" in told


def test_git_goes_on_from_a_bisection_that_is_not_done(repository: tuple[Path, list[str]], tmp_path: Path) -> None:
    root, names = repository
    state = real(root, names)
    for _ in range(4):
        state = observe(observe(state, names[19], CRASH), names[10], CLEAN)
    state = observe(state, names[15], CLEAN)  # one clean boot of a commit settles nothing
    state = observe(state, names[17], Observation.OTHER)
    log = git_bisect_log(standing_of(state), {})
    assert names[17] not in log
    (tmp_path / "log").write_text(log)
    git(root, "bisect", "replay", str(tmp_path / "log"))
    good = git(root, "bisect", "log").count("git bisect good")
    git(root, "bisect", "reset")
    assert good == log.count("git bisect good")


def test_the_answer_is_in_the_log_in_gits_words() -> None:
    parents = line(32)
    answer, state, _ = bisect(begin(parents), Machine(infected(parents, 20), rate=0.9, seed=1))
    assert f"# first bad commit: [{name(20)}] break it\n" in git_bisect_log(
        standing_of(state), {name(20): "break it"}, answer
    )


def test_a_fixes_line_is_as_the_kernel_wants_it() -> None:
    assert fixes("0123456789abcdef" * 2, " mm: break it ") == 'Fixes: 0123456789ab ("mm: break it")'
