// SPDX-License-Identifier: GPL-2.0-only
/*
 * kztest: run a test that is not ours, under kzwatch, and say on standard output as events what came of it.
 *
 *   kztest [--result FILE]... -- PROGRAM [ARG...]
 *   kztest --limit SECONDS PROGRAM [ARG...]     see limit.c
 *
 * What the test prints are events "output", each line `kzram: NAME=NUMBER` of it an event "progress", how it ended is
 * "test", and files that it leaves are "file". Whatever it prints, none of it is taken for an event of ours.
 */
#define _GNU_SOURCE
#include "exit_codes.h"
#include "kzwatch.h"
#include "limit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	PIECE = 1024,		  /* bytes an event: six characters each at worst, and kzwatch takes lines of 8 KiB */
	STREAM_BYTES = 4 << 20,	  /* of standard output, and of standard error; the rest is read and dropped */
	RESULTS_BYTES = 8 << 20,  /* of all files together */
	MOST_RESULTS = 64,
	TERM_MS = 10000,	  /* from SIGTERM to SIGKILL */
};

struct stream {
	const char *name;
	int fd;
	size_t sent;
	bool counts; /* `kzram:` lines of it are counters */
	size_t used;
	bool overlong;
	char text[256]; /* the line that is not complete yet */
};

static struct stream streams[2] = { { .name = "stdout", .fd = -1, .counts = true }, { .name = "stderr", .fd = -1 } };
static const char *results[MOST_RESULTS];
static size_t result_count;
static volatile sig_atomic_t stopping;

static void print(struct line *line)
{
	size_t sent = 0;

	line->text[line->used++] = '\n';
	while (sent < line->used) {
		ssize_t length = write(STDOUT_FILENO, line->text + sent, line->used - sent);

		if (length < 0 && errno != EINTR)
			exit(EXIT_SETUP); /* kzwatch is gone: there is no one to report to */
		sent += length > 0 ? (size_t)length : 0;
	}
}

static void begin_event(struct line *line, const char *event)
{
	line->used = 0;
	add(line, "{\"ev\":\"%s\"", event);
}

static void fail(const char *what, const char *why)
{
	static struct line line;
	static char text[512];

	snprintf(text, sizeof(text), "%s: %s", what, why);
	begin_event(&line, "error");
	add(&line, ",\"text\":");
	add_string(&line, text);
	add(&line, "}");
	print(&line);
	exit(EXIT_SETUP);
}

/* ---- counters: lines `kzram: NAME=NUMBER` ---- */

static bool good_name(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.");

	return length && length <= 48 && !name[length] && *name != '.' && !strstr(name, "..") && name[length - 1] != '.';
}

static void count_line(char *text)
{
	static struct line line;
	char *name = text + strlen("kzram:"), *value = strchr(name, '='), *end;
	long long number;

	name += strspn(name, " \t");
	if (value)
		*value++ = 0;
	errno = 0;
	number = value ? strtoll(value, &end, 10) : 0;
	if (!value || !good_name(name) || errno || end == value || end[strspn(end, " \t\r")]) {
		begin_event(&line, "note");
		add(&line, ",\"text\":\"a kzram: line is not NAME=NUMBER\",\"line\":");
		add_string(&line, name);
	} else {
		begin_event(&line, "progress");
		add(&line, ",\"%s\":%lld", name, number);
	}
	add(&line, "}");
	print(&line);
}

static void find_counters(struct stream *stream, const char *data, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (data[i] != '\n') {
			if (stream->used < sizeof(stream->text) - 1)
				stream->text[stream->used++] = data[i];
			else
				stream->overlong = true;
			continue;
		}
		stream->text[stream->used] = 0;
		if (!stream->overlong && !strncmp(stream->text, "kzram:", 6))
			count_line(stream->text);
		stream->used = 0;
		stream->overlong = false;
	}
}

/* ---- what it prints ---- */

static void send_output(struct stream *stream, const char *data, size_t length)
{
	static struct line line;
	static char text[PIECE + 1];
	size_t filled = 0;

	begin_event(&line, "output");
	add(&line, ",\"stream\":\"%s\",\"text\":\"", stream->name);
	for (size_t i = 0; i < length; i++) { /* add_string() ends at a NUL, which a program may print */
		unsigned char c = (unsigned char)data[i];

		if (c >= ' ' && c <= '~' && c != '"' && c != '\\') {
			text[filled++] = data[i];
			continue;
		}
		text[filled] = 0;
		add(&line, "%s\\u%04x", text, c);
		filled = 0;
	}
	text[filled] = 0;
	add(&line, "%s\"}", text);
	print(&line);
}

/* One piece. False when there is nothing now, or never will be. */
static bool read_stream(struct stream *stream)
{
	char data[PIECE];
	ssize_t length = stream->fd < 0 ? 0 : read(stream->fd, data, sizeof(data));
	size_t kept;

	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (length <= 0) {
		if (stream->fd >= 0)
			close(stream->fd);
		stream->fd = -1;
		return false;
	}
	kept = STREAM_BYTES - stream->sent;
	kept = (size_t)length < kept ? (size_t)length : kept;
	if (kept)
		send_output(stream, data, kept);
	stream->sent += kept;
	if (stream->counts)
		find_counters(stream, data, (size_t)length);
	return true;
}

/* ---- the test ---- */

static void on_term(int number)
{
	(void)number;
	stopping = 1;
}

static void on_child(int number)
{
	(void)number; /* only there to end ppoll() */
}

