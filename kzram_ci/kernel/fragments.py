"""Config fragments for a kernel version: `# versions: >=4.7 <6.12` limits a paragraph to those. Pure."""

from __future__ import annotations

import re

from kzram_ci.base.errors import UserError
from kzram_ci.kernel.kconfig import Fragment
from kzram_ci.model.version import applies_to

_VERSIONS = re.compile(r"#\s*versions:\s*(.+)")
_CONSTRAINT = re.compile(r"(>=|<=|<|>|==)\d+(\.\d+)*")
_NEWEST = "9999"  # the version of a tree that does not state one


def for_version(fragment: Fragment, version: str) -> Fragment:
    """The fragment with the paragraphs of other versions emptied; lines keep their numbers.

    A paragraph ends with an empty line. A version between two releases is the one its Makefile names.
    Raises UserError with file and line for what is not a constraint.
    """
    lines, wanted = [], True
    for number, line in enumerate(fragment.text.splitlines(), start=1):
        if match := _VERSIONS.fullmatch(line.strip()):
            constraints = match[1].split()
            if wrong := [word for word in constraints if not _CONSTRAINT.fullmatch(word)]:
                raise UserError(f"{fragment.name}:{number}: versions: {wrong[0]!r}", hint="such as >=4.7 <6.12")
            wanted = applies_to(constraints, version or _NEWEST)
        elif not line.strip():
            wanted = True
        lines.append(line if wanted else "")
    return Fragment(name=fragment.name, text="".join(f"{line}\n" for line in lines))
