/* SPDX-License-Identifier: Apache-2.0 */
/* One act on a machine, from begin to answer: the runner is fed over SSH and followed; when the
 * connection is lost it is fed again and attaches, until the step's deadline. */
#include <stdlib.h>
#include <string.h>

#include "core/context.h"
#include "recipe/classes.h"
#include "recipe/remote_internal.h"
#include "util/alloc.h"
#include "util/error.h"

enum {
    GRACE_S = 60,          /* beyond the step's own deadline, which the machine itself keeps */
    MAX_PAUSE_MS = 10000,
    MAX_DEAF = 10,         /* runs of the runner in a row that ended without a word */
    LOST_MS = 60000,       /* a machine that is out of reach for so long is a failure */
    REBOOT_POLL_MS = 3000,
    BOOT_ID_TIMEOUT_MS = 15000,
    SLICE_MS = 600000      /* one SSH command; a longer act is attached to again */
};

#define DIR "/var/lib/gpucluster"

static void follow(gpuc__step_node *n);

static void forget_script(gpuc__step_node *n)
{
    gpuc__free_secret(n->script);
    n->script = NULL;
}

void gpuc__step_act_free(gpuc__step_node *n)
{
    forget_script(n);
    gpuc__free(n->attempt);
    n->attempt = NULL;
}

static void fail(gpuc__step_node *n, gpuc_error *error)
{
    gpuc__error_at(&error, n->remote->machine, n->step->id);
    gpuc__step_acted(n, error);
}

/* --- timer --- */

static void on_timer(uv_timer_t *timer)
{
    gpuc__step_node *n = timer->data;
    follow(n);
}

static void pause_for(gpuc__step_node *n, gpuc__phase phase, uint64_t ms)
{
    n->phase = phase;
    if (!n->timer) {
        n->timer = gpuc__calloc(1, sizeof(*n->timer));
        if (!n->timer || uv_timer_init(gpuc__context_loop(n->remote->context), n->timer) != 0) {
            gpuc_error *error = NULL;
            gpuc__free(n->timer);
            n->timer = NULL;
            gpuc__error_nomem(&error);
            fail(n, error);
            return;
        }
        n->timer->data = n;
    }
    uv_timer_start(n->timer, on_timer, ms, 0);
}

static uint64_t left_ms(const gpuc__step_node *n)
{
    uint64_t now = gpuc__clock_ms();
    return n->deadline_ms > now ? n->deadline_ms - now : 0;
}

/* --- output as it comes --- */

static void end_line(gpuc__step_node *n)
{
    char *shown;
    n->line[n->line_length] = 0;
    n->line_length = 0;
    if (strncmp(n->line, "gpuc-", 5) == 0 && strstr(n->line, "-evidence"))
        n->in_evidence = true;
    if (n->in_evidence || !n->line[0])
        return;
    shown = gpuc__context_redact(n->remote->context, n->line);
    if (shown)
        gpuc__node_progress(n->node, shown);
    gpuc__free(shown);
}

static void on_output(void *data, int stream, const char *bytes, size_t length)
{
    gpuc__step_node *n = data;
    if (stream != 1 || !n->node)
        return;
    n->tries = 0;
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\n' || bytes[i] == '\r')
            end_line(n);
        else if (n->line_length + 1 < sizeof(n->line) && (unsigned char)bytes[i] >= ' ')
            n->line[n->line_length++] = bytes[i];
    }
}

/* --- the result --- */

typedef struct result {
    const char *evidence;
    size_t evidence_length;
    char status[32];
    char boot_id[64];
} result;

/* What stands between the last mark of evidence and the mark of the result. */
static bool find_result(result *r, const char *attempt, const char *out)
{
    char mark[80];
    const char *at, *begin = NULL, *end = NULL;
    snprintf(mark, sizeof(mark), "gpuc-%s-evidence\n", attempt);
    for (at = out; (at = strstr(at, mark)); at++)
        begin = at + strlen(mark);
    snprintf(mark, sizeof(mark), "gpuc-%s-result ", attempt);
    for (at = begin ? begin : ""; (at = strstr(at, mark)); at++)
        end = at;
    if (!begin || !end || sscanf(end + strlen(mark), "%31s %63s", r->status, r->boot_id) < 1)
        return false;
    r->evidence = begin;
    r->evidence_length = (size_t)(end - begin);
    return true;
}

