/* SPDX-License-Identifier: GPL-2.0-only */
/* Exit codes of the guest's programs: a contract with the host. */
#ifndef KZRAM_EXIT_CODES_H
#define KZRAM_EXIT_CODES_H

enum { EXIT_BAD_ARGS = 2, EXIT_CORRUPTION = 3, EXIT_SETUP = 4 };

#endif
