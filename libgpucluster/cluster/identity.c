/* SPDX-License-Identifier: Apache-2.0 */
/* What a cluster is known by: made once, committed to the state before it is used, never printed. */
#include <openssl/rand.h>
#include <string.h>

#include "cluster/cluster.h"
#include "core/context.h"
#include "kube/pki.h"
#include "util/alloc.h"
#include "util/error.h"

static int make_uuid(char **out, gpuc_error **err)
{
    unsigned char b[16];

    if (RAND_bytes(b, sizeof(b)) != 1)
        return gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_TLS, "no random bytes to be had");
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    *out = gpuc__asprintf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                          b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
                          b[13], b[14], b[15]);
    return *out ? GPUC_OK : gpuc__error_nomem(err);
}

/* The secrets by the name of their file, and where each is kept in memory. */
static const struct {
    const char *file;
    size_t offset;
    bool hide; /* redact it wherever it turns up */
} secrets[] = {
    {"ca.crt", offsetof(gpuc__identity, ca_cert), false},
    {"ca.key", offsetof(gpuc__identity, ca_key), true},
    {"token", offsetof(gpuc__identity, token), true},
    {"certificate-key", offsetof(gpuc__identity, certificate_key), true},
    {"admin.crt", offsetof(gpuc__identity, admin_cert), false},
    {"admin.key", offsetof(gpuc__identity, admin_key), true},
    {"ssh.key", offsetof(gpuc__identity, ssh_private), true},
    {"ssh.pub", offsetof(gpuc__identity, ssh_public), false},
};

static char **slot(gpuc__identity *identity, size_t i)
{
    return (char **)((char *)identity + secrets[i].offset);
}

void gpuc__identity_clear(gpuc__identity *identity)
{
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
        gpuc__free_secret(*slot(identity, i));
    gpuc__free(identity->uuid);
    gpuc__free(identity->ca_hash);
    memset(identity, 0, sizeof(*identity));
}

static int make_pair(char **cert, char **key, gpuc__identity *identity, gpuc_error **err)
{
    static const char *const groups[] = {"kubeadm:cluster-admins", NULL};
    gpuc__pki_pair ca = {identity->ca_cert, identity->ca_key}, pair = {NULL, NULL};
    int rc = cert == &identity->ca_cert
                 ? gpuc__pki_ca_new(&pair, err)
                 : gpuc__pki_client_new(&pair, &ca, "gpucluster-admin", groups, err);

    if (rc == GPUC_OK) {
        gpuc__free(*cert);
        gpuc__free_secret(*key);
        *cert = pair.cert_pem;
        *key = pair.key_pem;
    }
    return rc;
}

static bool needs_ssh_key(const gpuc_cluster *cluster)
{
    const gpuc__provider_ops *ops = gpuc__provider_get(cluster->model->provider);

    return ops && ops->makes_machines && !cluster->model->ssh_identity;
}

static int make_missing(gpuc_cluster *cluster, gpuc_error **err)
{
    gpuc__identity *id = &cluster->identity;
    int rc = GPUC_OK;

    /* A pair of which only one file was written is made again: nothing has used it yet. */
    if (!id->ca_key || !id->ca_cert)
        rc = make_pair(&id->ca_cert, &id->ca_key, id, err);
    if (rc == GPUC_OK && !id->token)
        rc = gpuc__pki_token_new(&id->token, err);
    if (rc == GPUC_OK && !id->certificate_key)
        rc = gpuc__pki_certificate_key_new(&id->certificate_key, err);
    if (rc == GPUC_OK && (!id->admin_key || !id->admin_cert))
        rc = make_pair(&id->admin_cert, &id->admin_key, id, err);
    if (rc == GPUC_OK && (!id->ssh_private || !id->ssh_public) && needs_ssh_key(cluster)) {
        gpuc__free_secret(id->ssh_private);
        gpuc__free(id->ssh_public);
        id->ssh_private = id->ssh_public = NULL;
        rc = gpuc__ssh_key_generate(&id->ssh_private, &id->ssh_public, "gpucluster", err);
    }
    return rc;
}

static int read_all(gpuc_cluster *cluster, gpuc_error **err)
{
    int rc = gpuc__store_get(cluster->store, NULL, "uuid", &cluster->identity.uuid, err);

    for (size_t i = 0; rc == GPUC_OK && i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        rc = gpuc__store_get_secret(cluster->store, secrets[i].file, slot(&cluster->identity, i), err);
        if (rc == GPUC_ENOTFOUND) {
            if (err)
                *err = gpuc_error_unref(*err);
            rc = GPUC_OK;
        }
    }
    return rc;
}

static int write_all(gpuc_cluster *cluster, gpuc_error **err)
{
    int rc = gpuc__store_set(cluster->store, NULL, "uuid", cluster->identity.uuid, err);

    for (size_t i = 0; rc == GPUC_OK && i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        const char *value = *slot(&cluster->identity, i);

        if (value)
            rc = gpuc__store_set_secret(cluster->store, secrets[i].file, value, err);
    }
    return rc;
}

int gpuc__identity_load(gpuc_cluster *cluster, bool create, gpuc_error **err)
{
    gpuc__identity *id = &cluster->identity;
    int rc = GPUC_OK;

    gpuc__identity_clear(id);
    if (cluster->store)
        rc = read_all(cluster, err);
    if (rc == GPUC_OK && create) {
        if (!id->uuid)
            rc = make_uuid(&id->uuid, err);
        if (rc == GPUC_OK)
            rc = make_missing(cluster, err);
        if (rc == GPUC_OK)
            rc = write_all(cluster, err);
    }
    if (rc == GPUC_OK && id->ca_cert)
        rc = gpuc__pki_ca_hash(&id->ca_hash, id->ca_cert, err);
    for (size_t i = 0; rc == GPUC_OK && i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        if (secrets[i].hide && *slot(id, i))
            rc = gpuc__context_add_secret(cluster->context, *slot(id, i), err);
    }
    return rc;
}
