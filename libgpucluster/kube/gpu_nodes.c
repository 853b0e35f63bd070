/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/gpu_nodes.h"

#include <string.h>

#include "kube/gpu_chain.h"
#include "kube/status.h"
#include "util/data.h"
#include "util/error.h"

#define COUNT_MAX 1000000

bool gpuc__gpu_resource(const char *name)
{
    return strcmp(name, "nvidia.com/gpu") == 0 || strcmp(name, "nvidia.com/gpu.shared") == 0 ||
           strncmp(name, "nvidia.com/mig-", 15) == 0;
}

/* Extended resources are whole numbers; anything else counts for none. */
static long count_of(const json_t *value)
{
    const char *text = json_string_value(value);
    long n = 0;

    if (json_is_integer(value))
        return json_integer_value(value) > 0 ? (long)json_integer_value(value) : 0;
    for (; text && *text >= '0' && *text <= '9' && n < COUNT_MAX; text++)
        n = n * 10 + (*text - '0');
    return n;
}

int gpuc__gpu_node(bool *out, const json_t *node, gpuc_error **err)
{
    const gpuc__data *data = gpuc__data_get("kube/gpu-labels.json");
    json_t *table = data ? json_loadb(data->text, data->length, 0, NULL) : NULL, *row;
    const json_t *labels = gpuc__json_at(node, "metadata", "labels", NULL);
    bool found = gpuc__chain_gpus(node, true) > 0 || gpuc__chain_gpus(node, false) > 0;
    size_t i;

    if (!table)
        return gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_KUBERNETES,
                               "the table kube/gpu-labels.json of this build cannot be read");
    json_array_foreach(json_object_get(table, "labels"), i, row)
    {
        const char *name = gpuc__json_text(row, "name", NULL);
        const char *wanted = gpuc__json_text(row, "value", NULL);
        const char *value = name ? json_string_value(json_object_get(labels, name)) : NULL;

        found = found || (value && wanted && (!*wanted || strcmp(value, wanted) == 0));
    }
    json_decref(table);
    *out = found;
    return GPUC_OK;
}

long gpuc__gpu_offered(const json_t *node)
{
    return count_of(gpuc__json_at(node, "status", "allocatable", "nvidia.com/gpu", NULL));
}

bool gpuc__gpu_shared(const json_t *node)
{
    const json_t *labels = gpuc__json_at(node, "metadata", "labels", NULL);
    const char *strategy = json_string_value(json_object_get(labels, "nvidia.com/gpu.sharing-strategy"));

    return (strategy && *strategy && strcmp(strategy, "none") != 0) ||
           count_of(json_object_get(labels, "nvidia.com/gpu.replicas")) > 1;
}

static void add(json_t *sums, const char *name, long n)
{
    json_object_set_new(sums, name, json_integer(json_integer_value(json_object_get(sums, name)) + n));
}

/* Requests of an extended resource are its limits, whichever is written. */
static void add_container(json_t *sums, const json_t *container)
{
    const json_t *limits = gpuc__json_at(container, "resources", "limits", NULL);
    const json_t *requests = gpuc__json_at(container, "resources", "requests", NULL), *value;
    const char *name;

    json_object_foreach((json_t *)(json_object_size(limits) ? limits : requests), name, value)
    {
        if (gpuc__gpu_resource(name))
            add(sums, name, count_of(value));
    }
}

static void raise_to(json_t *sums, const json_t *others)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)others, name, value)
    {
        if (json_integer_value(value) > json_integer_value(json_object_get(sums, name)))
            json_object_set(sums, name, value);
    }
}

/* As the scheduler counts: the containers together, or an init container beside those before it that
 * stay, whichever is more. */
static json_t *pod_usage(const json_t *pod)
{
    json_t *all = json_object(), *stay = json_object(), *most = json_object();
    const json_t *container;
    size_t i;

    json_array_foreach(gpuc__json_at(pod, "spec", "initContainers", NULL), i, container)
    {
        const char *policy = gpuc__json_text(container, "restartPolicy", NULL);
        json_t *now = json_copy(stay);

        add_container(now, container);
        raise_to(most, now);
        if (policy && strcmp(policy, "Always") == 0)
            add_container(stay, container);
        json_decref(now);
    }
    json_object_update(all, stay);
    json_array_foreach(gpuc__json_at(pod, "spec", "containers", NULL), i, container)
        add_container(all, container);
    raise_to(all, most);
    json_decref(stay);
    json_decref(most);
    return all;
}

static bool holds(const json_t *pod, const char *run_id)
{
    const char *phase = gpuc__json_text(pod, "status", "phase", NULL);
    const char *run = gpuc__json_text(pod, "metadata", "labels", "gpucluster/run-id", NULL);

    if (phase && (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0))
        return false;
    return !run_id || !run || strcmp(run, run_id) != 0;
}

json_t *gpuc__gpu_usage(const json_t *list, const char *run_id)
{
    json_t *usage = json_object();
    const json_t *pod;
    size_t i;

    json_array_foreach(json_object_get(list, "items"), i, pod)
    {
        const char *node = gpuc__json_text(pod, "spec", "nodeName", NULL), *name;
        json_t *of_pod, *sums, *value;

        if (!node || !*node || !holds(pod, run_id))
            continue;
        of_pod = pod_usage(pod);
        if (!json_object_get(usage, node))
            json_object_set_new(usage, node, json_object());
        sums = json_object_get(usage, node);
        json_object_foreach(of_pod, name, value)
            add(sums, name, (long)json_integer_value(value));
        json_decref(of_pod);
    }
    return usage;
}

json_t *gpuc__gpu_free(long *count, const json_t *node, const json_t *usage)
{
    const char *node_name = gpuc__json_text(node, "metadata", "name", NULL), *name;
    const json_t *held = node_name ? json_object_get(usage, node_name) : NULL;
    json_t *free_ones = json_object(), *value;

    *count = 0;
    json_object_foreach(gpuc__json_at(node, "status", "allocatable", NULL), name, value)
    {
        long n = gpuc__gpu_resource(name)
                     ? count_of(value) - (long)json_integer_value(json_object_get(held, name))
                     : 0;

        if (n <= 0)
            continue;
        json_object_set_new(free_ones, name, json_sprintf("%ld", n));
        *count += n;
    }
    return free_ones;
}
