"""Whose code the crashes of a run are in: asked once a crash, at the end, of the trees the kernels were built of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError, UserError
from kzram_ci.kernel.source.git import kept_in
from kzram_ci.model.blame import Blame
from kzram_ci.model.evidence import OopsSummary
from kzram_ci.model.source import DirectorySource, LocalGit, RemoteGit, Source
from kzram_ci.oops.blame import Tree
from kzram_ci.oops.checkout import Commit
from kzram_ci.oops.frames import parse_frame
from kzram_ci.oops.model import Frame
from kzram_ci.results.reports.summary_model import CrashGroup, RunView

MOST = 8  # crashes of a run, the most frequent ones
SECONDS = 60.0  # for all of them: a run is not kept from its end for longer


def blames(view: RunView, known: Mapping[str, Blame], cache: Path) -> dict[str, Blame]:
    """What the trees say of the crashes, by signature, with what is known from an earlier part of the run."""
    found, trees, deadline = dict(known), dict[tuple[Source, str], Tree | None](), Deadline.after(SECONDS)
    for group in view.crash_groups[:MOST]:
        function = group.oops.function
        if function is None or group.signature in found or deadline.expired():
            continue
        for place in _places(view, group):
            if place not in trees:
                trees[place] = _tree(*place, cache)
            if (tree := trees[place]) is not None:
                with suppress(InfraError):
                    found[group.signature] = tree.of_function(function, _frames(group.oops), deadline)
                break
    return found


def _places(view: RunView, group: CrashGroup) -> Iterator[tuple[Source, str]]:
    """The sources that crashed so, and their commits."""
    for cell in group.cells:
        spec, made_of = view.specs.get(cell.result.kernel), cell.result.provenance
        if spec is not None and made_of is not None:
            yield spec.source, made_of.commit


def _tree(source: Source, commit: str, cache: Path) -> Tree | None:
    """The sources of a kernel, where they are a directory or a commit."""
    place: Path | Commit
    match source:
        case DirectorySource(path=path):
            place = Path(path)
        case LocalGit(path=path) if commit:
            place = Commit(Path(path), commit)
        case RemoteGit() if commit:
            place = Commit(kept_in(source, cache), commit)
        case _:
            return None
    try:
        return Tree(place)
    except (UserError, InfraError):  # gone meanwhile, or cut down to what a build needs
        return None


def _frames(oops: OopsSummary) -> list[Frame]:
    return [frame for line in oops.decoded.splitlines() for frame in parse_frame(line.removeprefix("at "))]
