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
 *
 * --shared: two threads fault and write on one page at once. A page has two parts then, with a lock and a version each
 * (see pages.h), and a mutator writes one of them. So each word still has one owner, who knows what it must be: a part
 * that shows an older version, or both, was lost or torn, and a page that shows another page's is foreign.
 */
#define _GNU_SOURCE
#include "evict.h"
#include "folios.h"
#include "pages.h"
#include "window.h"
#include "workload.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PARTS = 2 };
struct slot {
	struct {
		_Atomic uint32_t version;
		atomic_bool locked, lost;
	} part[PARTS];
};

static uint64_t seed = 1, page_count = 8192, mutators = 1, evictors = 1, verifiers = 1, batch = 16, bulk = 128;
static uint64_t rounds = 4, steps = 2, focus = 98, race_percent = 40, episode = 20, duration_s;
static uint64_t window_us, reclaimers, folio_kib = 64;
static uint64_t compactors;
static const char *evict_by = "auto", *thp = "never";
static bool want_make_it_fail, keep_going, no_waves, shared, compact, windowed;
static enum folios folios;

static unsigned char *pages;
static struct slot *slots;
static unsigned int parts = 1; /* of a page */
static atomic_uint_least64_t hot[MAX_THREADS]; /* first page that each evictor forces out now; in the upper half a count */
static atomic_uint_least64_t mutated, evicted, verified, corrupt, compactions;

static void *page_at(uint64_t number)
{
	return pages + number * PAGE;
}

static enum part part_of(unsigned int index)
{
	return shared ? (index ? PART_SECOND : PART_FIRST) : PART_WHOLE;
}

static bool lock_part(uint64_t number, unsigned int index)
{
	return !atomic_exchange_explicit(&slots[number].part[index].locked, true, memory_order_acquire);
}

static void unlock_part(uint64_t number, unsigned int index)
{
	atomic_store_explicit(&slots[number].part[index].locked, false, memory_order_release);
}

static uint32_t level_of(uint64_t number, unsigned int index)
{
	return atomic_load(&slots[number].part[index].version) % part_levels(part_of(index));
}

/* A corrupt page: end here, or (--keep-going) make it good again and give the kernel its chance to oops. */
static void on_corruption(uint64_t number, unsigned int index)
{
	count(&corrupt, 1);
	if (!keep_going)
		_exit(EXIT_CORRUPTION);
	part_fill(page_at(number), number, part_of(index), atomic_load(&slots[number].part[index].version));
	atomic_store(&slots[number].part[index].lost, false);
}

