// SPDX-License-Identifier: GPL-2.0-only
/*
 * fsmutate: change what a file system on zram is writing out, as any user may.
 *
 *   odirect   O_DIRECT writes to a file, from a buffer that another thread keeps changing
 *   mmap      pages of a shared mapping are changed while another thread has them written back
 *   buffered  the same by write()
 *   gup       O_DIRECT *reads* into a shared mapping: the kernel itself changes pages that are being written back
 *   metadata  names and attributes come and go in many directories, while the file system is synced
 *   inplace   the same in a few directories, so that the same few blocks change all the time
 *
 * Stable pages protect the page cache in mmap and buffered, where the file system asks for them. They do not reach
 * the caller's own pages (odirect), nor metadata that a file system changes without waiting for its writeback.
 *
 * It runs as the user $KZRAM_UID. Beside the load, and in the same size classes, lie files that are checked byte by
 * byte: the user's own (odirect: kept blocks; mmap, buffered, gup: all of the file, read from the device at the end)
 * and those of another user, the next one. So damage without a crash is seen, and whose it is.
 */
#define _GNU_SOURCE
#include "fsfiles.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t seed = 1, page_count = 4096, workers = 1, mutators = 2, others = 1, batch = 16, rounds = 4, names = 40;
static uint64_t duration_s;
static const char *mode = "odirect", *dir = "/mnt";
static bool io_uring, want_make_it_fail, keep_going;

static uint64_t uid;
static unsigned char *hot_pages, *shared;
static int shared_fd;
static _Atomic uint32_t *versions, *origins; /* of each page of the shared file; gup: the page of `source` it holds */

/* How many threads of each kind: by mode. */
static uint64_t direct_writers, mutating, mapping, writing, reading, range_syncers, making, replacing, fs_syncers;

/*
 * Levels of page contents go in waves, as in directmutate: size classes fill while others empty, and zsmalloc needs
 * new zspages all the time: only those meet a lack of memory.
 */
enum { WAVE_LEVELS = 3 };
static uint32_t wave(void)
{
	return (uint32_t)(atomic_load(&tally.written) / (page_count / 2) % (UNITS - WAVE_LEVELS + 1));
}

/* The version that follows: one level longer, or, from outside of the wave, at its start again. */
static uint32_t next_version(uint32_t version)
{
	uint32_t lowest = wave(), level = version % LEVELS;

	if (level >= lowest && level + 1 < lowest + WAVE_LEVELS)
		return version + 1;
	return version + LEVELS - level + lowest;
}

static uint32_t change_page(void *page, uint64_t number, uint32_t version)
{
	uint32_t next = next_version(version);

	if (next == version + 1)
		page_step(page, number, next);
	else
		page_fill(page, number, next);
	count(&tally.mutated, 1);
	return next;
}

/* ---- odirect ---- */

static void *mutator(void *argument)
{
	uint64_t index = (uintptr_t)argument, pages = workers * batch;
	uint32_t *version = map_pages(pages * sizeof(*version) / PAGE + 1);

	become(uid);
	pin_mutating(index, workers);
	while (!atomic_load(&stopping))
		for (uint64_t i = index; i < pages; i += mutators)
			version[i] = change_page(hot_pages + i * PAGE, i, version[i]);
	return NULL;
}

/* Versions of a block's pages: within the wave, so that what is kept lies in the classes of what is raced for. */
static uint32_t kept_version(uint64_t random, uint64_t i)
{
	return (1 + (uint32_t)(random + i) % (1U << 28)) * LEVELS + wave() + (uint32_t)(i % WAVE_LEVELS);
}

