"""All that goes into a kernel, and the two digests made of it."""

from __future__ import annotations

from kzram_ci.base.digest import digest_bytes, digest_json
from kzram_ci.base.values import dataclass
from kzram_ci.kernel import diff, kconfig
from kzram_ci.kernel.kconfig import Fragment
from kzram_ci.kernel.series import Choice
from kzram_ci.model.kernel import Tree

# Raise it when the way of building changes the bytes: it parts old results from new ones.
RECIPE = 1

# Fixed, so that the same inputs give the same bytes anywhere, any day (Documentation/kbuild/reproducible-builds.rst).
REPRODUCIBLE = (
    ("KBUILD_BUILD_HOST", "kzram-ci"),
    ("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970"),
    ("KBUILD_BUILD_USER", "kzram-ci"),
    ("KBUILD_BUILD_VERSION", "1"),
    ("LOCALVERSION", ""),  # set but empty: setlocalversion adds no "+" for a tree it knows nothing of
    ("SOURCE_DATE_EPOCH", "0"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """One kernel to build. `name` and `advice` are for people; all the rest decides the bytes."""

    name: str
    arch: str
    tree: Tree
    series: tuple[Choice, ...] = ()
    fragments: tuple[Fragment, ...] = ()
    make_vars: tuple[tuple[str, str], ...] = ()
    toolchain: tuple[tuple[str, str], ...] = ()
    advice: tuple[tuple[str, str], ...] = ()  # against known failures: regular expression, what helps


def key(inputs: Inputs) -> str:
    """The content address of the kernel these inputs give. Needs no slot and no source, only the tree's identity.

    Raises UserError when the fragments contradict each other.
    """
    return digest_json(
        {
            **_common(inputs),
            "tree": inputs.tree.identity,
            # the changelog of a patch, or its series' name, is in no kernel
            "patches": [
                digest_bytes(diff.body(patch.text).encode("utf-8", "surrogateescape"))
                for choice in inputs.series
                for patch in choice.patches
            ],
            **_searches(inputs),
        }
    )


def _searches(inputs: Inputs) -> dict[str, object]:
    """The hooks of all series, none left out: only the source tells whether they are needed."""
    found = [repr(choice.series.search) for choice in inputs.series if choice.series.search.hooks]
    return {"hooks": [digest_bytes(text.encode("utf-8", "surrogateescape")) for text in found]} if found else {}


def slot_key(inputs: Inputs) -> str:
    """The slot these inputs are built in.

    A developer's directory keeps its slot whatever is edited in it, a repository its slot from commit to commit.
    """
    return digest_json({**_common(inputs), "family": inputs.tree.family})[:16]


def _common(inputs: Inputs) -> dict[str, object]:
    return {
        "recipe": RECIPE,
        "arch": inputs.arch,
        "config": kconfig.render(kconfig.merge(inputs.fragments)),  # comments and order are in no kernel
        "make": [list(pair) for pair in inputs.make_vars],
        "toolchain": [list(pair) for pair in inputs.toolchain],
        "reproducible": [list(pair) for pair in REPRODUCIBLE],
    }
