/* SPDX-License-Identifier: GPL-2.0-only */
/* The program `timeout` of the guest. */
#ifndef KZRAM_LIMIT_H
#define KZRAM_LIMIT_H

int limit(char **words); /* its arguments, without its own name; an exit code */

#endif
