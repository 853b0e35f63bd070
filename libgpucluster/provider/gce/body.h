/* SPDX-License-Identifier: Apache-2.0 */
/* The bodies of requests, field for field as gcloud sends them but for what docs/gce.md lists: pure
 * functions. Each gives a new reference, NULL without memory. */
#ifndef GPUC__GCE_BODY_H
#define GPUC__GCE_BODY_H
#include "provider/gce/gce.h"

json_t *gpuc__gce_body_instance(const gpuc__provider *provider, const gpuc__machine_model *machine,
                                const gpuc__gce_shape *shape, const char *zone);
/* names: instance names of equal machines, NULL-terminated. zone NULL: the regional form, for any one
 * zone but those denied (NULL-terminated; may be NULL). */
json_t *gpuc__gce_body_bulk(const gpuc__provider *provider, const gpuc__machine_model *machine,
                            const gpuc__gce_shape *shape, const char *const *names,
                            const char *zone, const char *const *denied_zones);
json_t *gpuc__gce_body_firewall(const gpuc__provider *provider, const gpuc__expose_model *expose);
/* Of SSH for IAP: from 35.235.240.0/20 to the cluster's machines. */
json_t *gpuc__gce_body_firewall_iap(const gpuc__provider *provider);
#endif
