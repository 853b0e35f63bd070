/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a call: a timer of its own, at most one thing waited for, one end. */
#include "provider/gce/call.h"

#include <string.h>

#include "core/context.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define LIMIT_DEFAULT_MS 300000
#define ANSWER_DEFAULT (8u * 1024 * 1024)
#define BODY_MAX (8u * 1024 * 1024)

static void clear(gpuc__gce_call *call)
{
    gpuc__free(call->method);
    gpuc__free(call->path);
    gpuc__free(call->query);
    gpuc__free(call->body);
    gpuc__free(call->request_id);
    gpuc__free(call->doing);
    gpuc__free(call->machine);
    gpuc__free(call->target);
    gpuc__free_secret(call->token);
    gpuc__free(call->operation);
    gpuc__free(call->kind);
    gpuc__free(call->page);
    json_decref(call->items);
    gpuc_error_unref(call->failure);
}

static void on_closed(uv_handle_t *handle)
{
    gpuc__free(handle->data);
}

/* The client, and with it the context, is let go of before the timer has closed (core/context.h).
 */
static void end(gpuc__gce_call *call)
{
    gpuc__gce_client *client = call->client;

    gpuc__gce_slot_release(call);
    clear(call);
    uv_close((uv_handle_t *)&call->timer, on_closed);
    gpuc__gce_client_unref(client);
}

static int add_text(const char *text, size_t length, void *data)
{
    return gpuc__buf_add(data, text, length) ? 0 : -1;
}

static bool copy(char **to, const char *from)
{
    *to = gpuc__strdup(from);
    return *to || !from;
}

static bool copy_body(gpuc__gce_call *call, const json_t *body)
{
    gpuc__buf text = GPUC__BUF_INIT(BODY_MAX);

    if (!body)
        return true;
    if (json_dump_callback(body, add_text, &text, JSON_COMPACT) == 0) {
        call->body_length = text.length;
        call->body = gpuc__buf_take(&text);
    }
    gpuc__buf_clear(&text);
    return call->body != NULL;
}

static bool copy_args(gpuc__gce_call *call, const gpuc__gce_args *args)
{
    return copy(&call->method, args->method ? args->method : "GET") &&
           copy(&call->path, args->path) && copy(&call->query, args->query) &&
           copy_body(call, args->body) && copy(&call->request_id, args->request_id) &&
           copy(&call->machine, args->machine) &&
           copy(&call->doing, args->doing ? args->doing : "asking Compute Engine");
}

gpuc__gce_call *gpuc__gce_call_new(gpuc__gce_client *client, const gpuc__gce_args *args)
{
    gpuc__gce_call *call = gpuc__calloc(1, sizeof(*call));

    if (!call)
        return NULL;
    if (uv_timer_init(gpuc__context_loop(client->context), &call->timer) != 0) {
        gpuc__free(call);
        return NULL;
    }
    call->timer.data = call;
    call->client = gpuc__gce_client_ref(client);
    call->done = args->done;
    call->data = args->data;
    call->safe = args->safe || (args->method && strcmp(args->method, "GET") == 0);
    call->answer_max = args->answer_max ? args->answer_max : ANSWER_DEFAULT;
    call->begun = gpuc__clock_ms();
    call->deadline =
        call->begun + (uint64_t)(args->limit_ms > 0 ? args->limit_ms : LIMIT_DEFAULT_MS);
    if (!copy_args(call, args)) {
        gpuc__gce_call_drop(call);
        return NULL;
    }
    return call;
}

void gpuc__gce_call_drop(gpuc__gce_call *call)
{
    call->finished = true;
    end(call);
}

uint64_t gpuc__gce_call_scaled(const gpuc__gce_call *call, uint64_t ms)
{
    return ms * call->client->ms_per_s / 1000;
}

static void on_timer(uv_timer_t *timer)
{
    gpuc__gce_call *call = timer->data;

    call->on_timer(call);
}

void gpuc__gce_call_after(gpuc__gce_call *call, uint64_t ms, void (*fn)(gpuc__gce_call *call))
{
    call->on_timer = fn;
    uv_update_time(gpuc__context_loop(call->client->context));
    uv_timer_start(&call->timer, on_timer, ms, 0);
}

void gpuc__gce_call_finish(gpuc__gce_call *call, json_t *answer, gpuc__gce_scope scope,
                           gpuc_error *error)
{
    if (call->finished) { /* a defect, but not one to answer with a second done */
        gpuc_error_unref(error);
        return;
    }
    call->finished = true;
    uv_timer_stop(&call->timer);
    gpuc__gce_slot_release(call);
    if (error) {
        gpuc__error_at(&error, call->machine, NULL);
        gpuc__context_redact_error(call->client->context, error);
    }
    call->done(call->data, answer, scope, error);
    end(call);
}

/* While an operation is waited for, no other failure (a token that is refused, a certificate) says
 * how it ends; nor does a refusal of the account what became of an earlier try. */
void gpuc__gce_call_fail(gpuc__gce_call *call, gpuc__gce_scope scope, gpuc_error *error)
{
    int code = gpuc_error_code(error);
    bool refused = code == GPUC_EAUTH || code == GPUC_EPERM;

    if (scope == GPUC__GCE_SCOPE_FINAL &&
        (call->operation || (refused && call->lost && !call->safe)))
        scope = GPUC__GCE_SCOPE_LOOK;
    gpuc__gce_call_fail_with(call, NULL, scope, error);
}

void gpuc__gce_call_fail_with(gpuc__gce_call *call, json_t *answer, gpuc__gce_scope scope,
                              gpuc_error *error)
{
    size_t length = strlen(call->doing);
    const char *said = gpuc_error_message(error);

    if (strncmp(said, call->doing, length) != 0 || said[length] != ':')
        gpuc__error_wrap(&error, gpuc_error_code(error), GPUC_DOMAIN_PROVIDER, "%s: %s",
                         call->doing, said);
    gpuc__gce_call_finish(call, answer, scope, error);
}

void gpuc__gce_call_nomem(gpuc__gce_call *call)
{
    gpuc_error *error = NULL;

    gpuc__error_nomem(&error);
    gpuc__gce_call_finish(call, NULL, GPUC__GCE_SCOPE_FINAL, error);
}

void gpuc__gce_call_cancelled(gpuc__gce_call *call)
{
    gpuc_error *error = NULL;

    gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_PROVIDER, "%s: cancelled", call->doing);
    gpuc__gce_call_finish(call, NULL, GPUC__GCE_SCOPE_FINAL, error);
}

/* What is waited for (a token, an answer) ends soon and finds that the call is cancelled. */
void gpuc__gce_call_cancel(gpuc__gce_call *call)
{
    if (!call || call->finished || call->cancelled)
        return;
    call->cancelled = true;
    if (call->request) {
        gpuc__http_cancel(call->request);
    } else {
        if (call->asking)
            gpuc__gce_auth_cancel(call->client->auth, call);
        if (!call->asking) {
            gpuc__gce_slot_release(call);
            gpuc__gce_call_after(call, 0, gpuc__gce_call_cancelled);
        }
    }
}
