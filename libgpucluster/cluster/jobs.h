/* SPDX-License-Identifier: Apache-2.0 */
/* A job: one workload on every GPU node together, or those of manifests. */
#ifndef GPUC__JOBS_H
#define GPUC__JOBS_H
#include "cluster/cluster.h"

/* What the public functions of gpucluster/job.h do, after their argument checks. kind NULL: of
 * manifests, which are then added. */
int gpuc__job_create(gpuc_job **out, gpuc_cluster *cluster, const char *kind, gpuc_error **err);
/* The same on the cluster that a kubeconfig leads to. */
int gpuc__job_create_for_others(gpuc_job **out, gpuc_context *context, const char *kubeconfig,
                                const char *kind, gpuc_error **err);
int gpuc__job_add_manifest(gpuc_job *job, const char *text, size_t length, const char *filename,
                           gpuc_error **err);
int gpuc__job_add_file(gpuc_job *job, const char *path, gpuc_error **err);
int gpuc__job_parameter(gpuc_job *job, const char *key, const char *value, gpuc_error **err);
int gpuc__job_begin(gpuc_op **out, gpuc_job *job, gpuc_error **err);
gpuc_context *gpuc__job_context(const gpuc_job *job);
bool gpuc__job_take_line(gpuc_job *job, char **line, char **origin);
json_t *gpuc__job_results(const gpuc_job *job);
/* What jobs of the known kinds are filled with; gpuc__cluster_manifest_values is the same with images as
 * the bundle has them. addons.c */
int gpuc__job_values(json_t **out, gpuc_error **err);
#endif
