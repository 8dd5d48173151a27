/* SPDX-License-Identifier: GPL-2.0-only */
/* Contents of pages that can be checked exactly. */
#ifndef KZRAM_PAGES_H
#define KZRAM_PAGES_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A page is a function of (seed, page number, version), so a reader that knows the version can check every byte.
 *
 * The first 512 bytes hold a tag and a compressible pattern; after that come 8 units of 448 bytes. With
 * level = version % 9, the first `level` units are random and the others compressible. So a step from one
 * version to the next touches 448 bytes and makes the page *longer* once compressed, 8 times out of 9; the
 * ninth step makes the page compressible again. A page is never same-filled (zram stores no object for
 * those). At level 8 it is incompressible, and zram keeps it raw: that is the jump to PAGE_SIZE.
 */
enum { PAGE = 4096, HEAD_WORDS = 64, UNITS = 8, UNIT_WORDS = 56, LEVELS = UNITS + 1 };
void pages_setup(uint64_t seed); /* before any of those below */
void page_fill(void *page, uint64_t number, uint32_t version);
void page_step(void *page, uint64_t number, uint32_t new_version); /* from new_version - 1 */
bool page_check(const void *page, uint64_t number, uint32_t version); /* reports a `corruption` event if not */
void report_unreadable(uint64_t number, const char *why); /* a `corruption` event: the page cannot be read at all */
void *map_pages(uint64_t count);

#endif
