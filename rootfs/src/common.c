// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

atomic_bool stopping;

/* ---- output ---- */

static void put_line(char *line, size_t size, int length)
{
	size_t used = length < 0 ? 0 : (size_t)length < size - 1 ? (size_t)length : size - 2;

	line[used++] = '\n';
	while (write(STDOUT_FILENO, line, used) < 0 && errno == EINTR)
		;
}

void emit(const char *format, ...)
{
	char line[1024];
	va_list values;

	va_start(values, format);
	put_line(line, sizeof(line), vsnprintf(line, sizeof(line), format, values));
	va_end(values);
}

void die(int code, const char *format, ...)
{
	char text[512];
	va_list values;

	va_start(values, format);
	vsnprintf(text, sizeof(text), format, values);
	va_end(values);
	for (char *c = text; *c; c++)
		if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ')
			*c = '?'; /* keeps the line valid JSON, whatever an argument held */
	emit("{\"ev\":\"error\",\"text\":\"%s\"}", text);
	_exit(code);
}

/* ---- arguments ---- */

static void set_arg(const struct arg *arg, const char *value)
{
	char *end;
	uint64_t number;

	if (arg->kind == ARG_TEXT) {
		*(const char **)arg->to = value;
		return;
	}
	errno = 0;
	number = strtoull(value, &end, 0);
	if (errno || end == value || *end || *value == '-' || number < arg->min)
		die(EXIT_BAD_ARGS, "--%s wants a number of at least %llu", arg->name, (unsigned long long)arg->min);
	*(uint64_t *)arg->to = number;
}

static const struct arg *find_arg(const char *word, const struct arg *args, size_t count, const char **value)
{
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(args[i].name);

		if (strncmp(word, "--", 2) || strncmp(word + 2, args[i].name, length))
			continue;
		*value = word[2 + length] == '=' ? word + 3 + length : NULL;
		if (*value || !word[2 + length])
			return &args[i];
	}
	die(EXIT_BAD_ARGS, "unknown argument %s", word);
}

void parse_args(int argc, char **argv, const struct arg *args, size_t count)
{
	for (int i = 1; i < argc; i++) {
		const char *value;
		const struct arg *arg = find_arg(argv[i], args, count, &value);

		if (arg->kind == ARG_FLAG) {
			*(bool *)arg->to = true;
			continue;
		}
		if (!value && ++i == argc)
			die(EXIT_BAD_ARGS, "--%s wants a value", arg->name);
		set_arg(arg, value ? value : argv[i]);
	}
}

/* ---- threads, time, stopping ---- */

static void on_signal(int number)
{
	(void)number;
	atomic_store(&stopping, true);
}

void stop_on_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void sleep_ms(unsigned int ms)
{
	struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&left, NULL); /* cut short by the signal that stops us, which is wanted */
}

static void pin_to_cpu(uint64_t cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set); /* only a matter of speed: failure is no news */
}

static uint64_t cpus_online(void)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	return online > 1 ? (uint64_t)online : 1;
}

void pin_evicting(uint64_t index)
{
	pin_to_cpu(index % cpus_online());
}

void pin_mutating(uint64_t index, uint64_t evicting)
{
	uint64_t online = cpus_online(), taken = evicting < online ? evicting : 0;

	pin_to_cpu(taken + index % (online - taken));
}

pthread_t start_thread(void *(*body)(void *), void *argument)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, body, argument);

	if (error)
		die(EXIT_SETUP, "cannot start a thread: %s", strerror(error));
	return thread;
}

void write_setting(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		die(EXIT_SETUP, "cannot write %s to %s: %s", value, path, strerror(errno));
	close(fd);
}

void make_it_fail(bool wanted)
{
	/* init exports the variable when the cell's fault is filtered by task, so that a plan need not say it twice */
	if (wanted || getenv("KZRAM_MAKE_IT_FAIL"))
		write_setting("/proc/thread-self/make-it-fail", "1");
}

/* ---- random numbers ---- */

uint64_t mix64(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

uint64_t next_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ULL;
	return mix64(*state);
}

/* ---- page contents ---- */

/*
 * Random units are copied out of a pool: under TCG, making every byte anew would cost more than the
 * compression we want to race with.
 */
enum { POOL_WORDS = 16384 };
static uint64_t pool[POOL_WORDS], content_seed;

void pages_setup(uint64_t seed)
{
	uint64_t state = seed;

	if (sysconf(_SC_PAGESIZE) != PAGE)
		die(EXIT_SETUP, "pages of %ld bytes are not supported", sysconf(_SC_PAGESIZE));
	for (size_t i = 0; i < POOL_WORDS; i++)
		pool[i] = next_random(&state);
	content_seed = mix64(seed);
}

static uint64_t tag_of(uint64_t number, uint32_t version)
{
	return content_seed ^ (number << 32 | version);
}

static uint64_t pattern_of(uint64_t number)
{
	return mix64(content_seed + number);
}

/* Unit `unit` of a page at `version`: where its random words come from, or NULL if it is compressible. */
static const uint64_t *unit_source(uint64_t number, uint32_t version, unsigned int unit)
{
	uint64_t round = version / LEVELS;

	if (unit >= version % LEVELS)
		return NULL;
	return pool + mix64(content_seed ^ number << 40 ^ round << 4 ^ unit) % (POOL_WORDS - UNIT_WORDS);
}

static uint64_t compressible_word(uint64_t pattern, size_t i)
{
	return pattern + (i & 3); /* a period of 32 bytes: compressible, yet not same-filled */
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

void page_fill(void *page, uint64_t number, uint32_t version)
{
	volatile uint64_t *words = page;
	uint64_t pattern = pattern_of(number);

	words[0] = tag_of(number, version);
	for (size_t i = 1; i < HEAD_WORDS; i++)
		words[i] = compressible_word(pattern, i);
	for (unsigned int unit = 0; unit < UNITS; unit++)
		write_unit(words + HEAD_WORDS + unit * UNIT_WORDS, pattern, unit_source(number, version, unit));
}

void page_step(void *page, uint64_t number, uint32_t new_version)
{
	volatile uint64_t *words = page;
	unsigned int level = new_version % LEVELS;

	if (!level) {
		page_fill(page, number, new_version);
		return;
	}
	write_unit(words + HEAD_WORDS + (level - 1) * UNIT_WORDS, 0, unit_source(number, new_version, level - 1));
	words[0] = tag_of(number, new_version);
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

bool page_check(const void *page, uint64_t number, uint32_t version)
{
	const uint64_t *words = page;
	uint64_t pattern = pattern_of(number);

	if (!word_is(words, 0, tag_of(number, version), number))
		return false;
	for (size_t i = 1; i < HEAD_WORDS; i++)
		if (!word_is(words, i, compressible_word(pattern, i), number))
			return false;
	for (unsigned int unit = 0; unit < UNITS; unit++) {
		const uint64_t *source = unit_source(number, version, unit);

		for (size_t i = 0; i < UNIT_WORDS; i++)
			if (!word_is(words, HEAD_WORDS + unit * UNIT_WORDS + i,
				     source ? source[i] : compressible_word(pattern, i), number))
				return false;
	}
	return true;
}

void *map_pages(uint64_t count)
{
	void *pages = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		die(EXIT_SETUP, "cannot map %llu pages: %s", (unsigned long long)count, strerror(errno));
	madvise(pages, count * PAGE, MADV_NOHUGEPAGE); /* zram stores single pages; EINVAL without THP */
	return pages;
}
