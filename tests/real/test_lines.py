"""Every line of kernels, without booting one: the facts in its source, strict patches, objects that compile.

Sources that are on this host (or that apt may fetch: KZRAM_DOWNLOAD=1) are looked at, others skipped. Compiling is
remembered in the cache by what was compiled. The whole plan for all lines is testplans/lines.yaml.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from kzram_ci.base import budget, files, proc
from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_json
from kzram_ci.kernel import kbuild, kconfig, mechanism, patches, source
from kzram_ci.kernel.kbuild.base_tree import UnpackedArchive
from kzram_ci.kernel.kconfig import Fragment
from kzram_ci.kernel.library import load_series
from kzram_ci.kernel.series import Choice, choose
from kzram_ci.model.kernel import KernelSpec, Tree
from kzram_ci.plan.kernels import load_kernel
from kzram_ci.plan.library import find_kernel, known_kernels

pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
# line: its stock kernel, and kernels that between them have every series of the line
LINES = {
    "5.10": ("stock-5.10", ("stable-page-v3-5.10", "saved-clen-5.10", "emergency-class-5.10")),
    "6.1": ("stock-6.1", ("stable-page-v3-6.1", "saved-clen-6.1", "emergency-class-6.1")),
    "6.12": ("stock", ("stable-page-v3", "saved-clen", "emergency-class")),
    "7.3": ("stock-7.3", ("unstable-7.3",)),
}
WANT = {  # second compression, guard, swap path, handle cache, mark
    "5.10": ("yes", "reuse_swap_page", "rw_page", "zs_handle", "boot"),
    "6.1": ("yes", "do_swap_page", "rw_page", "zs_handle", "boot"),
    "6.12": ("yes", "do_swap_page", "bio", "zs_handle-zram0", "sysfs"),
    "7.3": ("", "do_swap_page", "bio", "zs_handle", "sysfs"),
}
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


def spec_of(name: str) -> KernelSpec:
    return load_kernel(name, find_kernel=find_kernel, known_kernels=known_kernels())


def tree_of(name: str, deadline: Deadline) -> Tree:
    ref, cache = spec_of(name).source, cache_root()
    tree = source.local(ref, source.Context(cache=cache, deadline=deadline))
    if tree is None and os.environ.get("KZRAM_DOWNLOAD"):
        tree = source.fetch(ref, source.Context(cache=cache, deadline=deadline))
    if tree is None:
        pytest.skip(f"{ref.words()} is not on this host; KZRAM_DOWNLOAD=1 fetches it")
    return tree


def test_every_kernel_belongs_to_a_line() -> None:
    listed = {spec_of(stock).source for stock, _ in LINES.values()}
    sources = {spec_of(name).source for name in known_kernels()}
    assert {source for source in sources if not source.ready} == listed


def choices_of(spec: KernelSpec, tree: Tree) -> list[Choice]:
    return [choose(load_series(name), tree.version) for name in spec.series]


@pytest.mark.parametrize("line", LINES)
def test_facts_and_strict_patches(line: str) -> None:
    deadline = Deadline.after(1200)
    stock, _ = LINES[line]
    tree = tree_of(stock, deadline)
    base = kbuild.pristine(tree, source.Context(cache=cache_root(), deadline=deadline, listener=lambda event: None))
    facts = mechanism.probe(base.read)
    names = ("second_compression", "guard", "swap_path", "handle_cache", "failslab_mark")
    assert tuple(facts[name].value for name in names) == WANT[line]
    seen: set[str] = set()
    for name in known_kernels():
        spec = spec_of(name)
        if spec.source != spec_of(stock).source or mechanism.meaning(facts, spec.series):
            continue
        patched = patches.apply(base.read, choices_of(spec, tree), deadline=deadline)
        assert patched.files, name
        assert not patched.notes, name
        seen.update(spec.series)
    assert {"overrun-detector", "reuse-counters", "unstable"} <= seen


# 6.12 is built, whole, by test_overrun.py.
@pytest.mark.parametrize("line", [line for line in LINES if line != "6.12"])
def test_what_the_series_touch_compiles(line: str, tmp_path: Path) -> None:
    deadline = Deadline.after(1500)
    stock, names = LINES[line]
    tree = tree_of(stock, deadline)
    cache = cache_root()
    base = kbuild.pristine(tree, source.Context(cache=cache, deadline=deadline, listener=lambda event: None))
    done = {name: patches.apply(base.read, choices_of(spec_of(name), tree), deadline=deadline).files for name in names}
    told = [sorted((path, (content or b"").hex()) for path, content in files.items()) for files in done.values()]
    stamp = cache / "scans" / f"objects-{digest_json([tree.identity, TINY, OBJECTS, told])[:16]}.json"
    if stamp.is_file():
        return
    copy = tmp_path / "tree"
    assert isinstance(base, UnpackedArchive)
    proc.run(("cp", "-al", str(base.root), str(copy)), deadline=deadline)
    configure(copy, deadline)
    for name in names:
        put(copy, base.root, {path for files in done.values() for path in files}, done[name])
        proc.run(("make", "-s", f"-j{budget.cpus()}", "O=out", *OBJECTS), cwd=copy, deadline=deadline)
        assert (copy / "out/drivers/block/zram/zram_drv.o").is_file()
        assert (copy / "out/drivers/block/zram/zram_overrun.o").is_file()
    files.write_json(stamp, {"compiled": list(names)})
    shutil.rmtree(copy)


def configure(copy: Path, deadline: Deadline) -> None:
    out = copy / "out"
    out.mkdir()
    (out / "want").write_text(kconfig.render(kconfig.merge([Fragment(name="tiny", text=TINY)])))
    proc.run(("make", "-s", "O=out", "tinyconfig"), cwd=copy, deadline=deadline)
    merge = ("sh", "scripts/kconfig/merge_config.sh", "-m", "-O", "out", "out/.config", "out/want")
    proc.run(merge, cwd=copy, deadline=deadline)
    proc.run(("make", "-s", "O=out", "olddefconfig"), cwd=copy, deadline=deadline)
    assert kconfig.parse((out / ".config").read_text())["CONFIG_ZRAM"] == "y"


def put(copy: Path, pristine: Path, paths: set[str], content: Mapping[str, bytes | None]) -> None:
    """This variant's files, the pristine ones where it has none; never through a hard link."""
    for path in paths:
        target, original = copy / path, pristine / path
        new = content[path] if path in content else original.read_bytes() if original.is_file() else None
        if target.exists() and target.read_bytes() == new:
            continue
        target.unlink(missing_ok=True)
        if new is not None:
            target.write_bytes(new)
