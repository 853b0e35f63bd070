/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of a job: text in, checked, one function for each. */
#include <string.h>

#include "cluster/jobs_internal.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"
#include "util/suggest.h"

#define DEADLINE_MAX_S (7 * 24 * 3600)
#define GPUS_MAX 64
#define ENV_MAX 256

static int bad_value(const char *key, const char *value, const char *wanted, gpuc_error **err)
{
    int rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_JOB, "parameter %s: \"%.40s\" is not %s",
                             key, value, wanted);

    gpuc__error_remedy(err, "give %s %s", key, wanted);
    return rc;
}

static int set_text(char **field, const char *value, gpuc_error **err)
{
    char *copy = gpuc__strdup(value);

    if (!copy)
        return gpuc__error_nomem(err);
    gpuc__free(*field);
    *field = copy;
    return GPUC_OK;
}

static int set_number(int *field, const char *key, const char *value, long max, gpuc_error **err)
{
    char wanted[64], *end;
    long number = strtol(value, &end, 10);

    snprintf(wanted, sizeof(wanted), "a number from 0 to %ld", max);
    if (!value[0] || *end || number < 0 || number > max)
        return bad_value(key, value, wanted, err);
    *field = (int)number;
    return GPUC_OK;
}

static int set_words(json_t **field, const char *key, const char *value, gpuc_error **err)
{
    json_t *array = json_loads(value, 0, NULL), *word;
    bool good = json_is_array(array);
    size_t i;

    json_array_foreach(array, i, word)
        good = good && json_is_string(word);
    if (!good) {
        json_decref(array);
        return bad_value(key, value, "a JSON array of strings, as [\"nvidia-smi\", \"-L\"]", err);
    }
    json_decref(*field);
    *field = array;
    return GPUC_OK;
}

static int set_image(gpuc_job *job, const char *key, const char *value, gpuc_error **err)
{
    return set_text(&job->image, value, err);
}

/* A name of at most so many lower-case letters, digits and -. */
static int set_label(char **field, const char *key, const char *value, size_t max, gpuc_error **err)
{
    size_t length = strlen(value);
    char wanted[80];

    snprintf(wanted, sizeof(wanted), "a name of at most %zu lower-case letters, digits and -", max);
    if (!length || length > max || strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-") != length ||
        value[0] == '-' || value[length - 1] == '-')
        return bad_value(key, value, wanted, err);
    return set_text(field, value, err);
}

static int set_namespace(gpuc_job *job, const char *key, const char *value, gpuc_error **err)
{
    return set_label(&job->namespace_, key, value, 63, err);
}

static int set_name(gpuc_job *job, const char *key, const char *value, gpuc_error **err)
{
    return set_label(&job->name, key, value, 30, err);
}

/* The nodes of others are known to their API server alone. */
static int check_node_name(const char *key, const char *value, gpuc_error **err)
{
    size_t length = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-.");

    return length && length <= 253 && !value[length] ? GPUC_OK
                                                     : bad_value(key, value, "the name of a node", err);
}

static int set_node(gpuc_job *job, const char *key, const char *value, gpuc_error **err)
{
    gpuc__member *member;
    int rc = job->kubeconfig ? check_node_name(key, value, err)
                             : gpuc__cluster_find(&member, job->cluster, value, err);

    return rc < 0 ? rc : set_text(&job->only_node, value, err);
}

static int set_runtime_class(gpuc_job *job, const char *key, const char *value, gpuc_error **err)
{
    return set_text(&job->runtime_class, strcmp(value, "none") == 0 ? "" : value, err);
}

static int set_context(gpuc_job *job, const char *key, const char *value, gpuc_error **err)
{
    return set_text(&job->kube_context, value, err);
}

static int set_command(gpuc_job *job, const char *key, const char *value, gpuc_error **err)
{
    return set_words(&job->command, key, value, err);
}

static int set_args(gpuc_job *job, const char *key, const char *value, gpuc_error **err)
{
    return set_words(&job->args, key, value, err);
}

/* NAME=VALUE; each time one more. */
static int set_env(gpuc_job *job, const char *key, const char *value, gpuc_error **err)
{
    size_t length = strcspn(value, "=");
    char *name = gpuc__strndup(value, length);
    int rc = GPUC_OK;

    if (!name)
        return gpuc__error_nomem(err);
    if (!length || !value[length] || strpbrk(name, " \t\n"))
        rc = bad_value(key, value, "NAME=VALUE", err);
    else if (json_object_size(job->env) >= ENV_MAX)
        rc = gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_JOB, "more than %d variables", ENV_MAX);
    else if (json_object_set_new(job->env, name, json_string(value + length + 1)) != 0)
        rc = bad_value(key, value, "text in UTF-8", err);
    gpuc__free(name);
    return rc;
}

static int set_gpus(gpuc_job *job, const char *key, const char *value, gpuc_error **err)
{
    return set_number(&job->gpus, key, value, GPUS_MAX, err);
}

static int set_deadline(gpuc_job *job, const char *key, const char *value, gpuc_error **err)
{
    return set_number(&job->deadline_s, key, value, DEADLINE_MAX_S, err);
}

