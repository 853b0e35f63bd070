/* SPDX-License-Identifier: Apache-2.0 */
/* Registered secrets, and their removal from every text that leaves the library. */
#include "core/context_internal.h"

#include <string.h>

#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define SECRETS_MAX 4096
#define MASK "[redacted]"
#define LINE_MIN                                                                                   \
    16 /* lines of a key shorter than this tell nothing and would hide common words                \
        */

static int insert(gpuc_context *context, const char *secret, size_t length, gpuc_error **err)
{
    size_t at = 0;
    char *copy;

    while (at < context->secret_count && strlen(context->secrets[at]) > length)
        at++;
    for (size_t i = at; i < context->secret_count && strlen(context->secrets[i]) == length; i++) {
        if (memcmp(context->secrets[i], secret, length) == 0)
            return GPUC_OK;
    }
    if (context->secret_count == SECRETS_MAX)
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_NONE,
                               "more than %d secrets are registered with one context", SECRETS_MAX);
    if (context->secret_count == context->secret_capacity) {
        size_t capacity = context->secret_capacity ? 2 * context->secret_capacity : 8;
        char **grown = gpuc__realloc(context->secrets, capacity * sizeof(*grown));

        if (!grown)
            return gpuc__error_nomem(err);
        context->secrets = grown;
        context->secret_capacity = capacity;
    }
    copy = gpuc__strndup(secret, length);
    if (!copy)
        return gpuc__error_nomem(err);
    memmove(context->secrets + at + 1, context->secrets + at,
            (context->secret_count - at) * sizeof(*context->secrets));
    context->secrets[at] = copy;
    context->secret_count++;
    return GPUC_OK;
}

int gpuc__context_add_secret(gpuc_context *context, const char *secret, gpuc_error **err)
{
    int rc;

    if (!secret || !*secret)
        return GPUC_OK;
    rc = insert(context, secret, strlen(secret), err);
    /* Output is seen by the line, so each line of a private key is a secret too. */
    for (const char *line = secret; rc == GPUC_OK && strchr(secret, '\n') && *line;) {
        size_t length = strcspn(line, "\n");

        if (length >= LINE_MIN && strncmp(line, "-----", 5) != 0)
            rc = insert(context, line, length, err);
        line += length + (line[length] == '\n');
    }
    return rc;
}

void gpuc__context_drop_secret(gpuc_context *context, const char *secret)
{
    for (size_t i = 0; secret && i < context->secret_count; i++) {
        if (strcmp(context->secrets[i], secret) != 0)
            continue;
        gpuc__free_secret(context->secrets[i]);
        context->secret_count--;
        memmove(context->secrets + i, context->secrets + i + 1,
                (context->secret_count - i) * sizeof(*context->secrets));
        return;
    }
}

/* The longest secret that starts at text, NULL for none. */
static const char *secret_at(const gpuc_context *context, const char *text)
{
    for (size_t i = 0; i < context->secret_count; i++) {
        const char *secret = context->secrets[i];

        if (secret[0] == text[0] && strncmp(secret, text, strlen(secret)) == 0)
            return secret;
    }
    return NULL;
}

char *gpuc__context_redact(gpuc_context *context, const char *text)
{
    size_t length = strlen(text);
    gpuc__buf out = GPUC__BUF_INIT(length * (sizeof(MASK) - 1) + 1);
    const char *plain = text;

    if (context->secret_count == 0)
        return gpuc__strdup(text);
    while (*text) {
        const char *secret = secret_at(context, text);

        if (!secret) {
            text++;
            continue;
        }
        gpuc__buf_add(&out, plain, (size_t)(text - plain));
        gpuc__buf_puts(&out, MASK);
        text += strlen(secret);
        plain = text;
    }
    gpuc__buf_puts(&out, plain);
    return gpuc__buf_take(&out);
}

static char *redact(void *data, const char *text)
{
    return gpuc__context_redact(data, text);
}

void gpuc__context_redact_error(gpuc_context *context, gpuc_error *error)
{
    if (context->secret_count)
        gpuc__error_map_text(error, redact, context);
}

void gpuc__context_clear_secrets(gpuc_context *context)
{
    for (size_t i = 0; i < context->secret_count; i++)
        gpuc__free_secret(context->secrets[i]);
    gpuc__free(context->secrets);
    context->secrets = NULL;
    context->secret_count = context->secret_capacity = 0;
}
