/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts of a list as machines: who logs in, with which key, and who vouches for the host. */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/others.h"
#include "cluster/verification.h"
#include "cluster/verify_hosts.h"
#include "spec/handle.h"
#include "util/alloc.h"
#include "util/error.h"

#define PARALLEL 128

/* What ssh tries when it is told of none. */
static const char *const usual_keys[] = {"~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"};

static bool is_true(const gpuc_verification *v, gpuc__verify_key key)
{
    const char *text = gpuc__verification_text(v, key);

    return text && strcmp(text, "true") == 0;
}

/* "~/…" is the user's; a relative path starts at the current directory. New string. */
static int expand(char **out, const char *path, gpuc_error **err)
{
    const gpuc__spec_where where = {.file = path};

    if (path[0] == '~')
        return gpuc__spec_absolute(out, NULL, path, &where, err);
    *out = gpuc__strdup(path);
    return *out ? GPUC_OK : gpuc__error_nomem(err);
}

static int copy_text(char **out, const gpuc_verification *v, gpuc__verify_key key, gpuc_error **err)
{
    const char *text = gpuc__verification_text(v, key);

    *out = gpuc__strdup(text);
    return *out || !text ? GPUC_OK : gpuc__error_nomem(err);
}

static int own_name(char **out, gpuc_error **err)
{
    struct passwd entry, *found = NULL;
    char text[4096];

    if (getpwuid_r(getuid(), &entry, text, sizeof(text), &found) || !found)
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE,
                               "the user of this program has no name; say whom to log in as");
    *out = gpuc__strdup(found->pw_name);
    return *out ? GPUC_OK : gpuc__error_nomem(err);
}

/* The first of the usual keys that is there and opens; *out NULL: none. */
static int usual_key(char **out, const char *passphrase_env, gpuc_error **err)
{
    const char *passphrase = passphrase_env ? getenv(passphrase_env) : NULL;
    int rc = GPUC_OK;

    *out = NULL;
    for (size_t i = 0; i < sizeof(usual_keys) / sizeof(usual_keys[0]); i++) {
        gpuc__ssh_key *key = NULL;
        char *path = NULL;

        rc = expand(&path, usual_keys[i], err);
        if (rc < 0)
            return rc;
        if (gpuc__ssh_key_load(&key, path, passphrase, NULL) == GPUC_OK) {
            gpuc__ssh_key_unref(key);
            *out = path;
            return GPUC_OK;
        }
        gpuc__free(path);
    }
    return GPUC_OK;
}

static int choose_key(gpuc__spec_model *m, const gpuc_verification *v, gpuc_error **err)
{
    const char *identity = gpuc__verification_text(v, GPUC__VERIFY_IDENTITY);
    bool said = gpuc__verification_text(v, GPUC__VERIFY_AGENT) != NULL;
    int rc = identity ? expand(&m->ssh_identity, identity, err)
                      : usual_key(&m->ssh_identity, m->ssh_passphrase_env, err);

    if (rc < 0)
        return rc;
    m->ssh_agent = said ? is_true(v, GPUC__VERIFY_AGENT) : !identity && getenv("SSH_AUTH_SOCK");
    if (m->ssh_identity || m->ssh_agent)
        return GPUC_OK;
    gpuc__error_set(err, GPUC_EAUTH, GPUC_DOMAIN_SSH,
                    "there is no key to log in with: no agent answers, and none of %s, %s and %s is "
                    "there and without a passphrase",
                    usual_keys[0], usual_keys[1], usual_keys[2]);
    gpuc__error_remedy(err, "name the key (identity), or start an ssh-agent and ssh-add the key");
    return GPUC_EAUTH;
}

static int fill_model(gpuc__spec_model *m, const gpuc_verification *v, gpuc_error **err)
{
    const char *known_hosts = gpuc__verification_text(v, GPUC__VERIFY_KNOWN_HOSTS);
    int rc = copy_text(&m->ssh_user, v, GPUC__VERIFY_USER, err);

    m->provider = GPUC__PROVIDER_SSH;
    m->ssh_trust_first_use = is_true(v, GPUC__VERIFY_TRUST_ON_FIRST_USE);
    if (rc == GPUC_OK && !m->ssh_user)
        rc = own_name(&m->ssh_user, err);
    if (rc == GPUC_OK)
        rc = copy_text(&m->ssh_passphrase_env, v, GPUC__VERIFY_PASSPHRASE_ENV, err);
    if (rc == GPUC_OK)
        rc = copy_text(&m->ssh_sudo_password_env, v, GPUC__VERIFY_SUDO_PASSWORD_ENV, err);
    if (rc == GPUC_OK)
        rc = copy_text(&m->ssh_jump, v, GPUC__VERIFY_JUMP, err);
    if (rc == GPUC_OK)
        rc = expand(&m->ssh_known_hosts, known_hosts ? known_hosts : "~/.ssh/known_hosts", err);
    return rc < 0 ? rc : choose_key(m, v, err);
}

static int add_host(gpuc_cluster *cluster, const gpuc_verification *v, const gpuc__host *host,
                    gpuc_error **err)
{
    const gpuc__machine_info info = {
        .address = host->host,
        .port = host->port ? host->port : (int)gpuc__verification_number(v, GPUC__VERIFY_PORT, 22),
        .user = host->user ? host->user : cluster->model->ssh_user,
    };
    int gpus = host->gpus >= 0 ? host->gpus
                               : (int)gpuc__verification_number(v, GPUC__VERIFY_GPUS, -1);

    return gpuc__cluster_add_host(cluster, host->name, &info, gpus, err);
}

int gpuc__verification_cluster(gpuc_cluster **out, const gpuc_verification *v, gpuc_error **err)
{
    gpuc__spec_model *model = gpuc__calloc(1, sizeof(*model));
    gpuc_cluster *cluster = NULL;
    int rc = model ? fill_model(model, v, err) : gpuc__error_nomem(err);

    if (rc < 0)
        gpuc__spec_model_free(model);
    else
        rc = gpuc__cluster_bare(
            &cluster, v->context, "hosts", model,
            (uint32_t)gpuc__verification_number(v, GPUC__VERIFY_PARALLEL, PARALLEL), err);
    if (rc == GPUC_OK)
        cluster->limits = json_incref(v->limits);
    if (rc == GPUC_OK)
        cluster->connect_timeout_s =
            (uint32_t)gpuc__verification_number(v, GPUC__VERIFY_CONNECT_TIMEOUT, 30);
    for (size_t i = 0; rc == GPUC_OK && i < v->hosts.count; i++)
        rc = add_host(cluster, v, &v->hosts.list[i], err);
    if (rc < 0)
        gpuc_cluster_unref(cluster);
    else
        *out = cluster;
    return rc;
}
