"""Real kernels, really built: a tiny configuration with zram in it, some 550 objects, a few minutes.

Results are content-addressed, so a second run of these tests finds them and only compares; whatever changes
a kernel's bytes changes its key and is tested anew.
"""

import difflib
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requires

from kzram_ci.base import proc
from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_file
from kzram_ci.base.errors import BuildFailed, ConfigUnmet
from kzram_ci.base.files import read_json
from kzram_ci.kernel import kconfig, sandbox, source
from kzram_ci.kernel.kbuild import descent, slot_key
from kzram_ci.kernel.kbuild.base_tree import pristine
from kzram_ci.kernel.kbuild.make import environment
from kzram_ci.kernel.kbuild.slot import OBJECTS
from kzram_ci.kernel.workshop import KernelContext, image_for, opened, plan_build
from kzram_ci.model.events import silent
from kzram_ci.model.kernel import KernelImage, KernelSpec
from kzram_ci.model.source import DebianSource

pytestmark = [pytest.mark.real, pytest.mark.timeout(3600)]

TINY = """\
CONFIG_64BIT=y
CONFIG_KERNEL_GZIP=y
CONFIG_PRINTK=y
CONFIG_BLOCK=y
CONFIG_BLK_DEV=y
CONFIG_SYSFS=y
CONFIG_SWAP=y
CONFIG_ZRAM=y
CONFIG_ZRAM_BACKEND_LZO=y
CONFIG_DEBUG_FS=y
CONFIG_DEBUG_KERNEL=y
# CONFIG_LOCALVERSION_AUTO is not set
"""
SOURCE = DebianSource(package="linux-source-6.12")
STOCK = KernelSpec(name="tiny-stock", source=SOURCE, series=("overrun-detector",), config=("tiny",))
VARIANT = replace(STOCK, name="tiny-unstable", series=("overrun-detector", "unstable"))


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a config fragment of its own."""
    where = tmp_path / "kernels"
    (where / "config").mkdir(parents=True)
    (where / "config" / "tiny.config").write_text(TINY)
    monkeypatch.chdir(tmp_path)
    return where


@pytest.fixture
def second_cache() -> Iterator[Path]:
    """Another cache, with a path of another length; sources and objects go afterwards, results stay."""
    cache = cache_root() / "a-second-cache-for-tests"
    yield cache
    for part in ("slots", "sources"):
        shutil.rmtree(cache / part, ignore_errors=True)


def of_the_source(path: str) -> str:
    """A file of the distribution's source, as it is."""
    cache, deadline = cache_root(), Deadline.after(600)
    tree = source.fetch(SOURCE, source.Context(cache=cache, deadline=deadline))
    content = pristine(tree, source.Context(cache=cache, deadline=deadline, listener=silent)).read(path)
    assert content is not None
    return content.decode()


def _series(mine: Path, name: str, path: str, before: str, line: str) -> str:
    """A series that adds a line to a file, before the first one that begins so; its name."""
    old = of_the_source(path).splitlines(keepends=True)
    at = next(number for number, text in enumerate(old) if text.startswith(before))
    new = [*old[:at], line, *old[at:]]
    series = mine / "patches" / name
    series.mkdir(parents=True)
    (series / "series.yaml").write_text(f"name: {name}\nkind: regression\npatches: [1.patch]\n")
    (series / "1.patch").write_text("".join(difflib.unified_diff(old, new, f"a/{path}", f"b/{path}")))
    return name


def digests(image: KernelImage) -> dict[str, str]:
    names = ("bzImage", "vmlinux", "System.map", "config")
    return {name: digest_file(Path(image.image).parent / name) for name in names}


def test_incremental_and_clean_builds_give_the_same_bytes(mine: Path, second_cache: Path) -> None:
    stock = image_for(STOCK, KernelContext())
    variant = image_for(VARIANT, KernelContext())  # incremental, in the slot that built stock
    clean = image_for(VARIANT, KernelContext(cache=second_cache))
    assert variant.release.startswith("6.12")
    assert clean.key == variant.key != stock.key
    assert digests(clean) == digests(variant)
    assert digests(variant)["vmlinux"] != digests(stock)["vmlinux"]


