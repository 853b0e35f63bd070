/* SPDX-License-Identifier: Apache-2.0 */
/* One request of a call: its token, its tries, and what its answer means for them. */
#include <openssl/rand.h>
#include <string.h>

#include "core/context.h"
#include "provider/gce/call.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define ODD_MAX 4 /* answers in a row that make no sense */
#define TRY_S 60  /* one try of a plain request; never more than a third of the call's limit */
#define TRY_FLOOR_MS 1000
#define REMEDY_ANSWER "check the endpoint, and any proxy in between; then try again"

static void begin_try(gpuc__gce_call *call);

static int remaining(const gpuc__gce_call *call)
{
    uint64_t now = gpuc__clock_ms();

    return now < call->deadline ? (int)(call->deadline - now) : 0;
}

/* How long a try may take; notes whether that is less than its due. */
static int try_ms(gpuc__gce_call *call)
{
    uint64_t ms = gpuc__gce_call_scaled(call, (uint64_t)(call->try_s ? call->try_s : TRY_S) * 1000);
    uint64_t third = (call->deadline - call->begun) / 3;
    int left = remaining(call);

    if (!call->try_s && ms > third)
        ms = third;
    if (ms < TRY_FLOOR_MS)
        ms = TRY_FLOOR_MS;
    call->cut_short = ms >= (uint64_t)left;
    return call->cut_short ? left : (int)ms;
}

static void keep_failure(gpuc__gce_call *call, gpuc_error *error)
{
    gpuc_error_unref(call->failure);
    call->failure = error;
}

/* The end of a failure that may not, or not any more, be repeated. A try that had no time left says
 * less than the one before it; but a server holds the wait for an operation that takes long. */
static void give_up(gpuc__gce_call *call, bool lost, gpuc__gce_scope scope, gpuc_error *error)
{
    if (call->failure && !call->operation && call->cut_short && gpuc_error_code(error) == GPUC_ETIMEDOUT) {
        gpuc_error_unref(error);
        error = call->failure;
        call->failure = NULL;
    }
    if (lost && !call->safe && (!call->now_safe || scope == GPUC__GCE_SCOPE_FINAL))
        scope = GPUC__GCE_SCOPE_LOOK;
    if (call->failures > 1)
        gpuc__error_wrap(&error, gpuc_error_code(error), GPUC_DOMAIN_PROVIDER,
                         "%s (given up after %u tries in %d s)", gpuc_error_message(error),
                         call->failures, (int)((gpuc__clock_ms() - call->begun) / 1000));
    gpuc__gce_call_fail(call, scope, error);
}

static void too_late(gpuc__gce_call *call)
{
    gpuc_error *error = NULL;

    gpuc__error_set(&error, GPUC_ETIMEDOUT, GPUC_DOMAIN_PROVIDER,
                    "%s: it did not come to an end within %d s", call->doing,
                    (int)((call->deadline - call->begun) / 1000));
    gpuc__error_remedy(&error,
                       "run it again: it goes on where it stopped; see the operations of the "
                       "project in the Cloud Console for what holds it up");
    call->cut_short = true;
    give_up(call, false, GPUC__GCE_SCOPE_RETRY, error);
}

/* A failure that another try may mend. lost: the request may have been carried out. */
static void again(gpuc__gce_call *call, bool lost, gpuc__gce_pace pace, unsigned retry_after,
                  gpuc_error *error)
{
    unsigned char jitter = 128;
    uint64_t ms;

    (void)RAND_bytes(&jitter, 1); /* many clients must not come back in step */
    call->failures++;
    call->lost = call->lost || lost;
    ms = gpuc__gce_call_scaled(
        call, gpuc__gce_delay(pace, call->failures, retry_after, gpuc__now_ms(), jitter));
    if (!call->now_safe || ms >= (uint64_t)remaining(call)) {
        give_up(call, lost, GPUC__GCE_SCOPE_RETRY, error);
        return;
    }
    gpuc__log(call->client->context, GPUC_LOG_INFO, "gce", "%s; again in %d ms",
              gpuc_error_message(error), (int)ms);
    keep_failure(call, error);
    gpuc__gce_call_after(call, ms, begin_try);
}

void gpuc__gce_call_odd(gpuc__gce_call *call, gpuc_error *error)
{
    if (++call->odd < ODD_MAX) {
        again(call, true, GPUC__GCE_PACE_BACKOFF, 0, error);
        return;
    }
    call->failures++;
    give_up(call, true,
            gpuc_error_code(error) == GPUC_EPROTO ? GPUC__GCE_SCOPE_FINAL : GPUC__GCE_SCOPE_RETRY,
            error);
}

/* Whether a failure of the connection has lasted too long for its kind. */
static bool is_hopeless(gpuc__gce_call *call, const gpuc_error *error)
{
    uint64_t now = gpuc__clock_ms(), ms = gpuc__gce_patience_ms(error, call->client->answered);

    if (!call->unreached)
        call->unreached = now;
    return ms && now - call->unreached >= gpuc__gce_call_scaled(call, ms);
}

