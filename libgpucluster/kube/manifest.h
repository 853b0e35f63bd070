/* SPDX-License-Identifier: Apache-2.0 */
/* The manifests compiled in, and how their placeholders are filled: on the parsed JSON, so that no
 * value can change its structure. */
#ifndef GPUC__KUBE_MANIFEST_H
#define GPUC__KUBE_MANIFEST_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdbool.h>

/* The values of kube/versions.json: {"FLANNEL_IMAGE": "ghcr.io/…", …}; new. Add "POD_SUBNET". */
int gpuc__manifest_values(json_t **out, gpuc_error **err);
/* Puts images in place of those of the same repository: ref is "REPOSITORY:TAG", as a bundle lists
 * them. One that matches nothing changes nothing. */
void gpuc__manifest_use_image(json_t *values, const char *ref);

/* name: "flannel", "runtime-class", "device-plugin". The array of objects with every ${NAME} in its
 * strings replaced; new. A missing value is GPUC_EINVAL. */
int gpuc__manifest_load(json_t **out, const char *name, const json_t *values, gpuc_error **err);

/* The same on any JSON: a new copy. An object {"$json": X} becomes X as text. */
int gpuc__manifest_fill(json_t **out, const json_t *in, const json_t *values, gpuc_error **err);

/* Whether all that an object was applied with is still in it: what the server or others added does
 * not count, nor that it leaves out what is empty. Elements of a list may have moved. */
bool gpuc__manifest_holds(const json_t *applied, const json_t *live);
#endif
