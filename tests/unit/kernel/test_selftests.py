"""Selftests of a kernel's own tree: what is asked for is built; what is wrong has its line."""

from dataclasses import replace
from pathlib import Path

import pytest
import requires
from tiny_source import write_tree

from kzram_ci.base.errors import BuildFailed, NotApplicable, UserError
from kzram_ci.kernel import selftests
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.source import DirectorySource, ImageSource

# A tree's selftests in two rules: as the kernel's own, they need headers first, and install a list of what they are
MAKEFILE = """\
TARGETS = size
TARGETS += timers   # and $(MORE)
TARGETS += broken
install:
	@test -e ../../../usr/include/headers
	@for t in $(TARGETS); do $(CC) -c -o /dev/null $$t/$$t.c && mkdir -p $(KSFT_INSTALL_PATH)/$$t && \\
	cp $$t/$$t.c $(KSFT_INSTALL_PATH)/$$t/ && for n in get_$$t more; do echo "$$t:$$n" ; done \\
	>> $(KSFT_INSTALL_PATH)/kselftest-list.txt || exit 1; done
CC ?= cc
"""


@pytest.fixture
def spec(tmp_path: Path) -> KernelSpec:
    for tool in ("make", "gcc", "rsync"):
        requires.tool(tool)
    root = write_tree(tmp_path / "linux")
    with (root / "Makefile").open("a") as out:
        out.write("headers:\n\t@mkdir -p usr/include && touch usr/include/headers\n")
    for name, text in {"size": "int size;\n", "timers": "int timers;\n", "broken": "int broken\nint x;\n"}.items():
        path = root / selftests.ROOT / name / f"{name}.c"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        (path.parent / "Makefile").write_text("")
    (root / selftests.ROOT / "Makefile").write_text(MAKEFILE)
    return KernelSpec(name="k", source=DirectorySource(path=str(root)), make_vars=(("CC", "gcc"),))


@pytest.fixture
def context(tmp_path: Path) -> KernelContext:
    return KernelContext(cache=tmp_path / "cache", jobs=1)


def test_collections_and_single_tests(spec: KernelSpec, context: KernelContext) -> None:
    found = selftests.installed(spec, ["size:get_*", "timer*"], context)
    assert found.tests == ("size:get_size", "timers:get_timers", "timers:more")
    assert (found.path / "size" / "size.c").read_text() == "int size;\n"
    assert selftests.installed(spec, ["size:get_*", "timer*"], context) == found


def test_the_tree_stays_as_it_is(spec: KernelSpec, context: KernelContext, tmp_path: Path) -> None:
    selftests.installed(spec, ["size"], context)
    assert not (tmp_path / "linux" / "usr" / "include" / "headers").exists()
    assert sorted(path.name for path in (tmp_path / "cache" / "selftests").iterdir() if path.is_dir()) != []
    assert not list((tmp_path / "cache" / "selftests").glob("kzram*"))  # no scratch is left


def test_another_content_is_another_build(spec: KernelSpec, context: KernelContext, tmp_path: Path) -> None:
    first = selftests.installed(spec, ["size"], context)
    (tmp_path / "linux" / selftests.ROOT / "size" / "size.c").write_text("int other;\n")
    second = selftests.installed(spec, ["size"], context)
    assert first.path != second.path
    assert (second.path / "size" / "size.c").read_text() == "int other;\n"


@pytest.mark.parametrize(
    ("wanted", "error", "text"),
    [
        ("sizes", UserError, "k: its tree has no selftests 'sizes'; allowed: broken, size, timers; did you mean size?"),
        ("size:no", UserError, "k: its selftests have no 'size:no'"),
        ("broken", BuildFailed, "the selftests broken of k do not build: broken/broken.c:1:11: error: expected"),
    ],
)
def test_what_is_wrong_has_its_line(
    spec: KernelSpec, context: KernelContext, wanted: str, error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        selftests.installed(spec, [wanted], context)
    assert str(caught.value).startswith(text)


def test_a_ready_image_has_none(spec: KernelSpec, context: KernelContext) -> None:
    with pytest.raises(NotApplicable, match="a ready image has no source tree"):
        selftests.installed(replace(spec, source=ImageSource(path="/boot/x")), ["size"], context)
