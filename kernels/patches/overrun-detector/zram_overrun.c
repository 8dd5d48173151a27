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
#include <linux/jhash.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/numa.h>
#include <linux/version.h>

#include "zram_overrun.h"

#define ZRAM_OVERRUN_DIR	"zram_overrun"

static atomic64_t counters[NR_ZRAM_OVERRUN_COUNTERS];

#define OF(series)	.mark = &zram_overrun_counts_##series, .optional = true

static const struct {
	const char *name;
	const char *mark;	/* NULL if the series is not there */
	bool optional;
} counter[NR_ZRAM_OVERRUN_COUNTERS] = {
	[ZRAM_OVERRUN_RECOMPRESSIONS] = { "recompressions" },
	[ZRAM_OVERRUN_GREW] = { "grew" },
	[ZRAM_OVERRUN_GREW_CLASS] = { "grew_class" },
	[ZRAM_OVERRUN_CHANGED_BETWEEN] = { "changed_between" },
	[ZRAM_OVERRUN_OVERRUNS] = { "overruns" },
	[ZRAM_OVERRUN_MAX_EXCESS] = { "max_excess" },
	[ZRAM_OVERRUN_OVER_IN_PAGE] = { "over_in_page" },
	[ZRAM_OVERRUN_OVER_NEXT_PAGE] = { "over_next_page" },
	[ZRAM_OVERRUN_OVER_BUFFER] = { "over_buffer" },
	[ZRAM_OVERRUN_WASTED_BYTES] = { "wasted_bytes" },
	[ZRAM_OVERRUN_WASTED_NOW] = { "wasted_now" },
	[ZRAM_OVERRUN_SLACK_NOW] = { "slack_now" },
	[ZRAM_OVERRUN_REALLOCATED] = { "reallocated", OF(clen) },
	[ZRAM_OVERRUN_EMERGENCIES] = { "emergencies", OF(emergency) },
	[ZRAM_OVERRUN_PAGE_SIZE_FALLBACKS] = { "page_size_fallbacks", OF(emergency_page) },
	[ZRAM_OVERRUN_SEARCH_LEN] = { "search_len", OF(emergency) },
	[ZRAM_OVERRUN_CHANGED_DURING] = { "changed_during", OF(witness) },
};

static bool counted(int i)
{
	return !counter[i].optional || counter[i].mark;
}

static bool refuse_overrun;
module_param(refuse_overrun, bool, 0644);
MODULE_PARM_DESC(refuse_overrun,
		 "Fail a write that would overrun its object (default: report it and write)");

void zram_overrun_add(enum zram_overrun_counter i, u64 n)
{
	atomic64_add(n, &counters[i]);
}

static void raise_to(enum zram_overrun_counter i, s64 val)
{
	s64 old = atomic64_read(&counters[i]), seen;

	while (old < val) {
		seen = atomic64_cmpxchg(&counters[i], old, val);
		if (seen == old)
			break;
		old = seen;
	}
}

