// SPDX-License-Identifier: GPL-2.0-only
/*
 * kzwatch: run a workload, and be the only writer of the control port (file descriptor 3).
 *
 *   kzwatch --emit EVENT [KEY=TEXT | KEY:=JSON]...         one event, for init
 *   kzwatch --receive FILE                                 a cell's configuration, see receive.c
 *   kzwatch [--stop 'NAME=N ...'] [--duration S] [--sample MS] [--grace S]
 *           [--fault-file TIMES --fault-times N] -- PROGRAM [ARG...]
 *   kzwatch --as UID -- PROGRAM [ARG...]                   become that user and the program; no control port
 *
 * The guest it lives in is out of memory on purpose. So: locked into memory, exempt from the OOM killer,
 * nothing allocated after the start. And the host may stop reading: every write has a deadline.
 */
#define _GNU_SOURCE
#include "exit_codes.h"
#include "kzwatch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NEVER = -1 };

static struct {
	const char *floors;
	int64_t duration_ms, sample_ms, grace_ms;
} plan = { "", NEVER, 250, 60000 };

static struct {
	pid_t pid;
	int output, status;
	bool ended;
	const char *why; /* we stopped it; NULL: it runs, or ended by itself */
	int64_t started, next_sample, kill_at;
} child = { .output = -1 };

static void write_own(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		fprintf(stderr, "kzwatch: cannot write %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void become_workload(char **command, int output)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL); /* what was ignored would stay so */
	setpgid(0, 0);				 /* so that we can end all of it */
	setpriority(PRIO_PROCESS, 0, 0);
	write_own("/proc/self/oom_score_adj", "500"); /* rather it than anything else */
	dup2(output, STDOUT_FILENO);
	close(CONTROL);
	execvp(command[0], command);
	dprintf(STDOUT_FILENO, "{\"ev\":\"error\",\"text\":\"cannot run the workload: %s\"}\n", strerror(errno));
	_exit(EXIT_SETUP);
}

static void start(char **command)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0 || (child.pid = fork()) < 0) {
		send_note("cannot start the workload: %s", strerror(errno));
		exit(EXIT_SETUP);
	}
	if (!child.pid)
		become_workload(command, ends[1]);
	setpgid(child.pid, child.pid); /* parent or child, the one that comes first */
	close(ends[1]);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	child.output = ends[0];
	child.started = child.next_sample = now_ms();
}

/* A line of the workload: its event with the time put in, or a note if it is not an event. */
static void forward(char *text)
{
	static struct line line;
	char *event = text + 7, *rest;

	line.used = 0;
	if (strncmp(text, "{\"ev\":\"", 7) || !(rest = strchr(event, '"')) || text[strlen(text) - 1] != '}') {
		if (*text)
			send_note("%s", text);
		return;
	}
	if (!strncmp(event, "progress\"", 9))
		remember_progress(event);
	add(&line, "%.*s,\"t\":%lld%s", (int)(rest + 1 - text), text, (long long)now_ms(), rest + 1);
	send_line(&line);
}

static void forward_output(void)
{
	static char text[8192];
	static size_t used;
	char *from = text, *newline;
	ssize_t length = read(child.output, text + used, sizeof(text) - 1 - used);

	if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR)) {
		close(child.output);
		child.output = -1;
	}
	used += length > 0 ? (size_t)length : 0;
	text[used] = 0;
	while ((newline = memchr(from, '\n', used - (size_t)(from - text)))) {
		*newline = 0;
		forward(from);
		from = newline + 1;
	}
	if (from == text && (used == sizeof(text) - 1 || (child.output < 0 && used))) {
		forward(from); /* longer than any line of ours, or the last one, without its newline */
		from = text + used;
	}
	used -= (size_t)(from - text);
	memmove(text, from, used);
}

static void reap(void)
{
	if (!child.ended && waitpid(child.pid, &child.status, WNOHANG) == child.pid)
		child.ended = true;
}

static void stop(const char *why)
{
	child.why = why;
	child.kill_at = now_ms() + plan.grace_ms;
	kill(-child.pid, SIGTERM);
}

static void act_on_time(void)
{
	int64_t now = now_ms();

	if (now >= child.next_sample) {
		send_sample();
		child.next_sample = now_ms() + plan.sample_ms;
		if (!child.why && all_floors_reached(plan.floors))
			stop("exposure");
	}
	if (!child.why && plan.duration_ms != NEVER && now >= child.started + plan.duration_ms)
		stop("duration");
	if (child.why && child.kill_at != NEVER && now >= child.kill_at) {
		send_note("the workload did not end within %lld s of SIGTERM: killed", (long long)plan.grace_ms / 1000);
		kill(-child.pid, SIGKILL);
		child.kill_at = NEVER;
	}
}

