"""What the guest's initramfs is made of: rootfs.yaml, read and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from kzram_ci.base.grammar.problems import Problems, Where
from kzram_ci.base.grammar.read import read_model
from kzram_ci.base.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A device node; `mode` is octal text."""

    path: str
    type: Literal["b", "c"]
    major: int
    minor: int
    mode: str = "0600"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """rootfs.yaml, checked. Paths of sources are relative to `directory`."""

    directory: Path
    programs: dict[str, tuple[str, ...]]
    headers: tuple[str, ...] = ()
    cflags: tuple[str, ...] = ()
    files: dict[str, dict[str, str]]
    busybox: dict[str, tuple[str, ...]]
    directories: tuple[str, ...] = ()
    nodes: tuple[Node, ...] = ()
    kernel_config: tuple[str, ...] = ()


def load(path: Path) -> Recipe:
    """Read a recipe. Raises UserError with all that is wrong with it, at its place."""
    problems = Problems()
    recipe = read(path, problems)
    problems.raise_if_any()
    assert recipe is not None
    return recipe


def read(path: Path, problems: Problems) -> Recipe | None:
    """As `load`; None when what is wrong is recorded."""
    from kzram_ci.guest.schema import RecipeFile

    if (model := read_model(RecipeFile, path, problems)) is None:
        return None
    named: list[tuple[Where, str]] = [(("headers", index), name) for index, name in enumerate(model.headers)]
    named += [(("files", place, "from"), row.from_) for place, row in model.files.items()]
    for program, sources in model.programs.items():
        named += [(("programs", program, index), name) for index, name in enumerate(sources)]
    for where, name in named:
        if not (path.parent / name).is_file():
            problems.add(str(path), where, f"{path.parent / name} does not exist")
    busybox = {"init": model.busybox.init, "shell": model.busybox.shell}
    return Recipe(
        directory=path.parent,
        programs={name: tuple(sources) for name, sources in model.programs.items()},
        headers=tuple(model.headers),
        cflags=tuple(model.cflags),
        files={place: row.model_dump(by_alias=True, exclude_none=True) for place, row in model.files.items()},
        busybox={key: tuple(applets) for key, applets in busybox.items() if applets},
        directories=tuple(model.directories),
        nodes=tuple(Node(**row.model_dump()) for row in model.nodes),
        kernel_config=tuple(model.kernel_config),
    )
