"""Every line of kernels, without booting one: the facts in its source, strict patches, objects that compile.

The lines are the rows of kernels/lines.yaml. A source that is on this host is looked at, or one that apt may fetch
(KZRAM_DOWNLOAD=1), or one that a variable gives, in the words of the command line
(KZRAM_LINE_5_15=git:../linux@v5.15.85). Other lines are skipped; KZRAM_REQUIRE=lines makes that a failure.
Compiling is remembered in the cache by what was compiled with what. The whole plan is testplans/lines.yaml.
"""

import difflib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import requires

from kzram_ci.base import budget, files, proc
from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_json
from kzram_ci.base.library import Library
from kzram_ci.kernel import buildfixes, hooks, kbuild, kconfig, mechanism, patches, source, toolchain
from kzram_ci.kernel.hooks import ctext
from kzram_ci.kernel.hooks.hook import compiled
from kzram_ci.kernel.hooks.place import Misplaced, wanted
from kzram_ci.kernel.hooks.search import Applied, applied
from kzram_ci.kernel.kbuild.base_tree import BaseTree, UnpackedArchive
from kzram_ci.kernel.kconfig import Fragment
from kzram_ci.kernel.mechanism import Facts
from kzram_ci.kernel.parts import load_fixes, load_series
from kzram_ci.kernel.series import choose
from kzram_ci.model.kernel import KernelSpec, Tree
from kzram_ci.model.version import applies_to
from kzram_ci.plan import source_args
from kzram_ci.plan.kernels import load_kernel
from kzram_ci.plan.tables import axes

pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]

# Between them they have every series of a line; where they have no meaning, `unstable` has what is left.
REMEDIES = ("stable-page-v3", "saved-clen", "emergency-class")
INSTRUMENTS = ("overrun-detector", "reuse-counters", "async-window", "mutation-witness")
OBJECTS = ("drivers/block/zram/", "mm/zsmalloc.o", "mm/memory.o", "mm/swapfile.o")
TINY = """\
CONFIG_64BIT=y
CONFIG_SLUB=y
CONFIG_SMP=y
CONFIG_BLOCK=y
CONFIG_BLK_DEV=y
CONFIG_SYSFS=y
CONFIG_SWAP=y
CONFIG_ZSMALLOC=y
CONFIG_CRYPTO=y
CONFIG_CRYPTO_LZO=y
CONFIG_ZRAM=y
CONFIG_DEBUG_FS=y
"""


def spec_of(variant: str, line: str) -> KernelSpec:
    name = axes(Library()).name(variant, line)
    return load_kernel(name, Library())


def tree_of(line: str, deadline: Deadline) -> Tree:
    variable = f"KZRAM_LINE_{line.replace('.', '_')}"
    given = os.environ.get(variable)
    ref, cache = source_args.parse(given, Path()) if given else spec_of("stock", line).source, cache_root()
    tree = source.local(ref, context := source.Context(cache=cache, deadline=deadline))
    if tree is None and (given or os.environ.get("KZRAM_DOWNLOAD")):
        tree = source.fetch(ref, context)
    if tree is None:
        told = f"{ref.words()} is not on this host; KZRAM_DOWNLOAD=1 fetches it, {variable} gives another"
        requires.lacking("lines", told)
    return tree


def base_of(line: str, deadline: Deadline) -> tuple[Tree, BaseTree, Facts]:
    tree = tree_of(line, deadline)
    base = kbuild.pristine(tree, source.Context(cache=cache_root(), deadline=deadline))
    return tree, base, mechanism.probe(base.read)


def patched(spec: KernelSpec, tree: Tree, base: BaseTree, deadline: Deadline) -> patches.Patched:
    choices = [choose(load_series(name, Library()), tree.version) for name in spec.series]
    met = mechanism.met(mechanism.probe(base.read), spec.series)
    return patches.apply(base.read, choices, deadline=deadline, met=met)


def ported(spec: KernelSpec, version: str, facts: Facts) -> bool:
    """Whether each series has patches for this version or is searched for; some are made for one line only."""
    met = mechanism.met(facts, spec.series)
    found = [load_series(name, Library()) for name in spec.series if name not in met]
    return all(item.search.hooks or any(applies_to(line.versions, version) for line in item.lines) for item in found)


def expected_notes(done: patches.Patched) -> bool:
    """Whether all that is worth telling is what code search did, or what the source is by itself."""
    return all("code search" in note or "nothing to do" in note or "made for" in note for note in done.notes)


