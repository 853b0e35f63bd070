/* SPDX-License-Identifier: Apache-2.0 */
#include "util/rfc3339.h"

#include <stdio.h>
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

/* The digits of a fraction of a second; returns what follows them. */
static const char *parse_fraction(const char *text, int64_t *ns)
{
    int64_t unit = 100000000;

    for (; *text >= '0' && *text <= '9'; text++) {
        *ns += unit * (*text - '0');
        unit /= 10;
    }
    return text;
}

const char *gpuc__rfc3339_parse(const char *text, int64_t *ns)
{
    struct tm t = {0};
    const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &t) : NULL;
    int hours = 0, minutes = 0, used = 0;
    int64_t offset = 0, fraction = 0;

    if (!rest || rest - text != 19)
        return NULL;
    if (*rest == '.')
        rest = parse_fraction(rest + 1, &fraction);
    if (*rest == 'Z') {
        rest++;
    } else if (*rest == '+' || *rest == '-') { /* a zone of its own */
        if (sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || used != 5)
            return NULL;
        offset = (*rest == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
        rest += 6;
    } else {
        return NULL;
    }
    *ns = ((int64_t)timegm(&t) - offset) * 1000000000 + fraction;
    return rest;
}
