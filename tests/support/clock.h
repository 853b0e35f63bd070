/* SPDX-License-Identifier: Apache-2.0 */
/* A clock that a test can put forward. The whole process sees it, libuv and curl too: what waits for a
 * minute can be tested in none. For one file of a test program. */
#ifndef TEST_CLOCK_H
#define TEST_CLOCK_H
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_int clock_ahead_s;

/* In place of the C library's, for its other libraries too. */
__attribute__((visibility("default")))
int clock_gettime(clockid_t id, struct timespec *now)
{
    int rc = (int)syscall(SYS_clock_gettime, id, now);

    if (rc == 0 && (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE))
        now->tv_sec += clock_ahead_s;
    return rc;
}

static inline void clock_put_forward(int seconds)
{
    clock_ahead_s += seconds;
}
#endif
