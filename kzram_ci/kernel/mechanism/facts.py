"""Facts of a kernel, read out of its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kzram_ci.base.errors import UserError
from kzram_ci.base.patterns import Bounded, PatternTooSlow
from kzram_ci.base.values import dataclass
from kzram_ci.kernel.mechanism.data import Probe, Question, questions

Read = Callable[[str], bytes | None]  # a path in the pristine tree; None: no such file


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact. `where` is file:line of what showed it, or the files in which nothing did."""

    name: str
    value: str
    where: str
    line: str = ""  # the line itself
    why: str = ""


Facts = Mapping[str, Fact]


def files() -> tuple[str, ...]:
    """Every path that `probe` reads."""
    return tuple(sorted({item.file for question in questions() for item in question.probes}))


def probe(read: Read) -> dict[str, Fact]:
    """All facts of a source, by name. A path that is not there shows nothing."""
    contents = {path: read(path) for path in files()}
    texts = {path: text.decode("utf-8", "replace") for path, text in contents.items() if text is not None}
    return {question.name: _answer(question, texts) for question in questions()}


def on_record(values: Mapping[str, str], where: str) -> dict[str, Fact]:
    """Facts that were found before: what is known of a source that is not here."""
    return {name: Fact(name=name, value=value, where=where) for name, value in values.items()}


def _answer(question: Question, texts: Mapping[str, str]) -> Fact:
    for item in question.probes:
        if (found := _first(item, texts.get(item.file, ""))) is not None:
            number, line = found
            return Fact(name=question.name, value=item.value, where=f"{item.file}:{number}", line=line, why=item.why)
    looked = dict.fromkeys(item.file for item in question.probes)
    where = ", ".join(f"not in {path}" if path in texts else f"no {path}" for path in looked)
    return Fact(name=question.name, value=question.otherwise, where=where, why=question.otherwise_why)


def _first(item: Probe, text: str) -> tuple[int, str] | None:
    try:
        match = Bounded(pattern=item.pattern, multiline=True).search(text)
    except PatternTooSlow as error:
        raise UserError(f"{item.file} of this source is not code as the kernel has it: {error.message}") from error
    if match is None:
        return None
    start = text.rfind("\n", 0, match.end() - 1) + 1
    end = text.find("\n", match.end())
    return text.count("\n", 0, start) + 1, text[start : end if end >= 0 else len(text)].strip()
