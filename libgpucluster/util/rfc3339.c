/* SPDX-License-Identifier: Apache-2.0 */
#include "util/rfc3339.h"

#include <string.h>
#include <time.h>

#define FORMAT "%Y-%m-%dT%H:%M:%SZ"
#define LAST_MS INT64_C(253402300799999) /* of the year 9999 */

const char *gpuc__rfc3339(char out[GPUC__RFC3339_SIZE], int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm t;

    if (ms < 0 || ms > LAST_MS || !gmtime_r(&seconds, &t) ||
        !strftime(out, GPUC__RFC3339_SIZE, FORMAT, &t))
        out[0] = '\0';
    return out;
}

int64_t gpuc__rfc3339_read(const char *text)
{
    struct tm t;
    const char *end;

    memset(&t, 0, sizeof(t));
    end = text ? strptime(text, FORMAT, &t) : NULL;
    return end && !*end ? (int64_t)timegm(&t) * 1000 : 0;
}
