"""Where a culprit is defined in a kernel tree, who looks after it, and what changed it last."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import CommandTimeout, UserError
from kzram_ci.model.blame import Blame
from kzram_ci.oops import maintainers
from kzram_ci.oops.checkout import Commit, Directory, Sources
from kzram_ci.oops.frames import bare
from kzram_ci.oops.model import Frame, Oops

COMMITS = 5
MAX_FILES = 300  # that use one function and are looked at for its definition
SEARCH_SECONDS = 60.0  # a whole tree without git, cold
LOG_SECONDS = 30.0  # `git log -L` reads the file's whole history
_NAME = re.compile(r"[A-Za-z_]\w*\Z")
_SYSCALL = re.compile(r"(?:__(?:x64|ia32|arm64|riscv|s390x?|se|do|powerpc)_)?(?:compat_)?(?:sys|SyS|SYSC)_(\w+)\Z")
_PROTOTYPE = re.compile(r"[^;{}]{0,600};")
_ASIDE = re.compile(r"(?:tools|scripts|samples|Documentation)/|(?:^|/)(?:boot|vdso|purgatory)/")


class Tree:
    """A kernel source tree; what was asked is remembered."""

    def __init__(self, place: Path | Commit) -> None:
        """A directory, or what a commit holds. Raises UserError when it is not a tree."""
        self._sources: Sources = place if isinstance(place, Commit) else Directory(place)
        text = self._sources.read("MAINTAINERS")
        if text is None:
            where = place.commit if isinstance(place, Commit) else place
            raise UserError(
                f"{where} is not a kernel source tree: MAINTAINERS cannot be read",
                hint="--tree takes the top directory of the kernel's sources",
            )
        self._sections = maintainers.parse(text)
        self._known: dict[tuple[str, str], Blame] = {}

    def blame(self, oops: Oops) -> Blame | None:
        """What the tree says about the culprit of an oops, None without a culprit."""
        if oops.function is None:
            return None
        return self.of_function(oops.function, [frame for frame in (oops.pointer, *oops.frames) if frame is not None])

    def of_function(self, function: str, frames: Iterable[Frame] = (), deadline: Deadline | None = None) -> Blame:
        """What the tree says about a function; `frames` may know its file, or its module."""
        frame = next((frame for frame in frames if bare(frame.function) == function), None)
        source = (frame.source or "") if frame is not None else ""
        module = (frame.module or "") if frame is not None else ""
        key = (function, source)
        if key not in self._known:
            whole = deadline or Deadline.after(SEARCH_SECONDS + LOG_SECONDS)
            self._known[key] = self._blame(function, source, module, whole)
        return self._known[key]

    def _blame(self, function: str, source: str, module: str, deadline: Deadline) -> Blame:
        if not _NAME.match(function):
            return Blame(function=function, note="not a C function")
        file, _, line = source.removeprefix("./").rpartition(":")
        note = ""
        if not file or self._sources.read(file) is None:
            try:
                file, line, note = self._definition(function, module, deadline.within(SEARCH_SECONDS))
            except CommandTimeout:
                return Blame(function=function, note="not found in the time there was")
        if not file:
            return Blame(function=function, note=note)
        commits, why = self._commits(function, file, deadline.within(LOG_SECONDS))
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

    def _definition(self, function: str, module: str, deadline: Deadline) -> tuple[str, str, str]:
        """File and line where a function is defined, and a note when it is not clear."""
        call = _SYSCALL.match(function)
        words = [f"{function}("]
        pattern = rf"^(?:[A-Za-z_][^;=\n]*[ *])?{function}\("
        if call:
            words += [f"SYSCALL_DEFINE{count}({call[1]}" for count in range(7)]
            pattern += rf"|^(?:COMPAT_)?SYSCALL_DEFINE\d\({call[1]}\b"
        places = []
        users = [file for file in self._sources.holding(words, deadline) if not _ASIDE.search(file)]
        for file in users[:MAX_FILES]:
            code = self._sources.read(file) or ""
            places += [
                (file, str(code.count("\n", 0, match.start()) + 1))
                for match in re.finditer(pattern, code, re.MULTILINE)
                if not _PROTOTYPE.match(code, match.end())
            ]
        for wanted in (lambda file: module and module.replace("_", "-") in file.replace("_", "-"), self._plain):
            places = [place for place in places if wanted(place[0])] or places
        if not places:
            return "", "", "not defined in this tree"
        if len({file for file, _ in places}) > 1:
            files = ", ".join(sorted({file for file, _ in places})[:4])
            return "", "", f"defined in several files: {files}"
        return *places[0], ""

    @staticmethod
    def _plain(file: str) -> bool:
        """Whether code for all architectures, or for this parser's usual one, rather than another architecture's."""
        return file.endswith(".c") and (not file.startswith("arch/") or file.startswith("arch/x86/"))

    def _commits(self, function: str, file: str, deadline: Deadline) -> tuple[tuple[str, ...], str]:
        call = _SYSCALL.match(function)
        words = rf"SYSCALL_DEFINE[0-6].{call[1]}\b" if call else rf"\b{function}\b"
        try:
            return self._sources.changes(f":{words}:{file}", COMMITS, deadline)
        except CommandTimeout:
            return (), "commits not read in the time there was"


def text(blame: Blame) -> str:
    """What is known, a line each, below an oops."""
    return "\n".join(f"  {line}" for line in blame.lines())
