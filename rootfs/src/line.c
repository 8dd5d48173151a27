// SPDX-License-Identifier: GPL-2.0-only
/* One line of JSON, built in place: nothing is allocated, and what does not fit is cut. */
#define _GNU_SOURCE
#include "kzwatch.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void add(struct line *line, const char *format, ...)
{
	size_t room = sizeof(line->text) - line->used - 1; /* one byte is kept for the newline */
	va_list values;
	int length;

	va_start(values, format);
	length = vsnprintf(line->text + line->used, room, format, values);
	va_end(values);
	if (length > 0)
		line->used += (size_t)length < room ? (size_t)length : room - 1;
}

void add_string(struct line *line, const char *text)
{
	add(line, "\"");
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			add(line, "\\%c", c);
		else if (c < ' ' || c > '~') /* bytes above ASCII may not be UTF-8, and then not JSON */
			add(line, "\\u%04x", c);
		else
			add(line, "%c", c);
	}
	add(line, "\"");
}

void begin(struct line *line, const char *event)
{
	line->used = 0;
	add(line, "{\"ev\":");
	add_string(line, event);
	add(line, ",\"t\":%lld", (long long)now_ms());
}

bool next_word(const char **list, char *word, size_t size)
{
	size_t length;

	*list += strspn(*list, " \t\n");
	length = strcspn(*list, " \t\n");
	snprintf(word, size, "%.*s", (int)length, *list);
	*list += length;
	return length > 0;
}