/* Sleep until the workload prints something or ends, or it is time for something. */
static void wait_for_news(const sigset_t *unblocked)
{
	struct pollfd output = { .fd = child.output, .events = POLLIN };
	int64_t now = now_ms(), until = child.next_sample;
	struct timespec timeout = { 0 };

	if (!child.why && plan.duration_ms != NEVER && child.started + plan.duration_ms < until)
		until = child.started + plan.duration_ms;
	if (until > now) {
		timeout.tv_sec = (until - now) / 1000;
		timeout.tv_nsec = (until - now) % 1000 * 1000000;
	}
	if (ppoll(&output, 1, &timeout, unblocked) > 0)
		forward_output();
}

static void on_child(int number)
{
	(void)number; /* only there to end ppoll() */
}

static int watch(char **command)
{
	struct sigaction action = { .sa_handler = on_child };
	static struct line line;
	sigset_t blocked, unblocked;
	int code;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, &unblocked);
	sigaction(SIGCHLD, &action, NULL);
	start(command);
	while (!child.ended) {
		wait_for_news(&unblocked);
		reap();
		if (!child.ended)
			act_on_time();
	}
	for (int i = 0; i < 64 && child.output >= 0; i++)
		forward_output(); /* what is left in the pipe; bounded, as a grandchild may hold it open */
	kill(-child.pid, SIGKILL);
	send_sample();
	if (lines_lost)
		send_note("%lu lines were lost, as the host did not read", lines_lost);
	code = WIFEXITED(child.status) ? WEXITSTATUS(child.status) : 128 + WTERMSIG(child.status);
	begin(&line, "stop");
	add(&line, ",\"why\":\"%s\",\"code\":%d,\"ran_ms\":%lld}", child.why ? child.why : "workload", code,
	    (long long)(now_ms() - child.started));
	send_line(&line);
	return code;
}

static void stay_alive(void)
{
	write_own("/proc/self/oom_score_adj", "-1000");
	setpriority(PRIO_PROCESS, 0, -10);
	signal(SIGPIPE, SIG_IGN);
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		fprintf(stderr, "kzwatch: cannot lock memory: %s\n", strerror(errno));
}

/* kzwatch --emit EVENT [KEY=TEXT | KEY:=JSON]... */
static int emit_event(char **words)
{
	static struct line line;

	patience_ms = 30000;
	begin(&line, *words ? *words++ : "note");
	for (; *words; words++) {
		char *value = strchr(*words, '=');
		bool raw = value && value > *words && value[-1] == ':';

		if (!value)
			return EXIT_BAD_ARGS;
		value[raw ? -1 : 0] = 0;
		add(&line, ",");
		add_string(&line, *words);
		add(&line, ":");
		if (raw)
			add(&line, "%s", value + 1);
		else
			add_string(&line, value + 1);
	}
	add(&line, "}");
	send_line(&line);
	return host_deaf ? EXIT_SETUP : 0;
}

/* The command to run, behind the options; or NULL if they are wrong. */
static char **read_options(char **words)
{
	for (; *words && strcmp(*words, "--"); words += 2) {
		const char *value = words[1];

		if (!value)
			return NULL;
		if (!strcmp(*words, "--stop"))
			plan.floors = value;
		else if (!strcmp(*words, "--duration"))
			plan.duration_ms = *value ? atoll(value) * 1000 : NEVER;
		else if (!strcmp(*words, "--sample") && atoll(value) > 0)
			plan.sample_ms = atoll(value);
		else if (!strcmp(*words, "--grace"))
			plan.grace_ms = atoll(value) * 1000;
		else if (!strcmp(*words, "--fault-file"))
			fault_file = value;
		else if (!strcmp(*words, "--fault-times"))
			fault_times = atoll(value);
		else
			return NULL;
	}
	return *words && words[1] ? words + 1 : NULL;
}

static int become_user(const char *uid, char **command)
{
	uid_t user = (uid_t)strtoul(uid, NULL, 10);

	if (setgroups(0, NULL) || setresgid(user, user, user) || setresuid(user, user, user)) {
		fprintf(stderr, "kzwatch: cannot become user %s: %s\n", uid, strerror(errno));
		return EXIT_SETUP;
	}
	execvp(command[0], command);
	fprintf(stderr, "kzwatch: cannot run %s: %s\n", command[0], strerror(errno));
	return EXIT_SETUP;
}

int main(int argc, char **argv)
{
	char **command;

	if (argc > 4 && !strcmp(argv[1], "--as") && !strcmp(argv[3], "--"))
		return become_user(argv[2], argv + 4);
	open_control();
	if (argc > 1 && !strcmp(argv[1], "--emit"))
		return emit_event(argv + 2);
	if (argc == 3 && !strcmp(argv[1], "--receive"))
		return receive(argv[2]);
	command = read_options(argv + 1);
	if (!command) {
		fprintf(stderr, "kzwatch: wrong arguments, see the head of watch.c\n");
		return EXIT_BAD_ARGS;
	}
	stay_alive();
	open_counters();
	return watch(command);
}
