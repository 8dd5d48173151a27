"""Where kernels, guest and plans lie: the user's own first, then those that ship with kzram-ci."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import kzram_ci
from kzram_ci.base.errors import UserError

Kind = Literal["kernels", "rootfs", "testplans"]
_PACKAGE = Path(kzram_ci.__file__).resolve().parent


def roots(kind: Kind) -> Iterator[Path]:
    """Directories of a kind, the first one wins: working directory, top of the clone, package data."""
    for base in (Path().absolute(), _PACKAGE.parent, _PACKAGE / "data"):
        if (base / kind).is_dir():
            yield base / kind


def find(kind: Kind, name: str) -> Path:
    """The file `name` (may hold slashes) of a kind, as an absolute path. Raises UserError listing its neighbours."""
    searched = list(roots(kind))
    for root in searched:
        if (root / name).is_file():
            return root / name
    parent, depth = Path(name).parent, Path(name).name
    pattern = f"*{Path(depth).suffix}"
    known = sorted({path.name for root in searched for path in (root / parent).glob(pattern)})
    if not known:  # the name's directory is the unknown part
        known = sorted({path.name for root in searched for path in (root / parent.parent).glob("*") if path.is_dir()})
    raise UserError(f"no {kind}/{name}", hint=f"known: {', '.join(known)}" if known else f"create {kind}/{name}")
