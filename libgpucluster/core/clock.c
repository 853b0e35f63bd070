/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks. */
#include "core/context.h"

#include <time.h>

static int64_t read_ms(clockid_t clock)
{
    struct timespec now = {0};

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t gpuc__now_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

uint64_t gpuc__clock_ms(void)
{
    return (uint64_t)read_ms(CLOCK_MONOTONIC);
}
