/* SPDX-License-Identifier: Apache-2.0 */
/* A verification of what the library did not make: its settings, and its start. */
#ifndef GPUC__VERIFICATION_H
#define GPUC__VERIFICATION_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdatomic.h>

#include "cluster/hosts.h"

/* The keys of gpuc_verification_set, in the order of verification.c's table. */
typedef enum gpuc__verify_key {
    GPUC__VERIFY_USER,
    GPUC__VERIFY_PORT,
    GPUC__VERIFY_IDENTITY,
    GPUC__VERIFY_PASSPHRASE_ENV,
    GPUC__VERIFY_AGENT,
    GPUC__VERIFY_KNOWN_HOSTS,
    GPUC__VERIFY_TRUST_ON_FIRST_USE,
    GPUC__VERIFY_JUMP,
    GPUC__VERIFY_SUDO_PASSWORD_ENV,
    GPUC__VERIFY_GPUS,
    GPUC__VERIFY_PARALLEL,
    GPUC__VERIFY_CONNECT_TIMEOUT,
    GPUC__VERIFY_KUBECONFIG,
    GPUC__VERIFY_CONTEXT,
    GPUC__VERIFY_NAMESPACE,
    GPUC__VERIFY_IMAGE,
    GPUC__VERIFY_RUNTIME_CLASS,
    GPUC__VERIFY_LABEL,
    GPUC__VERIFY_EXEC,
    GPUC__VERIFY_KEYS
} gpuc__verify_key;

struct gpuc_verification {
    atomic_int refs;
    gpuc_context *context;
    gpuc__hosts hosts;
    char *values[GPUC__VERIFY_KEYS]; /* NULL: not set */
    json_t *limits;                  /* of checks: gpu/limits.h */
};

/* What the public functions of gpucluster/verify.h do, after their argument checks. */
int gpuc__verification_create(gpuc_verification **out, gpuc_context *context, gpuc_error **err);
int gpuc__verification_put(gpuc_verification *v, const char *key, const char *value,
                           gpuc_error **err);
int gpuc__verification_begin(gpuc_op **out, const gpuc_verification *v, gpuc_error **err);

/* A setting: its text, NULL when it is not set; as a number, or as the number otherwise. */
const char *gpuc__verification_text(const gpuc_verification *v, gpuc__verify_key key);
long gpuc__verification_number(const gpuc_verification *v, gpuc__verify_key key, long otherwise);

/* verify_list.c: the hosts as machines of a cluster that has no spec and no state. */
int gpuc__verification_cluster(gpuc_cluster **out, const gpuc_verification *v, gpuc_error **err);
#endif
