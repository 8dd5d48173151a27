"""A developer's own tree, dirty or not: read as it is, never written to."""

from __future__ import annotations

from pathlib import Path

from kzram_ci.base.errors import UserError
from kzram_ci.kernel import filetree
from kzram_ci.kernel.context import Context
from kzram_ci.model.kernel import DirectoryTree
from kzram_ci.model.source import DirectorySource
from kzram_ci.model.version import kernel_version


def source(ref: DirectorySource, context: Context) -> DirectoryTree:
    """The tree, identified by the content of all its source files. Raises UserError for what is no kernel tree.

    Build products and a .config in it are not source: they are not copied, so kbuild's "The source tree is not
    clean" (Makefile, outputmakefile, v2.6 and later) cannot come up.
    """
    root = Path(ref.path).expanduser().absolute()
    if not (root / "Kbuild").is_file() or not (root / "Makefile").is_file():
        raise UserError(f"{root} is not a kernel source tree", hint="`path:` must hold the kernel's top Makefile")
    files = filetree.scan(
        root, cache=context.cache, deadline=context.deadline, note=lambda text: context.note(str(root), text)
    )
    version = kernel_version((root / "Makefile").read_text("utf-8", "replace"))
    return DirectoryTree(identity=f"directory:{filetree.identity(files)}", version=version, directory=str(root))
