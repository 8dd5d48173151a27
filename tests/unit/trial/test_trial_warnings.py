"""Which compiler warnings a patch brings, when each build compiled only what had changed."""

from kzram_ci.trial.warnings import new_warnings

PATCH = "--- a/mm/a.c\n+++ b/mm/a.c\n@@ -1 +1,2 @@\n int a;\n+\tint unused;\n"
UNUSED = (
    "  CC      mm/a.o\n../mm/a.c: In function 'f':\n"
    "../mm/a.c:7:6: warning: unused variable 'unused' [-Wunused-variable]\n"
    "    7 |  int unused;\n      |      ^~~~~~\n"
)  # fmt: skip
OLD = "../mm/a.c:3:6: warning: old thing [-Wold]\n    3 |  int old;\n"
SAID = "mm/a.c: unused variable 'unused' [-Wunused-variable]"


def test_a_warning_about_an_added_line_is_new() -> None:
    assert new_warnings(UNUSED, [""], [PATCH]) == (SAID,)
    assert new_warnings(UNUSED, [], [PATCH]) == (SAID,)


def test_an_old_warning_of_a_file_that_was_not_compiled_before_is_not() -> None:
    assert new_warnings(UNUSED + OLD, ["  CC      mm/b.o\n"], [PATCH]) == (SAID,)


def test_a_warning_that_an_earlier_build_had_is_not_new_wherever_its_line_is_now() -> None:
    assert new_warnings(UNUSED.replace(":7:", ":90:"), [UNUSED], [PATCH]) == ()
    assert new_warnings(UNUSED, ["  CC [M]  mm/a.o\n"], []) == (SAID,)  # compiled before, without it
    assert new_warnings(UNUSED + UNUSED, [""], [PATCH]) == (SAID,)
