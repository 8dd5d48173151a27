/* SPDX-License-Identifier: GPL-2.0-only */
/* What the workloads share: arguments, JSON lines, random numbers. */
#ifndef KZRAM_COMMON_H
#define KZRAM_COMMON_H

#include "exit_codes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* --- random numbers: splitmix64, good enough and stateless to seed --- */
uint64_t mix64(uint64_t x);
uint64_t next_random(uint64_t *state);

#endif
