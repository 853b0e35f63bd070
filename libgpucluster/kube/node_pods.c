/* SPDX-License-Identifier: Apache-2.0 */
/* The pods on a node, and the GPUs that they hold. */
#include <stdlib.h>
#include <string.h>

#include "kube/node.h"
#include "kube/status.h"
#include "util/alloc.h"

#define GPUS_MAX 100000

gpuc__kube_call *gpuc__node_pods(gpuc__kube *kube, const char *name, int deadline_ms,
                                 gpuc__kube_done_fn done, void *data)
{
    char *query = gpuc__kube_path("fieldSelector=spec.nodeName%%3D%s", name, NULL);
    gpuc__kube_call *call =
        query ? gpuc__kube_list(kube, "/api/v1/pods", query, deadline_ms, done, data) : NULL;

    gpuc__free(query);
    return call;
}

static long limit_of(const json_t *container)
{
    const char *text = gpuc__json_text(container, "resources", "limits", "nvidia.com/gpu", NULL);
    long n = text ? strtol(text, NULL, 10) : 0;

    return n > 0 && n < GPUS_MAX ? n : 0;
}

/* Containers run together; those before them one after the other. */
static long pod_gpus(const json_t *pod)
{
    const json_t *spec = json_object_get(pod, "spec"), *container;
    long sum = 0, before = 0;
    size_t i;

    json_array_foreach(json_object_get(spec, "containers"), i, container)
        sum += limit_of(container);
    json_array_foreach(json_object_get(spec, "initContainers"), i, container)
    {
        if (limit_of(container) > before)
            before = limit_of(container);
    }
    return before > sum ? before : sum;
}

static bool holds(const json_t *pod, const char *run_id)
{
    const char *phase = gpuc__json_text(pod, "status", "phase", NULL);
    const char *run = gpuc__json_text(pod, "metadata", "labels", "gpucluster/run-id", NULL);

    if (phase && (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0))
        return false;
    return !run_id || !run || strcmp(run, run_id) != 0;
}

long gpuc__node_gpus_held(const json_t *pods, const char *run_id)
{
    const json_t *pod;
    long sum = 0;
    size_t i;

    json_array_foreach(json_object_get(pods, "items"), i, pod)
    {
        if (holds(pod, run_id))
            sum += pod_gpus(pod);
    }
    return sum;
}
