"""Every `kzram-ci try` that the docs, the README and --help show is run, by the names and files that it has.

The kernels are tiny, the guests are simulated; all between the command line and them is real. In the working directory
lie files, and plans and kernels with the names of those that ship.
"""

from __future__ import annotations

import gzip
import json
import re
import shlex
import shutil
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import git_tree
import pytest
from answer_schemas import check
from trial_rig import BUG, PLAN, Rig

from kzram_ci.cli import trial as command
from kzram_ci.cli.main import main
from kzram_ci.trial import run
from kzram_ci.trial.session import inbox

ROOT = Path(__file__).resolve().parents[3]
ID = "20161125083709.12345-1-minchan@kernel.org"
SHOWN = re.compile(r"^\s*(?:(?:review-series-check-cmd = )|(?:b4 am [^|]*\| ))?(kzram-ci try .*)$", re.MULTILINE)
KERNEL = "source: {{kind: git, path: {repo}, ref: main}}\ndescription: a tiny one\n"


def shown() -> list[str]:
    texts = [command.EPILOG, (ROOT / "README.md").read_text()]
    texts += [path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))]
    found = [match[1].partition("  #")[0].strip() for text in texts for match in SHOWN.finditer(text)]
    return sorted(set(found))


COMMANDS = shown()


def test_they_are_found() -> None:
    assert len(COMMANDS) >= 12, COMMANDS
    assert any("--format b4" in line for line in COMMANDS) and any("--resume" in line for line in COMMANDS)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """The place that the commands are written for."""
    rig = Rig(tmp_path_factory.mktemp("docs"))
    here = rig.root / "here"
    for folder in ("testplans", "kernels"):
        (here / folder).mkdir(parents=True)
    for name in ("unstable", "stock", "window-4.9"):
        (here / "kernels" / f"{name}.yaml").write_text(f"name: {name}\n" + KERNEL.format(repo=rig.repo))
    plan = PLAN.format(repo=rig.repo)
    (here / "my-plan.yaml").write_text(
        plan.replace("name: tiny", "name: mine").replace("[swap,", "[race,").replace("  swap:\n", "  race:\n")
    )
    renamed = plan.replace("[swap,", "[anonmutate-window,").replace("  swap:\n", "  anonmutate-window:\n")
    renamed = re.sub(r"\bdirect\b", "directmutate-failslab", renamed).replace("name: tiny", "name: overrun")
    (here / "testplans" / "overrun.yaml").write_text(renamed)
    (here / "repro.sh").write_text("#!/bin/sh\nexit 0\n")
    (here / "repro.sh").chmod(0o755)
    (here / "data.bin").write_bytes(b"x")
    shutil.copy("/bin/true", here / "repro")
    path = rig.patch(BUG.replace("CRASHES", "0"))
    git_tree.git(rig.repo, "tag", "v6.12", "main")
    git_tree.git(rig.repo, "branch", "my-fix", "series")
    git_tree.git(rig.repo, "update-ref", "refs/remotes/origin/master", "main")
    git_tree.git(rig.repo, "tag", "v4.9", "main")
    (rig.root / "linux-4.9").symlink_to(rig.repo)
    (here / "tests" / "real" / "series").mkdir(parents=True)
    (rig.root / "linux-patches").mkdir()
    named = re.sub(r"(?m)^Message-Id: <.*>$", f"Message-Id: <{ID}>", path.read_text(), count=1)
    old = here / "tests" / "real" / "series" / "v3-2016.mbox"
    for copy in (old, here / "fix.mbox", here / "fix.patch", rig.root / "linux-patches" / "0001-a.patch"):
        copy.write_text(named)
    return rig


@pytest.fixture
def here(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KZRAM_CACHE", str(rig.root / "cache"))
    monkeypatch.chdir(rig.root / "here")
    monkeypatch.setattr(run, "real_stages", lambda context, *how: (rig.stages(), None))
    monkeypatch.setattr(inbox, "_b4", lambda: None)  # an archive, as where b4 is not installed
    mail = (rig.root / "here" / "fix.mbox").read_bytes()
    monkeypatch.setattr(inbox, "_get", lambda url: gzip.decompress(gzip.compress(mail)))
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(mail)))
    return Path.cwd()


@pytest.mark.parametrize("line", [line for line in COMMANDS if "[" not in line and "SERIES" not in line])
def test_what_the_docs_show_runs(line: str, here: Path, rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        str(path) if path is not None else word
        for word in shlex.split(
            line.replace("MESSAGE-ID", ID).replace("/path/to/linux", "../linux").replace("/var/tmp", "runs")
        )[1:]
        for path in (sorted(here.glob(word)) if "*" in word and "/" in word else [None])
    ]
    if "--resume" in words:
        assert main(["try", "fix.mbox", "--quiet"]) == 0
        capsys.readouterr()
    code = main(words)
    out, err = capsys.readouterr()
    assert code == 0, f"{line}\n{out}\n{err}"
    if "b4" in words:
        assert json.loads(out)[0]["status"] == "pass"
    elif "--json" in words:
        check("try", json.loads(out))
        assert json.loads(out)["answer"] == "fixed"
    else:
        assert "fixed: the crash comes without the series" in " ".join(out.split())
    if "--reply" in words:
        assert "reply: runs/" in err


def test_every_option_is_told() -> None:
    """In docs/try.md, or by the help alone where there is nothing to explain."""
    text = (ROOT / "docs" / "try.md").read_text()
    own = set(re.findall(r"add_argument\(\s*\"(--[a-z-]+)\"", Path(command.__file__).read_text()))
    assert own
    told = {name for name in own if name in text or name.replace("--", "--no-", 1) in text}
    assert own - told <= {"--runs", "--jobs", "--make-jobs", "--accel", "--quiet"}
