/* SPDX-License-Identifier: Apache-2.0 */
/* Which providers this build has, and what they say of a machine. */
#include "provider/provider.h"

#include <string.h>

#include "util/alloc.h"

const gpuc__provider_ops *gpuc__provider_get(gpuc__provider_kind kind)
{
    switch (kind) {
    case GPUC__PROVIDER_SSH:
        return &gpuc__provider_ssh;
    case GPUC__PROVIDER_LOCAL:
        return &gpuc__provider_local;
    case GPUC__PROVIDER_GCE:
        return &gpuc__provider_gce;
    default:
        return NULL;
    }
}

void gpuc__machine_info_clear(gpuc__machine_info *info)
{
    gpuc__free(info->address);
    gpuc__free(info->user);
    for (size_t i = 0; info->host_keys && info->host_keys[i]; i++)
        gpuc__free(info->host_keys[i]);
    gpuc__free(info->host_keys);
    gpuc__free(info->provider_id);
    gpuc__free(info->status);
    gpuc__free(info->image);
    gpuc__free(info->note);
    gpuc__free(info->zone);
    gpuc__free(info->machine_type);
    gpuc__free(info->internal_ip);
    gpuc__free(info->external_ip);
    memset(info, 0, sizeof(*info));
}
