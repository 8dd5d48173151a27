// SPDX-License-Identifier: GPL-2.0-only
/*
 * directmutate: change a buffer while O_DIRECT writes it to zram.
 *
 * Stable pages protect page-cache and swap-cache pages only: O_DIRECT hands zram the caller's own page, which
 * no flag keeps the caller from changing while zram compresses it twice. So this is the same race as
 * anonmutate's without any swap, and it is open in kernels whose swap path is safe.
 *
 * The device is cut in blocks of `batch` pages, alternately hot and control. Hot blocks are written from a
 * buffer that mutators keep changing: what they hold is undefined (whatever the compressor saw), so they are
 * only asked to be readable. Control blocks are written from a buffer that no other thread touches, in the same size
 * classes as the hot ones, so that in zsmalloc they lie side by side: an overrun of a hot object damages a
 * control page. Control pages are checked byte by byte.
 *
 * --window-us: beside blocks, hot pages are written one by one, each from its buffer set back to the start of the wave, and
 * mutators make it longer while zram sleeps before it compresses the page again (see window.h).
 */
#define _GNU_SOURCE
#include "pages.h"
#include "window.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t seed = 1, page_count = 16384, mutators = 1, writers = 1, batch = 16, rounds = 4, duration_s;
static uint64_t window_us;
static const char *device = "/dev/zram0";
static bool want_make_it_fail, keep_going, windowed;

static unsigned char *hot_pages; /* one batch for each writer */
static _Atomic uint32_t *hot_versions; /* of each hot page, with --window-us: it has more than one writer then, in turn */
static atomic_uint_least64_t now_written[MAX_THREADS]; /* hot page that each writer writes in a window; above it a count */
static _Atomic uint32_t *versions; /* of each control page on the device; 0: never written */
static atomic_uint_least64_t mutated, written, verified, corrupt, hot_reads, hot_read_errors;

