// SPDX-License-Identifier: GPL-2.0-only
/*
 * kzwatch: run a workload, and be the only writer of the control port (file descriptor 3).
 *
 *   kzwatch --emit EVENT [KEY=TEXT | KEY:=JSON]...         one event, for init
 *   kzwatch [--stop 'NAME=N ...'] [--duration S] [--sample MS] [--grace S]
 *           [--fault-file TIMES --fault-times N] -- PROGRAM [ARG...]
 *
 * The guest it lives in is out of memory on purpose. So: locked into memory, exempt from the OOM killer,
 * nothing allocated after the start. And the host may stop reading: every write has a deadline.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CONTROL = 3, EXIT_BAD_ARGS = 2, EXIT_SETUP = 4, NEVER = -1 };

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- a line of JSON, built in place ---- */

struct line {
	size_t used;
	char text[16384]; /* a virtio port takes up to 32 KiB in one write(), whole or not at all */
};

static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct line *line, const char *format, ...)
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

static void add_string(struct line *line, const char *text)
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

static void begin(struct line *line, const char *event)
{
	line->used = 0;
	add(line, "{\"ev\":");
	add_string(line, event);
	add(line, ",\"t\":%lld", (long long)now_ms());
}

/* ---- the control port ---- */

static int64_t patience_ms = 2000; /* in the loop of a workload; more for the events of init */
static bool host_deaf;
static unsigned long lines_lost;

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
static void send_line(struct line *line)
{
	static bool torn;
	size_t sent = 0;

	line->text[line->used++] = '\n';
	while (sent < line->used && port_ready()) {
		ssize_t length = torn ? write(CONTROL, "\n", 1) : write(CONTROL, line->text + sent, line->used - sent);

		if (length < 0 && errno != EAGAIN && errno != EINTR)
			break;
		if (length > 0 && !torn)
			sent += (size_t)length;
		torn = torn && length < 1;
	}
	host_deaf = sent < line->used; /* do not wait for it again, until it reads */
	lines_lost += host_deaf;
	torn = torn || (sent && host_deaf);
}

static void send_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void send_note(const char *format, ...)
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

