"""Where a culprit is defined in a kernel tree, who looks after it, and what changed it last."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kzram_ci.base import git, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import CommandTimeout, UserError
from kzram_ci.oops import maintainers
from kzram_ci.oops.frames import bare
from kzram_ci.oops.model import Oops

COMMITS = 5
MAX_FILES = 300  # that use one function and are looked at for its definition
SEARCH_SECONDS = 60.0  # a whole tree without git, cold
LOG_SECONDS = 30.0  # `git log -L` reads the file's whole history
_NAME = re.compile(r"[A-Za-z_]\w*\Z")
_SYSCALL = re.compile(r"(?:__(?:x64|ia32|arm64|riscv|s390x?|se|do|powerpc)_)?(?:compat_)?(?:sys|SyS|SYSC)_(\w+)\Z")
_PROTOTYPE = re.compile(r"[^;{}]{0,600};")
_ASIDE = re.compile(r"(?:tools|scripts|samples|Documentation)/|(?:^|/)(?:boot|vdso|purgatory)/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """What a tree says about a function; empty where it says nothing, and `note` says why."""

    function: str
    file: str = ""
    line: int = 0
    subsystem: str = ""
    status: str = ""
    maintainers: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()  # "hash date subject (author)", newest first
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


class Tree:
    """A kernel source tree; what was asked is remembered."""

    def __init__(self, path: Path) -> None:
        """Raises UserError when it is not one."""
        try:
            text = (path / "MAINTAINERS").read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise UserError(
                f"{path} is not a kernel source tree: MAINTAINERS cannot be read ({error.strerror})",
                hint="--tree takes the top directory of the kernel's sources",
            ) from None
        self._path = path
        self._sections = maintainers.parse(text)
        self._git = (path / ".git").exists()
        self._known: dict[tuple[str, str], Blame] = {}

    def blame(self, oops: Oops) -> Blame | None:
        """What the tree says about the culprit of an oops, None without a culprit."""
        if oops.function is None:
            return None
        frames = [frame for frame in (oops.pointer, *oops.frames) if frame is not None]
        frame = next((frame for frame in frames if bare(frame.function) == oops.function), None)
        source = (frame.source or "") if frame is not None else ""
        module = (frame.module or "") if frame is not None else ""
        key = (oops.function, source)
        if key not in self._known:
            self._known[key] = self._blame(oops.function, source, module)
        return self._known[key]

    def _blame(self, function: str, source: str, module: str) -> Blame:
        if not _NAME.match(function):
            return Blame(function=function, note="not a C function")
        file, _, line = source.removeprefix("./").rpartition(":")
        note = ""
        if not file or not (self._path / file).is_file():
            try:
                file, line, note = self._definition(function, module)
            except CommandTimeout:
                return Blame(function=function, note=f"not found within {SEARCH_SECONDS:.0f} s")
        if not file:
            return Blame(function=function, note=note)
        commits, why = self._commits(function, file)
        owner = next(iter(maintainers.owners(self._sections, file)), None)
        return Blame(
            function=function,
            file=file,
            line=int(line),
            subsystem=owner.name if owner else "",
            status=owner.status if owner else "",
            maintainers=owner.maintainers if owner else (),
            reviewers=owner.reviewers if owner else (),
            lists=owner.lists if owner else (),
            commits=commits,
            note=why,
        )

    def _definition(self, function: str, module: str) -> tuple[str, str, str]:
        """File and line where a function is defined, and a note when it is not clear."""
        call = _SYSCALL.match(function)
        words = [f"{function}("]
        pattern = rf"^(?:[A-Za-z_][^;=\n]*[ *])?{function}\("
        if call:
            words += [f"SYSCALL_DEFINE{count}({call[1]}" for count in range(7)]
            pattern += rf"|^(?:COMPAT_)?SYSCALL_DEFINE\d\({call[1]}\b"
        places = []
        for file in self._files(words):
            text = (self._path / file).read_text(encoding="utf-8", errors="replace")
            places += [
                (file, str(text.count("\n", 0, match.start()) + 1))
                for match in re.finditer(pattern, text, re.MULTILINE)
                if not _PROTOTYPE.match(text, match.end())
            ]
        for wanted in (lambda file: module and module.replace("_", "-") in file.replace("_", "-"), self._plain):
            places = [place for place in places if wanted(place[0])] or places
        if not places:
            return "", "", "not defined in this tree"
        if len({file for file, _ in places}) > 1:
            files = ", ".join(sorted({file for file, _ in places})[:4])
            return "", "", f"defined in several files: {files}"
        return *places[0], ""

    def _files(self, names: Sequence[str]) -> list[str]:
        """The sources that hold one of these words."""
        asked = [part for name in names for part in ("-e", name)]
        deadline, env = Deadline.after(SEARCH_SECONDS), {"LC_ALL": "C"}
        if self._git:
            words = ("grep", "-lF", "--no-textconv", *asked, "--", "*.c", "*.h")
            done = git.run(*words, cwd=self._path, deadline=deadline, env=env, check=False)
        else:
            argv = ("grep", "-rlF", "--include=*.c", "--include=*.h", *asked, ".")
            done = proc.run(argv, deadline=deadline, cwd=self._path, env=env, check=False)
        found = sorted(line.removeprefix("./") for line in done.text().splitlines())
        return [file for file in found if not _ASIDE.search(file)][:MAX_FILES]

    @staticmethod
    def _plain(file: str) -> bool:
        """Whether code for all architectures, or for this parser's usual one, rather than another architecture's."""
        return file.endswith(".c") and (not file.startswith("arch/") or file.startswith("arch/x86/"))

    def _commits(self, function: str, file: str) -> tuple[tuple[str, ...], str]:
        if not self._git:
            return (), "no commits: the tree is not a git repository"
        call = _SYSCALL.match(function)
        words = rf"SYSCALL_DEFINE[0-6].{call[1]}\b" if call else rf"\b{function}\b"
        options = ("-s", "--no-ext-diff", "--no-textconv", f"-n{COMMITS}", "--format=%h %as %s (%an)")
        deadline = Deadline.after(LOG_SECONDS)
        try:
            done = git.run("log", *options, f"-L:{words}:{file}", cwd=self._path, deadline=deadline, check=False)
        except CommandTimeout:
            return (), f"commits not read within {LOG_SECONDS:.0f} s"
        lines = tuple(line for line in done.text().splitlines() if line.strip())
        return (lines[:COMMITS], "") if done.code == 0 else ((), "git does not find the function's lines")


def text(blame: Blame) -> str:
    """What is known, a line each, for people."""
    if not blame.file:
        return f"  {blame.function}: {blame.note}"
    status = f" ({blame.status})" if blame.status else ""
    lines = [
        f"  {blame.function} is in {blame.file}:{blame.line}: {blame.subsystem or 'no section of MAINTAINERS'}{status}"
    ]
    lines += [f"    maintainer {who}" for who in blame.maintainers]
    lines += [f"    reviewer {who}" for who in blame.reviewers]
    lines += [f"    list {where}" for where in blame.lists]
    lines += [f"    changed by {commit}" for commit in blame.commits]
    return "\n".join([*lines, *([f"    {blame.note}"] if blame.note else [])])
