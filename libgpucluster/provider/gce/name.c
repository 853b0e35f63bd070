/* SPDX-License-Identifier: Apache-2.0 */
/* Names at the provider: found again from the names in the spec alone. */
#include <openssl/evp.h>
#include <string.h>

#include "provider/gce/gce.h"
#include "util/alloc.h"

#define NAME_MAX_LENGTH 63
#define DIGEST_BYTES 4

/* Takes name: as it is, or cut and ended by a digest of the whole. */
static char *fit(char *name)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length;
    char *end;

    if (!name || strlen(name) <= NAME_MAX_LENGTH)
        return name;
    if (EVP_Digest(name, strlen(name), digest, &length, EVP_sha256(), NULL) != 1) {
        gpuc__free(name);
        return NULL;
    }
    end = name + NAME_MAX_LENGTH - 2 * DIGEST_BYTES - 1;
    *end++ = '-';
    for (int i = 0; i < DIGEST_BYTES; i++, end += 2)
        snprintf(end, 3, "%02x", digest[i]);
    return name;
}

char *gpuc__gce_instance_name(const char *cluster, const char *machine)
{
    return fit(gpuc__asprintf("%s-%s", cluster, machine));
}

/* By the cluster's uuid: names may be the same within a project, and rules reach whatever has the tag.
 * Commands that are shown before there is a uuid have the name. */
char *gpuc__gce_tag(const gpuc__provider *provider, gpuc__role role)
{
    const char *what = role == GPUC__ROLE_CONTROL_PLANE ? "control-plane"
                       : role == GPUC__ROLE_WORKER      ? "worker"
                                                        : "machine";

    return fit(gpuc__asprintf("gpucluster-%s-%s", what, provider->uuid[0] ? provider->uuid : provider->spec->name));
}

char *gpuc__gce_rule_name(const gpuc__provider *provider, const gpuc__expose_model *expose)
{
    if (!expose)
        return fit(gpuc__asprintf("%s-iap-ssh", provider->spec->name));
    return fit(gpuc__asprintf("%s-expose-%d", provider->spec->name, expose->port));
}
