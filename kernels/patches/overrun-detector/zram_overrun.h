/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _ZRAM_OVERRUN_H_
#define _ZRAM_OVERRUN_H_

#include <linux/types.h>
#include <linux/zsmalloc.h>

/* One file each in debugfs, see counter_name[] */
enum zram_overrun_counter {
	ZRAM_OVERRUN_RECOMPRESSIONS,
	ZRAM_OVERRUN_GREW,
	ZRAM_OVERRUN_OVERRUNS,
	ZRAM_OVERRUN_MAX_EXCESS,
	NR_ZRAM_OVERRUN_COUNTERS,
};

void zram_overrun_add(enum zram_overrun_counter counter, u64 n);
void zram_overrun_compressed(unsigned int *prev_len, unsigned int len);
bool zram_overrun_refused(struct zs_pool *pool, unsigned long handle,
			  unsigned int len);

void zram_overrun_init(void);
void zram_overrun_exit(void);

#endif
