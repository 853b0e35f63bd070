/* SPDX-License-Identifier: Apache-2.0 */
/* The life of an asynchronous call: a timer of its own, at most one thing waited for, one end. */
#include "kube/call.h"

#include <limits.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <string.h>

#include "core/context.h"
#include "util/alloc.h"
#include "util/error.h"

#define DEADLINE_DEFAULT_MS 60000

gpuc__kube_call *gpuc__call_new(gpuc__kube *kube, int deadline_ms, size_t state_size,
                                void (*clear)(void *state), gpuc__kube_done_fn done, void *data)
{
    const size_t head = (sizeof(gpuc__kube_call) + 15) & ~(size_t)15;
    gpuc__kube_call *call = gpuc__calloc(1, head + state_size);

    if (!call)
        return NULL;
    if (uv_timer_init(gpuc__context_loop(kube->context), &call->timer) != 0) {
        gpuc__free(call);
        return NULL;
    }
    call->timer.data = call;
    call->kube = gpuc__kube_ref(kube);
    call->begun = gpuc__clock_ms();
    call->deadline = call->begun + (uint64_t)(deadline_ms > 0 ? deadline_ms : DEADLINE_DEFAULT_MS);
    call->clear = clear;
    call->done = done;
    call->data = data;
    call->state = (char *)call + head;
    return call;
}

static void on_timer(uv_timer_t *timer)
{
    gpuc__kube_call *call = timer->data;

    call->on_timer(call);
}

void gpuc__call_after(gpuc__kube_call *call, uint64_t ms, void (*fn)(gpuc__kube_call *call))
{
    call->on_timer = fn;
    uv_update_time(gpuc__context_loop(call->kube->context));
    uv_timer_start(&call->timer, on_timer, ms, 0);
}

static void on_closed(uv_handle_t *handle)
{
    gpuc__kube_call *call = handle->data;
    gpuc__kube *kube = call->kube;

    gpuc__free(call);
    gpuc__kube_unref(kube);
}

void gpuc__call_finish(gpuc__kube_call *call, json_t *result, gpuc_error *error)
{
    if (call->finished) { /* a defect, but not one to answer with a second done */
        json_decref(result);
        gpuc_error_unref(error);
        return;
    }
    call->finished = true;
    uv_timer_stop(&call->timer);
    call->done(call->data, error ? NULL : result, error);
    json_decref(result);
    if (call->clear)
        call->clear(call->state);
    uv_close((uv_handle_t *)&call->timer, on_closed);
}

void gpuc__call_drop(gpuc__kube_call *call)
{
    if (!call)
        return;
    call->finished = true;
    if (call->clear)
        call->clear(call->state);
    uv_close((uv_handle_t *)&call->timer, on_closed);
}

static gpuc_error *cancelled_error(void)
{
    gpuc_error *error = NULL;

    gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_KUBERNETES, "cancelled");
    return error;
}

static void finish_cancelled(gpuc__kube_call *call)
{
    gpuc__call_finish(call, NULL, cancelled_error());
}

bool gpuc__call_was_cancelled(gpuc__kube_call *call, gpuc_error *error)
{
    call->child = NULL;
    call->request = NULL;
    if (!call->cancelled)
        return false;
    gpuc_error_unref(error);
    finish_cancelled(call);
    return true;
}

bool gpuc__call_ended(gpuc__kube_call *call, gpuc_error *error)
{
    if (gpuc__call_was_cancelled(call, error))
        return true;
    if (!error)
        return false;
    gpuc__call_finish(call, NULL, error);
    return true;
}

void gpuc__call_wait(gpuc__kube_call *call, gpuc__kube_call *child)
{
    gpuc_error *error = NULL;

    call->child = child;
    if (child)
        return;
    gpuc__error_nomem(&error);
    gpuc__call_finish(call, NULL, error);
}

void gpuc__kube_cancel(gpuc__kube_call *call)
{
    if (!call || call->finished || call->cancelled)
        return;
    call->cancelled = true;
    if (call->child)
        gpuc__kube_cancel(call->child);
    else if (call->request)
        gpuc__http_cancel(call->request);
    else
        gpuc__call_after(call, 0, finish_cancelled);
}

int gpuc__call_remaining(const gpuc__kube_call *call)
{
    uint64_t now = gpuc__clock_ms();

    if (now >= call->deadline)
        return 0;
    return call->deadline - now > INT_MAX ? INT_MAX : (int)(call->deadline - now);
}

int gpuc__call_backoff(int failures)
{
    unsigned char byte = 128;
    int ms = failures > 5 ? 5000 : 250 << (failures > 0 ? failures - 1 : 0);

    if (ms > 5000)
        ms = 5000;
    (void)RAND_bytes(&byte, 1); /* many clients must not come back in step */
    return ms * 3 / 4 + ms * byte / 512;
}

static void on_delay(gpuc__kube_call *call)
{
    gpuc__call_finish(call, NULL, NULL);
}

gpuc__kube_call *gpuc__kube_delay(gpuc__kube *kube, int ms, gpuc__kube_done_fn done, void *data)
{
    gpuc__kube_call *call = gpuc__call_new(kube, 0, 0, NULL, done, data);

    if (call)
        gpuc__call_after(call, ms > 0 ? (uint64_t)ms : 0, on_delay);
    return call;
}

void gpuc__call_wrap(gpuc_error **err, const char *format, ...)
{
    gpuc__buf text = GPUC__BUF_INIT(8192);
    const gpuc_error *cause;
    va_list args;

    if (!*err)
        return;
    va_start(args, format);
    gpuc__buf_vprintf(&text, format, args);
    va_end(args);
    gpuc__error_wrap(err, gpuc_error_code(*err), GPUC_DOMAIN_KUBERNETES, "%s: %s",
                     gpuc__buf_text(&text), gpuc_error_message(*err));
    cause = gpuc_error_cause(*err);
    if (cause && gpuc_error_remedy(cause))
        gpuc__error_remedy(err, "%s", gpuc_error_remedy(cause));
    gpuc__buf_clear(&text);
}

static int dump_to_buf(const char *bytes, size_t size, void *data)
{
    return gpuc__buf_add(data, bytes, size) ? 0 : -1;
}

bool gpuc__json_dump(gpuc__buf *out, const json_t *value)
{
    return json_dump_callback(value, dump_to_buf, out, JSON_COMPACT | JSON_ENCODE_ANY) == 0;
}
