// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "pages.h"

#include "common.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int page_size;

/*
 * Random units are copied out of a pool: under TCG, making every byte anew would cost more than the
 * compression we want to race with. It is 32 pages large, so that units of one page seldom overlap.
 */
enum { POOL_PAGES = 32 };
static uint64_t *pool, content_seed;
#define POOL_WORDS (POOL_PAGES * PAGE / sizeof(uint64_t))

void pages_setup(uint64_t seed)
{
	uint64_t state = seed;

	page_size = (int)sysconf(_SC_PAGESIZE);
	if (page_size < 4096)
		die(EXIT_SETUP, "pages of %d bytes are not supported", page_size);
	pool = map_pages(POOL_PAGES);
	for (size_t i = 0; i < POOL_WORDS; i++)
		pool[i] = next_random(&state);
	content_seed = mix64(seed);
}

/* A part's tag is word `tag`; its units are `units` from `first` on. */
static const struct extent {
	unsigned int tag, first, units;
} extents[] = {
	[PART_WHOLE] = { 0, 0, UNITS },
	[PART_FIRST] = { 0, 0, UNITS / 2 },
	[PART_SECOND] = { 1, UNITS / 2, UNITS - UNITS / 2 },
};

unsigned int part_levels(enum part part)
{
	return extents[part].units + 1;
}

/* The words of the head from here on are the pattern, and belong to the part; HEAD_WORDS: none do. */
static size_t pattern_from(enum part part)
{
	return part == PART_WHOLE ? 1 : part == PART_FIRST ? 2 : HEAD_WORDS;
}

static uint64_t tag_of(uint64_t number, enum part part, uint32_t version)
{
	return content_seed ^ (number << 32 | version) ^ (uint64_t)part << 60;
}

static uint64_t pattern_of(uint64_t number)
{
	return mix64(content_seed + number);
}

/* Unit `unit` of a part at `version`: where its random words come from, or NULL if it is compressible. */
static const uint64_t *unit_source(uint64_t number, enum part part, uint32_t version, unsigned int unit)
{
	uint64_t round = version / part_levels(part);

	if (unit - extents[part].first >= version % part_levels(part))
		return NULL;
	return pool + mix64(content_seed ^ number << 40 ^ round << 4 ^ unit) % (POOL_WORDS - UNIT_WORDS);
}

static uint64_t compressible_word(uint64_t pattern, size_t i)
{
	return pattern + (i & 3); /* a period of 32 bytes: compressible, yet not same-filled */
}

static size_t words_before(unsigned int unit)
{
	return HEAD_WORDS + unit * UNIT_WORDS;
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

void part_fill(void *page, uint64_t number, enum part part, uint32_t version)
{
	const struct extent *extent = &extents[part];
	volatile uint64_t *words = page;
	uint64_t pattern = pattern_of(number);

	words[extent->tag] = tag_of(number, part, version);
	for (size_t i = pattern_from(part); i < HEAD_WORDS; i++)
		words[i] = compressible_word(pattern, i);
	for (unsigned int unit = extent->first; unit < extent->first + extent->units; unit++)
		write_unit(words + words_before(unit), pattern, unit_source(number, part, version, unit));
}

void part_step(void *page, uint64_t number, enum part part, uint32_t new_version)
{
	volatile uint64_t *words = page;
	unsigned int level = new_version % part_levels(part), unit = extents[part].first + level - 1;

	if (!level) {
		part_fill(page, number, part, new_version);
		return;
	}
	write_unit(words + words_before(unit), 0, unit_source(number, part, new_version, unit));
	words[extents[part].tag] = tag_of(number, part, new_version);
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

static bool unit_is(const uint64_t *words, uint64_t number, enum part part, uint32_t version, unsigned int unit)
{
	const uint64_t *source = unit_source(number, part, version, unit);
	uint64_t pattern = pattern_of(number);

	for (size_t i = 0; i < UNIT_WORDS; i++)
		if (!word_is(words, words_before(unit) + i, source ? source[i] : compressible_word(pattern, i), number))
			return false;
	return true;
}

bool part_check(const void *page, uint64_t number, enum part part, uint32_t version)
{
	const struct extent *extent = &extents[part];
	uint64_t pattern = pattern_of(number);

	if (!word_is(page, extent->tag, tag_of(number, part, version), number))
		return false;
	for (size_t i = pattern_from(part); i < HEAD_WORDS; i++)
		if (!word_is(page, i, compressible_word(pattern, i), number))
			return false;
	for (unsigned int unit = extent->first; unit < extent->first + extent->units; unit++)
		if (!unit_is(page, number, part, version, unit))
			return false;
	return true;
}

void page_fill(void *page, uint64_t number, uint32_t version)
{
	part_fill(page, number, PART_WHOLE, version);
}

void page_step(void *page, uint64_t number, uint32_t new_version)
{
	part_step(page, number, PART_WHOLE, new_version);
}

bool page_check(const void *page, uint64_t number, uint32_t version)
{
	return part_check(page, number, PART_WHOLE, version);
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
	madvise(pages, count * PAGE, MADV_NOHUGEPAGE); /* EINVAL without THP */
	return pages;
}