static int open_device(void)
{
	int fd = open(device, O_RDWR | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		die(EXIT_SETUP, "cannot open %s: %s", device, strerror(errno));
	return fd;
}

/*
 * Levels of page contents go in waves: all pages have one of three neighbouring levels, and which ones changes
 * as the device is rewritten. So size classes fill while others empty, and zsmalloc needs new zspages all the
 * time: only those meet a lack of memory.
 */
enum { WAVE_LEVELS = 3 };
static uint32_t wave(void)
{
	return (uint32_t)(atomic_load(&written) / (page_count / 2) % (UNITS - WAVE_LEVELS + 1));
}

/* The next version of a hot page: a step longer; or, from above or below the wave, at its start again. */
static uint32_t mutate_page(uint64_t number, uint32_t version)
{
	uint32_t lowest = wave(), level = version % LEVELS;

	if (level >= lowest && level + 1 < lowest + WAVE_LEVELS) {
		page_step(hot_pages + number * PAGE, number, ++version);
	} else {
		version += LEVELS - level + lowest;
		page_fill(hot_pages + number * PAGE, number, version);
	}
	count(&mutated, 1);
	return version;
}

/* Each makes a page longer once for each time it is written, by one unit up to all that are left. One CPU, so no locks. */
static void mutate_in_windows(uint64_t index)
{
	uint64_t state = mix64(seed ^ (index + 1) << 8), seen = 0;

	pin_in_window(index % writers);
	while (!atomic_load(&stopping)) {
		uint64_t now = atomic_load_explicit(&now_written[index % writers], memory_order_relaxed);
		uint64_t number = (uint32_t)now;
		uint32_t version = atomic_load(&hot_versions[number]), left = LEVELS - 1 - version % LEVELS;

		if (now != seen && left) {
			for (uint64_t steps = 1 + next_random(&state) % left; steps; steps--)
				page_step(hot_pages + number * PAGE, number, ++version);
			atomic_store(&hot_versions[number], version);
			count(&mutated, 1);
		}
		seen = now;
		sched_yield();
	}
}

/* A mutator owns a share of the hot pages, of all writers; it never waits. */
static void *mutator(void *argument)
{
	uint64_t index = (uintptr_t)argument, pages = writers * batch;
	uint32_t *version = map_pages(pages * sizeof(*version) / PAGE + 1);

	if (windowed)
		mutate_in_windows(index);
	pin_mutating(index, writers);
	while (!atomic_load(&stopping))
		for (uint64_t i = index; i < pages; i += mutators)
			version[i] = mutate_page(i, version[i]);
	return NULL;
}

static void transfer_pages(int fd, void *buffer, uint64_t first, uint64_t how_many, bool writing)
{
	size_t size = how_many * PAGE;
	off_t at = (off_t)(first * PAGE);
	uint64_t block = first / batch;
	ssize_t length = writing ? pwrite(fd, buffer, size, at) : pread(fd, buffer, size, at);

	if (length == (ssize_t)size)
		return;
	if (writing) /* the device is full, or there is no memory left: not what we test */
		die(EXIT_SETUP, "writing a block to %s: %s", device, length < 0 ? strerror(errno) : "short");
	if (!(block & 1)) { /* hot */
		count(&hot_read_errors, 1);
		return;
	}
	report_unreadable(first, length < 0 ? strerror(errno) : "short read");
	count(&corrupt, 1);
	if (!keep_going)
		_exit(EXIT_CORRUPTION);
	memset(buffer, 0, size);
}

static void transfer(int fd, void *buffer, uint64_t block, bool writing)
{
	transfer_pages(fd, buffer, block * batch, batch, writing);
}

/* A hot block, page by page, each raced for in a window. */
static void write_in_windows(int fd, uint64_t index, uint64_t block, uint64_t *told)
{
	window_open();
	for (uint64_t i = 0; i < batch; i++) {
		uint64_t number = index * batch + i;
		unsigned char *page = hot_pages + number * PAGE;
		uint32_t version = atomic_load(&hot_versions[number]);

		version += LEVELS - version % LEVELS + wave();
		page_fill(page, number, version);
		atomic_store(&hot_versions[number], version);
		atomic_store_explicit(&now_written[index], ++*told << 32 | number, memory_order_relaxed);
		transfer_pages(fd, page, block * batch + i, 1, true);
	}
	window_close();
	count(&written, batch);
}

static void write_control(int fd, unsigned char *buffer, uint64_t block, uint64_t random)
{
	for (uint64_t i = 0; i < batch; i++) {
		uint64_t number = block * batch + i;
		uint32_t round = 1 + (uint32_t)(random + i) % (1U << 28); /* versions above 0 */
		uint32_t version = round * LEVELS + wave() + (uint32_t)(i % WAVE_LEVELS);

		page_fill(buffer + i * PAGE, number, version);
		atomic_store(&versions[number], version);
	}
	transfer(fd, buffer, block, true);
}

static void verify_control(int fd, unsigned char *buffer, uint64_t block)
{
	if (!atomic_load(&versions[block * batch]))
		return;
	transfer(fd, buffer, block, false);
	for (uint64_t i = 0; i < batch; i++) {
		uint64_t number = block * batch + i;

		count(&verified, 1);
		if (page_check(buffer + i * PAGE, number, atomic_load(&versions[number])))
			continue;
		count(&corrupt, 1);
		if (!keep_going)
			_exit(EXIT_CORRUPTION);
	}
}

/*
 * A writer owns every writers-th pair of blocks, hot and control, so no other thread reads or writes them.
 * Several hot blocks to a control block: hot ones are what races.
 */
static void *writer(void *argument)
{
	uint64_t index = (uintptr_t)argument, state = mix64(seed ^ (index + 1) << 24);
	uint64_t pairs = page_count / batch / 2 / writers, told = 0;
	unsigned char *stable = map_pages(batch), *hot = hot_pages + index * batch * PAGE;
	int fd = open_device();

	make_it_fail(want_make_it_fail);
	pin_evicting(index);
	while (!atomic_load(&stopping)) {
		uint64_t random = next_random(&state);

		for (uint64_t i = 0; i < rounds; i++)
			transfer(fd, hot, (next_random(&state) % pairs * writers + index) * 2, true);
		count(&written, (rounds + 1) * batch);
		if (windowed)
			write_in_windows(fd, index, (next_random(&state) % pairs * writers + index) * 2, &told);
		random = (random % pairs * writers + index) * 2;
		verify_control(fd, stable, random + 1);
		write_control(fd, stable, random + 1, next_random(&state));
		transfer(fd, stable, random, false);
		count(&hot_reads, 1);
	}
	return NULL;
}

static void set_up(void)
{
	if (too_many_threads(mutators, writers, 0) || page_count / 2 / writers < batch || page_count > UINT32_MAX)
		die(EXIT_BAD_ARGS, "at most %d threads, and at least two batches of pages a writer", MAX_THREADS);
	windowed = window_setup(window_us);
	pages_setup(seed);
	hot_versions = map_pages(writers * batch * sizeof(*hot_versions) / PAGE + 1);
	hot_pages = map_pages(writers * batch);
	for (uint64_t i = 0; i < writers * batch; i++)
		page_fill(hot_pages + i * PAGE, i, 0);
	versions = map_pages(page_count * sizeof(*versions) / PAGE + 1);
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		die(EXIT_SETUP, "cannot lock memory: %s", strerror(errno));
}

static void report(void)
{
	emit("{\"ev\":\"progress\",\"mutated\":%llu,\"written\":%llu,\"verified\":%llu,\"corrupt\":%llu,"
	     "\"hot_reads\":%llu,\"hot_read_errors\":%llu}",
	     (unsigned long long)atomic_load(&mutated), (unsigned long long)atomic_load(&written),
	     (unsigned long long)atomic_load(&verified), (unsigned long long)atomic_load(&corrupt),
	     (unsigned long long)atomic_load(&hot_reads), (unsigned long long)atomic_load(&hot_read_errors));
}

static void verify_all(void)
{
	unsigned char *buffer = map_pages(batch);
	int fd = open_device();

	window_end();
	for (uint64_t block = 1; block < page_count / batch; block += 2)
		verify_control(fd, buffer, block);
}

static const struct arg args[] = {
	{ "seed", ARG_U64, &seed, 0 },
	{ "pages", ARG_U64, &page_count, 2 },
	{ "mutators", ARG_U64, &mutators, 0 },
	{ "writers", ARG_U64, &writers, 1 },
	{ "batch", ARG_U64, &batch, 1 },
	{ "rounds", ARG_U64, &rounds, 1 },
	{ "window-us", ARG_U64, &window_us, 0 },
	{ "duration", ARG_U64, &duration_s, 0 },
	{ "device", ARG_TEXT, &device, 0 },
	{ "make-it-fail", ARG_FLAG, &want_make_it_fail, 0 },
	{ "keep-going", ARG_FLAG, &keep_going, 0 },
};

static const struct role roles[] = { { mutator, &mutators }, { writer, &writers }, { NULL, NULL } };

int main(int argc, char **argv)
{
	const struct workload directmutate = {
		.args = args,
		.arg_count = sizeof(args) / sizeof(args[0]),
		.set_up = set_up,
		.roles = roles,
		.duration_s = &duration_s,
		.report = report,
		.verify = verify_all,
		.corrupt = &corrupt,
	};

	return run_workload(argc, argv, &directmutate);
}
