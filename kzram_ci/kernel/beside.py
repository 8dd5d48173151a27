"""Patches made for a source as it is, on a kernel with instruments that changed lines beside theirs.

A patch from a list knows nothing of the instruments. Where it does not apply on top of them, it must apply strictly to
the source without them; then what it changes and what they change is put together line by line (git merge-file), as
long as no line is changed by both. No fuzz in either step.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from kzram_ci.base import git, proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import PatchFailed
from kzram_ci.kernel import patches
from kzram_ci.kernel.patches import Broken, Patched, Read
from kzram_ci.kernel.series import Choice, SeriesKind


def apply(
    read: Read,
    choices: Sequence[Choice],
    *,
    deadline: Deadline,
    broken: Broken = MappingProxyType({}),
    met: Mapping[str, str] = MappingProxyType({}),
) -> Patched:
    """As `patches.apply`; one-off patches may stand beside instruments. Raises as that does.

    What does not apply to the source itself is told of the source, not of what the instruments made of it.
    """
    own = [choice for choice in choices if choice.series.kind is SeriesKind.ONE_OFF]
    instruments = [choice for choice in choices if choice.series.kind is SeriesKind.INSTRUMENT]

    def of(some: Sequence[Choice]) -> Patched:
        return patches.apply(read, some, deadline=deadline, broken=broken, met=met)

    try:
        return of(choices)
    except PatchFailed as error:
        if not own or not instruments:
            raise
        try:
            instrumented = of([choice for choice in choices if choice not in own])
            plain = of([choice for choice in choices if choice not in own and choice not in instruments])
        except PatchFailed:
            raise error from None  # it is not about the one-off patches
    fixed = of([choice for choice in choices if choice not in instruments])
    merged = _merged(read, plain.files, instrumented.files, fixed.files, deadline)
    if torn := sorted(path for path, content in merged.items() if content is _TORN):
        names = ", ".join(choice.series.name for choice in instruments)
        text = f"{own[0].series.name}: it applies to the source, but in {torn[0]} not beside the instruments ({names})"
        raise PatchFailed(text, hint="take a kernel without the instrument that changes the same lines")
    return replace(
        instrumented,
        files={**instrumented.files, **merged},
        executable=instrumented.executable | fixed.executable,
        applied=(*instrumented.applied, *fixed.applied[-len(own) :]),
    )


Files = Mapping[str, bytes | None]
_TORN = b"\0torn"


def _merged(read: Read, plain: Files, instrumented: Files, fixed: Files, deadline: Deadline) -> dict[str, bytes | None]:
    """The files that the one-off patches change, with what the instruments made of them."""
    found: dict[str, bytes | None] = {}
    for path in sorted({*plain, *fixed}):
        before = plain[path] if path in plain else read(path)
        after = fixed[path] if path in fixed else read(path)
        now = instrumented[path] if path in instrumented else read(path)
        if before == after:
            continue
        found[path] = after if now == before else _together(before, now, after, deadline)
    return found


def _together(before: bytes | None, now: bytes | None, after: bytes | None, deadline: Deadline) -> bytes | None:
    if before is None or now is None or after is None:
        return _TORN
    with tempfile.TemporaryDirectory(prefix=proc.temporary_prefix()) as name:
        files = [Path(name) / part for part in ("now", "before", "after")]
        for file, content in zip(files, (now, before, after), strict=True):
            file.write_bytes(content)
        words = ("merge-file", "-p", "-q", *(file.name for file in files))
        done = git.run(*words, cwd=Path(name), deadline=deadline, check=False)
    return _TORN if done.code else done.stdout
