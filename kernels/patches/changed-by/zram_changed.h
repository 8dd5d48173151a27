/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _LINUX_ZRAM_CHANGED_H_
#define _LINUX_ZRAM_CHANGED_H_

#include <linux/kconfig.h>
#include <linux/page-flags.h>

/* Ways in which a page of the page cache is written to while it is written back. */
enum zram_changed_way {
	ZRAM_CHANGED_FAULT,	/* a write fault made a page table entry writable */
	ZRAM_CHANGED_READ,	/* a read from zram went into it: its reader pinned it */
	ZRAM_CHANGED_BUFFER,	/* the kernel changed a buffer of a file system's metadata */
	NR_ZRAM_CHANGED_WAYS
};

#if IS_BUILTIN(CONFIG_ZRAM)
void zram_changed_note(struct page *page, enum zram_changed_way way, void *by);
#else
static inline void zram_changed_note(struct page *page, enum zram_changed_way way, void *by) { }
#endif

/* Cheap where nothing is written back. */
static inline void zram_changed_under_writeback(struct page *page, enum zram_changed_way way, void *by)
{
	if (unlikely(folio_test_writeback(page_folio(page))))
		zram_changed_note(page, way, by);
}

/* The page changed between two compressions of one write. */
void zram_changed_page(struct page *page);
/* A write of the page ends: what was noted before says nothing about a later one. */
void zram_changed_forget(struct page *page);

#endif