static void open_control(void)
{
	int flags = fcntl(CONTROL, F_GETFL);

	if (flags < 0 || fcntl(CONTROL, F_SETFL, flags | O_NONBLOCK) < 0) {
		fprintf(stderr, "kzwatch: no control port at descriptor %d\n", CONTROL);
		exit(EXIT_SETUP);
	}
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

/* ---- counters ---- */

enum shape { NUMBER, COLUMNS, KEYED, PSI };

/*
 * Where counters come from. A file that does not exist in this kernel gives no counters; a column or key
 * that is not there gives none either. Opened once, as opening a file allocates, and memory is what is short;
 * except for NUMBER files, all in debugfs, where simple attributes are not seekable: one open, one value.
 */
struct source {
	const char *path;
	enum shape shape;
	const char *names; /* COLUMNS: of each column, "-" to skip; KEYED: the keys wanted, as key or key=name */
	const char *prefix;
	int skip_lines, fd;
};

enum { MAX_SOURCES = 64, MAX_COUNTERS = 256 };

static struct source sources[MAX_SOURCES] = {
	{ "/sys/block/zram0/mm_stat", COLUMNS,
	  "orig_data_size compr_data_size mem_used_total mem_limit mem_used_max same_pages pages_compacted huge_pages "
	  "huge_pages_since", "zram.", 0, -1 },
	{ "/sys/block/zram0/io_stat", COLUMNS, "failed_reads failed_writes invalid_io notify_free", "zram.", 0, -1 },
	/* after a line with the version. 4.9 has writestall alone; 6.15 dropped it (prints 0 in its place) */
	{ "/sys/block/zram0/debug_stat", COLUMNS, "writestall miss_free", "zram.", 1, -1 },
	{ "/sys/block/zram0/stat", COLUMNS, "reads - read_sectors - writes - write_sectors", "zram.", 0, -1 },
	{ "/proc/vmstat", KEYED,
	  "pswpin pswpout pgfault pgmajfault oom_kill nr_writeback nr_dirty nr_swapcached nr_zspages swap_ra "
	  "pgscan_kswapd pgscan_direct pgsteal_kswapd pgsteal_direct nr_vmscan_write", "vmstat.", 0, -1 },
	{ "/proc/meminfo", KEYED, "MemFree:=free_kb MemAvailable:=available_kb SwapFree:=swap_free_kb", "mem.", 0, -1 },
	{ "/proc/pressure/memory", PSI, NULL, "psi.memory.", 0, -1 },
};
static size_t source_count = 7;

static struct counter {
	char name[64];
	long long value;
	bool seen;
} counters[MAX_COUNTERS];
static size_t counter_count;
static const char *fault_file;
static long long fault_times; /* what init put in the injector's `times`: the kernel counts it down */

static void set_counter(const char *prefix, const char *name, long long value)
{
	char full[sizeof(counters->name)];
	size_t i;

	snprintf(full, sizeof(full), "%s%s", prefix, name);
	for (i = 0; i < counter_count && strcmp(counters[i].name, full); i++)
		;
	if (i == MAX_COUNTERS)
		return;
	if (i == counter_count)
		memcpy(counters[counter_count++].name, full, sizeof(full));
	counters[i].value = value;
	counters[i].seen = true;
}

/* The next blank-separated word of *list, or NULL. */
static bool next_word(const char **list, char *word, size_t size)
{
	size_t length;

	*list += strspn(*list, " \t\n");
	length = strcspn(*list, " \t\n");
	snprintf(word, size, "%.*s", (int)length, *list);
	*list += length;
	return length > 0;
}

static void read_columns(const struct source *source, const char *text)
{
	char name[64], value[32];
	const char *names = source->names;

	for (int i = 0; i < source->skip_lines; i++)
		text += strcspn(text, "\n") + (strchr(text, '\n') != NULL);
	while (next_word(&names, name, sizeof(name)) && next_word(&text, value, sizeof(value)))
		if (*name != '-')
			set_counter(source->prefix, name, atoll(value));
}

/* What a key is called in our events, or NULL if it is not wanted. */
static const char *wanted_key(const char *names, const char *key, char *name, size_t size)
{
	while (next_word(&names, name, size)) {
		char *alias = strchr(name, '=');

		if (alias)
			*alias++ = 0;
		if (!strcmp(name, key))
			return alias ? alias : name;
	}
	return NULL;
}

static void read_keyed(const struct source *source, const char *text)
{
	char key[64], value[32], scratch[64];

	while (next_word(&text, key, sizeof(key)) && next_word(&text, value, sizeof(value))) {
		const char *name = wanted_key(source->names, key, scratch, sizeof(scratch));

		if (name)
			set_counter(source->prefix, name, atoll(value));
		text += strcspn(text, "\n"); /* meminfo has a unit behind the number */
	}
}

static void read_psi(const struct source *source, const char *text)
{
	const char *some = strstr(text, "some"), *full = strstr(text, "full");

	if (some && (some = strstr(some, "total=")))
		set_counter(source->prefix, "some_us", atoll(some + 6));
	if (full && (full = strstr(full, "total=")))
		set_counter(source->prefix, "full_us", atoll(full + 6));
}

static void read_number(const struct source *source, const char *text)
{
	long long value = atoll(text);

	set_counter(source->prefix, source->names, *source->prefix ? fault_times - value : value);
}

static bool slurp(int fd, char *text, size_t size)
{
	size_t used = 0;
	ssize_t length;

	lseek(fd, 0, SEEK_SET); /* refused by a file that was opened for this one reading */
	while (used < size - 1 && (length = read(fd, text + used, size - 1 - used)) > 0)
		used += (size_t)length; /* a seq_file gives a page at a time */
	text[used] = 0;
	return used > 0;
}

static void read_source(const struct source *source)
{
	static char text[32768];
	int fd = source->shape == NUMBER ? open(source->path, O_RDONLY | O_CLOEXEC) : source->fd;
	bool good = fd >= 0 && slurp(fd, text, sizeof(text));

	if (fd != source->fd && fd >= 0)
		close(fd);
	if (!good)
		return;
	switch (source->shape) {
	case NUMBER:
		read_number(source, text);
		break;
	case COLUMNS:
		read_columns(source, text);
		break;
	case KEYED:
		read_keyed(source, text);
		break;
	case PSI:
		read_psi(source, text);
		break;
	}
}

static void add_number(const char *path, const char *name, const char *prefix)
{
	if (source_count < MAX_SOURCES)
		sources[source_count++] = (struct source){ path, NUMBER, name, prefix, 0, -1 };
}

/* Every file of the instrumented kernel's directory is a counter of that name. */
static void find_instrument(const char *directory)
{
	DIR *listing = opendir(directory);
	struct dirent *entry;

	while (listing && (entry = readdir(listing))) {
		char *path;

		if (*entry->d_name != '.' && asprintf(&path, "%s/%s", directory, entry->d_name) >= 0)
			add_number(path, strrchr(path, '/') + 1, "");
	}
	if (listing)
		closedir(listing);
}

static void open_sources(void)
{
	find_instrument("/sys/kernel/debug/zram_overrun");
	if (fault_file && fault_times > 0)
		add_number(fault_file, "injected", "fault.");
	for (size_t i = 0; i < source_count; i++)
		if (sources[i].shape != NUMBER)
			sources[i].fd = open(sources[i].path, O_RDONLY | O_CLOEXEC);
}

static void sample(void)
{
	static struct line line;
	const char *comma = "";

	for (size_t i = 0; i < source_count; i++)
		read_source(&sources[i]);
	begin(&line, "sample");
	add(&line, ",\"counters\":{");
	for (size_t i = 0; i < counter_count; i++, comma = ",")
		add(&line, "%s\"%s\":%lld", comma, counters[i].name, counters[i].value);
	add(&line, "}}");
	send_line(&line);
}

/* ---- when to stop ---- */

static bool floor_reached(const char *floor)
{
	const char *number = strchr(floor, '=');

	for (size_t i = 0; number && i < counter_count; i++)
		if (!strncmp(counters[i].name, floor, (size_t)(number - floor)) && !counters[i].name[number - floor])
			return counters[i].value >= atoll(number + 1);
	return false; /* a counter this kernel does not have is never reached */
}

static bool all_floors_reached(const char *floors)
{
	char floor[96];
	bool any = false;

	while (next_word(&floors, floor, sizeof(floor))) {
		if (!floor_reached(floor))
			return false;
		any = true;
	}
	return any;
}

/* ---- the workload ---- */

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
	signal(SIGPIPE, SIG_DFL);
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
	setpgid(child.pid, child.pid); /* whoever of us comes first */
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
		sample();
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

/* Sleep until the workload says something or ends, or it is time for something. */
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
	sample();
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

int main(int argc, char **argv)
{
	char **command;

	open_control();
	if (argc > 1 && !strcmp(argv[1], "--emit"))
		return emit_event(argv + 2);
	command = read_options(argv + 1);
	if (!command) {
		fprintf(stderr, "kzwatch: wrong arguments, see the head of kzwatch.c\n");
		return EXIT_BAD_ARGS;
	}
	stay_alive();
	open_sources();
	return watch(command);
}
