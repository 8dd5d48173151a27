// SPDX-License-Identifier: GPL-2.0-only
/*
 * pressure: more anonymous memory than there is RAM, written once and from then on only read. The control:
 * zram is in full use, and no page changes while it is being swapped out, so no kernel may complain.
 *
 * Every pass checks every byte of every page. As a pass is longer than memory, LRU order makes each pass swap
 * in nearly all of it, and out again: zram frees the slot at swap-in, so also unchanged pages are written anew.
 */
#define _GNU_SOURCE
#include "pages.h"
#include "workload.h"

#include <sys/sysinfo.h>
#include <unistd.h>

static uint64_t seed = 1, mib, percent = 150, thread_count = 2, passes;
static uint64_t page_count;
static unsigned char *pages;
static atomic_uint_least64_t filled, verified, passes_done, corrupt;
static bool keep_going;

static void on_sigbus(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	report_unreadable(((uintptr_t)info->si_addr - (uintptr_t)pages) / PAGE, "SIGBUS");
	_exit(EXIT_CORRUPTION);
}

/* Levels 0 to 4 of 8: compresses to a quarter on average, so that zram's own memory leaves room. */
static uint32_t version_of(uint64_t number)
{
	return (uint32_t)(mix64(seed + number) % 5);
}

static void verify(uint64_t number)
{
	if (!page_check(pages + number * PAGE, number, version_of(number))) {
		count(&corrupt, 1);
		if (!keep_going)
			_exit(EXIT_CORRUPTION);
		page_fill(pages + number * PAGE, number, version_of(number));
	}
	count(&verified, 1);
}

static void *worker(void *argument)
{
	uint64_t index = (uintptr_t)argument, number;

	for (number = index; number < page_count && !atomic_load(&stopping); number += thread_count) {
		page_fill(pages + number * PAGE, number, version_of(number));
		count(&filled, 1);
	}
	while (!atomic_load(&stopping)) {
		for (number = index; number < page_count && !atomic_load(&stopping); number += thread_count)
			verify(number);
		/* a pass counts when the last thread is through it; --passes is for runs by hand */
		if (!atomic_load(&stopping) && atomic_fetch_add(&passes_done, 1) + 1 == passes * thread_count)
			atomic_store(&stopping, true);
	}
	return NULL;
}

/* More than fits would only meet the OOM killer: leave a quarter of the swap free. */
static void choose_size(void)
{
	struct sysinfo info;
	uint64_t ram, swap;

	sysinfo(&info);
	ram = (uint64_t)info.totalram * info.mem_unit;
	swap = (uint64_t)info.freeswap * info.mem_unit;
	if (!swap)
		die(EXIT_SETUP, "no swap: %llu MiB of RAM is all there is", (unsigned long long)ram >> 20);
	page_count = (mib ? mib << 20 : ram * percent / 100) / PAGE;
	if (page_count * PAGE > ram / 2 + swap / 4 * 3)
		die(EXIT_SETUP, "%llu MiB do not fit in half of the RAM and 3/4 of the swap",
		    (unsigned long long)(page_count * PAGE) >> 20);
	if (page_count * PAGE < ram)
		emit("{\"ev\":\"note\",\"text\":\"less memory than RAM: this is no pressure\"}");
}

static void report(void)
{
	emit("{\"ev\":\"progress\",\"pages\":%llu,\"filled\":%llu,\"verified\":%llu,\"corrupt\":%llu}",
	     (unsigned long long)page_count, (unsigned long long)atomic_load(&filled),
	     (unsigned long long)atomic_load(&verified), (unsigned long long)atomic_load(&corrupt));
}

static void set_up(void)
{
	if (thread_count > MAX_THREADS)
		die(EXIT_BAD_ARGS, "at most %d threads", MAX_THREADS);
	pages_setup(seed);
	choose_size();
	pages = map_pages(page_count);
}

static const struct arg args[] = {
	{ "seed", ARG_U64, &seed, 0 },
	{ "mib", ARG_U64, &mib, 1 },
	{ "percent", ARG_U64, &percent, 1 }, /* of RAM, where --mib is not given */
	{ "threads", ARG_U64, &thread_count, 1 },
	{ "passes", ARG_U64, &passes, 0 },
	{ "keep-going", ARG_FLAG, &keep_going, 0 },
};

static const struct role roles[] = { { worker, &thread_count }, { NULL, NULL } };

int main(int argc, char **argv)
{
	const struct workload pressure = {
		.args = args,
		.arg_count = sizeof(args) / sizeof(args[0]),
		.set_up = set_up,
		.on_sigbus = on_sigbus,
		.roles = roles,
		.report = report,
		.corrupt = &corrupt,
	};

	return run_workload(argc, argv, &pressure);
}
