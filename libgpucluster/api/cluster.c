/* SPDX-License-Identifier: Apache-2.0 */
/* gpucluster/cluster.h: arguments checked, the core called. */
#include <gpucluster.h>

#include "cluster/cluster.h"
#include "cluster/operations.h"
#include "cluster/rules.h"
#include "core/context.h"
#include "core/op.h"
#include "util/alloc.h"
#include "util/error.h"

void gpuc_cluster_options_init(gpuc_cluster_options *options)
{
    *options = (gpuc_cluster_options)GPUC_CLUSTER_OPTIONS_INIT;
}

int gpuc_cluster_open(gpuc_cluster **out, gpuc_context *context, const gpuc_spec *spec,
                      const char *name, const gpuc_cluster_options *options, gpuc_error **err)
{
    gpuc_cluster_options o = GPUC_CLUSTER_OPTIONS_INIT;

    GPUC__CHECK_ARG(err, out && context);
    if (name && !name[0])
        name = NULL; /* languages without a null string */
    GPUC__CHECK_ARG(err, (spec != NULL) != (name != NULL));
    if (options) {
        GPUC__CHECK_ARG(err, options->struct_size == sizeof(o));
        GPUC__CHECK_ARG(err, options->flags == 0 && options->reserved == 0);
        o = *options;
    }
    GPUC__CHECK_ARG(err, o.parallel <= 1000);
    return gpuc__cluster_new(out, context, spec, name, o.state_dir, o.parallel, err);
}

const char *gpuc_cluster_name(const gpuc_cluster *cluster)
{
    return cluster->name;
}

int gpuc_cluster_plan_start(gpuc_op **out, gpuc_cluster *cluster, uint32_t flags, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, out && cluster && flags == 0);
    return gpuc__cluster_start(out, cluster, GPUC__WORK_PLAN, flags, err);
}

int gpuc_cluster_plan(gpuc_plan **out, gpuc_cluster *cluster, uint32_t flags, gpuc_error **err)
{
    gpuc_op *op = NULL;
    int rc;

    GPUC__CHECK_ARG(err, out && cluster);
    rc = gpuc__context_check_idle(cluster->context, err);
    if (rc == GPUC_OK)
        rc = gpuc_cluster_plan_start(&op, cluster, flags, err);
    if (rc == GPUC_OK)
        rc = gpuc_op_wait(op, -1, err);
    if (rc == GPUC_OK)
        *out = gpuc_plan_ref(gpuc_op_plan(op));
    gpuc_op_unref(op);
    return rc;
}

int gpuc_cluster_up_start(gpuc_op **out, gpuc_cluster *cluster, uint32_t flags, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, out && cluster && (flags & ~(uint32_t)GPUC_UP_NO_PROOF) == 0);
    return gpuc__cluster_start(out, cluster, GPUC__WORK_UP, flags, err);
}

int gpuc_cluster_up(gpuc_cluster *cluster, uint32_t flags, gpuc_error **err)
{
    gpuc_op *op = NULL;
    int rc;

    GPUC__CHECK_ARG(err, cluster);
    rc = gpuc__context_check_idle(cluster->context, err);
    if (rc == GPUC_OK)
        rc = gpuc_cluster_up_start(&op, cluster, flags, err);
    return rc < 0 ? rc : gpuc__op_finish(op, err);
}

int gpuc_cluster_verify_start(gpuc_op **out, gpuc_cluster *cluster, uint32_t flags,
                              gpuc_error **err)
{
    GPUC__CHECK_ARG(err, out && cluster && flags == 0);
    return gpuc__cluster_start(out, cluster, GPUC__WORK_VERIFY, flags, err);
}

int gpuc_cluster_verify(gpuc_report **out, gpuc_cluster *cluster, uint32_t flags, gpuc_error **err)
{
    gpuc_op *op = NULL;
    int rc;

    GPUC__CHECK_ARG(err, out && cluster);
    rc = gpuc__context_check_idle(cluster->context, err);
    if (rc == GPUC_OK)
        rc = gpuc_cluster_verify_start(&op, cluster, flags, err);
    if (rc < 0)
        return rc;
    rc = gpuc_op_wait(op, -1, err);
    if (gpuc_op_report(op))
        *out = gpuc_report_ref(gpuc_op_report(op));
    gpuc_op_unref(op);
    return rc;
}