/* The place of a value among those that there are; -1: none of them. */
static int choice(const char *value, const char *const *choices)
{
    for (int i = 0; choices[i]; i++) {
        if (strcmp(value, choices[i]) == 0)
            return i;
    }
    return -1;
}

static int set_cleanup(gpuc_job *job, const char *key, const char *value, gpuc_error **err)
{
    static const char *const choices[] = {"always", "on-success", "never", NULL};
    int chosen = choice(value, choices);

    if (chosen < 0)
        return bad_value(key, value, "always, on-success or never", err);
    job->cleanup = (gpuc__job_cleanup)chosen;
    return GPUC_OK;
}

static int set_per(gpuc_job *job, const char *key, const char *value, gpuc_error **err)
{
    static const char *const choices[] = {"", "node", "gpu", "given", NULL};
    int chosen = choice(value, choices);

    if (chosen <= 0)
        return bad_value(key, value, "node, gpu or given", err);
    if (chosen == GPUC__PER_GPU && !job->kind)
        return bad_value(key, value, "node or given, since the manifest says what has which GPUs", err);
    job->per = (gpuc__job_per)chosen;
    return GPUC_OK;
}

static int set_truth(bool *field, const char *key, const char *value, gpuc_error **err)
{
    static const char *const choices[] = {"false", "true", NULL};
    int chosen = choice(value, choices);

    if (chosen < 0)
        return bad_value(key, value, "true or false", err);
    *field = chosen;
    return GPUC_OK;
}

static int set_verify(gpuc_job *job, const char *key, const char *value, gpuc_error **err)
{
    return set_truth(&job->verify, key, value, err);
}

static int set_exec(gpuc_job *job, const char *key, const char *value, gpuc_error **err)
{
    return set_truth(&job->exec, key, value, err);
}

typedef enum scope { ANY, OF_KINDS, OF_OURS, OF_OTHERS } scope;

static const struct {
    const char *key;
    int (*set)(gpuc_job *job, const char *key, const char *value, gpuc_error **err);
    scope scope;
} parameters[] = {
    {"args", set_args, OF_KINDS},       {"cleanup", set_cleanup, ANY},
    {"command", set_command, OF_KINDS}, {"context", set_context, OF_OTHERS},
    {"deadline", set_deadline, ANY},    {"env", set_env, OF_KINDS},
    {"exec", set_exec, OF_OTHERS},      {"gpus", set_gpus, OF_KINDS},
    {"image", set_image, OF_KINDS},     {"name", set_name, OF_KINDS},
    {"namespace", set_namespace, ANY},  {"node", set_node, ANY},
    {"per", set_per, ANY},              {"runtime_class", set_runtime_class, OF_KINDS},
    {"verify", set_verify, OF_OURS},
};

#define PARAMETERS (sizeof(parameters) / sizeof(parameters[0]))

static bool is_for(const gpuc_job *job, scope of)
{
    return of == ANY || (of == OF_KINDS && job->kind) || (of == OF_OURS && !job->kubeconfig) ||
           (of == OF_OTHERS && job->kubeconfig);
}

static int not_for_it(const char *key, scope of, gpuc_error **err)
{
    static const char *const reasons[][2] = {
        [OF_KINDS] = {"a job of manifests says that itself", "write it into the manifest"},
        [OF_OURS] = {"the machines of a cluster that others made are reached by no SSH of ours",
                     "run `gpucluster verify --kubeconfig` before the job"},
        [OF_OTHERS] = {"the cluster of this job is no kubeconfig's",
                       "leave it out, or name a kubeconfig"},
    };
    int rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_JOB, "parameter %s: %s", key,
                             reasons[of][0]);

    gpuc__error_remedy(err, "%s", reasons[of][1]);
    return rc;
}

static int unknown_key(const gpuc_job *job, const char *key, gpuc_error **err)
{
    gpuc__suggest near = gpuc__suggest_for(key);
    gpuc__buf known = GPUC__BUF_INIT(1024);
    int rc;

    for (size_t i = 0; i < PARAMETERS; i++) {
        if (!is_for(job, parameters[i].scope))
            continue;
        gpuc__suggest_try(&near, parameters[i].key);
        gpuc__buf_printf(&known, "%s%s", known.length ? ", " : "", parameters[i].key);
    }
    rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_JOB,
                         "a job has no parameter \"%.40s\"%s%s%s; there are %s", key,
                         near.best ? "; did you mean \"" : "", near.best ? near.best : "",
                         near.best ? "\"?" : "", gpuc__buf_text(&known));
    gpuc__buf_clear(&known);
    return rc;
}

int gpuc__job_parameter(gpuc_job *job, const char *key, const char *value, gpuc_error **err)
{
    if (job->started)
        return gpuc__error_set(err, GPUC_ESTATE, GPUC_DOMAIN_JOB, "the job has been started");
    for (size_t i = 0; i < PARAMETERS; i++) {
        if (strcmp(key, parameters[i].key) != 0)
            continue;
        return is_for(job, parameters[i].scope) ? parameters[i].set(job, key, value, err)
                                                : not_for_it(key, parameters[i].scope, err);
    }
    return unknown_key(job, key, err);
}
