// SPDX-License-Identifier: GPL-2.0-only
/*
 * timeout [--foreground] SECONDS PROGRAM [ARG...]
 *
 * As the runner of the kernel's selftests calls that of coreutils: exit code 124 for a program that took longer. busybox's
 * answers with the code of a kill, which the runner takes for a failure of the test. All that the program started is
 * ended, not it alone: a child that lives on would hold the pipe which the runner reads to its end.
 */
#define _GNU_SOURCE
#include "limit.h"
#include "kzwatch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	TIMED_OUT = 124,
	MOST_SECONDS = 1 << 30,
	KILL_MS = 10000, /* from SIGTERM to SIGKILL */
};

static int usage(void)
{
	fprintf(stderr, "usage: timeout [--foreground] SECONDS PROGRAM [ARG...]\n");
	return 125;
}

static void become(char **command, const sigset_t *unblocked)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	sigprocmask(SIG_SETMASK, unblocked, NULL);
	execvp(command[0], command);
	fprintf(stderr, "timeout: cannot run %s: %s\n", command[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* Until the program is over, or is ended. Returns our exit code. */
static int guard(pid_t pid, const sigset_t *blocked, int64_t until)
{
	int64_t kill_at = 0;
	bool late = false;
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		int64_t next = kill_at ? kill_at : until, left = next - now_ms();
		struct timespec wait = { .tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000 };
		int number;

		if (left <= 0) {
			late = true;
			kill(-pid, kill_at ? SIGKILL : SIGTERM);
			kill_at = now_ms() + KILL_MS;
			continue;
		}
		number = sigtimedwait(blocked, NULL, &wait);
		if (number == SIGTERM || number == SIGINT)
			kill(-pid, number);
	}
	if (late)
		kill(-pid, SIGKILL); /* what it started */
	return late ? TIMED_OUT : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int limit(char **words)
{
	sigset_t blocked, unblocked;
	long seconds;
	char *end;
	pid_t pid;

	if (*words && !strcmp(*words, "--foreground"))
		words++;
	if (!words[0] || !words[1])
		return usage();
	seconds = strtol(words[0], &end, 10);
	if (end == words[0] || *end || seconds < 0 || seconds > MOST_SECONDS)
		return usage();
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, &unblocked);
	pid = fork();
	if (pid < 0) {
		fprintf(stderr, "timeout: cannot start %s: %s\n", words[1], strerror(errno));
		return 126;
	}
	if (!pid)
		become(words + 1, &unblocked);
	setpgid(pid, pid); /* whichever of the two comes first */
	return guard(pid, &blocked, now_ms() + 1000 * (int64_t)(seconds ? seconds : MOST_SECONDS)); /* 0: no limit */
}
