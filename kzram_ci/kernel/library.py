"""The parts a kernel definition names: series, config fragments and build fixes, read from `kernels/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kzram_ci.base import datafiles
from kzram_ci.base.errors import UserError
from kzram_ci.kernel import buildfixes, diff
from kzram_ci.kernel.kconfig import Fragment
from kzram_ci.kernel.recipe import Parts
from kzram_ci.kernel.series import Series, series_from
from kzram_ci.model.kernel import KernelSpec


def parts_of(spec: KernelSpec) -> Parts:
    """All that a definition names. Raises UserError for what does not exist or cannot be read."""
    return Parts(
        series=tuple(load_series(name) for name in spec.series),
        fragments=tuple(load_fragment(name) for name in spec.config),
        fixes=load_fixes(),
    )


def load_series(name: str) -> Series:
    """A series by name, from `kernels/patches/<name>/series.yaml`. Raises UserError."""
    path = datafiles.find("kernels", f"patches/{name}/series.yaml")
    data = _yaml(path)
    listed = series_from(data, str(path))
    if listed.name != name:
        raise UserError(f"{path}: the name is {listed.name!r}, the directory is called {name!r}")
    new = set((data.get("files") or {}).values())
    texts = {patch.name: (_text if patch.name in new else _patch)(path.parent / patch.name) for patch in listed.named()}
    return series_from(data, str(path), texts)


def load_fragment(name: str) -> Fragment:
    """A config fragment by name, from `kernels/config/<name>.config`. Raises UserError."""
    path = datafiles.find("kernels", f"config/{name}.config")
    try:
        return Fragment(name=f"{name}.config", text=path.read_text())
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text") from error


def load_fixes() -> tuple[buildfixes.Fix, ...]:
    """The table of build fixes: kernels/toolchain/fixes.yaml. Raises UserError."""
    path = datafiles.find("kernels", "toolchain/fixes.yaml")
    return buildfixes.load(_yaml(path), str(path))


def _yaml(path: Path) -> Any:
    import yaml

    try:
        # BaseLoader: every scalar is text; YAML 1.1 takes many words, and commit ids of digits, for something else
        return yaml.load(path.read_text(), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: {' '.join(str(error).split())}") from error


def _patch(path: Path) -> str:
    text = _text(path)
    try:
        if not diff.files(text):
            raise UserError(f"{path}: no diff in it")
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    return text


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist", hint=f"{path.parent}/series.yaml names it") from error