int gpuc_cluster_report(gpuc_report **out, gpuc_cluster *cluster, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, out && cluster);
    return gpuc__cluster_report(out, cluster, err);
}

int gpuc_cluster_down_start(gpuc_op **out, gpuc_cluster *cluster, uint32_t flags, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, out && cluster && (flags & ~(uint32_t)GPUC_DOWN_PURGE_DRIVER) == 0);
    return gpuc__cluster_start(out, cluster, GPUC__WORK_DOWN, flags, err);
}

int gpuc_cluster_down(gpuc_cluster *cluster, uint32_t flags, gpuc_error **err)
{
    gpuc_op *op = NULL;
    int rc;

    GPUC__CHECK_ARG(err, cluster);
    rc = gpuc__context_check_idle(cluster->context, err);
    if (rc == GPUC_OK)
        rc = gpuc_cluster_down_start(&op, cluster, flags, err);
    return rc < 0 ? rc : gpuc__op_finish(op, err);
}

int gpuc_cluster_status(char **out, gpuc_cluster *cluster, gpuc_error **err)
{
    GPUC__CHECK_ARG(err, out && cluster);
    return gpuc__cluster_status_json(out, cluster, err);
}

int gpuc_cluster_replace(gpuc_cluster *cluster, const char *machine, gpuc_error **err)
{
    gpuc__member *member;
    int rc;

    GPUC__CHECK_ARG(err, cluster && machine && !cluster->busy);
    rc = gpuc__cluster_find(&member, cluster, machine, err);
    if (rc < 0)
        return rc;
    if (!gpuc__provider_get(cluster->model->provider)->makes_machines)
        return gpuc__error_set(err, GPUC_EUNSUPPORTED, GPUC_DOMAIN_PROVIDER,
                               "machine %s is an adopted host: it cannot be made anew", machine);
    if (member == gpuc__cluster_first_control_plane(cluster))
        return gpuc__error_set(err, GPUC_EUNSUPPORTED, GPUC_DOMAIN_MACHINE,
                               "machine %s holds the control plane: replacing it would lose the "
                               "cluster",
                               machine);
    member->replace = true;
    return GPUC_OK;
}

int gpuc_cluster_let_go(gpuc_cluster *cluster, const char *machine, gpuc_error **err)
{
    gpuc__member *member;
    int rc;

    GPUC__CHECK_ARG(err, cluster && machine && !cluster->busy);
    rc = gpuc__cluster_find(&member, cluster, machine, err);
    if (rc == GPUC_OK && gpuc__provider_get(cluster->model->provider)->makes_machines &&
        member->role != GPUC__ROLE_CONTROL_PLANE)
        return gpuc__error_set(err, GPUC_EUNSUPPORTED, GPUC_DOMAIN_PROVIDER,
                               "machine %s was made by the library and goes as a whole: there is "
                               "nothing on it to let go of",
                               machine);
    if (rc == GPUC_OK)
        member->let_go = true;
    return rc;
}

/* A JSON value of the state as a new string of the library's. */
static int give_json(char **out, json_t *value, gpuc_error **err)
{
    char *dump = json_dumps(value, JSON_INDENT(2));
    char *text = gpuc__strdup(dump);

    free(dump); /* jansson's own memory */
    json_decref(value);
    if (!text)
        return gpuc__error_nomem(err);
    *out = text;
    return GPUC_OK;
}

int gpuc_cluster_list(char **out, const char *state_dir, gpuc_error **err)
{
    json_t *names = NULL;
    int rc;

    GPUC__CHECK_ARG(err, out);
    rc = gpuc__store_list(state_dir, &names, err);
    return rc < 0 ? rc : give_json(out, names, err);
}

int gpuc_cluster_history(char **out, gpuc_cluster *cluster, int limit, gpuc_error **err)
{
    json_t *events = NULL;
    int rc = GPUC_OK;

    GPUC__CHECK_ARG(err, out && cluster && limit >= 0);
    if (cluster->store)
        rc = gpuc__store_events(cluster->store, limit ? limit : 1000, &events, err);
    else
        events = json_array();
    return rc < 0 ? rc : give_json(out, events, err);
}

int gpuc_cluster_set_check(gpuc_cluster *cluster, const char *check, const char *value,
                           gpuc_error **err)
{
    GPUC__CHECK_ARG(err, cluster && check && value);
    return gpuc__cluster_set_check(cluster, check, value, err);
}
