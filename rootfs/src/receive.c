// SPDX-License-Identifier: GPL-2.0-only
/*
 * kzwatch --receive FILE: what a guest does that was started from a saved one, once it runs.
 *
 * The host sends "BYTES SECONDS ENTROPY\n" and BYTES bytes on the control port: the clock (seconds since the epoch),
 * entropy as hexadecimal digits, and the configuration of a cell, which goes to FILE. Guests that begin as copies of
 * one another must not draw the same random numbers, nor live in the past.
 */
#define _GNU_SOURCE
#include "exit_codes.h"
#include "kzwatch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#ifndef RNDRESEEDCRNG /* Linux 4.17 and later */
#define RNDRESEEDCRNG _IO('R', 0x07)
#endif
#ifndef ROOT /* tests have their own */
#define ROOT ""
#endif

enum { HEADER = 256, MOST = 1 << 20, ENTROPY = 64 };

/* One byte, however long it takes: the host waits with a deadline, we do not. A port without a host reads as empty. */
static int next_byte(void)
{
	struct pollfd port = { .fd = CONTROL, .events = POLLIN };
	unsigned char byte;

	for (;;) {
		ssize_t length = read(CONTROL, &byte, 1);

		if (length == 1)
			return byte;
		if (length < 0 && errno != EAGAIN && errno != EINTR)
			return -1;
		if (length == 0)
			usleep(10000);
		else
			poll(&port, 1, -1);
	}
}

static void set_clock(long long seconds)
{
	struct timespec now = { .tv_sec = (time_t)seconds };

	if (clock_settime(CLOCK_REALTIME, &now) < 0)
		send_note("cannot set the clock: %s", strerror(errno));
}

static int nibble(char digit)
{
	const char *digits = "0123456789abcdef", *at = digit ? strchr(digits, digit) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Credited, or the kernel would go on with what it drew before it was saved. */
static bool stir(const char *hex)
{
	static union {
		struct rand_pool_info info;
		unsigned char room[sizeof(struct rand_pool_info) + ENTROPY];
	} pool;
	unsigned char *bytes = pool.room + sizeof(pool.info);
	int fd = open(ROOT "/dev/urandom", O_WRONLY | O_CLOEXEC), count = 0;

	for (; count < ENTROPY && nibble(hex[0]) >= 0 && nibble(hex[1]) >= 0; hex += 2)
		bytes[count++] = (unsigned char)(nibble(hex[0]) << 4 | nibble(hex[1]));
	pool.info.buf_size = count;
	pool.info.entropy_count = count * 8;
	if (fd < 0 || ioctl(fd, RNDADDENTROPY, &pool.info) < 0)
		return false;
	ioctl(fd, RNDRESEEDCRNG); /* before 4.17 the pool is drawn from at once */
	close(fd);
	return true;
}

int receive(const char *path)
{
	char header[HEADER], hex[HEADER];
	long long bytes, seconds;
	size_t used = 0;
	int byte;
	FILE *out;

	while ((byte = next_byte()) >= 0 && byte != '\n' && used < sizeof(header) - 1)
		header[used++] = (char)byte;
	header[used] = 0;
	if (sscanf(header, "%lld %lld %255s", &bytes, &seconds, hex) != 3 || bytes < 0 || bytes > MOST)
		return EXIT_SETUP;
	out = fopen(path, "w");
	if (!out)
		return EXIT_SETUP;
	while (bytes-- && (byte = next_byte()) >= 0)
		putc(byte, out);
	if (fclose(out) || byte < 0)
		return EXIT_SETUP;
	set_clock(seconds);
	if (!stir(hex))
		return EXIT_SETUP;
	return 0;
}