static void failed_with(gpuc__step_node *n, int status, const char *klass, const result *r)
{
    gpuc_error *error = NULL;
    char *evidence = gpuc__strndup(r->evidence, r->evidence_length);
    char *shown = evidence ? gpuc__context_redact(n->remote->context, evidence) : NULL;
    if (shown)
        gpuc__classes_error(&error, n->remote->machine, n->step, status, klass, shown,
                            strlen(shown));
    else
        gpuc__error_nomem(&error);
    gpuc__free(shown);
    gpuc__free(evidence);
    /* The machine has said how it ended, be it for a network beyond it or its own deadline. */
    gpuc__node_act_over(n->node);
    gpuc__step_acted(n, error);
}

static void interrupted(gpuc__step_node *n)
{
    gpuc_error *error = NULL;
    gpuc__error_set(&error, GPUC_EREMOTE, GPUC_DOMAIN_MACHINE,
                    "%s: %s was cut short on the machine: it was restarted, or the act was killed",
                    n->remote->machine, n->step->id);
    gpuc__error_remedy(&error, "Run up again; it begins a new attempt.");
    gpuc__error_retryable(&error, true);
    fail(n, error);
}

static void take_result(gpuc__step_node *n, const result *r)
{
    char *end = NULL;
    long status = strtol(r->status, &end, 10);
    bool restarts = n->step->reboot && !n->undo;
    if (restarts && r->boot_id[0]) {
        snprintf(n->boot_id, sizeof(n->boot_id), "%s", r->boot_id);
        const char *scheduled = memmem(r->evidence, r->evidence_length, "gpuc-reboot: scheduled", 22);
        /* Interrupted by its own restart, or about to be. */
        if ((*end && strcmp(r->status, "interrupted") == 0) || (status == 0 && scheduled)) {
            gpuc__node_progress(n->node, "the machine restarts");
            pause_for(n, GPUC__PHASE_REBOOT, REBOOT_POLL_MS);
            return;
        }
    }
    if (strcmp(r->status, "refused") == 0)
        failed_with(n, 0, NULL, r);
    else if (*end)
        interrupted(n);
    else if (status == 0)
        gpuc__step_acted(n, NULL);
    else
        failed_with(n, (int)status, status == 124 || status == 137 ? "timeout" : NULL, r);
}

/* The connection, or the runner on it, came to an end and the act perhaps not. */
static void lost(gpuc__step_node *n, gpuc_error *error)
{
    uint64_t pause = 500, now = gpuc__clock_ms();
    if (n->tries++ == 0)
        n->lost_ms = now;
    if (left_ms(n) == 0 || (!n->step->reboot && now >= n->lost_ms + LOST_MS)) {
        gpuc__error_retryable(&error, false); /* it was tried again all the time */
        fail(n, error);
        return;
    }
    for (unsigned i = 1; i < n->tries && pause < MAX_PAUSE_MS; i++)
        pause *= 2;
    gpuc__node_progress(n->node, gpuc_error_message(error));
    gpuc_error_unref(error);
    pause_for(n, GPUC__PHASE_PAUSE, pause < MAX_PAUSE_MS ? pause : MAX_PAUSE_MS);
}

static bool may_pass(const gpuc_error *error)
{
    int code = gpuc_error_code(error);
    return code == GPUC_ENETWORK || code == GPUC_ETIMEDOUT || code == GPUC_EPROTO;
}

static void on_followed(void *data, int status, const char *out, size_t out_length,
                        const char *errout, size_t errout_length, gpuc_error *error)
{
    gpuc__step_node *n = data;
    result r = {0};
    n->op = NULL;
    if (n->cancelled) {
        gpuc_error_unref(error);
        error = NULL;
        gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_NONE,
                        "cancelled; what was begun on the machine goes on there");
        fail(n, error);
        return;
    }
    if (error) {
        if (may_pass(error))
            lost(n, error);
        else
            fail(n, error);
        return;
    }
    if (find_result(&r, n->attempt, out)) {
        take_result(n, &r);
        return;
    }
    gpuc__error_set(&error, GPUC_EREMOTE, GPUC_DOMAIN_MACHINE,
                    "%s: %s: the machine's shell ended with status %d before the act did",
                    n->remote->machine, n->step->id, status);
    gpuc__error_native(&error, status);
    gpuc__error_evidence(&error, errout, errout_length);
    gpuc__error_retryable(&error, true);
    if (n->tries >= MAX_DEAF)
        fail(n, error);
    else
        lost(n, error);
}

