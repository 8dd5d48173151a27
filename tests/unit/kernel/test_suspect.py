import pytest

from kzram_ci.kernel.kbuild.suspect import suspect
from kzram_ci.kernel.patches import Near
from kzram_ci.kernel.series import Line, Series, SeriesKind
from kzram_ci.model.kernel import Patch

SEARCH = """\
--- a/mm/zsmalloc.c
+++ b/mm/zsmalloc.c
@@ -1,3 +1,4 @@ unsigned long zs_malloc(void)
 int first;
-old_search(pool);
+class = lookup_size_class(pool, size);
+class->inuse = 1;
 int last;
"""
HEADER = """\
--- a/include/linux/swap.h
+++ b/include/linux/swap.h
@@ -1 +1,2 @@
 int swap;
+void swap_hold(struct folio *folio);
"""
PATCHED = {"mm/zsmalloc.c": b"int first;\nclass = lookup_size_class(pool, size);\nclass->inuse = 1;\nint last;\n"}


def near(name: str, text: str) -> Near:
    patch = Patch(series=name, name="1.patch", text=text)
    line = Line(versions=(">=6.12", "<6.13"), patches=(patch,))
    return Near(series=Series(name=name, kind=SeriesKind.FIX, lines=(line,)), line=line)


@pytest.mark.parametrize(
    ("why", "name"),
    [
        ("mm/zsmalloc.c:2:9: error: implicit declaration of function 'lookup_size_class'; did you mean 'x'?", "search"),
        ("mm/zsmalloc.c:2:9: error: expected ';' before '}' token", "search"),  # the line itself
        ("mm/zsmalloc.c:40:9: error: 'struct zspage' has no member named \u2018inuse\u2019", "search"),
        ("mm/zsmalloc.c:1:5: error: 'old_search' defined but not used [-Werror=unused-function]", "search"),
        ("ld: mm/zsmalloc.o: in function `zs_malloc': undefined reference to `lookup_size_class'", "search"),
        ("zsmalloc.c:(.text+0x12): undefined reference to `lookup_size_class'", "search"),
        ("mm/swapfile.c:9:1: error: conflicting types for 'swap_hold'; have 'void(void)'", "header"),
        ("mm/zsmalloc.c:4:1: error: 'last' undeclared", ""),
        ("mm/zsmalloc.c:4:1: error: 'struct page' has no member", ""),
        ("mm/slub.c:2:1: error: stray '@' in program", ""),
        ("mm/zsmalloc.c:1:1: error: unused 'x' [-Werror=lookup_size_class]", ""),
        ("make: *** No rule to make target 'mm/gone.o'.  Stop.", ""),
        ("", ""),
    ],
)
def test_who_brought_what_the_compiler_complains_of(why: str, name: str) -> None:
    found = suspect(why, (near("search", SEARCH), near("header", HEADER)), PATCHED)
    assert (found.series.name if found else "") == name


def test_nothing_is_suspected_where_nothing_was_made_for_others() -> None:
    assert suspect("mm/zsmalloc.c:2:9: error: 'lookup_size_class'", (), PATCHED) is None


def test_of_two_that_fit_equally_the_later_one() -> None:
    both = (near("search", SEARCH), near("again", SEARCH))
    found = suspect("mm/zsmalloc.c:2:9: error: 'lookup_size_class' undeclared", both, PATCHED)
    assert found is both[1]