static void *direct_writer(void *argument)
{
	uint64_t index = (uintptr_t)argument, state = mix64(seed ^ (index + 1) << 24), blocks = page_count / batch;
	unsigned char *hot = hot_pages + index * batch * PAGE, *scratch = map_pages(batch);
	struct kept kept = { .batch = batch, .keep_going = keep_going };
	int fd;

	make_it_fail(want_make_it_fail);
	become(uid);
	pin_evicting(index);
	fd = make_file(dir, uid, "hot", index, page_count, O_DIRECT, false);
	open_kept(&kept, dir, uid, "kept", index, page_count / 4);
	while (!atomic_load(&stopping)) {
		uint64_t random = next_random(&state);

		for (uint64_t i = 0; i < rounds; i++)
			write_block(fd, hot, batch * PAGE, next_random(&state) % blocks * batch * PAGE, io_uring);
		count(&tally.written, rounds * batch);
		verify_kept(&kept, random);
		write_kept(&kept, random, kept_version(random, 0), WAVE_LEVELS);
		if (pread(fd, scratch, batch * PAGE, (off_t)(random % blocks * batch * PAGE)) < 0)
			count(&tally.hot_read_errors, 1); /* racing blocks: what they hold is undefined */
	}
	verify_all_kept(&kept);
	return NULL;
}

/* ---- the page cache ---- */

static void *map_writer(void *argument)
{
	uint64_t index = (uintptr_t)argument, state = mix64(seed ^ (index + 1) << 16), pages = page_count / workers;

	become(uid);
	pin_mutating(index, 1);
	while (!atomic_load(&stopping)) {
		uint64_t n = next_random(&state) % pages * workers + index;

		atomic_store(&versions[n], change_page(shared + n * PAGE, n, atomic_load(&versions[n])));
		count(&tally.written, 1);
	}
	return NULL;
}

static void *buffered_writer(void *argument)
{
	uint64_t index = (uintptr_t)argument, state = mix64(seed ^ (index + 1) << 16), pages = page_count / workers;
	unsigned char *page = map_pages(1);

	become(uid);
	pin_mutating(index, 1);
	while (!atomic_load(&stopping)) {
		uint64_t n = next_random(&state) % pages * workers + index;
		uint32_t next = next_version(atomic_load(&versions[n]));

		page_fill(page, n, next);
		if (pwrite(shared_fd, page, PAGE, (off_t)(n * PAGE)) != PAGE)
			failed("writing a page");
		else
			atomic_store(&versions[n], next);
		count(&tally.mutated, 1);
		count(&tally.written, 1);
	}
	return NULL;
}

/* The data comes by the kernel's own hand, into pages that it pinned: no fault that could wait for writeback. */
static void *gup_reader(void *argument)
{
	uint64_t index = (uintptr_t)argument, state = mix64(seed ^ (index + 1) << 16), pages = page_count / workers;
	uint64_t chunk = pages < 256 ? pages / 2 + 1 : 256;
	int fd;

	become(uid);
	pin_mutating(index, 1);
	fd = open_file(dir, uid, "source", 0, O_RDONLY | O_DIRECT);
	while (!atomic_load(&stopping)) {
		uint64_t from = next_random(&state) % (page_count - chunk + 1);
		uint64_t to = index * pages + next_random(&state) % (pages - chunk + 1);

		if (pread(fd, shared + to * PAGE, chunk * PAGE, (off_t)(from * PAGE)) != (ssize_t)(chunk * PAGE)) {
			failed("reading into the mapping");
			continue;
		}
		for (uint64_t i = 0; i < chunk; i++)
			atomic_store(&origins[to + i], (uint32_t)(from + i));
		count(&tally.mutated, chunk);
		count(&tally.written, chunk);
	}
	return NULL;
}

static void *range_syncer(void *argument)
{
	(void)argument;
	make_it_fail(want_make_it_fail);
	become(uid);
	pin_evicting(0);
	while (!atomic_load(&stopping)) {
		if (sync_file_range(shared_fd, 0, 0, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER))
			failed("sync_file_range");
		count(&tally.synced, 1);
	}
	return NULL;
}

/* ---- metadata ---- */

/* Names fill `names` at a time a directory, of 64 in turn, and are checked as they are removed again. */
static void *name_maker(void *argument)
{
	uint64_t index = (uintptr_t)argument, state = mix64(seed ^ (index + 1) << 16);
	uint64_t *made = map_pages(names * sizeof(*made) / PAGE + 1);

	become(uid);
	pin_mutating(index, 1);
	for (uint64_t round = 0; !atomic_load(&stopping); round++) {
		uint64_t n = 0;
		int at = make_directory(dir, uid, index, round % 64);

		while (at >= 0 && n < names && !atomic_load(&stopping)) {
			made[n] = next_random(&state);
			n += make_name(at, made[n], next_random(&state) % NAME_KINDS);
			count(&tally.written, 1);
		}
		while (n--)
			remove_name(at, made[n], keep_going);
		remove_directory(dir, uid, index, round % 64, at);
	}
	return NULL;
}

