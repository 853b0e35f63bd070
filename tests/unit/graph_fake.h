/* SPDX-License-Identifier: Apache-2.0 */
/* Fake steps and a temporary state folder for the tests of the core. */
#ifndef GRAPH_FAKE_H
#define GRAPH_FAKE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <ftw.h>
#include <gpucluster.h>

#include "core/context.h"
#include "core/graph.h"
#include "core/op.h"
#include "util/alloc.h"
#include "util/error.h"

#define ASSERT_OK(call) assert_int_equal((call), GPUC_OK)

typedef struct fake_world {
    gpuc_context *context;
    gpuc__graph *graph;
    gpuc__store *store;
    char base[64];
    char log[65536]; /* "probe a; act a; …" */
    int active, most_active, completions;
    gpuc_error *error;
    gpuc_plan *plan;
} fake_world;

/* One step: what it answers, and how often it fails first. */
typedef struct fake_step {
    fake_world *world;
    const char *name;
    bool present;    /* the effect is there */
    bool stubborn;   /* acting does not bring it about */
    int fail_times;  /* acts that fail before one succeeds */
    int fail_code;   /* their code */
    bool over;       /* they say that they have ended for certain */
    int probe_fails; /* probes that fail with GPUC_ENETWORK */
    int delay_ms;    /* the act's answer comes later; -1: only after cancel */
    int acts, probes, cancels, resumes;
    char attempt[17];
    const char *detail;
    gpuc__node *node;
    uv_timer_t timer;
    bool timer_open;
} fake_step;

static inline void fake_note(fake_world *world, const char *what, const char *name)
{
    size_t used = *name ? strlen(world->log) : 0;

    if (*name)
        snprintf(world->log + used, sizeof(world->log) - used, "%s %s; ", what, name);
}

static inline void fake_probe(gpuc__node *node, void *data)
{
    fake_step *step = data;
    gpuc_error *error = NULL;

    step->probes++;
    fake_note(step->world, "probe", step->name);
    if (step->probe_fails > 0) {
        step->probe_fails--;
        gpuc__error_set(&error, GPUC_ENETWORK, GPUC_DOMAIN_NONE, "%s cannot be asked", step->name);
    }
    gpuc__node_probed(node, step->present ? GPUC__VERDICT_PRESENT : GPUC__VERDICT_NEEDED,
                      step->detail, error);
}

static inline void fake_end_act(fake_step *step, int code)
{
    gpuc_error *error = NULL;

    step->world->active--;
    if (code != GPUC_OK)
        gpuc__error_set(&error, code, GPUC_DOMAIN_NONE, "%s failed as told", step->name);
    else if (!step->stubborn)
        step->present = true;
    if (code == GPUC_EHTTP)
        gpuc__error_retryable(&error, true);
    gpuc__node_acted(step->node, error);
}

static inline void fake_timer(uv_timer_t *timer)
{
    fake_end_act(timer->data, GPUC_OK);
}

static inline void fake_act(gpuc__node *node, void *data, const char *attempt, bool resumed)
{
    fake_step *step = data;

    step->acts++;
    step->resumes += resumed;
    step->node = node;
    snprintf(step->attempt, sizeof(step->attempt), "%s", attempt);
    fake_note(step->world, "act", step->name);
    if (++step->world->active > step->world->most_active)
        step->world->most_active = step->world->active;
    if (step->fail_times > 0) {
        step->fail_times--;
        if (step->over)
            gpuc__node_act_over(node);
        fake_end_act(step, step->fail_code);
    } else if (step->delay_ms == 0) {
        fake_end_act(step, GPUC_OK);
    } else if (step->delay_ms > 0) {
        if (!step->timer_open)
            uv_timer_init(gpuc__context_loop(step->world->context), &step->timer);
        step->timer_open = true;
        step->timer.data = step;
        uv_timer_start(&step->timer, fake_timer, (uint64_t)step->delay_ms, 0);
    }
}