static void write_own(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, value, strlen(value)) < 0)
		fprintf(stderr, "kztest: cannot write %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void become_test(char **command, int out, int err)
{
	sigset_t none;
	int null = open("/dev/null", O_RDONLY);

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	setpgid(0, 0);
	write_own("/proc/self/oom_score_adj", "500"); /* rather it than us */
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	execvp(command[0], command);
	dprintf(STDERR_FILENO, "kztest: cannot run %s: %s\n", command[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static pid_t start(char **command)
{
	int out[2], err[2];
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		fail("cannot start the test", strerror(errno));
	if (!pid)
		become_test(command, out[1], err[1]);
	setpgid(pid, pid);
	close(out[1]);
	close(err[1]);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	streams[0].fd = out[0];
	streams[1].fd = err[0];
	return pid;
}

/* Until the test is over: its output, and the signals that we get for it. Returns its status. */
static int follow(pid_t pid, const sigset_t *unblocked)
{
	int64_t kill_at = 0;
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		struct pollfd sources[2] = { { streams[0].fd, POLLIN, 0 }, { streams[1].fd, POLLIN, 0 } };
		struct timespec second = { .tv_sec = 1 };

		if (stopping && !kill_at) {
			kill(-pid, SIGTERM);
			kill_at = now_ms() + TERM_MS;
		}
		if (kill_at && now_ms() >= kill_at)
			kill(-pid, SIGKILL);
		if (ppoll(sources, 2, &second, unblocked) > 0)
			for (int i = 0; i < 2; i++)
				read_stream(&streams[i]);
	}
	kill(-pid, SIGKILL); /* what it left running would hold the pipes open */
	for (int i = 0; i < 2; i++)
		for (int pieces = 0; pieces < 64 && read_stream(&streams[i]); pieces++)
			;
	if (streams[0].used)
		find_counters(&streams[0], "\n", 1); /* a last line without its end */
	return status;
}

/* Whether it did what a good test does: ended with 0, or was still at it when it was told to stop. */
static bool report(int status)
{
	static struct line line;
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	bool stopped = stopping && (code == 0 || code == 128 + SIGTERM || code == 128 + SIGKILL);

	for (int i = 0; i < 2; i++) {
		if (streams[i].sent < STREAM_BYTES)
			continue;
		begin_event(&line, "note");
		add(&line, ",\"text\":\"%s was cut after %d MiB\"}", streams[i].name, STREAM_BYTES >> 20);
		print(&line);
	}
	begin_event(&line, "test");
	add(&line, ",\"code\":%d,\"stopped\":%s}", code, stopped ? "true" : "false");
	print(&line);
	return code == 0 || stopped;
}

/* ---- the files it leaves ---- */

static void add_base64(struct line *line, const unsigned char *data, size_t length)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < length; i += 3) {
		unsigned int second = i + 1 < length ? data[i + 1] : 0, third = i + 2 < length ? data[i + 2] : 0;
		unsigned int bits = (unsigned int)data[i] << 16 | second << 8 | third;

		add(line, "%c%c%c%c", digits[bits >> 18], digits[bits >> 12 & 63],
		    i + 1 < length ? digits[bits >> 6 & 63] : '=', i + 2 < length ? digits[bits & 63] : '=');
	}
}

static void end_file(size_t index, const char *problem)
{
	static struct line line;

	begin_event(&line, "file_end");
	add(&line, ",\"index\":%zu,\"problem\":", index);
	add_string(&line, problem);
	add(&line, "}");
	print(&line);
}

static void send_file(size_t index, size_t *room)
{
	static struct line line;
	unsigned char data[3072];
	struct stat about;
	ssize_t length = 0;
	int fd = open(results[index], O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &about) < 0) {
		end_file(index, strerror(errno));
	} else if (!S_ISREG(about.st_mode)) {
		end_file(index, "not a regular file");
	} else {
		while (*room && (length = read(fd, data, sizeof(data) < *room ? sizeof(data) : *room)) > 0) {
			*room -= (size_t)length;
			begin_event(&line, "file");
			add(&line, ",\"index\":%zu,\"data\":\"", index);
			add_base64(&line, data, (size_t)length);
			add(&line, "\"}");
			print(&line);
		}
		end_file(index, length < 0 ? strerror(errno) : *room ? "" : "cut: all results together are too large");
	}
	if (fd >= 0)
		close(fd);
}

static char **read_options(char **words)
{
	for (; *words && strcmp(*words, "--"); words += 2) {
		if (strcmp(*words, "--result") || !words[1] || result_count == MOST_RESULTS)
			return NULL;
		results[result_count++] = words[1];
	}
	return *words && words[1] ? words + 1 : NULL;
}

int main(int argc, char **argv)
{
	struct sigaction term = { .sa_handler = on_term }, child = { .sa_handler = on_child };
	char **command = read_options(argv + 1);
	size_t room = RESULTS_BYTES;
	sigset_t blocked, unblocked;
	bool good;

	if (argc > 1 && !strcmp(argv[1], "--limit"))
		return limit(argv + 2);
	if (!command)
		fail("kztest", "wrong arguments, see the head of kztest.c");
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &unblocked);
	sigaction(SIGTERM, &term, NULL);
	sigaction(SIGCHLD, &child, NULL);
	write_own("/proc/self/oom_score_adj", "-900");
	good = report(follow(start(command), &unblocked));
	for (size_t i = 0; i < result_count; i++)
		send_file(i, &room);
	return good ? 0 : 1;
}