/* Links and attributes come in a few directories until their block is full of names, and go again. */
static void *name_replacer(void *argument)
{
	enum { DIRECTORIES = 32, FULL = 14 };
	uint64_t index = (uintptr_t)argument, state = mix64(seed ^ (index + 1) << 16), made[DIRECTORIES][FULL];
	unsigned int used[DIRECTORIES] = { 0 };
	int at[DIRECTORIES];

	become(uid);
	pin_mutating(index, 1);
	for (unsigned int i = 0; i < DIRECTORIES; i++)
		at[i] = make_directory(dir, uid, index, i);
	while (!atomic_load(&stopping)) {
		unsigned int i = (unsigned int)(next_random(&state) % DIRECTORIES);

		count(&tally.written, 1);
		if (at[i] >= 0 && used[i] < FULL) {
			made[i][used[i]] = next_random(&state);
			used[i] += make_name(at[i], made[i][used[i]], NAME_LINK);
			set_attribute(at[i], next_random(&state));
			continue;
		}
		while (used[i])
			remove_name(at[i], made[i][--used[i]], keep_going);
		remove_directory(dir, uid, index, i, at[i]); /* so that the old names do not stay in its block */
		at[i] = make_directory(dir, uid, index, i);
	}
	return NULL;
}

static void *fs_syncer(void *argument)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)argument;
	make_it_fail(want_make_it_fail);
	become(uid);
	pin_evicting(0);
	while (!atomic_load(&stopping)) {
		if (syncfs(fd))
			failed("syncfs");
		count(&tally.synced, 1);
	}
	return NULL;
}

/* ---- another user's files, whatever the mode ---- */

static void *other_user(void *argument)
{
	uint64_t index = (uintptr_t)argument, state = mix64(seed ^ (index + 1) << 32);
	struct kept kept = { .batch = batch, .other = true, .keep_going = keep_going };

	become(uid + 1);
	pin_evicting(index);
	open_kept(&kept, dir, uid + 1, "other", index, page_count / 4);
	while (!atomic_load(&stopping)) {
		uint64_t random = next_random(&state);

		verify_kept(&kept, random);
		write_kept(&kept, random, kept_version(random, 0), WAVE_LEVELS);
		if (fdatasync(kept.fd))
			failed("fdatasync");
		sleep_ms(2); /* it lies beside the load, it is none */
	}
	verify_all_kept(&kept);
	return NULL;
}

/* ---- the frame ---- */

static void set_up_shared(bool gup)
{
	versions = map_pages(page_count * sizeof(*versions) / PAGE + 1);
	origins = gup ? map_pages(page_count * sizeof(*origins) / PAGE + 1) : NULL;
	if (gup)
		close(make_file(dir, uid, "source", 0, page_count, 0, true));
	shared_fd = make_file(dir, uid, "shared", 0, page_count, 0, gup);
	shared = mmap(NULL, page_count * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, shared_fd, 0);
	if (shared == MAP_FAILED)
		die(EXIT_SETUP, "cannot map a file: %s", strerror(errno));
	for (uint64_t i = 0; gup && i < page_count; i++)
		atomic_store(&origins[i], (uint32_t)i);
}

static void set_up_mode(void)
{
	range_syncers = 1;
	if (!strcmp(mode, "mmap"))
		mapping = workers;
	else if (!strcmp(mode, "buffered"))
		writing = workers;
	else if (!strcmp(mode, "gup"))
		reading = workers;
	else
		range_syncers = 0;
	if (range_syncers) {
		act_as(uid);
		set_up_shared(reading > 0);
		act_as_root();
	} else if (!strcmp(mode, "metadata")) {
		making = workers;
		fs_syncers = 1;
	} else if (!strcmp(mode, "inplace")) {
		replacing = workers;
		fs_syncers = 1;
	} else if (!strcmp(mode, "odirect")) {
		direct_writers = workers;
		mutating = mutators;
		hot_pages = map_pages(workers * batch);
		for (uint64_t i = 0; i < workers * batch; i++)
			page_fill(hot_pages + i * PAGE, i, 0);
	} else {
		die(EXIT_BAD_ARGS, "unknown mode %s", mode);
	}
}

