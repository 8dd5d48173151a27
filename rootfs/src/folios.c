// SPDX-License-Identifier: GPL-2.0-only
/* Large folios of anonymous memory: turned on, asked for, counted. */
#define _GNU_SOURCE
#include "folios.h"

#include "pages.h"
#include "workload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define THP "/sys/kernel/mm/transparent_hugepage/"
enum { LARGEST = 2 << 20 }; /* alignment: a huge page where pages have 4 KiB */

static uint64_t number_in(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	return strtoull(text, NULL, 10);
}

static unsigned int sizes;

/* A size of folios by its directory, hugepages-64kB; not all sizes are for anonymous memory. */
static void set_size(const char *name, uint64_t kib)
{
	char path[384];

	snprintf(path, sizeof(path), THP "%s/enabled", name);
	if (access(path, F_OK))
		return;
	sizes++;
	write_setting(path, !kib || strtoull(name + strlen("hugepages-"), NULL, 10) == kib ? "inherit" : "never");
}

static void each_size(void (*with)(const char *name, uint64_t number), uint64_t number)
{
	DIR *directory = opendir(THP);
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (!strncmp(entry->d_name, "hugepages-", strlen("hugepages-")))
			with(entry->d_name, number);
	if (directory)
		closedir(directory);
}

void folios_setup(enum folios folios, uint64_t kib)
{
	if (folios == FOLIOS_NEVER)
		return;
	if (access(THP "enabled", W_OK))
		die(EXIT_SETUP, "no large folios in this kernel: it needs CONFIG_TRANSPARENT_HUGEPAGE (fragment thp)");
	write_setting(THP "enabled", folios == FOLIOS_ALWAYS ? "always" : "madvise");
	each_size(set_size, kib);
	emit("{\"ev\":\"note\",\"text\":\"large folios of %u sizes to choose from\"}", sizes);
}

static uint64_t swapped_out;
static void add_swapped_out(const char *name, uint64_t number)
{
	char path[384];

	(void)number;
	snprintf(path, sizeof(path), THP "%s/stats/swpout", name);
	swapped_out += number_in(path);
}

uint64_t folios_swapped_out(void)
{
	swapped_out = 0;
	each_size(add_swapped_out, 0);
	return swapped_out;
}

void *map_folios(uint64_t count, enum folios folios)
{
	uint64_t bytes = count * PAGE;
	uintptr_t start;

	if (folios == FOLIOS_NEVER)
		return map_pages(count);
	start = (uintptr_t)mmap(NULL, bytes + LARGEST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if ((void *)start == MAP_FAILED)
		die(EXIT_SETUP, "cannot map %llu pages: %s", (unsigned long long)count, strerror(errno));
	start = (start + LARGEST - 1) / LARGEST * LARGEST;
	if (folios == FOLIOS_MADVISE && madvise((void *)start, bytes, MADV_HUGEPAGE))
		die(EXIT_SETUP, "MADV_HUGEPAGE: %s", strerror(errno));
	return (void *)start;
}
