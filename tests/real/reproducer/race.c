// SPDX-License-Identifier: GPL-2.0-only
/* race SECONDS: O_DIRECT writes to /dev/zram0 from a buffer that changes all the time, as a developer would write it. */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 16 };

static volatile uint64_t *buf;

static void *change(void *arg)
{
	uint64_t s = 88172645463325252ull + (uintptr_t)arg;
	for (;;)
		for (int p = 0; p < PAGES; p++) {
			unsigned level = s % 9;
			for (unsigned i = 0; i < 512; i++) {
				s ^= s << 13;
				s ^= s >> 7;
				s ^= s << 17;
				buf[p * 512 + i] = i < level * 64 ? s : 7;
			}
		}
	return arg;
}

int main(int argc, char **argv)
{
	int fd = open("/dev/zram0", O_RDWR | O_DIRECT);
	pthread_t t;
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 10);
	unsigned long n = 0;
	if (fd < 0)
		err(2, "/dev/zram0");
	buf = mmap(NULL, PAGE * PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_create(&t, NULL, change, NULL);
	while (time(NULL) < end) {
		if (pwrite(fd, (void *)buf, PAGE * PAGES, (off_t)(n++ % 1000) * PAGE * PAGES) != PAGE * PAGES)
			err(1, "pwrite");
	}
	printf("%lu pages written\n", n * PAGES);
	return 0;
}