/* What an object allocated for a result of this length can hold. */
static size_t room_for(struct zs_pool *pool, unsigned int len)
{
	/*
	 * zram stores a page as it is when its result is as long as this. The
	 * function came with 010b495e2fa3 ("zsmalloc: introduce
	 * zs_huge_class_size()", v4.17); zram had three quarters of a page.
	 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(4, 17, 0)
	if (len >= zs_huge_class_size(pool))
#else
	if (len > PAGE_SIZE / 4 * 3)
#endif
		len = PAGE_SIZE;
	return zs_size_capacity(pool, len);
}

/**
 * zram_overrun_compressed - note one compression of a page being written
 * @pool: zsmalloc pool the result is for
 * @seen: what earlier compressions of the same write gave
 * @data: result
 * @len: its length
 *
 * A result that needs a larger class than the one before would have overrun
 * the object that was allocated for that, had nothing been done about it. A
 * compressor gives the same bytes for the same page, so other bytes mean that
 * the page changed.
 */
void zram_overrun_compressed(struct zs_pool *pool,
			     struct zram_overrun_write *seen,
			     const void *data, unsigned int len)
{
	u32 sum = jhash(data, len, 0);

	if (seen->len) {
		zram_overrun_add(ZRAM_OVERRUN_RECOMPRESSIONS, 1);
		if (len > seen->len)
			zram_overrun_add(ZRAM_OVERRUN_GREW, 1);
		if (room_for(pool, len) > room_for(pool, seen->len))
			zram_overrun_add(ZRAM_OVERRUN_GREW_CLASS, 1);
		if (len != seen->len || sum != seen->sum)
			zram_overrun_add(ZRAM_OVERRUN_CHANGED_BETWEEN, 1);
	}
	seen->len = len;
	seen->sum = sum;
}

/*
 * Where the bytes go that an object has no room for: to its neighbours in the
 * page, on into the next page of memory, or nowhere, if the object lies in two
 * pages: then zs_unmap_object() copies from a buffer what the object can hold.
 */
static void note_damage(unsigned int len, size_t in_page)
{
	if (!in_page)
		zram_overrun_add(ZRAM_OVERRUN_OVER_BUFFER, 1);
	else if (len <= in_page)
		zram_overrun_add(ZRAM_OVERRUN_OVER_IN_PAGE, 1);
	else
		zram_overrun_add(ZRAM_OVERRUN_OVER_NEXT_PAGE, 1);
}

/*
 * Bytes of an object that hold nothing: wasted is what a larger class than the
 * data needs adds, slack is what the class that it needs leaves over.
 */
static void note_room(struct zs_pool *pool, size_t room, unsigned int len,
		      int sign)
{
	size_t needed = zs_size_capacity(pool, len);
	s64 wasted = room > needed ? room - needed : 0;

	if (sign > 0)
		zram_overrun_add(ZRAM_OVERRUN_WASTED_BYTES, wasted);
	zram_overrun_add(ZRAM_OVERRUN_WASTED_NOW, sign * wasted);
	zram_overrun_add(ZRAM_OVERRUN_SLACK_NOW, sign * (s64)(needed - len));
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
 * Called once for an object, just before it is written.
 *
 * Return: true if the data would overrun and the write must be failed.
 */
bool zram_overrun_refused(struct zs_pool *pool, unsigned long handle,
			  unsigned int len)
{
	size_t in_page, room = zs_obj_capacity(pool, handle, &in_page);

	if (likely(len <= room)) {
		note_room(pool, room, len, 1);
		return false;
	}

	zram_overrun_add(ZRAM_OVERRUN_OVERRUNS, 1);
	raise_to(ZRAM_OVERRUN_MAX_EXCESS, len - room);
	note_damage(len, in_page);
	note_room(pool, room, len, 1);	/* taken back when it is freed */
	WARN_ONCE(1, "zram: overrun: %u bytes into an object of %zu, %lld pages compressed again so far\n",
		  len, room,
		  (s64)atomic64_read(&counters[ZRAM_OVERRUN_RECOMPRESSIONS]));

	return READ_ONCE(refuse_overrun);
}

/**
 * zram_overrun_freed - take back what an object wasted
 * @pool: zsmalloc pool of the object
 * @handle: object, about to be freed
 * @len: length of the data in it
 */
void zram_overrun_freed(struct zs_pool *pool, unsigned long handle,
			unsigned int len)
{
	size_t room = zs_obj_capacity(pool, handle, NULL);

	note_room(pool, room, len, -1);
}

/* The node came with v6.17. */
static unsigned long zs_malloc_any(struct zs_pool *pool, size_t size)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
	return zs_malloc(pool, size, GFP_KERNEL, NUMA_NO_NODE);
#else
	return zs_malloc(pool, size, GFP_KERNEL);
#endif
}

static int counter_get(void *data, u64 *val)
{
	*val = atomic64_read((atomic64_t *)data);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(counter_fops, counter_get, NULL, "%llu\n");

/*
 * The oracle rests on zs_obj_capacity(): try it on every size. An object holds
 * what was asked for, and its capacity is that of the class for the size.
 */
static int selftest(void)
{
	struct zs_pool *pool = zs_create_pool("zram_overrun");
	unsigned int size, wrong = 0;

	if (!pool)
		return -ENOMEM;
	for (size = 1; size <= PAGE_SIZE; size++) {
		unsigned long handle = zs_malloc_any(pool, size);
		size_t in_page, room;

		if (IS_ERR_VALUE(handle) || !handle) {
			zs_destroy_pool(pool);
			return -ENOMEM;
		}
		room = zs_obj_capacity(pool, handle, &in_page);
		wrong += room < size || room != zs_size_capacity(pool, size) ||
			 room > PAGE_SIZE || (in_page && in_page < room);
		zs_free(pool, handle);
	}
	zs_destroy_pool(pool);
	return wrong;
}

static int selftest_get(void *data, u64 *val)
{
	static DEFINE_MUTEX(lock);
	static int result = -EAGAIN;

	mutex_lock(&lock);
	if (result < 0)
		result = selftest();
	mutex_unlock(&lock);
	if (result < 0)
		return result;
	*val = result;
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(selftest_fops, selftest_get, NULL, "%llu\n");

/* What is ours in debugfs; the last one is the self-test. */
static struct dentry *files[NR_ZRAM_OVERRUN_COUNTERS + 1];

/* Counters of built-in code may have made the directory already. */
static struct dentry *found_directory(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(4, 12, 0)
	return debugfs_lookup(ZRAM_OVERRUN_DIR, NULL);
#else
	/* There is no debugfs_lookup(). What debugfs has is in the dcache. */
	struct qstr name = QSTR_INIT(ZRAM_OVERRUN_DIR,
				     sizeof(ZRAM_OVERRUN_DIR) - 1);
	struct dentry *probe = debugfs_create_dir(ZRAM_OVERRUN_DIR "_probe", NULL);
	struct dentry *found;

	if (IS_ERR_OR_NULL(probe))
		return NULL;
	found = d_hash_and_lookup(probe->d_parent, &name);
	debugfs_remove(probe);
	return found;
#endif
}

void zram_overrun_init(void)
{
	struct dentry *found = found_directory(), *dir;
	int i;

	if (IS_ERR(found))
		return;
	dir = found ?: debugfs_create_dir(ZRAM_OVERRUN_DIR, NULL);

	for (i = 0; i < NR_ZRAM_OVERRUN_COUNTERS; i++)
		if (counted(i))
			files[i] = debugfs_create_file_unsafe(counter[i].name,
						0444, dir, &counters[i],
						&counter_fops);
	files[i] = debugfs_create_file_unsafe("selftest_failures", 0444, dir,
					      NULL, &selftest_fops);
	dput(found);
}

/* The directory stays: other counters may be in it. */
void zram_overrun_exit(void)
{
	int i;

	for (i = 0; i <= NR_ZRAM_OVERRUN_COUNTERS; i++) {
		debugfs_remove(files[i]);
		files[i] = NULL;
	}
}
