/* SPDX-License-Identifier: Apache-2.0 */
/* Which files a cluster's machines need and where they come from: the table artifacts.json, and
 * bundle directories. */
#ifndef GPUC__BUNDLE_H
#define GPUC__BUNDLE_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdbool.h>

typedef struct gpuc__bundle_file {
    char *name;   /* "kubeadm", "containerd", "image-node:images/node.tar" */
    char *sha256; /* 64 hex digits */
    char *path;   /* on this computer, absolute */
    bool control_plane_only, gpu_only; /* machines without that role do without it */
} gpuc__bundle_file;

typedef struct gpuc__sources {
    char *kubernetes;     /* "1.36.4": full version */
    char *containerd_min; /* oldest containerd it takes: "2.0" */
    char *files;          /* value of GPUC_FILES */
    gpuc__bundle_file *bundle; /* files to upload; empty without a bundle */
    size_t bundle_count;
} gpuc__sources;

/* version: "1.36" or "1.36.4"; bundle: directory or NULL. With a bundle its own version must fit.
 * GPUC_EUNSUPPORTED (unknown minor version), GPUC_EINVAL (bundle incomplete; says which file),
 * GPUC_ENOTFOUND, GPUC_EIO, GPUC_ENOMEM. Reads manifest.json and SHA256SUMS, not the files. */
int gpuc__sources_resolve(gpuc__sources *out, const char *version, const char *bundle,
                          gpuc_error **err);
/* A bundle's manifest.json, read as above. */
int gpuc__bundle_manifest(json_t **out, const char *bundle, gpuc_error **err);
void gpuc__sources_clear(gpuc__sources *sources);
#endif
