"""All hooks of a series put into a tree. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kzram_ci.base.values import dataclass
from kzram_ci.kernel.hooks import place, verify
from kzram_ci.kernel.hooks.hook import Search
from kzram_ci.kernel.hooks.place import Misplaced

Text = Callable[[str], str | None]  # of a path in the tree; None: no such file


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The files with the hooks in them, by path; the diff of it all; how many hooks that is."""

    files: Mapping[str, str]
    diff: str
    count: int

    @property
    def extent(self) -> str:
        """How much it is, in words."""
        places, files = self.count, len(self.files)
        return f"in {places} place{'s' * (places != 1)} of {files} file{'s' * (files != 1)}"


def applied(search: Search, text: Text) -> Applied:
    """Put the hooks in. Raises Misplaced; then nothing is done."""
    made, told, count = dict[str, str](), [], 0
    for path in search.files():
        before = text(path)
        if before is None:
            raise Misplaced(f"the source has no {path}")
        hooks = [hook for hook in search.hooks if hook.file == path]
        try:
            after = place.put(before, place.inserts(before, hooks))
            verify.check(before, after, hooks, [order for order in search.orders if order.file == path])
        except Misplaced as error:
            raise Misplaced(f"{path}: {error}") from error
        made[path] = after
        told.append(verify.difference(path, before, after))
        count += sum(after.count(hook.mark) for hook in hooks)
    return Applied(files=made, diff="".join(told), count=count)