@pytest.mark.parametrize("line", axes(Library()).lines)
def test_facts_and_strict_patches(line: str) -> None:
    deadline = Deadline.after(1200)
    tree, base, facts = base_of(line, deadline)
    known = axes(Library()).facts(line)
    assert known is not None
    assert {name: facts[name].value for name in known} == {name: fact.value for name, fact in known.items()}
    seen: set[str] = set()
    for variant in axes(Library()).variants:
        spec = spec_of(variant, line)
        if mechanism.meaning(facts, spec.series):
            continue
        if not ported(spec, tree.version, facts):
            assert variant not in REMEDIES
            continue
        done = patched(spec, tree, base, deadline)
        assert done.files, spec.name
        assert expected_notes(done), done.notes
        assert not [item for item in done.applied if item.left_out]
        for item in done.applied:  # what is under test has patches of its own line
            own = item.hooks or item.met or item.kind == "instrument"
            assert own or not [note for note in item.notes if "made for" in note], item.notes
        seen.update(spec.series)
    assert {"overrun-detector", "reuse-counters", "unstable"} <= seen


def searched(name: str, read: Callable[[str], str | None]) -> Applied | None:
    """What code search makes of a source; None where the instrument has no meaning."""
    try:
        return applied(load_series(name, Library()).search, read)
    except Misplaced as error:
        assert name == "async-window", error
        return None


@pytest.mark.parametrize("line", axes(Library()).lines)
def test_code_search_finds_what_the_patches_of_the_line_have(line: str) -> None:
    """Where there are both, a hook stands as often in the one as in the other, and in the same functions."""
    deadline = Deadline.after(1200)
    tree, base, facts = base_of(line, deadline)
    for name in INSTRUMENTS:
        series = load_series(name, Library())
        found = searched(name, text_of(base, {}))
        assert (found is None) == (name == "async-window" and not facts["second_compression"].value), name
        choice = choose(series, tree.version)
        if found is None or choice.near or name in ("async-window", "mutation-witness"):
            continue  # these stand on the detector, or write their hooks otherwise
        done = patches.apply(base.read, [choice], deadline=deadline)
        assert not done.searched
        for hook in series.search.hooks:
            theirs = (done.files[hook.file] or b"").decode("utf-8", "surrogateescape")
            for mark in {hook.mark, hook.mark.replace(" {", "")}:
                assert holders(found.files[hook.file], mark) == holders(theirs, mark), (name, hook.name)


def holders(text: str, mark: str) -> list[tuple[str, int]]:
    """The functions that hold a mark, and how often."""
    code = text if mark.startswith('"') else ctext.blank(text)
    spans = ((item.name, code.count(mark, item.brace, item.end)) for item in ctext.functions(ctext.blank(text)))
    return [span for span in spans if span[1]]


def text_of(base: BaseTree, over: Mapping[str, str]) -> Callable[[str], str | None]:
    def read(path: str) -> str | None:
        if path in over:
            return over[path]
        content = base.read(path)
        return None if content is None else content.decode("utf-8", "surrogateescape")

    return read


@pytest.mark.parametrize("line", axes(Library()).lines)
def test_no_hook_is_lost_in_a_hurt_source(line: str) -> None:
    """Each line of each function that a hook is in, left out and doubled: all hooks are there then, or it is told."""
    _, base, _ = base_of(line, Deadline.after(1200))
    for name in INSTRUMENTS:
        search = load_series(name, Library()).search
        whole = searched(name, text_of(base, {}))
        if whole is None:
            continue
        refused = 0
        for path, made in whole.files.items():
            own = [hook for hook in search.hooks if hook.file == path]
            alone = hooks.Search(hooks=tuple(own), orders=tuple(each for each in search.orders if each.file == path))
            before = text_of(base, {})(path)
            assert before is not None
            for lost, changed in hurt(before, made):
                try:
                    again = applied(alone, {path: changed}.get).files[path]
                except Misplaced:
                    refused += 1
                    continue
                for hook in own:
                    if not wanted(hook, changed):
                        continue  # what the hook is for was in that one line: this source asks for none
                    fewer = bool(hook.each and compiled(hook.each).search(lost))  # one place less that wants it
                    assert again.count(hook.mark) >= made.count(hook.mark) - fewer, (name, hook.name, lost)
        assert refused, name


