"""Plans and kernels by name: the user's own first, then those that ship with kzram-ci."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from kzram_ci.base.datafiles import roots
from kzram_ci.base.errors import UserError
from kzram_ci.plan.kernels import read_text
from kzram_ci.plan.lines import LINES, VARIANTS, Axes, Definition, axes_of
from kzram_ci.plan.marks import Problems, did_you_mean, parse


def find_kernel(name: str) -> Path | Definition | None:
    """The file of a kernel, else the kernel of that name on the axes, or None; names with a slash are none."""
    if "/" in name or name.startswith(".") or f"{name}.yaml" in (LINES, VARIANTS):
        return None
    files = (path for root in roots("kernels") if (path := root / f"{name}.yaml").is_file())
    return next(files, None) or axes().definition(name)


def known_kernels() -> tuple[str, ...]:
    """All kernel names that `find_kernel` finds."""
    files = {path for root in roots("kernels") for path in root.glob("*.yaml")}
    own = {path.stem for path in files if path.name not in (LINES, VARIANTS)}
    return tuple(sorted(own | set(axes().names())))


def axes() -> Axes:
    """The lines and variants of kernels: the user's own rows first. Raises PlanErrors with positions."""
    found = (root / name for root in roots("kernels") for name in (LINES, VARIANTS))
    stamps = ((path, path.stat()) for path in dict.fromkeys(found) if path.is_file())
    return _axes(tuple((path, stat.st_mtime_ns, stat.st_size) for path, stat in stamps))


@lru_cache(maxsize=4)
def _axes(stamps: tuple[tuple[Path, int, int], ...]) -> Axes:
    problems = Problems()
    result = axes_of([parse(read_text(path), str(path), problems) for path, _, _ in stamps], problems)
    problems.raise_if_any()
    return result


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
