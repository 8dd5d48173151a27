// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

atomic_bool stopping;

static void on_signal(int number)
{
	(void)number;
	atomic_store(&stopping, true);
}

static void stop_on_signals(void)
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

static pthread_t start_thread(void *(*body)(void *), void *argument)
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

void count(atomic_uint_least64_t *counter, uint64_t by)
{
	atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* ---- the frame ---- */

static bool time_is_over(const struct workload *workload, uint64_t began)
{
	uint64_t seconds = workload->duration_s ? *workload->duration_s : 0;

	return seconds && now_us() - began >= seconds * 1000000;
}

static uint64_t start_threads(const struct workload *workload, pthread_t *threads)
{
	uint64_t started = 0;

	for (const struct role *role = workload->roles; role->body; role++)
		for (uintptr_t i = 0; i < *role->threads; i++) {
			if (started == MAX_THREADS)
				die(EXIT_BAD_ARGS, "at most %d threads", MAX_THREADS);
			threads[started++] = start_thread(role->body, (void *)i);
		}
	return started;
}

int run_workload(int argc, char **argv, const struct workload *workload)
{
	struct sigaction sigbus = { .sa_sigaction = workload->on_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER };
	pthread_t threads[MAX_THREADS];
	uint64_t started, began = now_us();

	stop_on_signals(); /* first: SIGTERM may come before all is set up */
	parse_args(argc, argv, workload->args, workload->arg_count);
	workload->set_up();
	if (workload->on_sigbus)
		sigaction(SIGBUS, &sigbus, NULL);
	started = start_threads(workload, threads);
	while (!atomic_load(&stopping)) {
		sleep_ms(1000);
		workload->report();
		if (time_is_over(workload, began))
			atomic_store(&stopping, true);
	}
	if (workload->wake)
		workload->wake();
	while (started)
		pthread_join(threads[--started], NULL);
	if (workload->verify)
		workload->verify();
	workload->report();
	return atomic_load(workload->corrupt) ? EXIT_CORRUPTION : 0;
}
