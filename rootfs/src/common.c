// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "common.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
