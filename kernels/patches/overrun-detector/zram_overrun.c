// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Compressed data that does not fit the zsmalloc object it is copied into.
 *
 * Counters are in debugfs, in zram_overrun/, one decimal number a file. They
 * are never reset.
 */
#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/moduleparam.h>

#include "zram_overrun.h"

#define ZRAM_OVERRUN_DIR	"zram_overrun"

static atomic64_t counters[NR_ZRAM_OVERRUN_COUNTERS];

static const char * const counter_name[NR_ZRAM_OVERRUN_COUNTERS] = {
	[ZRAM_OVERRUN_RECOMPRESSIONS]	= "recompressions",
	[ZRAM_OVERRUN_GREW]		= "grew",
	[ZRAM_OVERRUN_OVERRUNS]		= "overruns",
	[ZRAM_OVERRUN_MAX_EXCESS]	= "max_excess",
};

static bool refuse_overrun;
module_param(refuse_overrun, bool, 0644);
MODULE_PARM_DESC(refuse_overrun,
		 "Fail a write that would overrun its object (default: report it and write)");

void zram_overrun_add(enum zram_overrun_counter counter, u64 n)
{
	atomic64_add(n, &counters[counter]);
}

static void raise_to(enum zram_overrun_counter counter, s64 val)
{
	s64 old = atomic64_read(&counters[counter]);

	while (old < val &&
	       !atomic64_try_cmpxchg(&counters[counter], &old, val))
		;
}

/**
 * zram_overrun_compressed - note one compression of a page being written
 * @prev_len: length the previous compression of the same write had, 0 if none
 * @len: length this one has
 */
void zram_overrun_compressed(unsigned int *prev_len, unsigned int len)
{
	if (*prev_len) {
		zram_overrun_add(ZRAM_OVERRUN_RECOMPRESSIONS, 1);
		if (len > *prev_len)
			zram_overrun_add(ZRAM_OVERRUN_GREW, 1);
	}
	*prev_len = len;
}

/**
 * zram_overrun_refused - check that data fits the object it is for
 * @pool: zsmalloc pool of the object
 * @handle: object, not mapped
 * @len: length of the data
 *
 * Asks the allocator and not the caller what the object can hold, so that the
 * answer stays true whatever a fix does with lengths and handles.
 *
 * Return: true if the data would overrun and the write must be failed.
 */
bool zram_overrun_refused(struct zs_pool *pool, unsigned long handle,
			  unsigned int len)
{
	size_t room = zs_obj_capacity(pool, handle);

	if (likely(len <= room))
		return false;

	zram_overrun_add(ZRAM_OVERRUN_OVERRUNS, 1);
	raise_to(ZRAM_OVERRUN_MAX_EXCESS, len - room);
	WARN_ONCE(1, "zram: overrun: %u bytes into an object of %zu, %lld pages compressed again so far\n",
		  len, room,
		  (s64)atomic64_read(&counters[ZRAM_OVERRUN_RECOMPRESSIONS]));

	return READ_ONCE(refuse_overrun);
}

static int counter_get(void *data, u64 *val)
{
	*val = atomic64_read((atomic64_t *)data);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(counter_fops, counter_get, NULL, "%llu\n");

void zram_overrun_init(void)
{
	struct dentry *found, *dir;
	int i;

	/* Counters of built-in code may have made the directory already. */
	found = debugfs_lookup(ZRAM_OVERRUN_DIR, NULL);
	if (IS_ERR(found))
		return;
	dir = found ?: debugfs_create_dir(ZRAM_OVERRUN_DIR, NULL);

	for (i = 0; i < NR_ZRAM_OVERRUN_COUNTERS; i++)
		debugfs_create_file_unsafe(counter_name[i], 0444, dir,
					   &counters[i], &counter_fops);
	dput(found);
}

void zram_overrun_exit(void)
{
	struct dentry *dir = debugfs_lookup(ZRAM_OVERRUN_DIR, NULL);
	int i;

	if (IS_ERR_OR_NULL(dir))
		return;

	for (i = 0; i < NR_ZRAM_OVERRUN_COUNTERS; i++)
		debugfs_lookup_and_remove(counter_name[i], dir);
	dput(dir);
}
