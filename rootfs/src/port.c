// SPDX-License-Identifier: GPL-2.0-only
/* The control port: whole lines, each with a deadline, since the host may stop reading. */
#define _GNU_SOURCE
#include "exit_codes.h"
#include "kzwatch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef PATIENCE_MS /* tests have less */
#define PATIENCE_MS 2000
#endif
int64_t patience_ms = PATIENCE_MS; /* in the loop of a workload; more for the events of init */
bool host_deaf;
unsigned long lines_lost;

static bool port_ready(void)
{
	struct pollfd port = { .fd = CONTROL, .events = POLLOUT };
	int64_t until = now_ms() + (host_deaf ? 0 : patience_ms);
	int left;

	do {
		left = (int)(until - now_ms());
		if (poll(&port, 1, left > 0 ? left : 0) > 0 && port.revents & POLLOUT)
			return true;
	} while (left > 0 && !(port.revents & (POLLERR | POLLNVAL)));
	return false;
}

/*
 * Never tears a line: a virtio port takes it whole or refuses it, and if some other kind of file took a part
 * of it, the rest is tried for as long as there is patience, and the next line starts afresh.
 */
void send_line(struct line *line)
{
	static bool torn;
	size_t sent = 0;

	line->text[line->used++] = '\n';
	while (sent < line->used && port_ready()) {
		ssize_t length = torn ? write(CONTROL, "\n", 1) : write(CONTROL, line->text + sent, line->used - sent);

		if (length < 0 && errno != EAGAIN && errno != EINTR)
			break;
		if (length > 0)
			host_deaf = false; /* it reads: worth waiting for again */
		if (length > 0 && !torn)
			sent += (size_t)length;
		torn = torn && length < 1;
	}
	host_deaf = sent < line->used; /* do not wait for it again, until it reads */
	lines_lost += host_deaf;
	torn = torn || (sent && host_deaf);
}

void send_note(const char *format, ...)
{
	static struct line line;
	static char text[1024];
	va_list values;

	va_start(values, format);
	vsnprintf(text, sizeof(text), format, values);
	va_end(values);
	begin(&line, "note");
	add(&line, ",\"text\":");
	add_string(&line, text);
	add(&line, "}");
	send_line(&line);
}

void open_control(void)
{
	int flags = fcntl(CONTROL, F_GETFL);

	if (flags < 0 || fcntl(CONTROL, F_SETFL, flags | O_NONBLOCK) < 0) {
		fprintf(stderr, "kzwatch: no control port at descriptor %d\n", CONTROL);
		exit(EXIT_SETUP);
	}
}
