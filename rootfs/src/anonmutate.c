// SPDX-License-Identifier: GPL-2.0-only
/*
 * anonmutate: change anonymous pages while they are being swapped out to zram.
 *
 * Mutators step pages from one version to the next (see common.h), which mostly makes them longer when
 * compressed; evictors force the same pages out. zram's slow path compresses a page twice; if a mutator got
 * in between, the second result is longer than the object allocated for the first. From Linux 6.3 (commit
 * 3222d8c2a7f8 removed swap's rw_page) a page under writeback is unlocked, so that can happen, unless stable
 * writes make do_swap_page() copy it first.
 *
 * A page is mutated or verified under its own lock, and its lock holder alone knows its version, so
 * verification is exact at any moment. Eviction takes no locks: that is the race under test.
 */
#define _GNU_SOURCE
#include "pages.h"
#include "workload.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21 /* Linux 5.4, commit 1a4e58cce84e */
#endif

struct slot {
	_Atomic uint32_t version;
	atomic_bool locked, lost;
};

static uint64_t seed = 1, page_count = 8192, mutators = 1, evictors = 1, verifiers = 1, batch = 16, bulk = 128;
static uint64_t rounds = 4, steps = 2, focus = 98, race_percent = 40, duration_s;
static uint64_t evictor_threads; /* none where the memory controller does the evicting */
static const char *evict_by = "auto";
static bool want_make_it_fail, keep_going, no_waves, by_memcg;

static unsigned char *pages;
static struct slot *slots;
static atomic_uint_least64_t hot[MAX_THREADS]; /* first page of each evictor's present batch */
static atomic_uint_least64_t mutated, evicted, verified, corrupt;

static void *page_at(uint64_t number)
{
	return pages + number * PAGE;
}

static bool lock_page(uint64_t number)
{
	return !atomic_exchange_explicit(&slots[number].locked, true, memory_order_acquire);
}

static void unlock_page(uint64_t number)
{
	atomic_store_explicit(&slots[number].locked, false, memory_order_release);
}

/* A corrupt page: end here, or (--keep-going) make it good again and give the kernel its chance to oops. */
static void on_corruption(uint64_t number)
{
	count(&corrupt, 1);
	if (!keep_going)
		_exit(EXIT_CORRUPTION);
	page_fill(page_at(number), number, atomic_load(&slots[number].version));
	atomic_store(&slots[number].lost, false);
}

/*
 * A page that cannot be swapped in (zram could not decompress it) raises SIGBUS. That is corruption as well:
 * say so, and put a zero page in its place, for its lock holder to make good.
 */
static void on_sigbus(int number, siginfo_t *info, void *context)
{
	uint64_t page = ((uintptr_t)info->si_addr - (uintptr_t)pages) / PAGE;

	(void)number;
	(void)context;
	if ((unsigned char *)info->si_addr < pages || page >= page_count)
		_exit(128 + SIGBUS);
	report_unreadable(page, "SIGBUS");
	if (!keep_going)
		_exit(EXIT_CORRUPTION);
	atomic_store(&slots[page].lost, true);
	madvise(page_at(page), PAGE, MADV_DONTNEED);
}

static void verify_page(uint64_t number)
{
	bool good = page_check(page_at(number), number, atomic_load(&slots[number].version));

	if (!good || atomic_load(&slots[number].lost))
		on_corruption(number);
	count(&verified, 1);
}

static void mutate_page(uint64_t number, uint64_t how_often)
{
	struct slot *slot = &slots[number];
	uint32_t version = atomic_load(&slot->version);

	for (uint64_t i = 0; i < how_often; i++)
		page_step(page_at(number), number, ++version);
	atomic_store(&slot->version, version);
	if (atomic_load(&slot->lost))
		on_corruption(number);
	count(&mutated, how_often);
}

/* Mostly the pages being evicted right now, one after the other; some from anywhere, so that all take part. */
static uint64_t pick_page(uint64_t random, uint64_t turn)
{
	if (by_memcg || random % 100 >= focus)
		return (random >> 32) % page_count;
	return (atomic_load_explicit(&hot[turn % evictors], memory_order_relaxed) + turn / evictors % batch) % page_count;
}

/*
 * Mutators sleep while no batch is being raced for. Every page unmapped by an evictor is flushed from the TLB
 * of each CPU that runs one of our threads; on a host with fewer free cores than the guest has CPUs, the
 * evictor then waits until the other vCPU is scheduled (measured under TCG: 360 instead of 3,200 pages/s).
 * So they race for a part of the *time*, and the rest brings the number of recompressions on any host.
 */
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate = PTHREAD_COND_INITIALIZER;
static atomic_uint racing; /* evictors that want company; changed under gate_lock */