static inline void fake_cancel(gpuc__node *node, void *data)
{
    fake_step *step = data;

    step->cancels++;
    fake_note(step->world, "cancel", step->name);
    if (step->timer_open)
        uv_timer_stop(&step->timer);
    fake_end_act(step, GPUC_ECANCELLED);
}

static inline char *fake_shell(const gpuc__node *node, void *data)
{
    return gpuc__asprintf("echo %s\n", gpuc__node_id(node));
}

static const gpuc__step_ops fake_ops = {fake_probe, fake_act, fake_cancel, fake_shell, NULL};
static const gpuc__step_ops fake_check_ops = {fake_probe, NULL, NULL, NULL, NULL};

/* A folder for state, in memory where that can be had: a killed process loses nothing there either,
 * and no disk is waited for. */
static inline void fake_base(char *base, size_t size)
{
    snprintf(base, size, "%s/gpuc-test-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(base));
}

static inline void fake_open(fake_world *world, bool with_store)
{
    memset(world, 0, sizeof(*world));
    assert_int_equal(gpuc_context_new(&world->context, NULL), GPUC_OK);
    fake_base(world->base, sizeof(world->base));
    if (with_store) {
        ASSERT_OK(gpuc__store_open(&world->store, world->base, "k8s", true, NULL, NULL));
        ASSERT_OK(gpuc__store_lock(world->store, "test", NULL));
    }
    ASSERT_OK(gpuc__graph_new(&world->graph, world->context, world->store, NULL));
    gpuc__graph_scale_time(world->graph, 10);
}

static inline int fake_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static inline void fake_close(fake_world *world)
{
    gpuc__graph_free(world->graph);
    gpuc__store_close(world->store);
    gpuc_error_unref(world->error);
    gpuc_plan_unref(world->plan);
    gpuc_context_unref(world->context);
    nftw(world->base, fake_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline gpuc__node *fake_add_desc(fake_world *world, fake_step *step, gpuc__step_desc desc)
{
    gpuc__node *node = NULL;

    step->world = world;
    step->name = desc.id;
    if (!desc.ops)
        desc.ops = &fake_ops;
    desc.data = step;
    ASSERT_OK(gpuc__graph_add(world->graph, &desc, &node, NULL));
    return node;
}

static inline gpuc__node *fake_add(fake_world *world, fake_step *step, const char *machine,
                                   const char *id, gpuc__node *before)
{
    gpuc__node *node = fake_add_desc(world, step, (gpuc__step_desc){.id = id, .machine = machine});

    ASSERT_OK(gpuc__graph_depend(world->graph, node, before, NULL));
    return node;
}

static inline void fake_done(void *data, gpuc_error *error)
{
    fake_world *world = data;

    world->completions++;
    gpuc_error_unref(world->error);
    world->error = error;
}

static inline void fake_planned(void *data, gpuc_plan *plan, gpuc_error *error)
{
    fake_world *world = data;

    world->completions++;
    gpuc_plan_unref(world->plan);
    world->plan = plan;
    gpuc_error_unref(world->error);
    world->error = error;
}

static inline void fake_wait(fake_world *world, int completions)
{
    for (int i = 0; world->completions < completions; i++) {
        assert_int_equal(gpuc_context_run(world->context, 5000, NULL), GPUC_OK);
        assert_true(i < 200000);
    }
}

static inline void fake_run(fake_world *world, uint32_t parallel)
{
    int before = world->completions;

    ASSERT_OK(gpuc__graph_run(world->graph, NULL, parallel, fake_done, world, NULL));
    fake_wait(world, before + 1);
}

static inline void fake_plan(fake_world *world)
{
    int before = world->completions;

    ASSERT_OK(gpuc__graph_plan(world->graph, "k8s", fake_planned, world, NULL));
    fake_wait(world, before + 1);
}
#endif