def test_make_had_nothing_to_do_where_it_did_not_enter(mine: Path) -> None:
    """A header that ten directories read: built in the slot of another variant, and then by a plain make."""
    series = _series(mine, "header", "include/linux/backing-dev.h", "#include", "#define KZRAM_TEST 1\n")
    spec = replace(STOCK, name="tiny-header", series=(*STOCK.series, series))
    for kernel in (STOCK, spec):  # both anew: the slot may hold either, from an earlier session of tests
        shutil.rmtree(cache_root() / "kernels" / plan_build(kernel, KernelContext())[0], ignore_errors=True)
        image = image_for(kernel, KernelContext())
    inputs, _, _ = opened(spec, KernelContext())
    tree = cache_root() / "slots" / slot_key(inputs) / "src"
    stayed_out = set((tree / OBJECTS / descent.MAKEFILE).read_text().replace(",", " ").split())
    assert {"drivers/media", "drivers/gpu", "sound"} <= stayed_out
    assert not {"mm", "drivers/block/zram"} & stayed_out
    assert "  CC      mm/backing-dev.o\n" in (Path(image.image).parent / "build.log").read_text()
    make = shlex.split(read_json(Path(image.image).parent / "manifest.json")["make"])
    plain = proc.run((*make, "-j2"), cwd=tree, deadline=Deadline.after(600), env=environment(""))
    steps = [line.split()[0] for line in plain.stdout.decode().splitlines() if line.startswith("  ")]
    assert not {"CC", "AS", "AR", "LD"} & set(steps), steps
    assert digest_file(tree / OBJECTS / "vmlinux") == digest_file(Path(image.vmlinux))


def test_bubblewrap_changes_no_byte(mine: Path, second_cache: Path) -> None:
    """A real kernel builds with its source read-only, without network and home."""
    if why := sandbox.unusable():
        requires.lacking("sandbox", why)
    plain = image_for(STOCK, KernelContext())
    shutil.rmtree(second_cache / "kernels" / plain.key, ignore_errors=True)
    boxed = image_for(STOCK, KernelContext(cache=second_cache, sandbox=True))
    assert not boxed.cached
    assert boxed.key == plain.key
    assert digests(boxed) == digests(plain)


def test_every_wanted_symbol_is_in_the_config(mine: Path) -> None:
    image = image_for(STOCK, KernelContext())
    wanted = kconfig.merge([kconfig.Fragment(name="tiny", text=TINY)])
    assert kconfig.unmet(wanted, kconfig.parse(Path(image.config).read_text())) == ()
    assert "zram_overrun" in (Path(image.image).parent / "System.map").read_text()


def test_nothing_changed_means_nothing_done(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = image_for(STOCK, KernelContext())
    for name in ("make", "build"):  # by sys.modules: the package exports a function called build, too
        monkeypatch.setattr(sys.modules[f"kzram_ci.kernel.kbuild.{name}"], "run", None)
    again = image_for(STOCK, KernelContext())
    assert again == replace(image, cached=True)
    assert plan_build(STOCK, KernelContext()) == (image.key, True)


def test_an_unmet_symbol_is_named(mine: Path) -> None:
    (mine / "config" / "wrong.config").write_text("CONFIG_NO_SUCH_SYMBOL=y\nCONFIG_ZRAM_WRITEBACK=m\n")
    slots = set((cache_root() / "slots").glob("*"))
    with pytest.raises(ConfigUnmet) as caught:
        image_for(replace(STOCK, name="tiny-wrong", config=("tiny", "wrong")), KernelContext())
    assert "CONFIG_NO_SUCH_SYMBOL: wanted y, got absent (fragment wrong.config)" in caught.value.message
    assert "CONFIG_ZRAM_WRITEBACK: wanted m" in caught.value.message
    for path in set((cache_root() / "slots").glob("*")) - slots:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_a_compile_error_is_the_compilers_line(mine: Path) -> None:
    image_for(STOCK, KernelContext())
    path = "drivers/block/zram/zcomp.c"
    series = _series(mine, "broken", path, "static", "int broken = no_such_name;\n")
    at = next(number for number, line in enumerate(of_the_source(path).splitlines()) if line.startswith("static"))
    with pytest.raises(BuildFailed) as caught:
        image_for(replace(STOCK, name="tiny-broken", series=(*STOCK.series, series)), KernelContext())
    assert f"{path}:{at + 1}:14: error: 'no_such_name' undeclared" in caught.value.message
    assert Path(caught.value.log).is_file()
