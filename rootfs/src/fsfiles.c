// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "fsfiles.h"

#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { PATH_SIZE = 512, FIRST_KEPT = 1 << 20 }; /* pages of kept files have numbers of their own */

struct tally tally;

void failed(const char *what)
{
	static atomic_flag told = ATOMIC_FLAG_INIT;
	int error = errno;

	count(&tally.errors, 1);
	if (!atomic_flag_test_and_set(&told))
		emit("{\"ev\":\"note\",\"text\":\"%s: %s\"}", what, strerror(error));
}

/* ---- users ---- */

static void set_ids(long gid, long uid, bool for_good)
{
	/* glibc would change all threads of the process; -1 leaves an id as it is */
	if (syscall(SYS_setresgid, for_good ? gid : -1L, gid, for_good ? gid : -1L) ||
	    syscall(SYS_setresuid, for_good ? uid : -1L, uid, for_good ? uid : -1L))
		die(EXIT_SETUP, "cannot become user %ld: %s", uid, strerror(errno));
}

void become(uint64_t uid)
{
	if (getuid() || !uid)
		return;
	if (syscall(SYS_setgroups, 0, NULL))
		die(EXIT_SETUP, "cannot leave groups: %s", strerror(errno));
	set_ids((long)uid, (long)uid, true);
}

void act_as(uint64_t uid)
{
	if (!getuid() && uid)
		set_ids((long)uid, (long)uid, false);
}

void act_as_root(void)
{
	if (!getuid() && (syscall(SYS_setresuid, -1L, 0L, -1L) || syscall(SYS_setresgid, -1L, 0L, -1L)))
		die(EXIT_SETUP, "cannot become root again: %s", strerror(errno));
}

static char *home(char *path, const char *dir, uint64_t uid)
{
	snprintf(path, PATH_SIZE, "%s/%llu", dir, (unsigned long long)uid);
	return path;
}

void make_homes(const char *dir, uint64_t uid)
{
	char path[PATH_SIZE];

	for (uint64_t user = uid; user <= uid + 1; user++) {
		if (mkdir(home(path, dir, user), 0700) && errno != EEXIST)
			die(EXIT_SETUP, "cannot make %s: %s", path, strerror(errno));
		if (!getuid() && chown(path, (uid_t)user, (gid_t)user))
			die(EXIT_SETUP, "cannot give %s away: %s", path, strerror(errno));
	}
}

/* ---- files ---- */

int open_file(const char *dir, uint64_t uid, const char *name, uint64_t index, int flags)
{
	char path[PATH_SIZE], full[PATH_SIZE + 64];
	int fd;

	snprintf(full, sizeof(full), "%s/%s.%llu", home(path, dir, uid), name, (unsigned long long)index);
	fd = open(full, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		die(EXIT_SETUP, "cannot open %s: %s", full, strerror(errno));
	return fd;
}

/* One SQE at a time on a ring of one entry: another way into the same write, the data still being the caller's page. */
static _Thread_local struct {
	int fd;
	unsigned int *sq_tail, *cq_head;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqes;
	unsigned int sq_mask, cq_mask, *sq_array;
} ring = { .fd = -1 };

static bool open_ring(void)
{
	struct io_uring_params p = { 0 };
	unsigned char *sq, *cq;

	ring.fd = (int)syscall(SYS_io_uring_setup, 1, &p);
	if (ring.fd < 0)
		return false;
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * sizeof(unsigned int), PROT_READ | PROT_WRITE, MAP_SHARED,
		  ring.fd, IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE, MAP_SHARED,
		  ring.fd, IORING_OFF_CQ_RING);
	ring.sqe = mmap(NULL, p.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd,
			IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || ring.sqe == MAP_FAILED)
		return false;
	ring.sq_tail = (unsigned int *)(void *)(sq + p.sq_off.tail);
	ring.sq_array = (unsigned int *)(void *)(sq + p.sq_off.array);
	ring.sq_mask = *(unsigned int *)(void *)(sq + p.sq_off.ring_mask);
	ring.cq_head = (unsigned int *)(void *)(cq + p.cq_off.head);
	ring.cq_mask = *(unsigned int *)(void *)(cq + p.cq_off.ring_mask);
	ring.cqes = (struct io_uring_cqe *)(void *)(cq + p.cq_off.cqes);
	return true;
}

bool io_uring_works(void)
{
	bool works = open_ring();

	if (ring.fd >= 0)
		close(ring.fd);
	ring.fd = -1;
	return works;
}

