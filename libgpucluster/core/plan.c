/* SPDX-License-Identifier: Apache-2.0 */
/* Plans as objects. */
#include "core/plan.h"

#include <stdatomic.h>
#include <string.h>

#include "core/context.h"
#include "util/alloc.h"

gpuc_plan *gpuc__plan_new(const char *cluster, size_t capacity)
{
    gpuc_plan *plan = gpuc__calloc(1, sizeof(*plan));

    if (!plan)
        return NULL;
    atomic_init(&plan->refs, 1);
    plan->cluster = gpuc__strdup(cluster ? cluster : "");
    plan->steps = gpuc__calloc(capacity ? capacity : 1, sizeof(*plan->steps));
    plan->capacity = capacity;
    if (!plan->cluster || !plan->steps)
        return gpuc_plan_unref(plan);
    return plan;
}

static gpuc__shared_text *share_text(const char *text, const gpuc_step *like)
{
    size_t length = strlen(text);
    gpuc__shared_text *shared;

    if (like && like->shell && strcmp(like->shell->text, text) == 0) {
        like->shell->refs++;
        return like->shell;
    }
    shared = gpuc__malloc(sizeof(*shared) + length + 1);
    if (shared) {
        shared->refs = 1;
        memcpy(shared->text, text, length + 1);
    }
    return shared;
}

gpuc_step *gpuc__plan_add(gpuc_plan *plan, const char *machine, const char *id, const char *title,
                          int verdict, const char *detail, size_t *after, size_t after_count,
                          char *shell, const gpuc_step *like)
{
    gpuc_step *step = plan->count < plan->capacity ? &plan->steps[plan->count] : NULL;

    if (!step) {
        gpuc__free(after);
        gpuc__free(shell);
        return NULL;
    }
    plan->count++;
    step->id = gpuc__strdup(id);
    step->machine = gpuc__strdup(machine);
    /* One line each: in the shell form they are comments, which a newline would end. */
    step->title = gpuc__text_line(title ? title : id);
    step->detail = gpuc__text_line(detail ? detail : "");
    step->verdict = verdict;
    step->after = after;
    step->after_count = after_count;
    step->shell = shell ? share_text(shell, like) : NULL;
    if (!step->id || (machine && !step->machine) || !step->title || !step->detail ||
        (shell && !step->shell))
        step = NULL;
    gpuc__free(shell);
    return step;
}

void gpuc__plan_describe(gpuc_plan *plan, json_t *provider)
{
    json_decref(plan->provider);
    plan->provider = provider;
}

size_t gpuc_plan_size(const gpuc_plan *plan)
{
    return plan->count;
}

const gpuc_step *gpuc_plan_step(const gpuc_plan *plan, size_t index)
{
    return index < plan->count ? &plan->steps[index] : NULL;
}

size_t gpuc_plan_changes(const gpuc_plan *plan)
{
    size_t changes = 0;

    for (size_t i = 0; i < plan->count; i++) {
        int verdict = plan->steps[i].verdict;

        changes += verdict == GPUC_STEP_NEEDED || verdict == GPUC_STEP_UNKNOWN;
    }
    return changes;
}

gpuc_plan *gpuc_plan_ref(gpuc_plan *plan)
{
    atomic_fetch_add(&plan->refs, 1);
    return plan;
}

gpuc_plan *gpuc_plan_unref(gpuc_plan *plan)
{
    if (!plan || atomic_fetch_sub(&plan->refs, 1) != 1)
        return NULL;
    for (size_t i = 0; i < plan->count; i++) {
        gpuc_step *step = &plan->steps[i];

        gpuc__free(step->id);
        gpuc__free(step->machine);
        gpuc__free(step->title);
        gpuc__free(step->detail);
        gpuc__free(step->after);
        if (step->shell && --step->shell->refs == 0)
            gpuc__free(step->shell);
    }
    json_decref(plan->provider);
    gpuc__free(plan->steps);
    gpuc__free(plan->cluster);
    gpuc__free(plan);
    return NULL;
}

const char *gpuc_step_id(const gpuc_step *step)
{
    return step->id;
}

const char *gpuc_step_machine(const gpuc_step *step)
{
    return step->machine;
}

const char *gpuc_step_title(const gpuc_step *step)
{
    return step->title;
}

int gpuc_step_verdict(const gpuc_step *step)
{
    return step->verdict;
}

const char *gpuc_step_detail(const gpuc_step *step)
{
    return step->detail;
}
