// SPDX-License-Identifier: GPL-2.0
/*
 * Change the buffer of O_DIRECT writes to a file system on zram while zram
 * compresses it, as any user may. What the file holds then is undefined; what
 * other files hold is not: check one that is written from a buffer at rest.
 *
 * zram_direct DIRECTORY [SECONDS]: 0 all was well, 1 damage or an I/O error
 *
 * On Linux 4.7 to 6.14 zram compresses a page a second time when no memory is
 * there at once (zram.writestall in debug_stat), into the object allocated for
 * the first result; a longer result overwrites what lies behind it.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, WORDS = PAGE / 8, BATCH = 16, PAGES = 2048, KEPT = 512 };

static uint64_t *hot;
static atomic_ulong written;
static atomic_bool done;

/* `level` eighths of noise that follows from `seed`, then what compresses well */
static void fill(volatile uint64_t *page, unsigned int level, uint64_t seed)
{
	for (unsigned int i = 0; i < WORDS; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		page[i] = i < level * WORDS / 8 ? seed : 7 + (i & 3);
	}
}

/* Levels in waves: zsmalloc needs new pages only while size classes fill */
static unsigned int level_now(unsigned int n)
{
	return 1 + written / (PAGES / 2) % 5 + n % 3;
}

static void *change(void *unused)
{
	for (unsigned int n = 1; !done; n++)
		fill(hot + n % BATCH * WORDS, level_now(n / BATCH), n + 88172645463325252ULL);
	return unused;
}

static void *buffer(void)
{
	void *pages = mmap(NULL, BATCH * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (pages == MAP_FAILED)
		err(1, "mmap");
	return pages;
}

static int create(const char *directory, const char *name)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

int main(int argc, char **argv)
{
	static struct { unsigned int level; uint64_t seed; } kept[KEPT];
	time_t until = time(NULL) + (argc > 2 ? atoi(argv[2]) : 20);
	uint64_t *still, *want, n = 0, damaged = 0;
	int hot_fd, still_fd;
	pthread_t changer;

	if (argc < 2)
		errx(2, "usage: %s DIRECTORY [SECONDS]", argv[0]);
	hot = buffer();
	still = buffer();
	want = buffer();
	hot_fd = create(argv[1], "hot");
	still_fd = create(argv[1], "still");
	if (pthread_create(&changer, NULL, change, NULL))
		errx(1, "no thread");
	for (; time(NULL) < until; n++) {
		unsigned int at = n * 7919 % (KEPT / BATCH) * BATCH;

		for (unsigned int i = 0; i < 4; i++, written += BATCH)
			if (pwrite(hot_fd, hot, BATCH * PAGE, (n * 4 + i) * 31 % (PAGES / BATCH) * BATCH * PAGE) < 0)
				err(1, "writing");
		if (kept[at].seed && pread(still_fd, still, BATCH * PAGE, (off_t)at * PAGE) != BATCH * PAGE)
			err(1, "reading what was not changed");
		for (unsigned int i = at; i < at + BATCH; i++) {
			fill(want, kept[i].level, kept[i].seed);
			damaged += kept[i].seed && memcmp(want, still + (i - at) * WORDS, PAGE);
			kept[i].level = level_now(i);
			kept[i].seed = n * KEPT + i + 1;
			fill(still + (i - at) * WORDS, kept[i].level, kept[i].seed);
		}
		if (pwrite(still_fd, still, BATCH * PAGE, (off_t)at * PAGE) != BATCH * PAGE)
			err(1, "writing what is not changed");
	}
	done = true;
	pthread_join(changer, NULL);
	printf("%lu pages written, %llu pages damaged\n", written, (unsigned long long)damaged);
	return damaged != 0;
}
