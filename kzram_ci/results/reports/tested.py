"""What was tested: the source of each kernel of a run and all that was done to it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kzram_ci.base.values import dataclass
from kzram_ci.model.arch import DEFAULT
from kzram_ci.model.provenance import AppliedSeries, Provenance
from kzram_ci.results.reports.sanitize import one_line
from kzram_ci.results.reports.summary_model import RunView

SHORT = 12  # characters of a commit or a key that people compare


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """One kernel of a run. Without `built` the rest is what the plan asks for: the kernel did not come to be."""

    kernel: str
    source: str
    arch: str = ""  # "" where the plan is not known
    version: str = ""
    commit: str = ""  # the full id
    dirty: bool = False
    series: tuple[AppliedSeries, ...] = ()
    config: tuple[str, ...] = ()
    make_vars: tuple[tuple[str, str], ...] = ()
    toolchain: tuple[tuple[str, str], ...] = ()
    identity: str = ""
    key: str = ""
    release: str = ""
    built: bool = False


def kernels_of(view: RunView) -> tuple[Tested, ...]:
    """Each kernel of the run, in the order of the plan."""
    return tuple(kernel_of(view, kernel) for kernel in view.kernels)


def kernel_of(view: RunView, kernel: str) -> Tested:
    """One kernel of the run: what it was made of, or what the plan asks for where that was not recorded."""
    results = [cell.result for cell in view.of(kernel)]
    key = next((result.kernel_key for result in results if result.kernel_key), "")
    release = next((result.kernel_release for result in results if result.kernel_release), "")
    made = next((result.provenance for result in results if result.provenance is not None), None)
    spec = view.specs.get(kernel)
    if made is not None:
        return _made(kernel, made, key, release, spec.arch if spec is not None else "")
    if spec is None:
        return Tested(kernel=kernel, source="", key=key, release=release, built=bool(key))
    wanted = tuple(AppliedSeries(name=name, kind="") for name in spec.series)
    return Tested(
        kernel=kernel,
        source=spec.source.words(),
        arch=spec.arch,
        series=wanted,
        config=spec.config,
        make_vars=spec.make_vars,
        key=key,
        release=release,
        built=bool(key),
    )


def _made(kernel: str, made: Provenance, key: str, release: str, arch: str) -> Tested:
    return Tested(
        kernel=kernel,
        source=made.source,
        arch=arch,
        version=made.version,
        commit=made.commit,
        dirty=made.dirty,
        series=made.series,
        config=made.fragments,
        make_vars=made.make_vars,
        toolchain=made.toolchain,
        identity=made.identity,
        key=key,
        release=release,
        built=True,
    )


def source_text(item: Tested) -> str:
    """Where the kernel came from: `git:../linux@v6.13, 6.13.0, commit 0123456789ab (dirty)`."""
    parts = [item.source, item.version if item.version not in item.source else ""]
    if item.commit:
        parts.append(f"commit {item.commit[:SHORT]}")
    text = ", ".join(part for part in parts if part)
    return f"{text} (dirty: not as committed)" if item.dirty else text


def series_text(item: Tested) -> str:
    """The series, and how many patches each of them is: `overrun-detector (4 patches), unstable (1 patch)`."""
    return ", ".join(_series(one) for one in item.series) or "none"


def _series(one: AppliedSeries) -> str:
    if not one.kind:  # as the plan asks for it
        return one.name
    if not one.patches:
        return f"{one.name} ({_none(one)})"
    if one.hooks:
        return f"{one.name} (by code search, in {one.hooks} places)"
    return f"{one.name} ({len(one.patches)} {'patch' if len(one.patches) == 1 else 'patches'})"


def _none(one: AppliedSeries) -> str:
    return "nothing to do" if one.met else "left out"


def tools_text(item: Tested) -> str:
    """The compiler first; other tools only where there is no compiler."""
    named = dict(item.toolchain)
    compiler = named.get("CC") or named.get("gcc") or next(iter(named.values()), "")
    variables = " ".join(f"{name}={value}" for name, value in item.make_vars)
    return ", ".join(part for part in (compiler, variables) if part)


def one_text(item: Tested) -> str:
    """All of it on one line."""
    return _joined(parts(item))


def texts(items: Sequence[Tested]) -> list[tuple[str, str]]:
    """(kernel, text) on a line each; what all kernels have in common once, before them, as that of `all kernels`."""
    each = [list(parts(item)) for item in items]
    common = [part for part in each[0] if all(part in one for one in each)] if len(each) > 1 else []
    head = [("all kernels", _joined(common))] if common else []
    return head + [
        (item.kernel, _joined(part for part in own if part not in common))
        for item, own in zip(items, each, strict=True)
    ]


def _joined(named: Iterable[tuple[str, str]]) -> str:
    return one_line("; ".join(f"{name} {text}" if name else text for name, text in named), 600)


def parts(item: Tested) -> Iterator[tuple[str, str]]:
    """(name, text) of what is known, the source without a name."""
    yield "", source_text(item) or "source not recorded"
    if item.arch not in ("", DEFAULT):
        yield "for", item.arch
    yield "series", series_text(item)
    if item.config:
        yield "config", ", ".join(item.config)
    if tools := tools_text(item):
        yield "built by", tools
    yield "key", item.key[:SHORT] if item.key else "none, it was not built"


def properties(item: Tested) -> dict[str, str]:
    """Name and value of everything, in full, for programs. What is not known is left out."""
    patches = {f"kernel.series.{one.name}": ", ".join(one.patches) or _none(one) for one in item.series if one.kind}
    notes = {f"kernel.notes.{one.name}": "; ".join(one.notes) for one in item.series if one.notes}
    found = {
        "kernel.source": item.source,
        "kernel.arch": item.arch,
        "kernel.version": item.version,
        "kernel.commit": item.commit,
        "kernel.dirty": "true" if item.dirty else "",
        "kernel.identity": item.identity,
        "kernel.series": ", ".join(one.name for one in item.series),
        **patches,
        **notes,
        "kernel.config": ", ".join(item.config),
        "kernel.make": " ".join(f"{name}={value}" for name, value in item.make_vars),
        **{f"kernel.toolchain.{name}": version for name, version in item.toolchain},
    }
    return {name: value for name, value in found.items() if value}
