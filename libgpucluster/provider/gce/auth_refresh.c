/* SPDX-License-Identifier: Apache-2.0 */
/* Getting one token: begun for the first who waits, ended once; its timer; tokens that need no
 * request. */
#include <string.h>
#include <uv.h>

#include "provider/gce/auth_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define ASK_MS 60000 /* how long the program may take to give a token */

struct gpuc__gce_wake {
    uv_timer_t timer;
    gpuc__gce_refresh *refresh; /* NULL: it has ended */
};

static void on_wake_closed(uv_handle_t *handle)
{
    gpuc__free(handle->data);
}

static void on_timer(uv_timer_t *timer)
{
    struct gpuc__gce_wake *wake = timer->data;

    if (wake->refresh)
        wake->refresh->on_wake(wake->refresh);
}

void gpuc__gce_refresh_later(gpuc__gce_refresh *refresh, int ms,
                             void (*fn)(gpuc__gce_refresh *refresh))
{
    refresh->on_wake = fn;
    uv_update_time(gpuc__context_loop(refresh->auth->context));
    uv_timer_start(&refresh->wake->timer, on_timer, (uint64_t)ms, 0);
}

int gpuc__gce_refresh_hide(gpuc__gce_refresh *refresh, const char *secret, gpuc_error **err)
{
    char *copy;
    int rc = gpuc__context_add_secret(refresh->auth->context, secret, err);

    if (rc != GPUC_OK || refresh->hidden_count == sizeof(refresh->hidden) / sizeof(char *))
        return rc;
    copy = gpuc__strdup(secret);
    if (!copy)
        return gpuc__error_nomem(err);
    refresh->hidden[refresh->hidden_count++] = copy;
    return GPUC_OK;
}

static void refresh_free(gpuc__gce_refresh *refresh)
{
    gpuc_context *context = refresh->auth->context;

    gpuc__context_unwatch_google(&refresh->watch);
    gpuc__gce_request_clear(refresh);
    for (size_t i = 0; i < refresh->hidden_count; i++) {
        gpuc__context_drop_secret(context, refresh->hidden[i]);
        gpuc__free_secret(refresh->hidden[i]);
    }
    gpuc__free_secret(refresh->token);
    if (refresh->wake) {
        refresh->wake->refresh = NULL;
        uv_close((uv_handle_t *)&refresh->wake->timer, on_wake_closed);
    }
    gpuc__free(refresh);
}

void gpuc__gce_refresh_end(gpuc__gce_refresh *refresh, gpuc_error *error)
{
    gpuc__gce_auth *auth = refresh->auth;
    char *token = refresh->token;
    int64_t left_ms = refresh->left_ms;
    unsigned serial = refresh->serial;
    bool cancelled = refresh->cancelled;

    refresh->token = NULL;
    auth->refresh = NULL;
    if (error) { /* while its secrets are known */
        gpuc__context_redact_error(auth->context, error);
        gpuc__free_secret(token);
        token = NULL;
    }
    refresh_free(refresh);
    gpuc__gce_auth_take(auth, token, left_ms, serial, cancelled, error);
    gpuc__gce_auth_unhold(auth);
}

static void end_cancelled(gpuc__gce_refresh *refresh)
{
    gpuc_error *error = NULL;

    gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_PROVIDER,
                    "getting an access token for Google: cancelled");
    gpuc__gce_refresh_end(refresh, error);
}

void gpuc__gce_refresh_cancel(gpuc__gce_refresh *refresh)
{
    refresh->cancelled = true;
    if (refresh->request)
        gpuc__http_cancel(refresh->request);
    else
        gpuc__gce_refresh_later(refresh, 0, end_cancelled);
}

/* ---- tokens that need no request ---- */

static void end_with(gpuc__gce_refresh *refresh, char *token, gpuc_error *error)
{
    refresh->token = token;
    refresh->left_ms = -1;
    if (!token && !error)
        gpuc__error_nomem(&error);
    gpuc__gce_refresh_end(refresh, error);
}

static void begin_file(gpuc__gce_refresh *refresh)
{
    gpuc_error *error = NULL;
    char *token = NULL;

    gpuc__gce_read_token_file(&token, refresh->auth->credential.path, &error);
    end_with(refresh, token, error);
}

