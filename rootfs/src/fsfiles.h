/* SPDX-License-Identifier: GPL-2.0-only */
/* Files whose contents are known, names and attributes that are checked, users: what fsmutate's load is made of. */
#ifndef KZRAM_FSFILES_H
#define KZRAM_FSFILES_H

#include "pages.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern struct tally {
	atomic_uint_least64_t mutated, written, synced, operations, verified, corrupt, other_corrupt, hot_read_errors,
		errors;
} tally;

/* A call of the load failed: counted, and the first one noted with its errno. Damage may be the reason, or no space. */
void failed(const char *what);

/* --- users: by system call, so that it holds for the calling thread alone --- */
void become(uint64_t uid); /* for good */
void act_as(uint64_t uid); /* for a while */
void act_as_root(void);
void make_homes(const char *dir, uint64_t uid); /* DIR/UID and DIR/UID+1, of these users and closed to others */

/* --- files: DIR/UID/NAME.INDEX --- */
int open_file(const char *dir, uint64_t uid, const char *name, uint64_t index, int flags); /* or dies */
int make_file(const char *dir, uint64_t uid, const char *name, uint64_t index, uint64_t pages, int flags, bool varied);
uint32_t made_version(uint64_t page, bool varied); /* of a page of a new file: compressible, or as it comes */
void write_block(int fd, const void *from, size_t size, uint64_t at, bool by_io_uring);
bool io_uring_works(void);
void forget_pages(int fd); /* what is cached of a file is written back and dropped */
/* Page `at` of a file against what it must be; damage is counted, and ends the program if it may not go on. */
void check_page(int fd, void *page, uint64_t at, uint64_t number, uint32_t version, bool keep_going);

/* A file of which blocks are replaced and checked. */
struct kept {
	uint64_t batch, first, blocks;
	int fd;
	bool other, keep_going; /* other: another user's than the load */
	uint32_t *versions;
	unsigned char *buffer;
};
void open_kept(struct kept *kept, const char *dir, uint64_t uid, const char *name, uint64_t index, uint64_t pages);
void write_kept(struct kept *kept, uint64_t random, uint32_t version, uint32_t levels);
void verify_kept(struct kept *kept, uint64_t random);
void verify_all_kept(struct kept *kept);

/* --- names: what there is under a name, and what it holds, follows from its number --- */
enum name_kind { NAME_LINK, NAME_SYMLINK, NAME_FILE, NAME_KINDS };
int make_directory(const char *dir, uint64_t uid, uint64_t worker, uint64_t index); /* -1: failed */
void remove_directory(const char *dir, uint64_t uid, uint64_t worker, uint64_t index, int at);
unsigned int make_name(int at, uint64_t number, enum name_kind kind); /* how many were made: 1 or 0 */
void remove_name(int at, uint64_t number, bool keep_going); /* after a check of what it holds */
void set_attribute(int at, uint64_t number);

#endif
