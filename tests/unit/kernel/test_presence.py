import pytest

from kzram_ci.kernel.presence import foreign_lock, unmet

ZSMALLOC = """\
static spinlock_t lock;
void *zs_map_object(struct zs_pool *pool)
{
	read_lock(&pool->migrate_lock);
	spin_lock(&class->lock);
}
"""
TREE = {"mm/zsmalloc.c": ZSMALLOC}


def patch(*added: str, path: str = "mm/zsmalloc.c", before: str | None = None) -> str:
    lines = "".join(f"+{line}\n" for line in added)
    old = f"a/{path}" if before is None else before
    return f"--- {old}\n+++ b/{path}\n@@ -{int(old != '/dev/null')},0 +1,{len(added)} @@\n{lines}"


@pytest.mark.parametrize(
    ("needs", "told"),
    [
        ((), ""),
        ((("mm/zsmalloc.c", (r"read_lock\(&pool->migrate_lock\)", "^static")),), ""),
        ((("mm/zsmalloc.c", (r"lookup_size_class\(",)),), r"it needs /lookup_size_class\(/ in mm/zsmalloc.c"),
        ((("mm/gone.c", ("x",)),), "it needs mm/gone.c"),
        ((("mm/zsmalloc.c", (r"^void \*zs_map_object\((?:(?!^\}).*\n)+?.*spin_lock\(&class->lock\)",)),), ""),
        ((("mm/zsmalloc.c", (r"^void \*zs_map_object\((?:(?!^\}).*\n)+?.*\bpin_tag\(",)),), "it needs /"),
    ],
)
def test_what_a_series_declares(needs: tuple[tuple[str, tuple[str, ...]], ...], told: str) -> None:
    found = unmet(needs, TREE.get)
    assert found.startswith(told) if told else found == ""


@pytest.mark.parametrize(
    "text",
    [
        patch("\tread_lock(&pool->migrate_lock);", "\tread_unlock(&pool->migrate_lock);"),
        patch("\twrite_lock_irqsave( &pool->migrate_lock, flags);"),  # the same lock, to write
        patch("\tspin_trylock(&class->lock);"),
        patch("\tzspage_lock(zspage);", "\trcu_read_lock();"),
        patch("static DEFINE_MUTEX(mine);", "\tmutex_lock(&mine);"),
        patch("\tspin_lock_init(&pool->mine);", "\tspin_lock(&pool->mine);"),
        patch("\tspinlock_t own;", "\tspin_lock(&stats->own);"),
        patch("\tmutex_lock(&theirs);", path="mm/new.c", before="/dev/null"),
        patch("nothing"),
        "",
    ],
)
def test_locks_that_are_known_or_brought(text: str) -> None:
    assert foreign_lock(text, TREE.get) == ""


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("\tspin_lock(&pool->lock);", "spin_lock(&pool->lock)"),
        ("\tspin_lock(&pool->migrate_lock);", "spin_lock(&pool->migrate_lock)"),  # it is a rwlock
        ("\tguard(); mutex_lock(&pool->lock);", "mutex_lock(&pool->lock)"),
        ("\tread_lock(&class->lock);", "read_lock(&class->lock)"),
    ],
)
def test_a_lock_that_the_file_does_not_know(line: str, told: str) -> None:
    assert foreign_lock(patch(line), TREE.get) == f"it takes {told}, which mm/zsmalloc.c of this kernel does not"


def test_each_file_is_asked_for_its_own_lines() -> None:
    both = patch("\tspin_lock(&class->lock);") + patch("\tspin_lock(&class->lock);", path="mm/other.c")
    assert foreign_lock(both, {**TREE, "mm/other.c": "int x;\n"}.get).endswith(
        "which mm/other.c of this kernel does not"
    )
