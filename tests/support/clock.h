/* SPDX-License-Identifier: Apache-2.0 */
/* A clock that a test can put forward. The whole process sees it, libuv and curl too: what waits for a
 * minute can be tested in none. For one file of a test program. */
#ifndef TEST_CLOCK_H
#define TEST_CLOCK_H
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_long clock_ahead_ms;
static atomic_int clock_step_ms; /* so much passes between two looks at it, as on a busy machine */

/* In place of the C library's, for its other libraries too. */
__attribute__((visibility("default")))
int clock_gettime(clockid_t id, struct timespec *now)
{
    int rc = (int)syscall(SYS_clock_gettime, id, now);

    if (rc == 0 && (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE)) {
        long ms = now->tv_nsec / 1000000 + (clock_ahead_ms += clock_step_ms);

        now->tv_sec += ms / 1000;
        now->tv_nsec = ms % 1000 * 1000000;
    }
    return rc;
}

static inline void clock_put_forward(int seconds)
{
    clock_ahead_ms += seconds * 1000L;
}
#endif
