/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and certificates of a cluster, made here so that nothing has to be read back from kubeadm's
 * output: the CA, client certificates, the bootstrap token and the certificate key. */
#ifndef GPUC__PKI_H
#define GPUC__PKI_H
#include <gpucluster.h>

/* A certificate and its private key (PKCS #8), both PEM. */
typedef struct gpuc__pki_pair {
    char *cert_pem;
    char *key_pem;
} gpuc__pki_pair;

void gpuc__pki_pair_clear(gpuc__pki_pair *pair); /* wipes the key */

/* The cluster's CA: ECDSA P-256, CN kubernetes, ten years. */
int gpuc__pki_ca_new(gpuc__pki_pair *out, gpuc_error **err);

/* "sha256:" and the hex digest of the certificate's public key, as kubeadm's caCertHashes wants. */
int gpuc__pki_ca_hash(char **out, const char *cert_pem, gpuc_error **err);

/* A client certificate for user `name` in `groups` (NULL-terminated, may be NULL), one year, signed
 * by ca. Groups: "kubeadm:cluster-admins" can be taken back by deleting a role binding,
 * "system:masters" cannot. */
int gpuc__pki_client_new(gpuc__pki_pair *out, const gpuc__pki_pair *ca, const char *name,
                         const char *const *groups, gpuc_error **err);

/* When a certificate ends, in seconds since 1970. */
int gpuc__pki_not_after(int64_t *out, const char *cert_pem, gpuc_error **err);

/* New secrets; release with gpuc__free_secret. */
int gpuc__pki_token_new(char **out, gpuc_error **err);           /* [a-z0-9]{6}.[a-z0-9]{16} */
int gpuc__pki_certificate_key_new(char **out, gpuc_error **err); /* 64 hex digits */
#endif
