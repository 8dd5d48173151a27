"""A cell of kselftest, fitted to its kernel: the tests built from that kernel's tree, and the line that runs them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kzram_ci.base.digest import digest_file
from kzram_ci.base.errors import UserError
from kzram_ci.guest.conf import TEST
from kzram_ci.guest.parcel import SHARE_OF_MEMORY
from kzram_ci.kernel import selftests
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.cell import Cell
from kzram_ci.model.workload import KSELFTEST, SentFile

OVERRIDE = "--override-timeout"  # of the kernel's runner; older ones have none


def with_selftests(cell: Cell, context: KernelContext) -> Cell:
    """The cell with the tests that it names. Raises as `kernel.selftests.installed` does."""
    own = cell.workload.own
    if cell.workload.program != KSELFTEST or own is None:
        return cell
    found = selftests.installed(cell.kernel, own.collections, context)
    sent = tuple(_sent(path, found.path) for path in sorted(found.path.rglob("*")) if path.is_file())
    if (
        size := sum(Path(each.source).stat().st_size for each in sent)
    ) * SHARE_OF_MEMORY > cell.machine.memory_mib << 20:
        text = f"{cell.id}: the selftests are {size >> 20:,} MiB, and a guest takes a third of its memory at most"
        raise UserError(text, hint="machine: {memory: …}, or fewer collections")
    run = (
        f"./{selftests.RUNNER}",
        *_limit(cell, own.test_timeout, found.path),
        *(word for test in found.tests for word in ("-t", test)),
    )
    return replace(cell, workload=replace(cell.workload, own=replace(own, run=run, sent=(*own.sent, *sent))))


def _limit(cell: Cell, seconds: int, path: Path) -> tuple[str, ...]:
    """The runner's words for another limit than the tree's own. Raises UserError where it has none."""
    if not seconds:
        return ()
    if OVERRIDE not in (path / selftests.RUNNER).read_text("utf-8", "replace"):
        raise UserError(
            f"{cell.id}: the runner of this kernel's selftests has no {OVERRIDE}, which test-timeout needs",
            hint="leave it out: the limits of the tree hold, and `duration` for all together",
        )
    return (OVERRIDE, str(seconds))


def _sent(path: Path, root: Path) -> SentFile:
    mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
    return SentFile(path=f"{TEST}/{path.relative_to(root)}", source=str(path), sha256=digest_file(path), mode=mode)