def hurt(before: str, made: str) -> Iterator[tuple[str, str]]:
    """The text with each line near a hook left out, and doubled; and the line that was left out."""
    lines, new = before.split("\n"), made.split("\n")
    near: set[int] = set()
    for tag, start, end, *_ in difflib.SequenceMatcher(None, lines, new, autojunk=False).get_opcodes():
        if tag != "equal":
            near.update(range(max(0, start - 6), min(len(lines), end + 6)))
    for at in sorted(near):
        # half of a comment's marks: without it the code behind is a comment, and the source another
        half = ("/*" in lines[at]) != ("*/" in lines[at])
        if lines[at].strip() and not half:
            yield lines[at], "\n".join((*lines[:at], *lines[at + 1 :]))
            yield "", "\n".join((*lines[: at + 1], *lines[at:]))


# The default line is built, whole, by test_overrun.py.
@pytest.mark.parametrize("line", [line for line in axes(Library()).lines if line != axes(Library()).default])
def test_what_the_series_touch_compiles(line: str, tmp_path: Path) -> None:
    deadline = Deadline.after(1500)
    tree, base, facts = base_of(line, deadline)
    specs = [spec_of(variant, line) for variant in REMEDIES]
    specs = [spec for spec in specs if not mechanism.meaning(facts, spec.series)] or [spec_of("unstable", line)]
    done = {spec.name: patched(spec, tree, base, deadline).files for spec in specs}
    told = [sorted((path, (content or b"").hex()) for path, content in made.items()) for made in done.values()]
    tools = toolchain.identify({}, cache=cache_root(), deadline=deadline)
    key = digest_json([tree.identity, TINY, OBJECTS, told, [list(tool) for tool in tools]])
    stamp = cache_root() / "scans" / f"objects-{key[:16]}.json"
    if stamp.is_file():
        return
    copy = tmp_path / "tree"
    lay_out(base, copy, deadline)
    make = ("make", "-s", "O=out", *variables(tree, dict(tools)))
    configure(copy, make, deadline)
    for made in done.values():
        put(copy, base, {path for files in done.values() for path in files}, made)
        proc.run((*make, f"-j{budget.cpus()}", *OBJECTS), cwd=copy, deadline=deadline)
        assert (copy / "out/drivers/block/zram/zram_drv.o").is_file()
        assert (copy / "out/drivers/block/zram/zram_overrun.o").is_file()
    files.write_json(stamp, {"compiled": list(done)})
    shutil.rmtree(copy)


def lay_out(base: BaseTree, copy: Path, deadline: Deadline) -> None:
    """The pristine files in a directory to build in; an archive's as hard links, which `put` never writes through."""
    if isinstance(base, UnpackedArchive):
        proc.run(("cp", "-al", str(base.root), str(copy)), deadline=deadline)
        return
    copy.mkdir()
    base.copy_to(copy, base.files)


def variables(tree: Tree, tools: Mapping[str, str]) -> tuple[str, ...]:
    """What old kernels need with new tools, as make variables."""
    fixes = buildfixes.needed(load_fixes(Library()), version=tree.version, arch="x86_64", tools=tools)
    return tuple(f"{name}={value}" for name, value in buildfixes.make_vars((), fixes, ("gcc",)))


def configure(copy: Path, make: tuple[str, ...], deadline: Deadline) -> None:
    out = copy / "out"
    out.mkdir()
    (out / "want").write_text(kconfig.render(kconfig.merge([Fragment(name="tiny", text=TINY)])))
    proc.run((*make, "tinyconfig"), cwd=copy, deadline=deadline)
    merge = ("sh", "scripts/kconfig/merge_config.sh", "-m", "-O", "out", "out/.config", "out/want")
    proc.run(merge, cwd=copy, deadline=deadline)
    proc.run((*make, "olddefconfig"), cwd=copy, deadline=deadline)
    assert kconfig.parse((out / ".config").read_text())["CONFIG_ZRAM"] == "y"


def put(copy: Path, base: BaseTree, paths: set[str], content: Mapping[str, bytes | None]) -> None:
    """This variant's files, the pristine ones where it has none."""
    for path in paths:
        target = copy / path
        new = content[path] if path in content else base.read(path)
        if target.exists() and target.read_bytes() == new:
            continue
        target.unlink(missing_ok=True)
        if new is not None:
            target.write_bytes(new)
