/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a private key, as what is inside the OpenSSH armour, and as an agent's answers: they
 * end with a key that can sign, or an error. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "transport/ssh_agent.h"
#include "transport/ssh_key_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_key(const char *text, size_t size)
{
    gpuc__ssh_key *key = NULL;
    gpuc_error *err = NULL;
    gpuc__buf signature = GPUC__BUF_INIT(4096);

    if (gpuc__ssh_key_parse(&key, text, size, NULL, "fuzz", &err) == GPUC_OK) {
        if (!key || !gpuc__ssh_key_public(key))
            abort();
        gpuc__ssh_key_sign(key, (gpuc__span){(const unsigned char *)"rsa-sha2-256", 12},
                           (const unsigned char *)"x", 1, &signature);
    } else if (!err || key) {
        abort();
    }
    gpuc__buf_clear(&signature);
    gpuc__ssh_key_unref(key);
    gpuc_error_unref(err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gpuc__buf armoured = GPUC__BUF_INIT(256 * 1024), inside = GPUC__BUF_INIT(64 * 1024);
    gpuc__span payload = {data, size}, algorithm, signature;
    gpuc__agent_identity *identities = NULL;
    size_t count = 0;

    if (size > 32 * 1024)
        return 0;
    try_key((const char *)data, size);
    /* damage inside the base64 text rarely reaches the reader: give it the bytes as well */
    gpuc__buf_add(&inside, "openssh-key-v1", 15);
    gpuc__buf_add(&inside, data, size);
    gpuc__buf_puts(&armoured, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
    gpuc__base64_put(&armoured, inside.data, inside.length);
    gpuc__buf_puts(&armoured, "\n-----END OPENSSH PRIVATE KEY-----\n");
    try_key(armoured.data, armoured.length);
    if (gpuc__agent_parse_list(payload, &identities, &count))
        gpuc__agent_identities_free(identities, count);
    if (gpuc__agent_parse_signature(payload, &algorithm, &signature) &&
        (signature.data < data || signature.data + signature.length > data + size))
        abort();
    gpuc__buf_clear(&armoured);
    gpuc__buf_clear(&inside);
    return 0;
}
