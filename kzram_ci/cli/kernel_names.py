"""The names that a command line may give a kernel."""

from __future__ import annotations

import textwrap

from kzram_ci.base.errors import UserError


def kernels_there_are() -> str:
    """The variants and lines of kernels, two lines."""
    from kzram_ci.base.library import Library
    from kzram_ci.plan.tables import axes

    try:
        found = axes(Library())
    except UserError as error:
        return f"  (not known: {error})"
    lines = (f"{line} (needs no suffix)" if line == found.default else line for line in found.lines)
    rows = (("variants", found.variants), ("lines", lines))
    return "\n".join(
        textwrap.fill(
            ", ".join(names), 110, break_on_hyphens=False, initial_indent=f"  {what:<10}", subsequent_indent=" " * 12
        )
        for what, names in rows
    )