static void set_up(void)
{
	const char *user = getenv("KZRAM_UID");

	/* one thread more of each worker's mode: the one that syncs */
	if (too_many_threads(mutators, workers, others) || mutators + workers + others >= MAX_THREADS)
		die(EXIT_BAD_ARGS, "at most %d threads, with the one that syncs", MAX_THREADS);
	if (page_count / 8 < batch || page_count / workers < 2 || page_count > 1U << 20 || names > 4096)
		die(EXIT_BAD_ARGS, "eight batches of pages, two pages a worker, at most %u pages and 4096 names", 1U << 20);
	if (!strcmp(mode, "odirect") ? io_uring && !io_uring_works() : io_uring)
		die(EXIT_SETUP, "no io_uring%s", strcmp(mode, "odirect") ? " in this mode" : " in this kernel");
	uid = user ? strtoull(user, NULL, 10) : 0;
	pages_setup(seed);
	make_homes(dir, uid);
	set_up_mode();
}

static void report(void)
{
	emit("{\"ev\":\"progress\",\"mutated\":%llu,\"written\":%llu,\"synced\":%llu,\"operations\":%llu,"
	     "\"verified\":%llu,\"corrupt\":%llu,\"other_corrupt\":%llu,\"hot_read_errors\":%llu,\"errors\":%llu}",
	     (unsigned long long)atomic_load(&tally.mutated), (unsigned long long)atomic_load(&tally.written),
	     (unsigned long long)atomic_load(&tally.synced), (unsigned long long)atomic_load(&tally.operations),
	     (unsigned long long)atomic_load(&tally.verified), (unsigned long long)atomic_load(&tally.corrupt),
	     (unsigned long long)atomic_load(&tally.other_corrupt),
	     (unsigned long long)atomic_load(&tally.hot_read_errors), (unsigned long long)atomic_load(&tally.errors));
}

/* The shared file as the device has it: written back, forgotten by the page cache, and read again. */
static void verify(void)
{
	unsigned char *page = map_pages(1);

	if (shared) {
		munmap(shared, page_count * PAGE);
		forget_pages(shared_fd);
	}
	for (uint64_t n = 0; shared && n < page_count; n++) {
		uint64_t number = origins ? atomic_load(&origins[n]) : n;

		check_page(shared_fd, page, n, number, origins ? made_version(number, true) : atomic_load(&versions[n]),
			   keep_going);
	}
}

static const struct arg args[] = {
	{ "seed", ARG_U64, &seed, 0 },
	{ "mode", ARG_TEXT, &mode, 0 },
	{ "dir", ARG_TEXT, &dir, 0 },
	{ "pages", ARG_U64, &page_count, 2 },
	{ "workers", ARG_U64, &workers, 1 },
	{ "mutators", ARG_U64, &mutators, 0 },
	{ "others", ARG_U64, &others, 0 },
	{ "batch", ARG_U64, &batch, 1 },
	{ "rounds", ARG_U64, &rounds, 1 },
	{ "names", ARG_U64, &names, 1 },
	{ "io-uring", ARG_FLAG, &io_uring, 0 },
	{ "duration", ARG_U64, &duration_s, 0 },
	{ "make-it-fail", ARG_FLAG, &want_make_it_fail, 0 },
	{ "keep-going", ARG_FLAG, &keep_going, 0 },
};

static const struct role roles[] = {
	{ direct_writer, &direct_writers }, { mutator, &mutating },
	{ map_writer, &mapping },	    { buffered_writer, &writing },
	{ gup_reader, &reading },	    { range_syncer, &range_syncers },
	{ name_maker, &making },	    { name_replacer, &replacing },
	{ fs_syncer, &fs_syncers },	    { other_user, &others },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	const struct workload fsmutate = {
		.args = args,
		.arg_count = sizeof(args) / sizeof(args[0]),
		.set_up = set_up,
		.roles = roles,
		.duration_s = &duration_s,
		.report = report,
		.verify = verify,
		.corrupt = &tally.corrupt,
	};

	return run_workload(argc, argv, &fsmutate);
}
