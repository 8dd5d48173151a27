/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How pages are forced out to swap: by MADV_PAGEOUT, or (before Linux 5.4) by a memory cgroup that is made to give up
 * what it has. And which of them are on their way out, for those who want to meet one there.
 */
#ifndef KZRAM_EVICT_H
#define KZRAM_EVICT_H

#include <stdbool.h>
#include <stdint.h>

/* `how`: auto, pageout or memcg. Says which it is; the pages must not have been touched before. */
void evict_setup(const char *how, void *pages, uint64_t count);
bool evicts_by_memcg(void);
/* Those pages; where a cgroup does it, it takes what there is, so all pages that are in memory. */
void force_out(uint64_t first, uint64_t count);
void force_out_all(void); /* by a cgroup, as often as it gives up more: one call may leave what was not looked at for long */

enum { MOST_WATCHED = 64 };
#define NONE_LEAVES UINT64_MAX
/*
 * One of these pages (at most MOST_WATCHED) that is unmapped, and in the swap cache with its data: it is about to be written,
 * being written, or was just now. NONE_LEAVES: there is none. Of several the one that comes first from `after` on. To
 * look does not touch a page, as one would by trying, which keeps it from being forced out at all.
 */
uint64_t page_that_leaves(uint64_t first, uint64_t count, uint64_t after);

#endif
