/* SPDX-License-Identifier: Apache-2.0 */
/* Operations: exactly one completion each, cancelled and let go of from any thread. */
#include "core/op.h"

#include <stdatomic.h>
#include <string.h>

#include "core/context.h"
#include "util/alloc.h"
#include "util/error.h"

struct gpuc_op {
    atomic_int refs;
    atomic_int state;
    atomic_bool cancel_asked;
    bool delivered; /* the done callback, if any, has been called or is being called */
    uint64_t id;
    gpuc_context *context;
    const gpuc__op_class *op_class;
    void *data;
    gpuc_error *error;
    gpuc_plan *plan;
    gpuc_report *report;
    char *json;
    int done, total;
    int64_t remaining;
    gpuc_op_fn fn;
    void *userdata;
    gpuc_destroy_fn destroy;
    gpuc__task deliver, cancel, bury;
};

static void release_callback(gpuc_op *op)
{
    gpuc_destroy_fn destroy = op->destroy;
    void *userdata = op->userdata;

    op->fn = NULL;
    op->userdata = NULL;
    op->destroy = NULL;
    if (destroy)
        destroy(userdata);
}

static void op_free(void *data)
{
    gpuc_op *op = data;

    if (op->op_class->free)
        op->op_class->free(op->data);
    release_callback(op);
    gpuc_error_unref(op->error);
    gpuc_plan_unref(op->plan);
    gpuc_report_unref(op->report);
    gpuc__free(op->json);
    gpuc__free(op);
}

/* Runs on the loop, once per completion or per callback set after it; holds a reference. */
static void run_deliver(void *data)
{
    gpuc_op *op = data;
    gpuc_op_fn fn = op->fn;
    void *userdata = op->userdata;
    gpuc_destroy_fn destroy = op->destroy;

    op->fn = NULL;
    op->userdata = NULL;
    op->destroy = NULL;
    op->delivered = true;
    gpuc__context_callback_begin(op->context);
    if (fn)
        fn(op, userdata);
    if (destroy)
        destroy(userdata);
    gpuc__context_callback_end(op->context);
    gpuc_op_unref(op);
}

static void run_cancel(void *data)
{
    gpuc_op *op = data;

    if (atomic_load(&op->state) == GPUC_OP_RUNNING && op->op_class->cancel)
        op->op_class->cancel(op, op->data);
    gpuc_op_unref(op);
}

int gpuc__op_new(gpuc_op **out, gpuc_context *context, const gpuc__op_class *op_class, void *data,
                 gpuc_error **err)
{
    gpuc_op *op = gpuc__calloc(1, sizeof(*op));

    if (!op)
        return gpuc__error_nomem(err);
    atomic_init(&op->refs, 2); /* the caller's, and its own until delivered */
    atomic_init(&op->state, GPUC_OP_RUNNING);
    atomic_init(&op->cancel_asked, false);
    op->id = gpuc__context_next_id(context);
    op->context = gpuc_context_ref(context);
    op->op_class = op_class;
    op->data = data;
    op->remaining = -1;
    op->deliver = (gpuc__task){.fn = run_deliver, .data = op};
    op->cancel = (gpuc__task){.fn = run_cancel, .data = op};
    op->bury = (gpuc__task){.fn = op_free, .data = op};
    gpuc__log(context, GPUC_LOG_DEBUG, "op", "operation %llu (%s) starts",
              (unsigned long long)op->id, op_class->kind);
    *out = op;
    return GPUC_OK;
}

void *gpuc__op_data(const gpuc_op *op)
{
    return op->data;
}

gpuc_context *gpuc__op_context(const gpuc_op *op)
{
    return op->context;
}

void gpuc__op_complete(gpuc_op *op, gpuc_error *error)
{
    int code = error ? gpuc_error_code(error) : GPUC_OK;
    int state = code == GPUC_OK           ? GPUC_OP_DONE
                : code == GPUC_ECANCELLED ? GPUC_OP_CANCELLED
                                          : GPUC_OP_FAILED;

    if (atomic_load(&op->state) != GPUC_OP_RUNNING) {
        gpuc__log(op->context, GPUC_LOG_ERROR, "op",
                  "operation %llu (%s) completes a second time: ignored, please report it",
                  (unsigned long long)op->id, op->op_class->kind);
        gpuc_error_unref(error);
        return;
    }
    if (error)
        gpuc__context_redact_error(op->context, error);
    op->error = error;
    atomic_store(&op->state, state);
    gpuc__log(op->context, error ? GPUC_LOG_INFO : GPUC_LOG_DEBUG, "op", "operation %llu (%s) %s%s",
              (unsigned long long)op->id, op->op_class->kind, error ? "ends: " : "is done",
              error ? gpuc_error_message(error) : "");
    gpuc__context_emit(op->context,
                       gpuc__event_new(GPUC_EVENT_OP_DONE, NULL, NULL, "%s: %s", op->op_class->kind,
                                       error ? gpuc_error_message(error) : "done"));
    gpuc__context_post(op->context, &op->deliver);
}

