/* SPDX-License-Identifier: Apache-2.0 */
/* A run of one Job, "t" of the run r1 on any node or on one, against a scripted API server. */
#ifndef TEST_KUBE_JOB_H
#define TEST_KUBE_JOB_H
#include "support/kube_api.h"

#include "kube/job.h"
#include "kube/job_internal.h"

typedef struct job_outcome {
    int done, lines, exit_code;
    gpuc_error *error;
    char log[1024], phase[32], told[4096]; /* told: the last state */
    gpuc__job_run *run;
} job_outcome;

#define JOB_META(uid, run_id)                                                                      \
    "{\"metadata\":{\"name\":\"t-r1\",\"uid\":\"" uid "\",\"labels\":{\"gpucluster/run-id\":\""      \
    run_id "\"}}}"
#define JOB_OURS JOB_META("ju", "r1")
#define JOB_CREATED {"POST", "/jobs", 201, JOB_OURS}
#define JOB_QUIET(target) {"GET", target, 200, "", KUBE_HANG, .times = -1}
#define JOB_LIST(items) "{\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[" items "]}"
#define JOB_EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define JOB_SEEN(object) {"GET", "/jobs/t-r1", 200, object}
#define JOB_DELETED JOB_SEEN(JOB_OURS), {"DELETE", "/jobs/t-r1", 200, "{}"}
/* containers, statuses: of the pod p */
#define JOB_POD(containers, status)                                                                \
    "{\"metadata\":{\"name\":\"p\",\"uid\":\"pu\"},\"spec\":{\"nodeName\":\"n\",\"restartPolicy\":"  \
    "\"Never\"," containers "},\"status\":" status "}"
#define JOB_ONE "\"containers\":[{\"name\":\"t\"}]"
#define JOB_POD_DONE                                                                               \
    JOB_POD(JOB_ONE, "{\"phase\":\"Succeeded\",\"containerStatuses\":[{\"name\":\"t\",\"state\":{"   \
                     "\"terminated\":{\"reason\":\"Completed\",\"exitCode\":0}}}]}")
#define JOB_POD_RUNS                                                                               \
    JOB_POD(JOB_ONE, "{\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"t\",\"state\":{"     \
                     "\"running\":{}}}]}")

static inline void job_on_line(void *data, const char *origin, const char *text, size_t length)
{
    job_outcome *o = data;

    snprintf(o->log + strlen(o->log), sizeof(o->log) - strlen(o->log), "%s|", text);
}

static inline void job_on_state(void *data, const gpuc__job_end *now)
{
    job_outcome *o = data;

    snprintf(o->told, sizeof(o->told), "%s: %s", now->reason ? now->reason : "", now->text ? now->text : "");
}

static inline void job_on_done(void *data, const gpuc__job_end *end, gpuc_error *error)
{
    job_outcome *o = data;

    o->done++;
    o->error = error;
    o->lines = (int)end->lines;
    o->exit_code = end->exit_code;
    snprintf(o->phase, sizeof(o->phase), "%s", end->phase);
}

static inline void job_start_on(job_outcome *o, kube_step *steps, const char *node)
{
    gpuc_error *err = NULL;
    const gpuc__job_run_args args = {.params = {.kind = "t", .run_id = "r1", .image = "i", .node = node},
                                     .line = job_on_line,
                                     .state = job_on_state,
                                     .done = job_on_done,
                                     .data = o};

    kube_api_begin(steps);
    assert_int_equal(gpuc__job_run_start(&o->run, kube, &args, &err), GPUC_OK);
}

static inline void job_start(job_outcome *o, kube_step *steps)
{
    job_start_on(o, steps, NULL);
}

/* Until this is told of its state; then it is cancelled. */
static inline void job_wait_told(job_outcome *o, const char *words)
{
    uint64_t limit = gpuc__clock_ms() + 20000;

    while (!strstr(o->told, words) && !o->done && gpuc__clock_ms() < limit)
        gpuc_context_run(context, 20, NULL);
    if (!strstr(o->told, words))
        fail_msg("not told: %s; but: %s", words, o->told);
    gpuc__job_run_cancel(o->run);
}

/* Until the server was asked this. */
static inline void job_wait_asked(const char *text)
{
    uint64_t limit = gpuc__clock_ms() + 20000;
    int asked = 0;

    while (!asked && gpuc__clock_ms() < limit) {
        gpuc_context_run(context, 20, NULL);
        pthread_mutex_lock(&api.mutex);
        asked = kube_api_asked(text);
        pthread_mutex_unlock(&api.mutex);
    }
    assert_true(asked > 0);
}

static inline void job_wait(job_outcome *o)
{
    uint64_t limit = gpuc__clock_ms() + 30000;

    while (!o->done && gpuc__clock_ms() < limit)
        gpuc_context_run(context, 50, NULL);
    gpuc_context_run(context, 0, NULL);
    assert_int_equal(o->done, 1);
}

static inline void job_end(job_outcome *o)
{
    gpuc_error_unref(o->error);
    kube_api_end();
}
#endif
