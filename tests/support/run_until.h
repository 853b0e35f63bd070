/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting in the loop for a condition, two minutes at most: turns of the loop are no measure of time. */
#ifndef TEST_RUN_UNTIL_H
#define TEST_RUN_UNTIL_H
#include "core/context.h"

#define RUN_UNTIL(context, condition)                                                              \
    for (uint64_t run_stop = gpuc__clock_ms() + 120000;                                            \
         !(condition) && gpuc__clock_ms() < run_stop;)                                             \
    gpuc_context_run(context, 20, NULL)
#endif
