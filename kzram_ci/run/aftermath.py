"""What a boot by hand left on its console: the oopses, decoded, each in a file of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kzram_ci.base import files, proc
from kzram_ci.base.errors import UserError
from kzram_ci.model.evidence import OopsSummary
from kzram_ci.model.kernel import KernelImage
from kzram_ci.model.layout import CellFile
from kzram_ci.oops import StreamParser, capture
from kzram_ci.oops.model import Oops

CHUNK = 1 << 20
KEPT_OOPSES = 50
# A bad page, an oops, a warning, a lockup (Documentation/admin-guide/tainted-kernels.rst): what a command prints can
# look like an oops, these flags cannot.
_TAINTS = sum(1 << bit for bit in (5, 7, 9, 14))


@dataclass(slots=True, kw_only=True)
class Place:
    """Where a boot's logs go; a temporary place is kept when there is something in it to look at."""

    path: Path
    temporary: bool

    def keep(self) -> None:
        """Let what is here outlive the boot."""
        if self.temporary:
            kept = Path(tempfile.mkdtemp(prefix="kzram-ci-boot-"))
            with files.disk_errors(f"cannot keep the logs in {kept}"):
                shutil.copytree(self.path, kept, dirs_exist_ok=True)
            self.path, self.temporary = kept, False


@contextmanager
def place(wanted: Path | None) -> Iterator[Place]:
    """The wanted directory, or a temporary one. Raises UserError for a place where a directory cannot be."""
    if wanted is not None:
        try:
            wanted.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            text = f"cannot create {wanted}: {error.strerror}"
            raise UserError(text, hint="--directory DIR that can be written") from error
    with tempfile.TemporaryDirectory(prefix=proc.temporary_prefix()) as temporary:
        yield Place(path=wanted or Path(temporary), temporary=wanted is None)


def damaged(tainted: int) -> bool:
    """Whether /proc/sys/kernel/tainted tells of an oops or a warning."""
    return bool(tainted & _TAINTS)


def oopses(where: Place, image: KernelImage) -> tuple[OopsSummary, ...]:
    """The oopses of a boot that is over, written beside its console log, which then stays."""
    console = where.path / CellFile.CONSOLE
    if not console.is_file() or not (found := _parsed(console)):
        return ()
    where.keep()
    return capture.write(found, where.path, where.path / CellFile.CONSOLE, image)


def _parsed(console: Path) -> list[Oops]:
    parser, found = StreamParser(), list[Oops]()
    with files.disk_errors(f"cannot read {console}"), console.open("rb") as handle:
        while (data := handle.read(CHUNK)) and len(found) < KEPT_OOPSES:
            found += parser.feed(data)
    return [*found, *parser.finish()][:KEPT_OOPSES]


def text(oops: OopsSummary, where: Place) -> str:
    """An oops for a person: what, where in the source, and the file with all of it."""
    return "\n".join((oops.title, *oops.decoded.rstrip().splitlines(), f"all of it: {where.path / oops.file}"))
