/* SPDX-License-Identifier: GPL-2.0-only */
/* What the guest programs share: arguments, JSON lines, signals, and page contents that can be checked exactly. */
#ifndef KZRAM_COMMON_H
#define KZRAM_COMMON_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit codes of the host contract. */
enum { EXIT_BAD_ARGS = 2, EXIT_CORRUPTION = 3, EXIT_SETUP = 4 };

/* --- arguments: --name VALUE, --name=VALUE, or --name for a flag --- */
enum arg_kind { ARG_U64, ARG_FLAG, ARG_TEXT };
struct arg {
	const char *name;
	enum arg_kind kind;
	void *to; /* uint64_t *, bool *, const char ** */
	uint64_t min;
};
void parse_args(int argc, char **argv, const struct arg *args, size_t count);

/* --- output: one JSON object a line, one write() a line, so lines of several threads never mix --- */
void emit(const char *format, ...) __attribute__((format(printf, 1, 2)));
void die(int code, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* --- threads, time, stopping --- */
extern atomic_bool stopping; /* set by SIGTERM and SIGINT */
void stop_on_signals(void);
uint64_t now_us(void);
void sleep_ms(unsigned int ms);
/* Threads that evict get the first CPUs, those that mutate the others: on the same CPU they cannot race. */
void pin_evicting(uint64_t index);
void pin_mutating(uint64_t index, uint64_t evicting);
pthread_t start_thread(void *(*body)(void *), void *argument);
void make_it_fail(bool wanted); /* task-filtered fault injection, for the calling thread */
void write_setting(const char *path, const char *value); /* or die with EXIT_SETUP */

/* --- random numbers: splitmix64, good enough and stateless to seed --- */
uint64_t mix64(uint64_t x);
uint64_t next_random(uint64_t *state);

/*
 * --- page contents ---
 * A page is a function of (seed, page number, version), so whoever knows the version can check every byte.
 *
 * The first 512 bytes hold a tag and a compressible pattern; after that come 8 units of 448 bytes. With
 * level = version % 9, the first `level` units are random and the others compressible. So a step from one
 * version to the next touches 448 bytes and makes the page *longer* once compressed, 8 times out of 9; the
 * ninth step makes the page compressible again. A page is never same-filled (zram stores no object for
 * those). At level 8 it is incompressible, and zram keeps it raw: that is the jump to PAGE_SIZE.
 */
enum { PAGE = 4096, HEAD_WORDS = 64, UNITS = 8, UNIT_WORDS = 56, LEVELS = UNITS + 1 };
void pages_setup(uint64_t seed); /* before any of those below */
void page_fill(void *page, uint64_t number, uint32_t version);
void page_step(void *page, uint64_t number, uint32_t new_version); /* from new_version - 1 */
bool page_check(const void *page, uint64_t number, uint32_t version); /* reports a `corruption` event if not */
void *map_pages(uint64_t count);

#endif