static void open_gate(void)
{
	pthread_mutex_lock(&gate_lock);
	atomic_fetch_add(&racing, 1);
	pthread_cond_broadcast(&gate);
	pthread_mutex_unlock(&gate_lock);
}

static void close_gate(void)
{
	pthread_mutex_lock(&gate_lock);
	atomic_fetch_sub(&racing, 1);
	pthread_mutex_unlock(&gate_lock);
}

static void pass_gate(void)
{
	pthread_mutex_lock(&gate_lock);
	while (!atomic_load(&racing))
		pthread_cond_wait(&gate, &gate_lock);
	pthread_mutex_unlock(&gate_lock);
}

static void *mutator(void *argument)
{
	uint64_t index = (uintptr_t)argument, state = mix64(seed ^ (index + 1) << 8);

	if (by_memcg)
		make_it_fail(want_make_it_fail); /* a thread that faults does the reclaim, and so zram's allocations */
	pin_mutating(index, evictors);
	for (uint64_t turn = index * batch; !atomic_load(&stopping); turn++) {
		uint64_t random = next_random(&state), number = pick_page(random, turn);

		if (!atomic_load(&racing))
			pass_gate();
		if (!lock_page(number))
			continue;
		mutate_page(number, 1 + random / 128 % steps);
		unlock_page(number);
	}
	return NULL;
}

static void *verifier(void *argument)
{
	uint64_t state = mix64(seed ^ ((uintptr_t)argument + 1) << 16);

	if (by_memcg)
		make_it_fail(want_make_it_fail);
	while (!atomic_load(&stopping)) {
		uint64_t number = next_random(&state) % page_count;

		if (lock_page(number)) {
			verify_page(number);
			unlock_page(number);
		}
		sleep_ms(5); /* neither its swap-ins nor its share of the TLB flushes may slow the race down */
	}
	return NULL;
}

/*
 * Bring pages to the level of the present wave; pages not changed since they were last in zram
 * would just be dropped. In waves, because a size class that fills while others empty needs new zspages all the
 * time, and only those meet a failing page allocator. Never to the last level: PAGE_SIZE objects are not
 * compressed twice. --no-waves gives all levels at any time, so that larger classes have free objects: what the
 * search of the emergency-class remedy finds.
 */
static void dirty_pages(uint64_t first, uint64_t how_many)
{
	uint64_t wave = atomic_load(&evicted) / (page_count / 4 + 1) % UNITS;

	for (uint64_t number = first; number < first + how_many; number++)
		if (lock_page(number)) {
			uint32_t level = atomic_load(&slots[number].version) % LEVELS;

			verify_page(number); /* it is just back from zram, and writing to it would hide damage */
			if (no_waves)
				mutate_page(number, 1);
			else
				mutate_page(number, level == wave ? LEVELS : (wave + LEVELS - level) % LEVELS);
			unlock_page(number);
		}
}

/*
 * The evictor itself makes the pages dirty: were that left to the mutators, most calls would find nothing to
 * evict.
 */
static void evict_pages(uint64_t first, uint64_t how_many)
{
	dirty_pages(first, how_many);
	if (madvise(page_at(first), how_many * PAGE, MADV_PAGEOUT) && errno != EAGAIN)
		die(EXIT_SETUP, "MADV_PAGEOUT: %s", strerror(errno));
	count(&evicted, how_many);
}

/* Several times over, so that the mutators find the batch in time. */
static void race_for_batch(uint64_t index, uint64_t first)
{
	atomic_store(&hot[index], first);
	open_gate();
	for (uint64_t i = 0; i < rounds && !atomic_load(&stopping); i++)
		evict_pages(first, batch);
	close_gate();
}

static void *evictor(void *argument)
{
	uint64_t index = (uintptr_t)argument, state = mix64(seed ^ (index + 1) << 24);
	uint64_t began = now_us(), raced = 0;

	make_it_fail(want_make_it_fail);
	pin_evicting(index);
	while (!atomic_load(&stopping)) {
		uint64_t first = next_random(&state) % (page_count - bulk + 1), now = now_us();

		if (raced * 100 > (now - began) * race_percent) {
			evict_pages(first, bulk);
			continue;
		}
		race_for_batch(index, first);
		raced += now_us() - now;
	}
	return NULL;
}

