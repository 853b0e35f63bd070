/* SPDX-License-Identifier: Apache-2.0 */
/* The access token for Google's APIs that the program gives, and asking it for one. */
#include <string.h>

#include "core/context_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define TOKEN_MAX 16384

/* What may stand in a header line behind "Bearer ". */
static bool is_one_word(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;

    while (*p > ' ' && *p < 0x7f)
        p++;
    return p != (const unsigned char *)text && !*p;
}

static int check(const char *token, int lifetime_s, gpuc_error **err)
{
    if (lifetime_s < 0)
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE,
                               "the access token for Google was given a negative lifetime");
    if (token && strnlen(token, TOKEN_MAX + 1) > TOKEN_MAX)
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_NONE,
                               "the access token for Google has more than %d bytes", TOKEN_MAX);
    if (token && !is_one_word(token)) {
        gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_NONE,
                        "the access token for Google is not one word of visible ASCII");
        gpuc__error_remedy(err, "give the token alone, as gcloud auth print-access-token prints "
                                "it, without the line's end");
        return GPUC_EINVAL;
    }
    return GPUC_OK;
}

int gpuc_context_set_google_token(gpuc_context *context, const char *token, int lifetime_s,
                                  gpuc_error **err)
{
    gpuc__google *google;
    gpuc__google_watch *watch, *next;
    char *copy;
    int rc;

    GPUC__CHECK_ARG(err, context);
    rc = check(token, lifetime_s, err);
    if (rc != GPUC_OK)
        return rc;
    copy = gpuc__strdup(token);
    if (token && !copy)
        return gpuc__error_nomem(err);
    rc = gpuc__context_add_secret(context, token, err);
    if (rc != GPUC_OK) {
        gpuc__free_secret(copy);
        return rc;
    }
    google = &context->google;
    gpuc__free_secret(google->token);
    google->token = copy;
    google->until = lifetime_s ? gpuc__clock_ms() + 1000 * (uint64_t)lifetime_s : 0;
    google->serial++;
    for (watch = google->watches; watch; watch = next) {
        next = watch->next; /* it may end its own watch */
        watch->fn(watch->data);
    }
    return GPUC_OK;
}

void gpuc_context_set_google_token_callback(gpuc_context *context, gpuc_google_token_fn fn,
                                            void *userdata, gpuc_destroy_fn destroy)
{
    if (context)
        gpuc__hook_replace(context, &context->google.ask, &context->google.retired,
                           (gpuc__hook){(void (*)(void))fn, userdata, destroy});
}

gpuc__google_token gpuc__context_google_token(gpuc_context *context)
{
    const gpuc__google *google = &context->google;
    gpuc__google_token token = {google->token, -1, google->serial};
    uint64_t now = gpuc__clock_ms();

    if (google->until)
        token.left_ms = google->until > now ? (int64_t)(google->until - now) : 0;
    return token;
}

bool gpuc__context_has_google(gpuc_context *context)
{
    return context->google.token || context->google.ask.fn;
}

bool gpuc__context_can_ask_google(gpuc_context *context)
{
    return context->google.ask.fn != NULL;
}

int gpuc__context_ask_google(gpuc_context *context)
{
    const gpuc__hook *ask = &context->google.ask;
    int rc;

    if (!ask->fn)
        return GPUC_ENOTFOUND;
    gpuc__context_callback_begin(context);
    rc = ((gpuc_google_token_fn)ask->fn)(context, ask->userdata);
    gpuc__context_callback_end(context);
    return rc;
}

void gpuc__context_watch_google(gpuc_context *context, gpuc__google_watch *watch)
{
    gpuc__google_watch **first = &context->google.watches;

    if (watch->link)
        return;
    watch->next = *first;
    if (watch->next)
        watch->next->link = &watch->next;
    watch->link = first;
    *first = watch;
}

void gpuc__context_unwatch_google(gpuc__google_watch *watch)
{
    if (!watch->link)
        return;
    *watch->link = watch->next;
    if (watch->next)
        watch->next->link = watch->link;
    watch->link = NULL;
    watch->next = NULL;
}

void gpuc__context_clear_google(gpuc_context *context)
{
    gpuc__free_secret(context->google.token);
    context->google.token = NULL;
    gpuc__hook_release(&context->google.ask);
}