void gpuc__op_discard(gpuc_op *op)
{
    /* No delivery: it would need a turn of a loop that nobody may run any more, and hold the context
     * and all else until then. */
    atomic_store(&op->state, GPUC_OP_FAILED);
    op->delivered = true;
    gpuc_op_unref(op);
    gpuc_op_unref(op);
}

void gpuc__op_set_progress(gpuc_op *op, int done, int total, int64_t remaining_ms)
{
    op->done = done;
    op->total = total;
    op->remaining = remaining_ms;
}

void gpuc__op_set_plan(gpuc_op *op, gpuc_plan *plan)
{
    gpuc_plan *old = op->plan;

    op->plan = plan ? gpuc_plan_ref(plan) : NULL;
    gpuc_plan_unref(old);
}

void gpuc__op_set_json(gpuc_op *op, char *json)
{
    gpuc__free(op->json);
    op->json = json;
}

void gpuc__op_set_report(gpuc_op *op, gpuc_report *report)
{
    gpuc_report *old = op->report;

    op->report = report ? gpuc_report_ref(report) : NULL;
    gpuc_report_unref(old);
}

int gpuc__op_finish(gpuc_op *op, gpuc_error **err)
{
    int rc = gpuc_op_wait(op, -1, err);

    gpuc_op_unref(op);
    return rc;
}

/* ---- public ---- */

uint64_t gpuc_op_id(const gpuc_op *op)
{
    return op->id;
}

int gpuc_op_state(const gpuc_op *op)
{
    return atomic_load(&op->state);
}

void gpuc_op_progress(const gpuc_op *op, int *done, int *total, int64_t *remaining)
{
    if (done)
        *done = op->done;
    if (total)
        *total = op->total;
    if (remaining)
        *remaining = op->remaining;
}

void gpuc_op_set_done(gpuc_op *op, gpuc_op_fn fn, void *userdata, gpuc_destroy_fn destroy)
{
    if (!op)
        return;
    release_callback(op);
    op->fn = fn;
    op->userdata = userdata;
    op->destroy = destroy;
    if (op->delivered && fn && !op->deliver.posted) {
        gpuc_op_ref(op);
        gpuc__context_post(op->context, &op->deliver);
    }
}

void gpuc_op_cancel(gpuc_op *op)
{
    if (!op || atomic_load(&op->state) != GPUC_OP_RUNNING ||
        atomic_exchange(&op->cancel_asked, true))
        return;
    gpuc__context_send(op->context, &gpuc_op_ref(op)->cancel);
}

int gpuc_op_wait(gpuc_op *op, int timeout_ms, gpuc_error **err)
{
    uint64_t start = gpuc__clock_ms();

    GPUC__CHECK_ARG(err, op);
    GPUC__CHECK_ARG(err, timeout_ms >= -1);
    while (!op->delivered) {
        uint64_t spent = gpuc__clock_ms() - start;
        int left = -1, rc;

        if (timeout_ms >= 0)
            left = spent < (uint64_t)timeout_ms ? timeout_ms - (int)spent : 0;
        rc = gpuc_context_run(op->context, left, err);
        if (rc != GPUC_OK)
            return rc;
        if (left == 0 && op->state == GPUC_OP_RUNNING)
            return gpuc__error_set(err, GPUC_ETIMEDOUT, GPUC_DOMAIN_NONE,
                                   "operation %llu (%s) still runs after %d ms",
                                   (unsigned long long)op->id, op->op_class->kind, timeout_ms);
    }
    if (!op->error)
        return GPUC_OK;
    if (err && !*err)
        *err = gpuc_error_ref(op->error);
    return gpuc_error_code(op->error);
}

const gpuc_error *gpuc_op_error(const gpuc_op *op)
{
    return op->error;
}

gpuc_plan *gpuc_op_plan(const gpuc_op *op)
{
    return op->plan;
}

const char *gpuc_op_json(const gpuc_op *op)
{
    return op->json;
}

gpuc_report *gpuc_op_report(const gpuc_op *op)
{
    return op->report;
}

gpuc_op *gpuc_op_ref(gpuc_op *op)
{
    atomic_fetch_add(&op->refs, 1);
    return op;
}

gpuc_op *gpuc_op_unref(gpuc_op *op)
{
    if (op && atomic_fetch_sub(&op->refs, 1) == 1)
        gpuc__context_bury(op->context, &op->bury);
    return NULL;
}
