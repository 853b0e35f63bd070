/* SPDX-License-Identifier: Apache-2.0 */
/* Private keys, parsed once and shared by all connections. */
#ifndef GPUC__SSH_KEY_H
#define GPUC__SSH_KEY_H
#include <gpucluster.h>

typedef struct gpuc__ssh_key gpuc__ssh_key;

/* Reads OpenSSH or PEM (PKCS#1, PKCS#8, SEC1); ed25519, ECDSA (P-256/384/521), RSA. A key file that
 * others can read is refused (GPUC_EPERM) as ssh does. An encrypted key without passphrase is GPUC_EAUTH
 * and says so. */
int gpuc__ssh_key_load(gpuc__ssh_key **out, const char *path, const char *passphrase,
                       gpuc_error **err);
int gpuc__ssh_key_parse(gpuc__ssh_key **out, const char *text, size_t length, const char *passphrase,
                        const char *name_for_errors, gpuc_error **err);
/* A new ed25519 key; private_text (OpenSSH or PKCS#8 PEM) and public_line are new strings. */
int gpuc__ssh_key_generate(char **private_text, char **public_line, const char *comment,
                           gpuc_error **err);
/* "ssh-ed25519 AAAA…", borrowed. */
const char *gpuc__ssh_key_public(const gpuc__ssh_key *key);
gpuc__ssh_key *gpuc__ssh_key_ref(gpuc__ssh_key *key);
void gpuc__ssh_key_unref(gpuc__ssh_key *key);
#endif
