// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "pages.h"

#include "common.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Random units are copied out of a pool: under TCG, making every byte anew would cost more than the
 * compression we want to race with.
 */
enum { POOL_WORDS = 16384 };
static uint64_t pool[POOL_WORDS], content_seed;

void pages_setup(uint64_t seed)
{
	uint64_t state = seed;

	if (sysconf(_SC_PAGESIZE) != PAGE)
		die(EXIT_SETUP, "pages of %ld bytes are not supported", sysconf(_SC_PAGESIZE));
	for (size_t i = 0; i < POOL_WORDS; i++)
		pool[i] = next_random(&state);
	content_seed = mix64(seed);
}

static uint64_t tag_of(uint64_t number, uint32_t version)
{
	return content_seed ^ (number << 32 | version);
}

static uint64_t pattern_of(uint64_t number)
{
	return mix64(content_seed + number);
}

/* Unit `unit` of a page at `version`: where its random words come from, or NULL if it is compressible. */
static const uint64_t *unit_source(uint64_t number, uint32_t version, unsigned int unit)
{
	uint64_t round = version / LEVELS;

	if (unit >= version % LEVELS)
		return NULL;
	return pool + mix64(content_seed ^ number << 40 ^ round << 4 ^ unit) % (POOL_WORDS - UNIT_WORDS);
}

static uint64_t compressible_word(uint64_t pattern, size_t i)
{
	return pattern + (i & 3); /* a period of 32 bytes: compressible, yet not same-filled */
}

/*
 * Volatile, because the compressor in the kernel looks at the same bytes at the same time: every word must be
 * stored when it is written here, and never by `rep movsb`, which TCG runs byte by byte.
 */
static void write_unit(volatile uint64_t *to, uint64_t pattern, const uint64_t *source)
{
	for (size_t i = 0; i < UNIT_WORDS; i++)
		to[i] = source ? source[i] : compressible_word(pattern, i);
}

void page_fill(void *page, uint64_t number, uint32_t version)
{
	volatile uint64_t *words = page;
	uint64_t pattern = pattern_of(number);

	words[0] = tag_of(number, version);
	for (size_t i = 1; i < HEAD_WORDS; i++)
		words[i] = compressible_word(pattern, i);
	for (unsigned int unit = 0; unit < UNITS; unit++)
		write_unit(words + HEAD_WORDS + unit * UNIT_WORDS, pattern, unit_source(number, version, unit));
}

void page_step(void *page, uint64_t number, uint32_t new_version)
{
	volatile uint64_t *words = page;
	unsigned int level = new_version % LEVELS;

	if (!level) {
		page_fill(page, number, new_version);
		return;
	}
	write_unit(words + HEAD_WORDS + (level - 1) * UNIT_WORDS, 0, unit_source(number, new_version, level - 1));
	words[0] = tag_of(number, new_version);
}

static bool word_is(const uint64_t *words, size_t at, uint64_t want, uint64_t number)
{
	uint64_t got = words[at];

	if (got == want)
		return true;
	/* Hex in memory order, so that it reads like a hex dump. */
	emit("{\"ev\":\"corruption\",\"page\":%llu,\"offset\":%zu,\"expected\":\"%016llx\",\"got\":\"%016llx\"}",
	     (unsigned long long)number, at * sizeof(want), (unsigned long long)__builtin_bswap64(want),
	     (unsigned long long)__builtin_bswap64(got));
	return false;
}

bool page_check(const void *page, uint64_t number, uint32_t version)
{
	const uint64_t *words = page;
	uint64_t pattern = pattern_of(number);

	if (!word_is(words, 0, tag_of(number, version), number))
		return false;
	for (size_t i = 1; i < HEAD_WORDS; i++)
		if (!word_is(words, i, compressible_word(pattern, i), number))
			return false;
	for (unsigned int unit = 0; unit < UNITS; unit++) {
		const uint64_t *source = unit_source(number, version, unit);

		for (size_t i = 0; i < UNIT_WORDS; i++)
			if (!word_is(words, HEAD_WORDS + unit * UNIT_WORDS + i,
				     source ? source[i] : compressible_word(pattern, i), number))
				return false;
	}
	return true;
}

void report_unreadable(uint64_t number, const char *why)
{
	emit("{\"ev\":\"corruption\",\"page\":%llu,\"offset\":0,\"expected\":\"readable\",\"got\":\"%s\"}",
	     (unsigned long long)number, why);
}

void *map_pages(uint64_t count)
{
	void *pages = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		die(EXIT_SETUP, "cannot map %llu pages: %s", (unsigned long long)count, strerror(errno));
	madvise(pages, count * PAGE, MADV_NOHUGEPAGE); /* zram stores single pages; EINVAL without THP */
	return pages;
}
