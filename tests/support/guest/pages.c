// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests: page contents on request. Arguments: seed, page size. Lines on standard input:
 *   fill NUMBER VERSION [PART]     the page, as bytes; with a part only that, the rest 0xaa
 *   step NUMBER VERSION [PART]     the same, by a step from VERSION - 1
 *   walk NUMBER VERSION [PART]     the same, by VERSION steps from version 0
 *   check NUMBER VERSION PART AT   of that page (the other part is at VERSION + 1) with the byte AT (from the page's size
 *                                  on: none) flipped: a `corruption` event, or "good"
 * PART is 0 for a whole page, 1 or 2 for its halves.
 */
#define _GNU_SOURCE
#include <unistd.h>

/* In the place of the library's: the page size of a kernel that is not this one. */
static long asked_size = 4096;
#define sysconf(name) ((name) == _SC_PAGESIZE ? asked_size : -1)

#include "../../../rootfs/src/pages.c"

#include <stdio.h>
#include <stdlib.h>

static _Alignas(uint64_t) unsigned char page[1 << 16];

static void make(const char *verb, uint64_t number, uint32_t version, enum part part)
{
	if (!strcmp(verb, "step")) {
		part_fill(page, number, part, version - 1);
		part_step(page, number, part, version);
	} else if (!strcmp(verb, "walk")) {
		part_fill(page, number, part, 0);
		for (unsigned int i = 1; i <= version; i++)
			part_step(page, number, part, i);
	} else {
		part_fill(page, number, part, version);
	}
}

int main(int argc, char **argv)
{
	unsigned long long number;
	unsigned int version, part, at;
	char verb[8], line[128];

	if (argc > 2)
		asked_size = strtol(argv[2], NULL, 0);
	pages_setup(argc > 1 ? strtoull(argv[1], NULL, 0) : 1);
	while (fgets(line, sizeof(line), stdin)) {
		part = PART_WHOLE;
		at = sizeof(page);
		if (sscanf(line, "%7s %llu %u %u %u", verb, &number, &version, &part, &at) < 3)
			return EXIT_BAD_ARGS;
		memset(page, 0xaa, sizeof(page)); /* what is not written shows */
		if (strcmp(verb, "check")) {
			make(verb, number, version, part);
			if (write(STDOUT_FILENO, page, (size_t)PAGE) != PAGE)
				return EXIT_SETUP;
			continue;
		}
		make("fill", number, version, part);
		if (part)
			part_fill(page, number, part == PART_FIRST ? PART_SECOND : PART_FIRST, version + 1);
		if (at < (unsigned int)PAGE)
			page[at] ^= 0x10;
		if (part_check(page, number, part, version))
			emit("good");
	}
	return 0;
}
