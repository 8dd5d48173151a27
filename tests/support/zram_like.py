"""Sources in the shape of the kernel's, for code search: the same calls in the same places, nothing else of it.

OLD writes as it was done until 4.14 (one way out by goto), MID as from 4.15 to 6.13, NEW as since 6.14.
"""

from __future__ import annotations

from pathlib import Path

MAKEFILE = "# SPDX\nzram-y\t:=\tzcomp.o zram_drv.o\n\nobj-$(CONFIG_ZRAM)\t+=\tzram.o\n"

_SOURCES = Path(__file__).with_name("zram_like_src")
OLD, MID, NEW = ((_SOURCES / f"{name}.c").read_text() for name in ("old", "mid", "new"))
GUARD, SAID, COPY = ((_SOURCES / f"{name}.c").read_text() for name in ("guard", "said", "copy"))
HEADER = "struct zs_pool;\n\nunsigned long zs_get_total_pages(struct zs_pool *pool);\n"


def zsmalloc(*, taken: str, given_back: str, classes: bool, location: str = "unsigned int *obj_idx") -> str:
    """A zsmalloc.c whose zs_map_object() takes this lock; `classes`: it has zspage_class()."""
    by_class = (
        "static struct size_class *zspage_class(struct zs_pool *pool, struct zspage *zspage)\n{\n\treturn x;\n}\n"
    )
    by_index = "static void get_zspage_mapping(struct zspage *zspage, unsigned int *idx)\n{\n\t*idx = 0;\n}\n"
    return f"""\
static void obj_to_location(unsigned long obj, struct page **page,
				{location})
{{
	*obj_idx = 0;
}}

{by_class if classes else by_index}
/**
 * zs_map_object() - maps an object
 */
void *zs_map_object(struct zs_pool *pool, unsigned long handle,
			enum zs_mapmode mm)
{{
	BUG_ON(in_interrupt());

	{taken};
	obj = handle_to_obj(handle);
	{given_back};
	return area;
}}

/* comes before what allocates */
static unsigned long obj_malloc(struct zs_pool *pool,
				struct zspage *zspage, unsigned long handle)
{{
	return 0;
}}
"""


PINNED = zsmalloc(taken="pin_tag(handle)", given_back="unpin_tag(handle)", classes=False)
MIGRATED = zsmalloc(taken="read_lock(&pool->migrate_lock)", given_back="read_unlock(&pool->migrate_lock)", classes=True)
LOCKED = zsmalloc(taken="spin_lock(&pool->lock)", given_back="spin_unlock(&pool->lock)", classes=True)


def tree(driver: str, allocator: str) -> dict[str, str]:
    """The files that the detector is put into."""
    return {
        "drivers/block/zram/Makefile": MAKEFILE,
        "drivers/block/zram/zram_drv.c": driver,
        "include/linux/zsmalloc.h": HEADER,
        "mm/zsmalloc.c": allocator,
    }


TREES = {"old": tree(OLD, PINNED), "mid": tree(MID, MIGRATED), "locked": tree(MID, LOCKED), "new": tree(NEW, MIGRATED)}
