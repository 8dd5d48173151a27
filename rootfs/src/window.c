// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "window.h"

#include "workload.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#define WINDOW "/sys/module/zram/parameters/window_us"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t wanted_us, opened;
static bool ended;
static int parameter = -1; /* kept open: this is done often */

bool window_setup(uint64_t us)
{
	if (!us)
		return false;
	parameter = open(WINDOW, O_WRONLY | O_CLOEXEC);
	if (parameter < 0) {
		emit("{\"ev\":\"note\",\"text\":\"no window: this kernel is built without the series async-window\"}");
		return false;
	}
	wanted_us = us;
	return true;
}

static void set_window(uint64_t us)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%llu", (unsigned long long)us);

	if (pwrite(parameter, text, (size_t)length, 0) != length)
		die(EXIT_SETUP, "cannot write %s to %s", text, WINDOW);
}

void window_open(void)
{
	if (!wanted_us)
		return;
	pthread_mutex_lock(&lock);
	if (!opened++ && !ended)
		set_window(wanted_us);
	pthread_mutex_unlock(&lock);
}

void window_close(void)
{
	if (!wanted_us)
		return;
	pthread_mutex_lock(&lock);
	if (!--opened)
		set_window(0);
	pthread_mutex_unlock(&lock);
}

void window_end(void)
{
	if (!wanted_us)
		return;
	pthread_mutex_lock(&lock);
	ended = true;
	set_window(0);
	pthread_mutex_unlock(&lock);
}

void pin_in_window(uint64_t evicting)
{
	const struct sched_param lowest = { 0 };

	pin_evicting(evicting);
	sched_setscheduler(0, SCHED_IDLE, &lowest);
}