/* Before Linux 5.4 the memory controller does the evicting: half of the pages fit. Mutators fault, and so reclaim. */
static void enter_memcg(void)
{
	bool v1 = !access("/sys/fs/cgroup/memory/cgroup.procs", W_OK);
	const char *group = v1 ? "/sys/fs/cgroup/memory/anonmutate" : "/sys/fs/cgroup/anonmutate";
	char path[128], limit[32];

	if (!v1)
		write_setting("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(group, 0755) && errno != EEXIST)
		die(EXIT_SETUP, "cannot make the cgroup %s: %s", group, strerror(errno));
	snprintf(path, sizeof(path), "%s/%s", group, v1 ? "memory.limit_in_bytes" : "memory.max");
	/* 4 MiB: our own code, stacks and page tables are charged as well */
	snprintf(limit, sizeof(limit), "%llu", (unsigned long long)(page_count / 2 * PAGE + (4 << 20)));
	write_setting(path, limit);
	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	write_setting(path, "0");
	by_memcg = true;
	open_gate(); /* for good: there are no evictors */
}

static void choose_eviction(void)
{
	if (!strcmp(evict_by, "memcg"))
		enter_memcg();
	else if (madvise(pages, batch * PAGE, MADV_PAGEOUT) && errno == EINVAL && !strcmp(evict_by, "auto"))
		enter_memcg();
	evictor_threads = by_memcg ? 0 : evictors;
	emit("{\"ev\":\"note\",\"text\":\"evicting by %s\"}", by_memcg ? "memory cgroup" : "MADV_PAGEOUT");
}

static void set_up(void)
{
	if (too_many_threads(mutators, evictors, verifiers) || batch > page_count || page_count > UINT32_MAX)
		die(EXIT_BAD_ARGS, "at most %d threads, and no more pages a batch than pages", MAX_THREADS);
	if (bulk < batch || bulk > page_count)
		bulk = batch;
	pages_setup(seed);
	slots = map_pages(page_count * sizeof(*slots) / PAGE + 1);
	mlock(slots, page_count * sizeof(*slots)); /* the locks are not what we want swapped; refused: no harm */
	pages = map_pages(page_count);
	choose_eviction();
	for (uint64_t i = 0; i < page_count; i++) {
		atomic_init(&slots[i].version, (uint32_t)(i % LEVELS));
		page_fill(page_at(i), i, (uint32_t)(i % LEVELS));
	}
}

static void report(void)
{
	emit("{\"ev\":\"progress\",\"mutated\":%llu,\"evicted\":%llu,\"verified\":%llu,\"corrupt\":%llu}",
	     (unsigned long long)atomic_load(&mutated), (unsigned long long)atomic_load(&evicted),
	     (unsigned long long)atomic_load(&verified), (unsigned long long)atomic_load(&corrupt));
}

/* No other thread is left, so no locks; every page, most of them out of zram. */
static void verify_all(void)
{
	for (uint64_t i = 0; i < page_count; i++)
		verify_page(i);
}

static const struct arg args[] = {
	{ "seed", ARG_U64, &seed, 0 },
	{ "pages", ARG_U64, &page_count, 1 },
	{ "mutators", ARG_U64, &mutators, 0 },
	{ "evictors", ARG_U64, &evictors, 1 },
	{ "verify-threads", ARG_U64, &verifiers, 0 },
	{ "batch", ARG_U64, &batch, 1 },
	{ "bulk", ARG_U64, &bulk, 1 },
	{ "rounds", ARG_U64, &rounds, 1 },
	{ "steps", ARG_U64, &steps, 1 },
	{ "race-percent", ARG_U64, &race_percent, 0 },
	{ "focus", ARG_U64, &focus, 0 },
	{ "duration", ARG_U64, &duration_s, 0 },
	{ "evict", ARG_TEXT, &evict_by, 0 },
	{ "make-it-fail", ARG_FLAG, &want_make_it_fail, 0 },
	{ "no-waves", ARG_FLAG, &no_waves, 0 },
	{ "keep-going", ARG_FLAG, &keep_going, 0 },
};

static const struct role roles[] = {
	{ mutator, &mutators }, { verifier, &verifiers }, { evictor, &evictor_threads }, { NULL, NULL }
};

int main(int argc, char **argv)
{
	const struct workload anonmutate = {
		.args = args,
		.arg_count = sizeof(args) / sizeof(args[0]),
		.set_up = set_up,
		.on_sigbus = on_sigbus,
		.roles = roles,
		.duration_s = &duration_s,
		.report = report,
		.wake = open_gate, /* mutators sleep at it */
		.verify = verify_all,
		.corrupt = &corrupt,
	};

	return run_workload(argc, argv, &anonmutate);
}