/* The program's token, if it is one that can be used; one that was asked for may be short. */
static bool take_given(gpuc__gce_refresh *refresh, bool asked)
{
    gpuc__gce_auth *auth = refresh->auth;
    gpuc__google_token given = gpuc__context_google_token(auth->context);
    int64_t least = asked ? 0 : 1000 * gpuc__gce_auth_number(auth, NULL, "refresh_below_seconds");
    gpuc_error *error = NULL;

    if (!gpuc__context_can_ask_google(auth->context))
        least = 0;
    if (!given.text || (given.left_ms >= 0 && given.left_ms <= least))
        return false;
    if (!asked && auth->refused && gpuc__context_can_ask_google(auth->context) &&
        strcmp(given.text, auth->refused) == 0)
        return false;
    refresh->token = gpuc__strdup(given.text);
    refresh->left_ms = given.left_ms;
    refresh->serial = given.serial;
    if (!refresh->token)
        gpuc__error_nomem(&error);
    gpuc__gce_refresh_end(refresh, error);
    return true;
}

static void no_answer(gpuc__gce_refresh *refresh)
{
    gpuc_error *error = NULL;

    gpuc__error_set(&error, GPUC_ETIMEDOUT, GPUC_DOMAIN_PROVIDER,
                    "the program was asked for an access token for Google and gave none within "
                    "%d s",
                    ASK_MS / 1000);
    gpuc__error_remedy(&error, "the callback of gpuc_context_set_google_token_callback must have "
                               "gpuc_context_set_google_token called in that time");
    gpuc__gce_refresh_end(refresh, error);
}

static void look_again(gpuc__gce_refresh *refresh)
{
    if (!take_given(refresh, true))
        no_answer(refresh);
}

static void on_given(void *data)
{
    gpuc__gce_refresh *refresh = data;

    gpuc__context_unwatch_google(&refresh->watch);
    if (!refresh->cancelled)
        gpuc__gce_refresh_later(refresh, 0, look_again);
}

static void begin_caller(gpuc__gce_refresh *refresh)
{
    gpuc_context *context = refresh->auth->context;
    gpuc_error *error = NULL;
    unsigned before = gpuc__context_google_token(context).serial;
    int rc;

    if (take_given(refresh, false))
        return;
    if (!gpuc__context_can_ask_google(context)) {
        gpuc__error_set(&error, GPUC_EAUTH, GPUC_DOMAIN_PROVIDER,
                        "the access token for Google that the program gave has ended or was taken "
                        "back");
        gpuc__error_remedy(&error, "give the next one in time with gpuc_context_set_google_token, "
                                   "or set a callback that is asked for it");
        gpuc__gce_refresh_end(refresh, error);
        return;
    }
    rc = gpuc__context_ask_google(context);
    if (rc != GPUC_OK) {
        gpuc__error_set(&error, rc < 0 ? rc : GPUC_EAUTH, GPUC_DOMAIN_PROVIDER,
                        "the program's callback has no access token for Google (%s)",
                        gpuc_error_name(rc < 0 ? rc : GPUC_EAUTH));
        gpuc__error_remedy(&error, "see the program's own log");
        gpuc__gce_refresh_end(refresh, error);
    } else if (gpuc__context_google_token(context).serial == before ||
               !take_given(refresh, true)) {
        refresh->watch = (gpuc__google_watch){.fn = on_given, .data = refresh};
        gpuc__context_watch_google(context, &refresh->watch);
        gpuc__gce_refresh_later(refresh, refresh->cancelled ? 0 : ASK_MS,
                                refresh->cancelled ? end_cancelled : no_answer);
    }
}

static bool fill(gpuc__gce_refresh *refresh)
{
    struct gpuc__gce_wake *wake = gpuc__calloc(1, sizeof(*wake));

    if (!wake)
        return false;
    uv_timer_init(gpuc__context_loop(refresh->auth->context), &wake->timer);
    wake->timer.data = wake;
    wake->refresh = refresh;
    refresh->wake = wake;
    return true;
}

int gpuc__gce_refresh_begin(gpuc__gce_auth *auth, gpuc_error **err)
{
    gpuc__gce_refresh *refresh = gpuc__calloc(1, sizeof(*refresh));

    if (!refresh)
        return gpuc__error_nomem(err);
    refresh->auth = auth;
    if (!fill(refresh)) {
        gpuc__free(refresh);
        return gpuc__error_nomem(err);
    }
    auth->holds++;
    auth->refresh = refresh;
    switch (auth->credential.kind) {
    case GPUC__GCE_CALLER:
        begin_caller(refresh);
        break;
    case GPUC__GCE_TOKEN_FILE:
        begin_file(refresh);
        break;
    case GPUC__GCE_TOKEN_VARIABLE:
        end_with(refresh, gpuc__strdup(auth->credential.token), NULL);
        break;
    case GPUC__GCE_METADATA:
        gpuc__gce_metadata_begin(refresh);
        break;
    case GPUC__GCE_EXTERNAL:
        gpuc__gce_external_begin(refresh);
        break;
    default:
        gpuc__gce_exchange_begin(refresh);
    }
    return GPUC_OK;
}
