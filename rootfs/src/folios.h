/* SPDX-License-Identifier: GPL-2.0-only */
/* Large folios of anonymous memory. */
#ifndef KZRAM_FOLIOS_H
#define KZRAM_FOLIOS_H

#include <stdint.h>

enum folios { FOLIOS_NEVER, FOLIOS_MADVISE, FOLIOS_ALWAYS }; /* none; where a region asks for them; everywhere */

/* Turns them on in sysfs, of `kib` KiB where the kernel has sizes to choose from (6.8); 0: of every size. */
void folios_setup(enum folios folios, uint64_t kib);
void *map_folios(uint64_t count, enum folios folios); /* aligned to 2 MiB, unless FOLIOS_NEVER */
uint64_t folios_swapped_out(void); /* in one piece, by all in the machine; 0 also where the kernel does not count them */

#endif
