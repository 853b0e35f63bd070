/* SPDX-License-Identifier: Apache-2.0 */
/* Request ids. */
#include <openssl/rand.h>
#include <stdio.h>

#include "provider/gce/client.h"
#include "util/error.h"

int gpuc__gce_uuid(char out[37], gpuc_error **err)
{
    unsigned char b[16];

    if (RAND_bytes(b, sizeof(b)) != 1)
        return gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_SYSTEM,
                               "no random numbers for a request id");
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4, RFC 9562 */
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
             b[14], b[15]);
    return GPUC_OK;
}
