/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The window of the series async-window: zram.window_us, how long a write sleeps before it compresses a page again, as it
 * does where its allocation reclaims. Mutators that race in windows run on the CPU of the thread they race with, at
 * the lowest priority: in effect while it sleeps, and at no other time. So no race depends on two CPUs that really run at
 * once, no TLB of another CPU is to be flushed, and nearly every page that is compressed twice has changed in between.
 */
#ifndef KZRAM_WINDOW_H
#define KZRAM_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* False where `us` is 0 or the kernel lacks the series, which it says: threads race as they do without, the others do nothing */
bool window_setup(uint64_t us);
void window_open(void); /* counted: the last that closes it sets it back to 0 */
void window_close(void);
void window_end(void); /* for good: what comes now is not raced for */
void pin_in_window(uint64_t evicting); /* for a mutator: pinned with that thread that evicts or writes */

#endif