/* No full answer came. */
static void on_transport_error(gpuc__gce_call *call, gpuc_error *error)
{
    switch (gpuc_error_code(error)) {
    case GPUC_ENETWORK:
    case GPUC_ETIMEDOUT:
        if (is_hopeless(call, error)) {
            call->failures++;
            give_up(call, true, GPUC__GCE_SCOPE_RETRY, error);
        } else {
            again(call, true, GPUC__GCE_PACE_BACKOFF, 0, error);
        }
        break;
    case GPUC_EPROTO:
        gpuc__gce_call_odd(call, error);
        break;
    case GPUC_ELIMIT: /* it answered, at length; the same comes again */
        gpuc__error_remedy(&error, REMEDY_ANSWER);
        give_up(call, true, GPUC__GCE_SCOPE_FINAL, error);
        break;
    default:
        gpuc__gce_call_fail(call, GPUC__GCE_SCOPE_FINAL, error);
        break;
    }
}

static void on_bad_status(gpuc__gce_call *call, int status, const json_t *answer, const char *body,
                          size_t length)
{
    unsigned retry_after = gpuc__gce_retry_after(
        gpuc__http_header(gpuc__http_current(call->client->http), "Retry-After"));
    gpuc_error *error = NULL;
    gpuc__gce_scope scope;

    if (status == 401 && !call->rejected) { /* refused before anything was done: never unsafe */
        call->rejected = true;
        gpuc__gce_auth_reject(call->client->auth, call->token);
        gpuc__gce_call_after(call, 0, begin_try);
        return;
    }
    scope = gpuc__gce_classify(status, answer, call->doing, &error);
    if (!answer && length)
        gpuc__error_evidence(&error, body, length);
    if (call->operation && scope != GPUC__GCE_SCOPE_RETRY) { /* says nothing of the operation */
        gpuc__error_wrap(&error, gpuc_error_code(error), GPUC_DOMAIN_PROVIDER, "%s: %s: %s",
                         call->doing,
                         status == 404 ? "the server no longer knows the operation"
                                       : "waiting for the operation was refused",
                         gpuc_error_message(error));
        scope = GPUC__GCE_SCOPE_LOOK;
    }
    if (scope == GPUC__GCE_SCOPE_RETRY)
        again(call, status >= 500, gpuc__gce_pace_of(status, answer), retry_after, error);
    else
        gpuc__gce_call_fail(call, scope, error);
}

static void bad_answer(gpuc__gce_call *call, int status, const char *body, size_t length)
{
    gpuc_error *error = NULL;

    gpuc__error_set(&error, GPUC_EPROTO, GPUC_DOMAIN_PROVIDER,
                    "%s: %s gave no answer of the Compute Engine API (status %d, %zu bytes)",
                    call->doing, call->client->endpoint, status, length);
    gpuc__error_native(&error, status);
    gpuc__error_evidence(&error, body, length);
    gpuc__error_remedy(&error, REMEDY_ANSWER);
    if (status < 300)
        gpuc__gce_call_odd(call, error);
    else
        gpuc__gce_call_fail(call, GPUC__GCE_SCOPE_FINAL, error);
}

static void on_good_status(gpuc__gce_call *call, json_t *answer)
{
    const json_t *failure = json_object_get(answer, "error");
    gpuc_error *error = NULL;
    gpuc__gce_scope scope = GPUC__GCE_SCOPE_NONE;

    if (json_is_object(failure) && !json_object_get(answer, "status"))
        scope = gpuc__gce_classify(200, answer, call->doing, &error);
    if (error) {
        gpuc__gce_call_fail(call, scope, error);
    } else if (gpuc__gce_check_project(call->path, answer, &error) != GPUC_OK) {
        gpuc__gce_call_fail(call, GPUC__GCE_SCOPE_FINAL, error);
    } else {
        call->on_answer(call, answer);
    }
}

static void on_done(void *data, int status, const char *body, size_t length, gpuc_error *error)
{
    gpuc__gce_call *call = data;
    json_t *answer = NULL;

    call->request = NULL;
    gpuc__gce_slot_release(call);
    if (call->cancelled) {
        gpuc_error_unref(error);
        gpuc__gce_call_cancelled(call);
        return;
    }
    if (error) {
        on_transport_error(call, error);
        return;
    }
    call->client->answered = true;
    call->unreached = 0;
    call->bytes += length;
    answer = json_loadb(body, length, JSON_REJECT_DUPLICATES, NULL);
    if (status >= 400)
        on_bad_status(call, status, answer, body, length);
    else if (status == 204)
        call->on_answer(call, NULL);
    else if (status >= 200 && status < 300 && json_is_object(answer))
        on_good_status(call, answer);
    else
        bad_answer(call, status, body, length);
    json_decref(answer);
}

