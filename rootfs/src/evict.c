// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "evict.h"

#include "pages.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21 /* Linux 5.4, commit 1a4e58cce84e */
#endif
#define SWAPPED (1ull << 62) /* of an entry in /proc/PID/pagemap */

static unsigned char *pages;
static uint64_t page_count;
static bool by_memcg;
static int pagemap = -1;

/* ---- a memory cgroup that gives up what it has ---- */

/*
 * Three ways to make one. memory.reclaim takes how much (5.19). memory.high reclaims what is above it before the write
 * returns, and so does the limit of the old controller, which fails where it cannot: both are relative to what is used,
 * and taken back at once, since those who fault meanwhile would have to reclaim too (and sleep for it, from 5.4 on).
 */
static const struct way {
	const char *directory, *file, *used, *no_limit; /* used: NULL: the file takes how much */
} ways[] = {
	{ "/sys/fs/cgroup", "memory.reclaim", NULL, NULL },
	{ "/sys/fs/cgroup", "memory.high", "memory.current", "max" },
	{ "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "-1" },
};
static const struct way *way;
static int file = -1, used = -1; /* kept open: this is done often */

static int open_in(const char *group, const char *name, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", group, name);
	return open(path, flags | O_CLOEXEC);
}

static bool enter(const struct way *candidate)
{
	char group[64], path[128];

	snprintf(path, sizeof(path), "%s/cgroup.procs", candidate->directory);
	if (access(path, W_OK))
		return false;
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", candidate->directory);
	if (!access(path, W_OK))
		write_setting(path, "+memory");
	snprintf(group, sizeof(group), "%s/anonmutate", candidate->directory);
	if (mkdir(group, 0755) && errno != EEXIST)
		die(EXIT_SETUP, "cannot make the cgroup %s: %s", group, strerror(errno));
	file = open_in(group, candidate->file, O_WRONLY);
	if (file < 0)
		return false;
	if (candidate->used)
		used = open_in(group, candidate->used, O_RDONLY);
	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	write_setting(path, "0");
	way = candidate;
	return true;
}

static void enter_memcg(void)
{
	for (unsigned int i = 0; i < sizeof(ways) / sizeof(ways[0]) && !way; i++)
		enter(&ways[i]);
	if (!way)
		die(EXIT_SETUP, "no memory cgroup to force pages out with: it needs CONFIG_MEMCG");
	by_memcg = true;
	/* a page that was read ahead is unmapped and in the swap cache as well, and not on its way out */
	write_setting("/proc/sys/vm/page-cluster", "0");
}

static uint64_t bytes_in_memory(void)
{
	uint64_t bytes = 0;
	unsigned char in_memory[4096];

	for (uint64_t first = 0; first < page_count; first += sizeof(in_memory)) {
		uint64_t count = page_count - first < sizeof(in_memory) ? page_count - first : sizeof(in_memory);

		if (mincore(pages + first * PAGE, count * PAGE, in_memory))
			die(EXIT_SETUP, "mincore: %s", strerror(errno));
		for (uint64_t i = 0; i < count; i++)
			bytes += in_memory[i] & 1 ? PAGE : 0;
	}
	return bytes;
}

static uint64_t bytes_used(void)
{
	char text[32] = "";

	if (pread(used, text, sizeof(text) - 1, 0) <= 0)
		die(EXIT_SETUP, "cannot read %s: %s", way->used, strerror(errno));
	return strtoull(text, NULL, 10);
}

/* Not all of it can go, and then a write fails: what matters is that it was tried. */
static void set(const char *value)
{
	if (pwrite(file, value, strlen(value), 0) < 0 && errno != EAGAIN && errno != EBUSY && errno != EINTR)
		die(EXIT_SETUP, "cannot write %s to %s: %s", value, way->file, strerror(errno));
}

static void shrink_memcg(void)
{
	uint64_t bytes = bytes_in_memory(), have;
	char text[32];

	if (!bytes)
		return;
	if (way->used) {
		have = bytes_used();
		bytes = have > bytes ? have - bytes : 0;
	}
	snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	set(text);
	if (way->used)
		set(way->no_limit);
}

/* ---- for the workload ---- */

void evict_setup(const char *how, void *start, uint64_t count)
{
	pages = start;
	page_count = count;
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (!strcmp(how, "memcg"))
		enter_memcg();
	else if (madvise(pages, PAGE, MADV_PAGEOUT) && errno == EINVAL && !strcmp(how, "auto"))
		enter_memcg();
	emit("{\"ev\":\"note\",\"text\":\"evicting by %s%s%s\"}", by_memcg ? "memory cgroup (" : "MADV_PAGEOUT",
	     by_memcg ? way->file : "", by_memcg ? ")" : "");
	if (by_memcg && pagemap < 0)
		emit("{\"ev\":\"note\",\"text\":\"no /proc/PID/pagemap (CONFIG_PROC_PAGE_MONITOR): pages are met by chance\"}");
}

bool evicts_by_memcg(void)
{
	return by_memcg;
}

void force_out(uint64_t first, uint64_t count)
{
	if (by_memcg)
		shrink_memcg();
	else if (madvise(pages + first * PAGE, count * PAGE, MADV_PAGEOUT) && errno != EAGAIN)
		die(EXIT_SETUP, "MADV_PAGEOUT: %s", strerror(errno));
}

void force_out_all(void)
{
	uint64_t before, left = bytes_in_memory();

	do {
		before = left;
		shrink_memcg();
		left = bytes_in_memory();
	} while (left && left < before);
}

uint64_t page_that_leaves(uint64_t first, uint64_t count, uint64_t after)
{
	uint64_t entries[MOST_WATCHED];
	unsigned char in_memory[MOST_WATCHED];
	unsigned char *start = pages + first * PAGE;

	if (count > MOST_WATCHED)
		count = MOST_WATCHED;
	if (pagemap < 0)
		return first + after % count; /* none can be seen: any may be it */
	if (pread(pagemap, entries, count * sizeof(entries[0]), (off_t)((uintptr_t)start / PAGE * sizeof(entries[0]))) !=
		    (ssize_t)(count * sizeof(entries[0])) ||
	    mincore(start, count * PAGE, in_memory))
		die(EXIT_SETUP, "cannot see which pages are mapped: %s", strerror(errno));
	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = (after + i) % count;

		if (entries[at] & SWAPPED && in_memory[at] & 1)
			return first + at;
	}
	return NONE_LEAVES;
}
