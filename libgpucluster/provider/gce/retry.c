/* SPDX-License-Identifier: Apache-2.0 */
/* When a request is repeated. Pure. */
#include <stdlib.h>
#include <string.h>

#include "provider/gce/call.h"

#define S 1000u
#define RETRY_AFTER_MAX_S 300u

uint64_t gpuc__gce_delay(gpuc__gce_pace pace, unsigned failures, unsigned retry_after,
                         int64_t now_ms, unsigned char jitter)
{
    static const struct {
        uint64_t first, most;
    } paces[] = {
        [GPUC__GCE_PACE_BACKOFF] = {1 * S, 30 * S}, [GPUC__GCE_PACE_SLOW] = {10 * S, 60 * S}};
    uint64_t ms;

    if (retry_after) /* the server knows best */
        return (retry_after < RETRY_AFTER_MAX_S ? retry_after : RETRY_AFTER_MAX_S) * S +
               jitter * S / 256;
    if (pace == GPUC__GCE_PACE_MINUTE) /* all who were refused wait for the same instant */
        return 60 * S - (uint64_t)now_ms % (60 * S) + jitter * 5 * S / 256;
    ms = paces[pace].first << (failures > 8 ? 8 : failures ? failures - 1 : 0);
    if (ms > paces[pace].most)
        ms = paces[pace].most;
    return ms / 2 + ms / 2 * (1u + jitter) / 256;
}

unsigned gpuc__gce_retry_after(const char *header)
{
    size_t digits = header ? strspn(header, "0123456789") : 0;

    /* the other form, a date, would need this clock to be the server's */
    if (!digits || digits > 9 || header[digits + strspn(header + digits, " \t")] != '\0')
        return 0;
    return (unsigned)strtoul(header, NULL, 10);
}