/* --- after a restart --- */

static void on_boot_id(void *data, int status, const char *out, size_t out_length,
                       const char *errout, size_t errout_length, gpuc_error *error)
{
    gpuc__step_node *n = data;
    size_t length = strlen(n->boot_id);
    bool same = out_length < length || memcmp(out, n->boot_id, length) == 0;
    n->op = NULL;
    if (n->cancelled) {
        if (!error)
            gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_NONE, "cancelled");
        fail(n, error);
    } else if (!error && status == 0 && !same) {
        gpuc__step_acted(n, NULL);
    } else if (left_ms(n) == 0) {
        gpuc_error_unref(error);
        error = NULL;
        gpuc__error_set(&error, GPUC_ETIMEDOUT, GPUC_DOMAIN_MACHINE,
                        "%s: %s: the machine did not come back within %u seconds after its restart",
                        n->remote->machine, n->step->id, n->step->timeout_s);
        gpuc__error_remedy(&error, "Look at the machine's console.");
        fail(n, error);
    } else {
        /* A connection to a machine that went down answers late or never; close takes effect on the
         * loop, before the next question. */
        if (error)
            gpuc__ssh_close(n->remote->ssh);
        gpuc_error_unref(error);
        pause_for(n, GPUC__PHASE_REBOOT, REBOOT_POLL_MS);
    }
}

static void ask_boot_id(gpuc__step_node *n)
{
    static const char script[] = "cat /proc/sys/kernel/random/boot_id\n";
    gpuc_error *error = NULL;
    n->op = gpuc__remote_run(n->remote, script, sizeof(script) - 1, BOOT_ID_TIMEOUT_MS, on_boot_id, n,
                             &error);
    if (!n->op)
        fail(n, error);
}

/* --- begin --- */

static void follow(gpuc__step_node *n)
{
    gpuc_error *error = NULL;
    uint64_t left = left_ms(n);
    if (n->phase == GPUC__PHASE_REBOOT) {
        ask_boot_id(n);
        return;
    }
    n->phase = GPUC__PHASE_ACT;
    n->line_length = 0;
    n->in_evidence = false;
    n->op = gpuc__remote_follow(n->remote, n->script, strlen(n->script),
                                (int)(left < 1000 ? 1000 : left > SLICE_MS ? SLICE_MS : left),
                                on_output, on_followed, n, &error);
    if (!n->op)
        fail(n, error);
}

static void on_direct(void *data, int status, const char *out, size_t out_length,
                      const char *errout, size_t errout_length, gpuc_error *error)
{
    gpuc__step_node *n = data;
    n->op = NULL;
    if (!error && status != 0)
        gpuc__classes_error(&error, n->remote->machine, n->step, status, NULL, errout,
                            errout_length);
    gpuc__step_acted(n, error);
}

void gpuc__step_act(gpuc__step_node *n, const char *attempt)
{
    gpuc_error *error = NULL;
    gpuc__recipe_function function = n->undo ? GPUC__RECIPE_UNDO : GPUC__RECIPE_ACT;
    bool direct = n->undo && n->step->direct;
    int rc;

    gpuc__step_act_free(n);
    n->tries = 0;
    n->deadline_ms = gpuc__clock_ms() + (uint64_t)(n->step->timeout_s + GRACE_S) * 1000;
    n->attempt = gpuc__strdup(attempt);
    if (!n->attempt)
        rc = gpuc__error_nomem(&error);
    else if (direct)
        rc = gpuc__recipe_render(&n->script, n->step, function, n->remote->variables, &error);
    else
        rc = gpuc__recipe_render_runner(&n->script, n->step, function, attempt,
                                        n->remote->variables, DIR, &error);
    if (rc != GPUC_OK) {
        fail(n, error);
    } else if (direct) {
        n->phase = GPUC__PHASE_DIRECT;
        n->op = gpuc__remote_run(n->remote, n->script, strlen(n->script),
                                 (int)n->step->timeout_s * 1000, on_direct, n, &error);
        if (!n->op)
            fail(n, error);
    } else {
        follow(n);
    }
}
