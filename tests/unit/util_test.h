/* SPDX-License-Identifier: Apache-2.0 */
/* What cmocka needs before its header, and an allocator that fails when told. */
#ifndef UTIL_TEST_H
#define UTIL_TEST_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gpucluster.h>

static int allocations_left = -1; /* -1: no limit */

static inline void *limited_malloc(size_t size)
{
    if (allocations_left == 0)
        return NULL;
    allocations_left -= allocations_left > 0;
    return malloc(size);
}

static inline void *limited_realloc(void *memory, size_t size)
{
    if (allocations_left == 0)
        return NULL;
    allocations_left -= allocations_left > 0;
    return realloc(memory, size);
}

/* From now on only `count` allocations succeed; -1 ends it. */
static inline void allow_allocations(int count)
{
    static const gpuc_allocator limited = {limited_malloc, limited_realloc, free};

    allocations_left = count;
    gpuc_set_allocator(count < 0 ? NULL : &limited);
}
#endif
