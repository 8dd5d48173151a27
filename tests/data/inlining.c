// A crash whose stack depends on what the compiler inlines; stands in for a kernel that was built in several ways.
// It prints what a kernel's unwinder has: the address of the fault and the return addresses above it, innermost first.
#define _GNU_SOURCE
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

struct page { unsigned long freelist, count; struct page *next; };
struct pool { struct page *pages[8]; unsigned long used, limit; };

static unsigned long tag(unsigned long object)
{
	return object << 1 | 1;
}

static void set_free_object(struct page *page, unsigned long object)
{
	*(volatile unsigned long *)(page->freelist + 8) = tag(object); // the fault
}

static unsigned long take_object(struct pool *pool, struct page *page)
{
	unsigned long object = page->freelist >> 1;

	for (unsigned i = 0; i < 8; i++)
		pool->used += pool->pages[i] == page;
	set_free_object(page, object);
	page->count++;
	return object;
}

__attribute__((noinline)) unsigned long pool_malloc(struct pool *pool, unsigned long size)
{
	struct page *page = pool->pages[size & 7];

	if (pool->used > pool->limit)
		return 0;
	unsigned long object = take_object(pool, page);
	pool->used += size + object;
	return object + 1;
}

// Second callers: whether a function with two of them is inlined depends on the compiler and on what it is asked for.
__attribute__((noinline)) void pool_refill(struct pool *pool)
{
	for (unsigned i = 0; i < 8; i++)
		pool->used -= take_object(pool, pool->pages[i]);
}

static int write_compressed(struct pool *pool, const char *data, unsigned long length)
{
	unsigned long handle = pool_malloc(pool, length);

	if (!handle)
		return -1;
	for (unsigned long i = 0; i < length; i++)
		pool->used += data[i];
	return 0;
}

__attribute__((noinline)) int device_write_page(struct pool *pool, const char *data)
{
	int error = write_compressed(pool, data, strlen(data));

	pool->used++;
	return error;
}

__attribute__((noinline)) int device_copy(struct pool *pool, const char *data)
{
	return write_compressed(pool, data, 3) + write_compressed(pool, data + 3, 1);
}

static int write_or_same(struct pool *pool, const char *data)
{
	if (!memcmp(data, data + 1, 3))
		return 1;
	int error = device_write_page(pool, data);

	pool->used += 2;
	return error;
}

__attribute__((noinline)) int device_submit(struct pool *pool, const char *data)
{
	int error = write_or_same(pool, data);

	pool->used += 3;
	return error;
}

__attribute__((noinline)) int device_retry(struct pool *pool, const char *data)
{
	for (int i = 0; i < 3; i++)
		if (!write_or_same(pool, data))
			return 0;
	return write_or_same(pool, data + 1);
}

int (*volatile submit)(struct pool *, const char *) = device_submit;

__attribute__((noinline)) int swap_writepage(struct pool *pool, const char *data)
{
	int error = submit(pool, data);

	pool->used += 4;
	return error;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	void *frames[64];
	int count = backtrace(frames, 64);
	unsigned long pc = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	printf("%lx\n", pc);
	int begun = 0;
	for (int i = 0; i < count; i++) {
		if (begun)
			printf("%lx\n", (unsigned long)frames[i]);
		begun = begun || (unsigned long)frames[i] == pc;
	}
	fflush(stdout);
	_exit(0);
}

int main(int argc, char **argv)
{
	static struct page page;
	static struct pool pool = { .limit = 1000 };
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	void *warm[1];

	backtrace(warm, 1); // loads what it needs before the fault
	sigaction(SIGSEGV, &action, NULL);
	for (int i = 0; i < 8; i++)
		pool.pages[i] = &page;
	if (argc > 9) { // never: so that the second callers are kept
		pool_refill(&pool);
		return device_copy(&pool, argv[2]) + device_retry(&pool, argv[2]);
	}
	return swap_writepage(&pool, argc > 1 ? argv[1] : "a page") + 1;
}
