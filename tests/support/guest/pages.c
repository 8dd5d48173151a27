// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests: page contents on request. Lines on standard input:
 *   fill NUMBER VERSION       the page, as 4096 bytes
 *   step NUMBER VERSION       the same, by a step from VERSION - 1
 *   walk NUMBER VERSION       the same, by VERSION steps from version 0
 *   check NUMBER VERSION AT   of that page with the byte AT (from 4096 on: none) flipped: a `corruption` event, or "good"
 */
#include "../../../rootfs/src/common.h"
#include "../../../rootfs/src/pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Alignas(uint64_t) unsigned char page[PAGE];

int main(int argc, char **argv)
{
	unsigned long long number;
	unsigned int version, at;
	char verb[8], line[128];

	pages_setup(argc > 1 ? strtoull(argv[1], NULL, 0) : 1);
	while (fgets(line, sizeof(line), stdin)) {
		at = PAGE;
		if (sscanf(line, "%7s %llu %u %u", verb, &number, &version, &at) < 3)
			return EXIT_BAD_ARGS;
		memset(page, 0xaa, sizeof(page)); /* what is not written shows */
		if (!strcmp(verb, "step")) {
			page_fill(page, number, version - 1);
			page_step(page, number, version);
		} else if (!strcmp(verb, "walk")) {
			page_fill(page, number, 0);
			for (unsigned int i = 1; i <= version; i++)
				page_step(page, number, i);
		} else {
			page_fill(page, number, version);
		}
		if (strcmp(verb, "check")) {
			if (write(STDOUT_FILENO, page, sizeof(page)) != sizeof(page))
				return EXIT_SETUP;
			continue;
		}
		if (at < PAGE)
			page[at] ^= 0x10;
		if (page_check(page, number, version))
			emit("good");
	}
	return 0;
}
