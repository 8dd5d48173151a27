"""Plans and kernels by name: the user's own first, then those that ship with kzram-ci."""

from __future__ import annotations

from pathlib import Path

from kzram_ci.base.datafiles import roots
from kzram_ci.base.errors import UserError
from kzram_ci.plan.marks import did_you_mean


def find_kernel(name: str) -> Path | None:
    """The file of a kernel, or None; names with a slash are none."""
    if "/" in name or name.startswith("."):
        return None
    return next((path for root in roots("kernels") if (path := root / f"{name}.yaml").is_file()), None)


def known_kernels() -> tuple[str, ...]:
    """All kernel names that `find_kernel` finds."""
    return tuple(sorted({path.stem for root in roots("kernels") for path in root.glob("*.yaml")}))


def find_plan(word: str) -> Path:
    """A plan by path, or by the name of one that ships. Raises UserError with near matches."""
    path = Path(word)
    if path.is_file():
        return path
    shipped = {plan.stem: plan for root in reversed(list(roots("testplans"))) for plan in root.glob("*.yaml")}
    name = path.stem if path.parent.name in {"", "testplans"} else word
    if name in shipped:
        return shipped[name]
    raise UserError(f"no plan {word}{did_you_mean(name, shipped)}", hint=f"plans here: {', '.join(sorted(shipped))}")