static ssize_t write_by_ring(int fd, const void *from, size_t size, uint64_t at)
{
	unsigned int tail, head;
	int result;

	if (ring.fd < 0 && !open_ring())
		return -1;
	tail = *ring.sq_tail;
	memset(ring.sqe, 0, sizeof(*ring.sqe));
	ring.sqe->opcode = IORING_OP_WRITE;
	ring.sqe->fd = fd;
	ring.sqe->addr = (uint64_t)(uintptr_t)from;
	ring.sqe->len = (uint32_t)size;
	ring.sqe->off = at;
	ring.sq_array[tail & ring.sq_mask] = 0;
	__atomic_store_n(ring.sq_tail, tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -1;
	head = *ring.cq_head;
	result = ring.cqes[head & ring.cq_mask].res;
	__atomic_store_n(ring.cq_head, head + 1, __ATOMIC_RELEASE);
	if (result < 0)
		errno = -result;
	return result < 0 ? -1 : result;
}

void write_block(int fd, const void *from, size_t size, uint64_t at, bool by_io_uring)
{
	ssize_t length = by_io_uring ? write_by_ring(fd, from, size, at) : pwrite(fd, from, size, (off_t)at);

	if (length >= 0 && length < (ssize_t)size)
		errno = ENOSPC;
	if (length != (ssize_t)size)
		failed("writing a block");
}

uint32_t made_version(uint64_t page, bool varied)
{
	return varied ? (uint32_t)(mix64(page) % (LEVELS - 1)) : 0;
}

int make_file(const char *dir, uint64_t uid, const char *name, uint64_t index, uint64_t pages, int flags, bool varied)
{
	enum { CHUNK = 16 };
	unsigned char *chunk = map_pages(CHUNK);
	int fd = open_file(dir, uid, name, index, O_RDWR | O_CREAT | O_TRUNC | flags);

	for (uint64_t at = 0; at < pages; at += CHUNK) {
		uint64_t n = pages - at < CHUNK ? pages - at : CHUNK;

		for (uint64_t i = 0; i < n; i++)
			page_fill(chunk + i * PAGE, at + i, made_version(at + i, varied));
		if (pwrite(fd, chunk, n * PAGE, (off_t)(at * PAGE)) != (ssize_t)(n * PAGE))
			die(EXIT_SETUP, "cannot fill %s: %s", name, strerror(errno));
	}
	if (fsync(fd))
		die(EXIT_SETUP, "cannot write %s: %s", name, strerror(errno));
	munmap(chunk, CHUNK * PAGE);
	return fd;
}

void forget_pages(int fd)
{
	if (fsync(fd))
		failed("fsync");
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static void damaged(bool other, bool keep_going)
{
	count(&tally.corrupt, 1);
	if (other)
		count(&tally.other_corrupt, 1);
	if (!keep_going)
		_exit(EXIT_CORRUPTION);
}

void check_page(int fd, void *page, uint64_t at, uint64_t number, uint32_t version, bool keep_going)
{
	ssize_t length = pread(fd, page, PAGE, (off_t)(at * PAGE));

	count(&tally.verified, 1);
	if (length == PAGE && page_check(page, number, version))
		return;
	if (length != PAGE)
		report_unreadable(at, length < 0 ? strerror(errno) : "short read");
	damaged(false, keep_going);
}

void open_kept(struct kept *kept, const char *dir, uint64_t uid, const char *name, uint64_t index, uint64_t pages)
{
	uint64_t all;

	kept->blocks = pages / kept->batch;
	all = kept->blocks * kept->batch;
	kept->first = FIRST_KEPT + ((uid << 6 | index) << 20) % ((1ULL << 32) - 2 * FIRST_KEPT);
	kept->versions = map_pages(all * sizeof(*kept->versions) / PAGE + 1);
	kept->buffer = map_pages(kept->batch);
	kept->fd = open_file(dir, uid, name, index, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT);
	for (uint64_t block = 0; block < kept->blocks; block++)
		write_kept(kept, block, LEVELS + 1, 1);
}

void write_kept(struct kept *kept, uint64_t random, uint32_t version, uint32_t levels)
{
	uint64_t block = random % kept->blocks, at = block * kept->batch;

	for (uint64_t i = 0; i < kept->batch; i++) {
		kept->versions[at + i] = version + (uint32_t)(i % levels);
		page_fill(kept->buffer + i * PAGE, kept->first + at + i, kept->versions[at + i]);
	}
	write_block(kept->fd, kept->buffer, kept->batch * PAGE, at * PAGE, false);
}

void verify_kept(struct kept *kept, uint64_t random)
{
	uint64_t block = random % kept->blocks, at = block * kept->batch;
	size_t size = kept->batch * PAGE;
	ssize_t length;

	posix_fadvise(kept->fd, (off_t)(at * PAGE), (off_t)size, POSIX_FADV_DONTNEED);
	length = pread(kept->fd, kept->buffer, size, (off_t)(at * PAGE));
	count(&tally.verified, kept->batch);
	if (length != (ssize_t)size) {
		report_unreadable(kept->first + at, length < 0 ? strerror(errno) : "short read");
		damaged(kept->other, kept->keep_going);
		return;
	}
	for (uint64_t i = 0; i < kept->batch; i++)
		if (!page_check(kept->buffer + i * PAGE, kept->first + at + i, kept->versions[at + i]))
			damaged(kept->other, kept->keep_going);
}

void verify_all_kept(struct kept *kept)
{
	forget_pages(kept->fd);
	for (uint64_t block = 0; block < kept->blocks; block++)
		verify_kept(kept, block);
}

/* ---- names ---- */

enum { LONGEST = 239, TARGET = 59, VALUE = 70 };
static const char ATTRIBUTE[] = "user.kzram", BASE[] = "base";

/* Characters that follow from a number: 40 or more of them, so that a directory's block compresses badly. */
static void spell(char *text, size_t length, uint64_t number)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	for (size_t i = 0; i < length; i++)
		text[i] = digits[next_random(&number) & 63];
	text[length] = 0;
}

static void spell_name(char *name, uint64_t number)
{
	spell(name, 40 + mix64(number) % (LONGEST - 40), number);
}

static void directory_name(char *full, const char *dir, uint64_t uid, uint64_t worker, uint64_t index)
{
	char path[PATH_SIZE];

	snprintf(full, PATH_SIZE + 64, "%s/d%llu.%llu", home(path, dir, uid), (unsigned long long)worker,
		 (unsigned long long)index);
}

int make_directory(const char *dir, uint64_t uid, uint64_t worker, uint64_t index)
{
	char full[PATH_SIZE + 64];
	int at = -1, base;

	directory_name(full, dir, uid, worker, index);
	if ((!mkdir(full, 0700) || errno == EEXIST))
		at = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0) {
		failed("making a directory");
		return -1;
	}
	base = openat(at, BASE, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (base < 0)
		failed("making a file");
	else
		close(base);
	return at;
}

void remove_directory(const char *dir, uint64_t uid, uint64_t worker, uint64_t index, int at)
{
	char full[PATH_SIZE + 64];

	if (at < 0)
		return;
	directory_name(full, dir, uid, worker, index);
	if (unlinkat(at, BASE, 0) || rmdir(full))
		failed("removing a directory");
	close(at);
}

static void attribute_of(int fd, uint64_t number)
{
	char value[VALUE + 1];

	spell(value, VALUE, ~number);
	if (!fsetxattr(fd, ATTRIBUTE, value, VALUE, 0))
		count(&tally.operations, 1);
	else if (errno != EOPNOTSUPP && errno != ENOSPC) /* ext2 without them; no room for one more in the inode */
		failed("setting an attribute");
}

void set_attribute(int at, uint64_t number)
{
	int fd = openat(at, BASE, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		failed("opening a file");
		return;
	}
	attribute_of(fd, number);
	close(fd);
}

unsigned int make_name(int at, uint64_t number, enum name_kind kind)
{
	char name[LONGEST + 1], target[TARGET + 1];
	int result;

	spell_name(name, number);
	if (kind == NAME_SYMLINK) {
		spell(target, TARGET, ~number);
		result = symlinkat(target, at, name);
	} else if (kind == NAME_LINK) {
		result = linkat(at, BASE, at, name, 0);
	} else {
		result = openat(at, name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
		if (result >= 0) {
			attribute_of(result, number);
			close(result);
		}
	}
	if (result < 0)
		failed("making a name");
	else
		count(&tally.operations, 1);
	return result >= 0;
}

/* What a name that was made still holds; as far as the kernel did not keep it in memory, it comes from the device. */
static const char *wrong_with(int at, const char *name, uint64_t number)
{
	char want[VALUE + 1], got[VALUE + 1];
	struct stat found;
	ssize_t length;
	int fd;

	if (fstatat(at, name, &found, AT_SYMLINK_NOFOLLOW))
		return strerror(errno);
	spell(want, S_ISLNK(found.st_mode) ? TARGET : VALUE, ~number);
	if (S_ISLNK(found.st_mode)) {
		length = readlinkat(at, name, got, sizeof(got));
		return length == TARGET && !memcmp(got, want, TARGET) ? NULL : "another target";
	}
	if (found.st_nlink > 1)
		return NULL; /* a link to `base`, whose attribute is another's */
	fd = openat(at, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return strerror(errno);
	length = fgetxattr(fd, ATTRIBUTE, got, sizeof(got));
	close(fd);
	if (length < 0)
		return errno == EOPNOTSUPP || errno == ENODATA ? NULL : strerror(errno);
	return length == VALUE && !memcmp(got, want, VALUE) ? NULL : "another attribute";
}

void remove_name(int at, uint64_t number, bool keep_going)
{
	char name[LONGEST + 1];
	const char *wrong;

	spell_name(name, number);
	wrong = wrong_with(at, name, number);
	count(&tally.verified, 1);
	if (wrong) {
		report_unreadable(number, wrong);
		damaged(false, keep_going);
	}
	if (unlinkat(at, name, 0))
		failed("removing a name");
	else
		count(&tally.operations, 1);
}
