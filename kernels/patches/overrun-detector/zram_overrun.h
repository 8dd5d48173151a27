/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _ZRAM_OVERRUN_H_
#define _ZRAM_OVERRUN_H_

#include <linux/types.h>
#include <linux/zsmalloc.h>

/* One file each in debugfs, see counter_name[] */
enum zram_overrun_counter {
	ZRAM_OVERRUN_RECOMPRESSIONS,
	ZRAM_OVERRUN_GREW,
	ZRAM_OVERRUN_GREW_CLASS,
	ZRAM_OVERRUN_CHANGED_BETWEEN,
	ZRAM_OVERRUN_OVERRUNS,
	ZRAM_OVERRUN_MAX_EXCESS,
	ZRAM_OVERRUN_OVER_IN_PAGE,
	ZRAM_OVERRUN_OVER_NEXT_PAGE,
	ZRAM_OVERRUN_OVER_BUFFER,
	ZRAM_OVERRUN_WASTED_BYTES,
	ZRAM_OVERRUN_WASTED_NOW,
	ZRAM_OVERRUN_SLACK_NOW,
	/* of other series, there when their mark is */
	ZRAM_OVERRUN_REALLOCATED,
	ZRAM_OVERRUN_EMERGENCIES,
	ZRAM_OVERRUN_PAGE_SIZE_FALLBACKS,
	ZRAM_OVERRUN_SEARCH_LEN,
	ZRAM_OVERRUN_CHANGED_DURING,
	NR_ZRAM_OVERRUN_COUNTERS,
};

/* What the compressions of one write gave so far */
struct zram_overrun_write {
	unsigned int len;	/* of the last result, 0: none yet */
	u32 sum;		/* of its bytes */
};

/*
 * A series that counts something says so by defining its mark; a counter
 * without its series is not in debugfs, so that it is not taken for zero.
 */
extern const char zram_overrun_counts_clen __weak;
extern const char zram_overrun_counts_emergency __weak;
extern const char zram_overrun_counts_emergency_page __weak;
extern const char zram_overrun_counts_witness __weak;

#define ZRAM_OVERRUN_COUNTS(series)	const char zram_overrun_counts_##series = 1

void zram_overrun_add(enum zram_overrun_counter i, u64 n);
void zram_overrun_compressed(struct zs_pool *pool,
			     struct zram_overrun_write *seen,
			     const void *data, unsigned int len);
bool zram_overrun_refused(struct zs_pool *pool, unsigned long handle,
			  unsigned int len);
void zram_overrun_freed(struct zs_pool *pool, unsigned long handle,
			unsigned int len);

void zram_overrun_init(void);
void zram_overrun_exit(void);

#endif
