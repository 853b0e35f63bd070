/* SPDX-License-Identifier: Apache-2.0 */
/* What the transport needs of a key beyond its public interface, and the reader of the OpenSSH
 * format. */
#ifndef GPUC__SSH_KEY_INTERNAL_H
#define GPUC__SSH_KEY_INTERNAL_H
#include <openssl/evp.h>

#include "transport/ssh_key.h"
#include "transport/ssh_wire.h"

#define GPUC__SSH_KEY_FILE_MAX (64 * 1024)

/* The public key blob, borrowed. */
gpuc__span gpuc__ssh_key_blob(const gpuc__ssh_key *key);
const char *gpuc__ssh_key_name(const gpuc__ssh_key *key); /* for errors: the path */
bool gpuc__ssh_key_is_rsa(const gpuc__ssh_key *key);
/* Appends the signature as it stands inside an SSH signature blob (behind the algorithm's name).
 * `algorithm` is the name the packet announces. False when it cannot be signed. */
bool gpuc__ssh_key_sign(const gpuc__ssh_key *key, gpuc__span algorithm, const unsigned char *data,
                        size_t length, gpuc__buf *out);

/* ssh_key_openssh.c: "openssh-key-v1". The text begins at the BEGIN line. */
int gpuc__ssh_openssh_read(EVP_PKEY **out, const char *text, size_t length, const char *passphrase,
                           const char *name, gpuc_error **err);
char *gpuc__ssh_openssh_write(EVP_PKEY *ed25519, const char *comment); /* NULL without memory */

/* ssh_key_bcrypt.c: the key derivation of encrypted OpenSSH keys. */
bool gpuc__bcrypt_pbkdf(const char *passphrase, size_t passphrase_length, const unsigned char *salt,
                        size_t salt_length, unsigned rounds, unsigned char *key, size_t key_length);
#endif