static void send_try(gpuc__gce_call *call)
{
    const char *quota = gpuc__gce_auth_quota_project(call->client->auth);
    char *bearer = gpuc__asprintf("Authorization: Bearer %s", call->token);
    char *payer = quota ? gpuc__asprintf("X-Goog-User-Project: %s", quota) : NULL;
    bool with_body = call->body && !call->now_bare;
    const char *headers[] = {bearer,
                             "Accept: application/json",
                             "User-Agent: libgpucluster/" GPUC_VERSION " (gzip)",
                             NULL,
                             NULL,
                             NULL};
    size_t n = 3;

    if (with_body)
        headers[n++] = "Content-Type: application/json";
    if (payer)
        headers[n++] = payer;
    if (bearer && (payer || !quota))
        call->request = gpuc__http_send(
            call->client->http, &(gpuc__http_args){.method = call->now_method,
                                                   .path = call->target,
                                                   .headers = headers,
                                                   .body = with_body ? call->body : NULL,
                                                   .body_length = with_body ? call->body_length : 0,
                                                   .response_max = call->answer_max,
                                                   .timeout_ms = try_ms(call),
                                                   .compressed = true,
                                                   .once = !call->now_safe,
                                                   .done = on_done,
                                                   .data = call});
    gpuc__free_secret(bearer);
    gpuc__free(payer);
    if (!call->request) {
        gpuc__gce_call_nomem(call);
        return;
    }
    call->client->requests++;
    call->sent_at = gpuc__clock_ms();
}

static void on_token(void *data, const char *token, gpuc_error *error)
{
    gpuc__gce_call *call = data;
    bool final = error && !gpuc_error_retryable(error);

    call->asking = false;
    if (call->cancelled) { /* not from here: this may be inside the cancelling */
        gpuc_error_unref(error);
        gpuc__gce_call_after(call, 0, gpuc__gce_call_cancelled);
        return;
    }
    if (error) {
        gpuc__gce_call_fail(call, final ? GPUC__GCE_SCOPE_FINAL : GPUC__GCE_SCOPE_RETRY, error);
        return;
    }
    gpuc__free_secret(call->token);
    call->token = gpuc__strdup(token);
    if (!call->token)
        gpuc__gce_call_nomem(call);
    else if (!remaining(call))
        too_late(call);
    else
        send_try(call);
}

static void ask_token(gpuc__gce_call *call)
{
    call->asking = true;
    gpuc__gce_auth_token(call->client->auth, on_token, call);
}

static void begin_try(gpuc__gce_call *call)
{
    call->on_slot = ask_token;
    if (!remaining(call))
        too_late(call);
    else if (gpuc__gce_slot_take(call))
        ask_token(call);
    else
        gpuc__gce_call_after(call, (uint64_t)remaining(call), too_late);
}

char *gpuc__gce_call_target(const gpuc__gce_call *call, const char *more)
{
    gpuc__buf text = GPUC__BUF_INIT(64 * 1024);
    bool mutation = strcmp(call->method, "GET") != 0;
    char mark = strchr(call->path, '?') ? '&' : '?';

    gpuc__buf_printf(&text, "/%s", call->path);
    if (call->query && *call->query) {
        gpuc__buf_printf(&text, "%c%s", mark, call->query);
        mark = '&';
    }
    if (call->request_id && mutation) {
        gpuc__buf_printf(&text, "%crequestId=%s", mark, call->request_id);
        mark = '&';
    }
    if (more)
        gpuc__buf_printf(&text, "%c%s", mark, more);
    return gpuc__buf_take(&text);
}

void gpuc__gce_call_request(gpuc__gce_call *call, const char *method, char *target, bool safe,
                            void (*on_answer)(gpuc__gce_call *call, json_t *answer))
{
    gpuc__free(call->target);
    call->target = target;
    if (!target) {
        gpuc__gce_call_nomem(call);
        return;
    }
    call->now_method = method;
    call->now_safe = safe;
    call->now_bare = method != call->method;
    call->on_answer = on_answer;
    call->failures = call->odd = 0;
    keep_failure(call, NULL);
    call->rejected = false;
    begin_try(call);
}

static void on_sent(gpuc__gce_call *call, json_t *answer)
{
    gpuc__gce_call_finish(call, answer, GPUC__GCE_SCOPE_NONE, NULL);
}

static void begin_send(gpuc__gce_call *call)
{
    gpuc__gce_call_request(call, call->method, gpuc__gce_call_target(call, NULL),
                           call->safe || call->request_id, on_sent);
}

gpuc__gce_call *gpuc__gce_send(gpuc__gce_client *client, const gpuc__gce_args *args)
{
    gpuc__gce_call *call = gpuc__gce_call_new(client, args);

    if (call)
        gpuc__gce_call_after(call, 0, begin_send);
    return call;
}