/*
 * A page that cannot be swapped in (zram could not decompress it) raises SIGBUS. That is corruption as well:
 * say so, and put a zero page in its place, for its lock holders to make good.
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
	for (unsigned int index = 0; index < parts; index++)
		atomic_store(&slots[page].part[index].lost, true);
	madvise(page_at(page), PAGE, MADV_DONTNEED);
}

static void verify_part(uint64_t number, unsigned int index)
{
	uint32_t version = atomic_load(&slots[number].part[index].version);
	bool good = part_check(page_at(number), number, part_of(index), version);

	if (!good || atomic_load(&slots[number].part[index].lost))
		on_corruption(number, index);
	count(&verified, 1);
}

static void mutate_part(uint64_t number, unsigned int index, uint64_t how_often)
{
	uint32_t version = atomic_load(&slots[number].part[index].version);

	for (uint64_t i = 0; i < how_often; i++)
		part_step(page_at(number), number, part_of(index), ++version);
	atomic_store(&slots[number].part[index].version, version);
	if (atomic_load(&slots[number].part[index].lost))
		on_corruption(number, index);
	count(&mutated, how_often);
}

/* Mostly the pages being evicted right now, one after the other; some from anywhere, so that all take part. */
static uint64_t pick_page(uint64_t random, uint64_t turn)
{
	uint64_t first = (uint32_t)atomic_load_explicit(&hot[turn % evictors], memory_order_relaxed);

	if (random % 100 >= focus)
		return (random >> 32) % page_count;
	if (evicts_by_memcg())
		return page_that_leaves(first, batch, turn);
	return (first + turn / evictors % batch) % page_count;
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

/* In a window an evictor forces out one page after the other, and tells which; a cgroup has its own order. */
static bool tells_each_page(void)
{
	return windowed && !evicts_by_memcg();
}

/* Each makes a page longer once for each time it is forced out, by one unit up to all that are left. See window.h. */
static void mutate_in_windows(uint64_t index)
{
	uint64_t state = mix64(seed ^ (index + 1) << 8), seen = 0;
	unsigned int part = index % parts;

	pin_in_window(index % evictors);
	while (!atomic_load(&stopping)) {
		uint64_t now = atomic_load_explicit(&hot[index % evictors], memory_order_relaxed), number = (uint32_t)now;
		bool leaves = now != seen;

		if (!atomic_load(&racing))
			pass_gate();
		if (!tells_each_page()) { /* what was written to is mapped, and seen no more */
			number = page_that_leaves(number, batch, 0);
			leaves = number != NONE_LEAVES;
		}
		if (leaves && lock_part(number, part)) {
			uint32_t left = part_levels(part_of(part)) - 1 - level_of(number, part);

			if (left)
				mutate_part(number, part, 1 + next_random(&state) % left);
			unlock_part(number, part);
			seen = now;
		}
		sched_yield();
	}
}

static void *mutator(void *argument)
{
	uint64_t index = (uintptr_t)argument, state = mix64(seed ^ (index + 1) << 8);
	unsigned int part = index % parts;

	if (windowed)
		mutate_in_windows(index);
	pin_mutating(index, evictors);
	/* with two parts to a page, its two writers take the same pages in the same order */
	for (uint64_t turn = shared ? 0 : index * batch; !atomic_load(&stopping); turn++) {
		uint64_t random = next_random(&state), number = pick_page(random, turn);

		if (!atomic_load(&racing))
			pass_gate();
		if (number == NONE_LEAVES || !lock_part(number, part))
			continue;
		mutate_part(number, part, 1 + random / 128 % steps);
		unlock_part(number, part);
	}
	return NULL;
}

static void *verifier(void *argument)
{
	uint64_t state = mix64(seed ^ ((uintptr_t)argument + 1) << 16);

	while (!atomic_load(&stopping)) {
		uint64_t number = next_random(&state) % page_count;

		for (unsigned int part = 0; part < parts; part++)
			if (lock_part(number, part)) {
				verify_part(number, part);
				unlock_part(number, part);
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
static void dirty_part(uint64_t number, unsigned int index)
{
	uint64_t wave = atomic_load(&evicted) / (page_count / 4 + 1) % UNITS, levels = part_levels(part_of(index));
	uint64_t want = shared ? (wave + 1 - index) / 2 : wave, level = level_of(number, index);

	verify_part(number, index); /* it is just back from zram, and writing to it would hide damage */
	if (no_waves)
		mutate_part(number, index, 1);
	else
		mutate_part(number, index, level == want ? levels : (want + levels - level) % levels);
}

static void dirty_pages(uint64_t first, uint64_t how_many)
{
	for (uint64_t number = first; number < first + how_many; number++)
		for (unsigned int part = 0; part < parts; part++)
			if (lock_part(number, part)) {
				dirty_part(number, part);
				unlock_part(number, part);
			}
}

/*
 * The evictor itself makes the pages dirty: were that left to the mutators, most calls would find nothing to
 * evict.
 */
static void evict_pages(uint64_t first, uint64_t how_many)
{
	dirty_pages(first, how_many);
	force_out(first, how_many);
	count(&evicted, how_many);
}

/* One after the other, each told to the mutators. */
static void evict_page_by_page(uint64_t index, uint64_t first, uint64_t how_many, uint64_t *told)
{
	dirty_pages(first, how_many);
	for (uint64_t number = first; number < first + how_many; number++) {
		atomic_store_explicit(&hot[index], ++*told << 32 | number, memory_order_relaxed);
		force_out(number, 1);
	}
	count(&evicted, how_many);
}

static uint64_t some_pages(uint64_t *state, uint64_t how_many)
{
	uint64_t first = next_random(state) % (page_count - how_many + 1);

	return folios == FOLIOS_NEVER ? first : first - first % how_many; /* whole folios */
}

/* Batch after batch, each several times over, so that the mutators find it in time. */
static void race(uint64_t index, uint64_t *state, uint64_t *told, uint64_t until)
{
	open_gate();
	window_open();
	while (!atomic_load(&stopping) && now_us() < until) {
		uint64_t first = some_pages(state, batch);

		if (!tells_each_page())
			atomic_store(&hot[index], first);
		for (uint64_t i = 0; i < rounds && !atomic_load(&stopping); i++)
			if (tells_each_page())
				evict_page_by_page(index, first, batch, told);
			else
				evict_pages(first, batch);
	}
	window_close();
	close_gate();
}

static void *evictor(void *argument)
{
	uint64_t index = (uintptr_t)argument, state = mix64(seed ^ (index + 1) << 24);
	uint64_t began = now_us(), raced = 0, told = 0;

	make_it_fail(want_make_it_fail);
	pin_evicting(index);
	while (!atomic_load(&stopping)) {
		uint64_t now = now_us();

		if (raced * 100 > (now - began) * race_percent) {
			evict_pages(some_pages(&state, bulk), bulk);
			continue;
		}
		race(index, &state, &told, now + episode * 1000);
		raced += now_us() - now;
	}
	return NULL;
}

/* A second task that reclaims what an evictor does: it finds the folios locked, isolated, under writeback. */
static void *reclaimer(void *argument)
{
	uint64_t index = (uintptr_t)argument;

	make_it_fail(want_make_it_fail);
	pin_mutating(index, evictors);
	while (!atomic_load(&stopping)) {
		uint64_t first = (uint32_t)atomic_load_explicit(&hot[index % evictors], memory_order_relaxed);

		if (!atomic_load(&racing))
			pass_gate();
		force_out(first, first + batch < page_count ? batch : page_count - first);
		sleep_ms(1);
	}
	return NULL;
}

/* Pages and objects move while they are written and read: memory's compaction, and zsmalloc's own. */
static void *compactor(void *argument)
{
	while (!atomic_load(&stopping)) {
		write_setting("/proc/sys/vm/compact_memory", "1");
		write_setting("/sys/block/zram0/compact", "1");
		count(&compactions, 1);
		sleep_ms(20);
	}
	return argument;
}

static void set_up_folios(void)
{
	folios = !strcmp(thp, "always") ? FOLIOS_ALWAYS : !strcmp(thp, "madvise") ? FOLIOS_MADVISE : FOLIOS_NEVER;
	folios_setup(folios, folio_kib);
}

static void set_up(void)
{
	if (too_many_threads(mutators, evictors, verifiers) || reclaimers > MAX_THREADS - mutators - evictors - verifiers ||
	    batch > page_count || page_count > UINT32_MAX)
		die(EXIT_BAD_ARGS, "at most %d threads, and no more pages a batch than pages", MAX_THREADS);
	if (bulk < batch || bulk > page_count)
		bulk = batch;
	windowed = window_setup(window_us);
	parts = shared ? PARTS : 1;
	compactors = compact;
	pages_setup(seed);
	set_up_folios();
	slots = map_pages(page_count * sizeof(*slots) / PAGE + 1);
	mlock(slots, page_count * sizeof(*slots)); /* the locks are not what we want swapped; refused: no harm */
	pages = map_folios(page_count, folios);
	evict_setup(evict_by, pages, page_count);
	for (uint64_t i = 0; i < page_count; i++)
		for (unsigned int part = 0; part < parts; part++) {
			uint32_t version = (uint32_t)(i % part_levels(part_of(part)));

			atomic_init(&slots[i].part[part].version, version);
			part_fill(page_at(i), i, part_of(part), version);
		}
	if (evicts_by_memcg())
		force_out_all(); /* now: no mutator runs yet, whose TLB each page would have to be flushed from */
}

static void report(void)
{
	emit("{\"ev\":\"progress\",\"mutated\":%llu,\"evicted\":%llu,\"verified\":%llu,\"corrupt\":%llu,"
	     "\"compactions\":%llu,\"large_swapped_out\":%llu}",
	     (unsigned long long)atomic_load(&mutated), (unsigned long long)atomic_load(&evicted),
	     (unsigned long long)atomic_load(&verified), (unsigned long long)atomic_load(&corrupt),
	     (unsigned long long)atomic_load(&compactions),
	     (unsigned long long)(folios == FOLIOS_NEVER ? 0 : folios_swapped_out()));
}

/* No other thread is left, so no locks; every page, most of them out of zram. */
static void verify_all(void)
{
	window_end();
	for (uint64_t i = 0; i < page_count; i++)
		for (unsigned int part = 0; part < parts; part++)
			verify_part(i, part);
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
	{ "episode", ARG_U64, &episode, 1 },
	{ "window-us", ARG_U64, &window_us, 0 },
	{ "focus", ARG_U64, &focus, 0 },
	{ "duration", ARG_U64, &duration_s, 0 },
	{ "evict", ARG_TEXT, &evict_by, 0 },
	{ "shared", ARG_FLAG, &shared, 0 },
	{ "reclaimers", ARG_U64, &reclaimers, 0 },
	{ "compact", ARG_FLAG, &compact, 0 },
	{ "thp", ARG_TEXT, &thp, 0 },
	{ "folio-kib", ARG_U64, &folio_kib, 0 },
	{ "make-it-fail", ARG_FLAG, &want_make_it_fail, 0 },
	{ "no-waves", ARG_FLAG, &no_waves, 0 },
	{ "keep-going", ARG_FLAG, &keep_going, 0 },
};

static const struct role roles[] = {
	{ mutator, &mutators },	    { verifier, &verifiers },	{ evictor, &evictors },
	{ reclaimer, &reclaimers }, { compactor, &compactors }, { NULL, NULL }
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
		.wake = open_gate, /* mutators and reclaimers sleep at it */
		.verify = verify_all,
		.corrupt = &corrupt,
	};

	return run_workload(argc, argv, &anonmutate);
}
