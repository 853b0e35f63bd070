/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/verification.h"

#include <stdlib.h>
#include <string.h>

#include "cluster/verify_hosts.h"
#include "cluster/verify_nodes.h"
#include "gpu/limits.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/suggest.h"

typedef enum value_type { TEXT, NUMBER, TRUTH } value_type;

static const struct {
    const char *name;
    value_type type;
    long least, most;
} keys[GPUC__VERIFY_KEYS] = {
    [GPUC__VERIFY_USER] = {"user", TEXT, 0, 0},
    [GPUC__VERIFY_PORT] = {"port", NUMBER, 1, 65535},
    [GPUC__VERIFY_IDENTITY] = {"identity", TEXT, 0, 0},
    [GPUC__VERIFY_PASSPHRASE_ENV] = {"passphrase_env", TEXT, 0, 0},
    [GPUC__VERIFY_AGENT] = {"agent", TRUTH, 0, 0},
    [GPUC__VERIFY_KNOWN_HOSTS] = {"known_hosts", TEXT, 0, 0},
    [GPUC__VERIFY_TRUST_ON_FIRST_USE] = {"trust_on_first_use", TRUTH, 0, 0},
    [GPUC__VERIFY_JUMP] = {"jump", TEXT, 0, 0},
    [GPUC__VERIFY_SUDO_PASSWORD_ENV] = {"sudo_password_env", TEXT, 0, 0},
    [GPUC__VERIFY_GPUS] = {"gpus", NUMBER, 1, 1024},
    [GPUC__VERIFY_PARALLEL] = {"parallel", NUMBER, 1, 1000},
    [GPUC__VERIFY_CONNECT_TIMEOUT] = {"connect_timeout", NUMBER, 1, 600},
    [GPUC__VERIFY_KUBECONFIG] = {"kubeconfig", TEXT, 0, 0},
    [GPUC__VERIFY_CONTEXT] = {"context", TEXT, 0, 0},
    [GPUC__VERIFY_NAMESPACE] = {"namespace", TEXT, 0, 0},
    [GPUC__VERIFY_IMAGE] = {"image", TEXT, 0, 0},
    [GPUC__VERIFY_RUNTIME_CLASS] = {"runtime_class", TEXT, 0, 0},
    [GPUC__VERIFY_LABEL] = {"label", TRUTH, 0, 0},
    [GPUC__VERIFY_EXEC] = {"exec", TRUTH, 0, 0},
};

int gpuc__verification_create(gpuc_verification **out, gpuc_context *context, gpuc_error **err)
{
    gpuc_verification *v = gpuc__calloc(1, sizeof(*v));

    if (!v)
        return gpuc__error_nomem(err);
    atomic_init(&v->refs, 1);
    v->context = gpuc_context_ref(context);
    v->limits = json_object();
    if (!v->limits) {
        gpuc_verification_unref(v);
        return gpuc__error_nomem(err);
    }
    *out = v;
    return GPUC_OK;
}

gpuc_verification *gpuc_verification_ref(gpuc_verification *v)
{
    atomic_fetch_add(&v->refs, 1);
    return v;
}

gpuc_verification *gpuc_verification_unref(gpuc_verification *v)
{
    if (v && atomic_fetch_sub(&v->refs, 1) == 1) {
        for (size_t i = 0; i < GPUC__VERIFY_KEYS; i++)
            gpuc__free(v->values[i]);
        json_decref(v->limits);
        gpuc__hosts_clear(&v->hosts);
        gpuc_context_unref(v->context);
        gpuc__free(v);
    }
    return NULL;
}

static int find_key(const char *name, size_t *at, gpuc_error **err)
{
    gpuc__suggest near = gpuc__suggest_for(name);

    for (*at = 0; *at < GPUC__VERIFY_KEYS; (*at)++) {
        if (strcmp(keys[*at].name, name) == 0)
            return GPUC_OK;
        gpuc__suggest_try(&near, keys[*at].name);
    }
    return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE,
                           "a verification has no setting \"%.40s\"%s%s%s", name,
                           near.best ? "; did you mean \"" : "", near.best ? near.best : "",
                           near.best ? "\"?" : "");
}

static int check_value(size_t at, const char *value, gpuc_error **err)
{
    size_t digits = strspn(value, "0123456789");
    long number = strtol(value, NULL, 10);

    if (keys[at].type == TRUTH && strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE,
                               "%s: \"%.40s\" is neither true nor false", keys[at].name, value);
    if (keys[at].type == NUMBER && (!digits || value[digits] || digits > 9 ||
                                    number < keys[at].least || number > keys[at].most))
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE,
                               "%s: \"%.40s\" is no number from %ld to %ld", keys[at].name, value,
                               keys[at].least, keys[at].most);
    return GPUC_OK;
}

/* As a host in a list; what it is, is thrown away again. */
static int check_jump(const char *value, gpuc_error **err)
{
    gpuc__hosts one = {0};
    int rc = gpuc__hosts_add(&one, value, strlen(value), "jump", err);

    if (rc == GPUC_OK && (one.count != 1 || one.list[0].gpus >= 0))
        rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE,
                             "jump: \"%.80s\" is not one [USER@]HOST[:PORT]", value);
    gpuc__hosts_clear(&one);
    return rc;
}

int gpuc__verification_put(gpuc_verification *v, const char *key, const char *value,
                           gpuc_error **err)
{
    char *copy;
    size_t at;
    int rc;

    if (strncmp(key, "check.", 6) == 0)
        return gpuc__limits_set(v->limits, key + 6, value, err);
    rc = find_key(key, &at, err);
    if (rc == GPUC_OK && value[0])
        rc = check_value(at, value, err);
    if (rc == GPUC_OK && value[0] && at == GPUC__VERIFY_JUMP)
        rc = check_jump(value, err);
    if (rc < 0)
        return rc;
    copy = value[0] ? gpuc__strdup(value) : NULL;
    if (value[0] && !copy)
        return gpuc__error_nomem(err);
    gpuc__free(v->values[at]);
    v->values[at] = copy;
    return GPUC_OK;
}

const char *gpuc__verification_text(const gpuc_verification *v, gpuc__verify_key key)
{
    return v->values[key];
}

long gpuc__verification_number(const gpuc_verification *v, gpuc__verify_key key, long otherwise)
{
    return v->values[key] ? strtol(v->values[key], NULL, 10) : otherwise;
}

int gpuc__verification_begin(gpuc_op **out, const gpuc_verification *v, gpuc_error **err)
{
    gpuc_cluster *cluster = NULL;
    int rc;

    if (v->values[GPUC__VERIFY_KUBECONFIG] && v->hosts.count)
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE,
                               "a verification is of hosts or of a kubeconfig's cluster, not both");
    if (v->values[GPUC__VERIFY_KUBECONFIG])
        return gpuc__verify_nodes_start(out, v, err);
    if (!v->hosts.count)
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE, "there is no host to verify");
    rc = gpuc__verification_cluster(&cluster, v, err);
    if (rc == GPUC_OK)
        rc = gpuc__verify_hosts_start(out, cluster, err);
    gpuc_cluster_unref(cluster);
    return rc;
}
