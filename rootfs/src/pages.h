/* SPDX-License-Identifier: GPL-2.0-only */
/* Contents of pages that can be checked exactly. */
#ifndef KZRAM_PAGES_H
#define KZRAM_PAGES_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A page is a function of (seed, page number, version), so a reader that knows the version can check every byte.
 *
 * The first 512 bytes hold a tag and a compressible pattern; the rest is cut into 8 units (of 448 bytes where a page has
 * 4,096). With level = version % 9, the first `level` units are random and the others compressible. So a step from one
 * version to the next touches one unit and makes the page *longer* once compressed, 8 times out of 9; the
 * ninth step makes the page compressible again. A page is never same-filled (zram stores no object for
 * those). At level 8 it is incompressible, and zram keeps it raw: that is the jump to PAGE_SIZE.
 */
enum { HEAD_WORDS = 64, UNITS = 8, LEVELS = UNITS + 1 };
extern int page_size; /* the kernel's; set by pages_setup() */
#define PAGE page_size
#define UNIT_WORDS ((PAGE / sizeof(uint64_t) - HEAD_WORDS) / UNITS)

void pages_setup(uint64_t seed); /* before any of those below */
void page_fill(void *page, uint64_t number, uint32_t version);
void page_step(void *page, uint64_t number, uint32_t new_version); /* from new_version - 1 */
bool page_check(const void *page, uint64_t number, uint32_t version); /* reports a `corruption` event if not */
void report_unreadable(uint64_t number, const char *why); /* a `corruption` event: the page cannot be read at all */

/*
 * Parts: what one writer owns of a page. Two threads may write one page at once and every word can still be checked at any
 * moment, because each word has one owner: the part's own tag and units, with a version and a level of its own. The first
 * part also has the pattern of the head. PART_WHOLE is what the functions above write; PART_FIRST and PART_SECOND are its
 * halves. No reader may ever see a mixture *within* a part, and no write to one part may undo one to the other.
 */
enum part { PART_WHOLE, PART_FIRST, PART_SECOND };
unsigned int part_levels(enum part part); /* levels of a part: one more than it has units */
void part_fill(void *page, uint64_t number, enum part part, uint32_t version);
void part_step(void *page, uint64_t number, enum part part, uint32_t new_version);
bool part_check(const void *page, uint64_t number, enum part part, uint32_t version);

void *map_pages(uint64_t count); /* anonymous memory of single pages */

#endif
