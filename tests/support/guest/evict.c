// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests: how the workload forces pages out and what it sees of it, without a kernel that does so. Arguments: a directory
 * that stands for the root of the file system, `how` (auto, pageout, memcg), and what MADV_PAGEOUT answers (an errno, or 0).
 * The state of the pages is ROOT/pages, a character each: m mapped, s swapped, l leaving (swapped, and in the swap cache).
 * Lines on standard input:
 *   force FIRST COUNT          prints what was written to which file, or the call of madvise()
 *   all                        the same, for as long as more goes; of the mapped pages two go at a time
 *   leaves FIRST COUNT AFTER   prints the page, or "none"
 *   answer ERRNO               of the next write that makes the cgroup smaller
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *root;
static char state[4096];
static size_t states;
static unsigned char *mapped;
static int pagemap_file = -1, answer, pageout_answer;
static size_t going;

static void below(char *to, size_t size, const char *path)
{
	snprintf(to, size, "%s%s", root, path);
}

static int open_below(const char *path, int flags)
{
	char full[512];
	int fd;

	below(full, sizeof(full), path);
	fd = open(full, flags);
	if (!strcmp(path, "/proc/self/pagemap"))
		pagemap_file = fd;
	return fd;
}

static int access_below(const char *path, int mode)
{
	char full[512];

	below(full, sizeof(full), path);
	return access(full, mode);
}

static int mkdir_below(const char *path, mode_t mode)
{
	char full[512];

	below(full, sizeof(full), path);
	return mkdir(full, mode);
}

static ssize_t pread_of_pages(int fd, void *to, size_t size, off_t at)
{
	size_t first = (size_t)at / 8 - (uintptr_t)mapped / 4096;

	if (fd != pagemap_file)
		return pread(fd, to, size, at);
	for (size_t i = 0; i < size / 8; i++)
		((unsigned long long *)to)[i] = state[first + i] == 'm' ? 1ull << 63 : 1ull << 62;
	return (ssize_t)size;
}

static int mincore_of_pages(void *start, size_t size, unsigned char *to)
{
	size_t first = (size_t)((unsigned char *)start - mapped) / 4096;

	for (size_t i = 0; i < size / 4096; i++)
		to[i] = 0xfe | (state[first + i] != 's'); /* the other bits are undefined */
	return 0;
}

static ssize_t pwrite_told(int fd, const void *what, size_t size, off_t at)
{
	char link[32], path[512] = "";

	(void)at;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof(path) - 1) < 0)
		return -1;
	printf("%s=%.*s ", strrchr(path, '/') + 1, (int)size, (const char *)what);
	for (size_t i = 0, gone = 0; i < states && gone < going; i++)
		if (state[i] == 'm') {
			state[i] = 's';
			gone++;
		}
	errno = answer;
	answer = 0;
	return errno ? -1 : (ssize_t)size;
}

static int madvise_told(void *start, size_t size, int what)
{
	if (what == MADV_NOHUGEPAGE)
		return 0;
	printf("madvise=%zu+%zu ", (size_t)((unsigned char *)start - mapped) / 4096, size / 4096);
	errno = pageout_answer;
	return errno ? -1 : 0;
}

#define open(path, flags) open_below(path, flags)
#define access(path, mode) access_below(path, mode)
#define mkdir(path, mode) mkdir_below(path, mode)
#define pread(fd, to, size, at) pread_of_pages(fd, to, size, at)
#define pwrite(fd, what, size, at) pwrite_told(fd, what, size, at)
#define mincore(start, size, to) mincore_of_pages(start, size, to)
#define madvise(start, size, what) madvise_told(start, size, what)
#include "../../../rootfs/src/evict.c"
#undef open

int page_size = 4096;

void write_setting(const char *path, const char *value)
{
	char full[512];
	int fd;

	below(full, sizeof(full), path);
	fd = open(full, O_WRONLY | O_TRUNC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		die(EXIT_SETUP, "cannot write %s to %s", value, path);
	close(fd);
}

int main(int argc, char **argv)
{
	char line[128], verb[8], path[512];
	unsigned long long first, count, after;
	int fd;

	if (argc < 4)
		return EXIT_BAD_ARGS;
	root = argv[1];
	pageout_answer = atoi(argv[3]);
	below(path, sizeof(path), "/pages");
	fd = open(path, O_RDONLY);
	states = (size_t)read(fd, state, sizeof(state));
	mapped = mmap(NULL, states * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	evict_setup(argv[2], mapped, states);
	printf("\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		first = count = after = 0;
		sscanf(line, "%7s %llu %llu %llu", verb, &first, &count, &after);
		if (!strcmp(verb, "answer")) {
			answer = (int)first;
			continue;
		}
		if (!strcmp(verb, "all")) {
			going = 2;
			force_out_all();
		} else if (!strcmp(verb, "force"))
			force_out(first, count);
		else if ((first = page_that_leaves(first, count, after)) == NONE_LEAVES)
			printf("none");
		else
			printf("%llu", first);
		printf("\n");
		fflush(stdout);
	}
	return 0;
}
