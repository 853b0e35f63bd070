/* SPDX-License-Identifier: Apache-2.0 */
/* Names of instances: found again from the names in the spec alone. */
#include <openssl/evp.h>
#include <string.h>

#include "provider/local/local.h"
#include "util/alloc.h"

#define LABEL_MAX 63
#define DIGEST_BYTES 4

char *gpuc__local_instance_name(const char *cluster, const char *machine)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char *name = gpuc__asprintf("%s-%s", cluster, machine), *end;
    unsigned int length;

    if (!name || strlen(name) <= LABEL_MAX)
        return name;
    if (EVP_Digest(name, strlen(name), digest, &length, EVP_sha256(), NULL) != 1) {
        gpuc__free(name);
        return NULL;
    }
    end = name + LABEL_MAX - 2 * DIGEST_BYTES - 1;
    *end++ = '-';
    for (int i = 0; i < DIGEST_BYTES; i++, end += 2)
        snprintf(end, 3, "%02x", digest[i]);
    return name;
}
