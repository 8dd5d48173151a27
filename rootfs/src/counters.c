// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel counts, read from its files; and the floors at which a workload has seen enough. */
#define _GNU_SOURCE
#include "kzwatch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
const char *fault_file;
long long fault_times;

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

/* ROOT is where this guest's file system begins; tests have another one. */
#ifndef ROOT
#define ROOT ""
#endif

static int open_file(const char *path)
{
	char full[512];

	snprintf(full, sizeof(full), "%s%s", ROOT, path);
	return open(full, O_RDONLY | O_CLOEXEC);
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
	int fd = source->shape == NUMBER ? open_file(source->path) : source->fd;
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
	DIR *listing;
	struct dirent *entry;
	char full[512];

	snprintf(full, sizeof(full), "%s%s", ROOT, directory);
	listing = opendir(full);
	while (listing && (entry = readdir(listing))) {
		char *path;

		if (*entry->d_name != '.' && asprintf(&path, "%s/%s", directory, entry->d_name) >= 0)
			add_number(path, strrchr(path, '/') + 1, "");
	}
	if (listing)
		closedir(listing);
}

void open_counters(void)
{
	find_instrument("/sys/kernel/debug/zram_overrun");
	if (fault_file && fault_times > 0)
		add_number(fault_file, "injected", "fault.");
	for (size_t i = 0; i < source_count; i++)
		if (sources[i].shape != NUMBER)
			sources[i].fd = open_file(sources[i].path);
}

void remember_progress(const char *event)
{
	char name[sizeof(counters->name)];
	long long value;
	int length;

	event = strchr(event, ',');
	while (event && sscanf(event, ",\"%63[A-Za-z0-9_.]\":%lld%n", name, &value, &length) == 2) {
		if (strlen(name) < sizeof(name) - sizeof("workload.")) /* else it would be another's name */
			set_counter("workload.", name, value);
		event += length;
	}
}

void send_sample(void)
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

static bool floor_reached(const char *floor)
{
	const char *number = strchr(floor, '=');

	for (size_t i = 0; number && i < counter_count; i++)
		if (!strncmp(counters[i].name, floor, (size_t)(number - floor)) && !counters[i].name[number - floor])
			return counters[i].value >= atoll(number + 1);
	return false; /* a counter this kernel does not have is never reached */
}

bool all_floors_reached(const char *floors)
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
