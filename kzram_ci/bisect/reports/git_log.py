"""What a bisection leaves for others: a `git bisect log` that replays, and a `Fixes:` line. Pure.

The log holds what a commit *is* (good, bad, skip) by the posterior, not what a single boot of it showed.
"""

from __future__ import annotations

from collections.abc import Mapping

from kzram_ci.bisect.belief.decide import Answer, Kind
from kzram_ci.bisect.belief.standing import Standing

ABBREVIATION = 12  # hex digits of a commit in a Fixes: line, Documentation/process/submitting-patches.rst (v6.12)


def fixes(commit: str, subject: str) -> str:
    """The line for the commit message of a fix: `Fixes: 0123456789ab ("mm: break it")`."""
    return f'Fixes: {commit[:ABBREVIATION]} ("{subject.strip()}")'


def git_bisect_log(standing: Standing, subjects: Mapping[str, str], answer: Answer | None = None) -> str:
    """Text for `git bisect replay`. `subjects`: by full commit name, "" when unknown.

    With `answer` it ends with what the bisection concluded, so that a replay ends at the same commits.
    """
    state = standing.state
    graph, doubt = state.graph, 1.0 - state.settings.confidence
    bad, goods = graph.names[graph.bad], [graph.names[good] for good in graph.goods]
    lines = [_comment("bad", bad, subjects)]
    lines += [_comment("good", good, subjects) for good in goods]
    lines.append("git bisect start " + " ".join(f"'{name}'" for name in (bad, *goods)))
    ends = {graph.bad, *graph.goods}
    for node in dict.fromkeys(graph.numbers[seen.commit] for seen in state.seen):
        if node in ends or node >= graph.candidates:
            continue  # git knows the ends, and that what lies before a good end is good
        if word := standing.side(node, doubt):
            name = graph.names[node]
            lines += [_comment(word, name, subjects), f"git bisect {word} {name}"]
    if answer and answer.kind in (Kind.CULPRIT, Kind.SUSPECTS):
        lines += [_comment(_found(answer), name, subjects) for name in answer.commits]
    return "\n".join(lines) + "\n"


def _found(answer: Answer) -> str:
    # git's own words: `git bisect log` ends a finished bisection with one of these comments.
    return "first bad commit" if answer.kind is Kind.CULPRIT else "possible first bad commit"


def _comment(word: str, commit: str, subjects: Mapping[str, str]) -> str:
    return f"# {word}: [{commit}] {subjects.get(commit, '')}".rstrip()
