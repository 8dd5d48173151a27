/* SPDX-License-Identifier: GPL-2.0-only */
/* The frame of a workload: arguments, set-up, threads, a report each second, join, verify, exit code. */
#ifndef KZRAM_WORKLOAD_H
#define KZRAM_WORKLOAD_H

#include "common.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_THREADS = 64 };

/* Threads of one kind; each gets its index as its argument. */
struct role {
	void *(*body)(void *);
	const uint64_t *threads; /* how many: read after set_up() */
};

struct workload {
	const struct arg *args;
	size_t arg_count;
	void (*set_up)(void); /* after the arguments; dies if they make no sense together */
	void (*on_sigbus)(int number, siginfo_t *info, void *context); /* NULL: as ever */
	const struct role *roles; /* up to one without a body; at most MAX_THREADS together */
	const uint64_t *duration_s; /* 0 or NULL: until SIGTERM or SIGINT */
	void (*report)(void); /* a `progress` event, each second and at the end */
	void (*wake)(void); /* those who sleep and would not see that we stop; NULL: none do */
	void (*verify)(void); /* when all threads have ended; NULL: they did it */
	const atomic_uint_least64_t *corrupt; /* how much of what was read was not what was written */
};

/* Sums may wrap around: each number is looked at. */
static inline bool too_many_threads(uint64_t a, uint64_t b, uint64_t c)
{
	return a > MAX_THREADS || b > MAX_THREADS || c > MAX_THREADS || a + b + c > MAX_THREADS;
}

int run_workload(int argc, char **argv, const struct workload *workload);

/* --- for set_up() and threads --- */
extern atomic_bool stopping; /* set by SIGTERM and SIGINT */
uint64_t now_us(void);
void sleep_ms(unsigned int ms);
/* Threads that evict get the first CPUs, those that mutate the others: on the same CPU they cannot race. */
void pin_evicting(uint64_t index);
void pin_mutating(uint64_t index, uint64_t evicting);
void count(atomic_uint_least64_t *counter, uint64_t by);
void make_it_fail(bool wanted); /* task-filtered fault injection, for the calling thread */
void write_setting(const char *path, const char *value); /* or die with EXIT_SETUP */

#endif
