"""A release is one command and one tag: fragments become the changelog's newest section, and the tag is checked."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requires

ROOT = Path(__file__).resolve().parents[2]
NO_FRAGMENTS = ("README.md", "template.md.jinja")
FRAGMENTS = [path for path in sorted((ROOT / "changelog.d").iterdir()) if path.name not in NO_FRAGMENTS]
PARTS = ("scripts/release", "pyproject.toml", "CHANGELOG.md", "kzram_ci/__init__.py")
KINDS = ("added", "changed", "fixed", "removed")


def run(place: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    own = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@b"}
    given = {"PATH": os.environ["PATH"], "HOME": str(place), "KZRAM_BIN": str(Path(sys.executable).parent), **own}
    return subprocess.run(argv, cwd=place, env=given, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a release touches, in a repository of its own, with a fragment of each kind."""
    if not (Path(sys.executable).parent / "towncrier").exists():
        requires.lacking("tools", "no towncrier")
    for name in PARTS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "changelog.d").mkdir()
    for name in NO_FRAGMENTS:
        shutil.copy(ROOT / "changelog.d" / name, tmp_path / "changelog.d")
    for kind in KINDS:
        (tmp_path / "changelog.d" / f"b-{kind}.{kind}.md").write_text(f"`x` was {kind},\nand **more**.\n")
    (tmp_path / "changelog.d" / "a-b.fixed.md").write_text("First.\n")
    for argv in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "x")):
        assert run(tmp_path, "git", *argv).returncode == 0
    return tmp_path


def test_fragments_have_a_kind_and_one_text() -> None:
    for path in FRAGMENTS:
        assert re.fullmatch(rf"[a-z0-9-]+\.({'|'.join(KINDS)})\.md", path.name), path.name
        text = path.read_text()
        assert text.strip() and not re.match(r"[*#-] ", text) and "\n\n" not in text, path.name


def test_a_release_is_a_commit_and_a_tag(checkout: Path) -> None:
    before = (checkout / "CHANGELOG.md").read_text()
    done = run(checkout, "scripts/release", "9.8.7")
    assert done.returncode == 0, done.stderr
    assert "git push origin HEAD v9.8.7" in done.stdout
    assert run(checkout, "git", "describe", "--exact-match").stdout == "v9.8.7\n"
    assert run(checkout, "git", "status", "--porcelain").stdout == ""
    assert '__version__ = "9.8.7"' in (checkout / "kzram_ci/__init__.py").read_text()
    assert {path.name for path in (checkout / "changelog.d").iterdir()} == set(NO_FRAGMENTS)
    after = (checkout / "CHANGELOG.md").read_text()
    head, _, rest = before.partition("## ")
    assert after.startswith(head) and after.endswith(rest)
    notes = run(checkout, "scripts/release", "--notes", "v9.8.7").stdout
    first = {"fixed": "* First.\n"}
    assert [part.strip() for part in notes.split("### ")[1:]] == [
        f"{kind.capitalize()}\n\n{first.get(kind, '')}* `x` was {kind},\n  and **more**." for kind in KINDS
    ]
    assert notes in after
    assert run(checkout, "scripts/release", "--check", "v9.8.7").returncode == 0


def test_a_second_release_stands_above_the_first(checkout: Path) -> None:
    assert run(checkout, "scripts/release", "1.0.0rc1").returncode == 0
    (checkout / "changelog.d" / "c.added.md").write_text("Later.")
    for argv in (("add", "-A"), ("commit", "-qm", "x")):
        run(checkout, "git", *argv)
    assert run(checkout, "scripts/release", "1.0.0").returncode == 0
    headings = re.findall(r"^## (\S+)", (checkout / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[:3] == ["1.0.0", "1.0.0rc1", "Until"]
    assert "Later." in run(checkout, "scripts/release", "--notes", "v1.0.0").stdout
    assert "Later." not in run(checkout, "scripts/release", "--notes", "v1.0.0rc1").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "VERSION | --check TAG"),
        (("1.0",), "1.0 is not a version"),
        (("--check", "v1.0.0"), "__init__.py does not say 1.0.0"),
        (("--check", "1; rm -r ."), "is not a version"),
    ],
)
def test_what_is_no_release_is_refused(checkout: Path, words: tuple[str, ...], said: str) -> None:
    done = run(checkout, "scripts/release", *words)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_tag_with_fragments_left_is_refused(checkout: Path) -> None:
    assert run(checkout, "scripts/release", "1.0.0").returncode == 0
    (checkout / "changelog.d" / "late.added.md").write_text("Late.")
    done = run(checkout, "scripts/release", "--check", "v1.0.0")
    assert done.returncode == 2
    assert "changelog.d/late.added.md" in done.stderr
    again = run(checkout, "scripts/release", "1.0.1")
    assert "not committed" in again.stderr
