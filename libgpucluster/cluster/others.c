/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/others.h"

#include <string.h>

#include "core/context.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define RUNTIME_CLASS "nvidia"

const gpuc__access gpuc__others_rights[GPUC__OTHERS_RIGHTS] = {
    {"list", "", "nodes", false, false},
    {"create", "batch", "jobs", true, false},
    {"get", "batch", "jobs", true, false},
    {"list", "batch", "jobs", true, false},
    {"watch", "batch", "jobs", true, false},
    {"delete", "batch", "jobs", true, false},
    {"list", "", "pods", true, false},
    {"watch", "", "pods", true, false},
    {"get", "", "pods/log", true, false},
    {"list", "", "events", true, true},
    [GPUC__OTHERS_LOOK] = {"get", "", "nodes", false, false},
    {"list", "", "pods", false, false}, /* of all namespaces: who holds which GPU */
    {"list", "node.k8s.io", "runtimeclasses", false, true},
    {"list", "apps", "daemonsets", false, true},
    [GPUC__OTHERS_LABEL] = {"patch", "", "nodes", false, false},
};

void gpuc__others_clear(gpuc__others *others)
{
    gpuc__kube_unref(others->kube);
    gpuc__free(others->name);
    gpuc__free(others->namespace_);
    memset(others, 0, sizeof(*others));
}

int gpuc__others_open(gpuc__others *out, gpuc_context *context, const char *list,
                      const char *kube_context, bool exec, gpuc_error **err)
{
    gpuc__others others = {0};
    gpuc__kubeconfig config = {0};
    int rc = gpuc__kubeconfig_load_list(&config, strcmp(list, "default") == 0 ? NULL : list,
                                        kube_context, exec ? GPUC__KUBECONFIG_EXEC : 0, err);

    if (rc == GPUC_OK)
        rc = gpuc__kube_open(&others.kube, context, &config, NULL, NULL, NULL, err);
    if (rc == GPUC_OK) {
        others.name = gpuc__strdup(config.context ? config.context : "kubernetes");
        others.namespace_ = gpuc__strdup(config.namespace_ ? config.namespace_ : "default");
        if (!others.name || !others.namespace_)
            rc = gpuc__error_nomem(err);
    }
    gpuc__kubeconfig_clear(&config);
    if (rc < 0)
        gpuc__others_clear(&others);
    else
        *out = others;
    return rc;
}

gpuc_error *gpuc__others_refusal(gpuc_context *context, const json_t *reviewed, const char *who)
{
    const json_t *needed = json_object_get(reviewed, "needed"), *one;
    gpuc__buf text = GPUC__BUF_INIT(4096);
    gpuc_error *error = NULL;
    size_t i;

    json_array_foreach(json_object_get(reviewed, "optional"), i, one)
        gpuc__log(context, GPUC_LOG_WARN, "kube",
                  "the API server refuses to %s: less can be said of why something fails",
                  json_string_value(one));
    if (!json_array_size(needed))
        return NULL;
    json_array_foreach(needed, i, one)
        gpuc__buf_printf(&text, "%s%s", i ? "; " : "", json_string_value(one));
    gpuc__error_set(&error, GPUC_EPERM, GPUC_DOMAIN_KUBERNETES,
                    "the API server refuses what %s needs: %s", who, gpuc__buf_text(&text));
    gpuc__error_remedy(&error, "ask for the rights of the ClusterRole in docs/verify.md, or choose "
                               "another namespace");
    gpuc__buf_clear(&text);
    return error;
}

const char *gpuc__others_runtime_class(const json_t *list)
{
    const json_t *class;
    size_t i;

    json_array_foreach(json_object_get(list, "items"), i, class)
    {
        const char *name = gpuc__json_text(class, "metadata", "name", NULL);

        if (name && strcmp(name, RUNTIME_CLASS) == 0)
            return RUNTIME_CLASS;
    }
    return "";
}
