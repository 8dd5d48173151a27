/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of kzwatch: a line of JSON, the control port, the counters. What brings them together is in watch.c. */
#ifndef KZRAM_KZWATCH_H
#define KZRAM_KZWATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- line.c: one line of JSON, built in place --- */
struct line {
	size_t used;
	char text[16384]; /* a virtio port takes up to 32 KiB in one write(), whole or not at all */
};
int64_t now_ms(void);
void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
void add_string(struct line *line, const char *text); /* quoted and escaped */
void begin(struct line *line, const char *event); /* {"ev":…,"t":… */
bool next_word(const char **list, char *word, size_t size); /* blank-separated; false at the end */

/* --- port.c: the control port, descriptor 3. The host may stop reading: every write has a deadline --- */
enum { CONTROL = 3 };
extern int64_t patience_ms; /* how long a host that read until now is waited for */
extern bool host_deaf; /* the last line did not get through */
extern unsigned long lines_lost;
void open_control(void); /* or exit */
void send_line(struct line *line); /* never tears one */
void send_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- counters.c: what the kernel counts --- */
extern const char *fault_file; /* `times` of the fault injector; NULL: no fault */
extern long long fault_times; /* what init put there: the kernel counts it down */
void open_counters(void);
void send_sample(void); /* read all, send them as one event */
void remember_progress(const char *event); /* what a workload counts itself: a stop may name it as workload.NAME */
bool all_floors_reached(const char *floors); /* "NAME=N NAME=N": by the last sample; false for "" */

/* --- receive.c: a guest that starts from a saved one gets its cell, its clock and entropy by the port --- */
int receive(const char *path); /* an exit code */

#endif
