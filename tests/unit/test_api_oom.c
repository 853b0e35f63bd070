/* SPDX-License-Identifier: Apache-2.0 */
/* The API's main scenario, on a host that is not there, while each allocation of the library's own
 * fails in turn: always an answer, never a crash or a hang, and nothing leaks (the sanitizer looks). It
 * uses nothing but the public headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/api.h"

static size_t calls, fail_at; /* 0: none */
static long live;             /* blocks that are not released yet */

static void *hook_malloc(size_t size)
{
    void *memory = ++calls == fail_at ? NULL : malloc(size);

    live += memory != NULL;
    return memory;
}

static void *hook_realloc(void *memory, size_t size)
{
    void *grown = ++calls == fail_at ? NULL : realloc(memory, size);

    live += grown && !memory;
    return grown;
}

static void hook_free(void *memory)
{
    live -= memory != NULL;
    free(memory);
}

static const gpuc_allocator hook = {hook_malloc, hook_realloc, hook_free};

/* Every handle is made here, so that what is left half-way is released, too. */
typedef struct scenario {
    gpuc_context *context;
    gpuc_spec *spec;
    gpuc_cluster *cluster;
    gpuc_op *op;
    gpuc_job *job, *of_others;
} scenario;

static void read_plan(gpuc_plan *plan)
{
    gpuc_free(gpuc_plan_to_text(plan));
    gpuc_free(gpuc_plan_to_shell(plan));
    gpuc_free(gpuc_plan_to_json(plan));
}

static void read_events(gpuc_context *context)
{
    gpuc_event *event = NULL;

    while (gpuc_context_next_event(context, &event) == 1) {
        gpuc_free(gpuc_event_to_json(event));
        gpuc_event_unref(event);
    }
}

static int plan(scenario *s, gpuc_error **err)
{
    int rc = gpuc_cluster_plan_start(&s->op, s->cluster, 0, err);

    if (rc == GPUC_OK)
        rc = gpuc_op_wait(s->op, 15000, err);
    if (rc == GPUC_ETIMEDOUT)
        fail_msg("allocation %zu: the plan does not end", fail_at);
    if (rc == GPUC_OK && gpuc_op_plan(s->op))
        read_plan(gpuc_op_plan(s->op));
    read_events(s->context);
    return rc;
}

/* What is to fail here fails, whether by its own reason or for want of memory; without memory for the
 * error itself there is a ready one. */
static void refused(int rc, int want, gpuc_error **error)
{
    assert_true(rc == want || rc == GPUC_ENOMEM);
    assert_true(gpuc_error_code(*error) == rc || gpuc_error_code(*error) == GPUC_ENOMEM);
    gpuc_free(gpuc_error_to_json(*error));
    *error = gpuc_error_unref(*error);
}

static int look(scenario *s, gpuc_error **err)
{
    gpuc_error *error = NULL;
    char *status = NULL, *list = NULL, *history = NULL, *config = NULL;
    gpuc_op *op = NULL;
    int rc = gpuc_cluster_status(&status, s->cluster, err);

    gpuc_free(status);
    if (rc == GPUC_OK)
        rc = gpuc_cluster_list(&list, api_state, err);
    gpuc_free(list);
    if (rc == GPUC_OK)
        rc = gpuc_cluster_history(&history, s->cluster, 0, err);
    gpuc_free(history);
    refused(gpuc_cluster_kubeconfig(&config, s->cluster, NULL, &error), GPUC_ESTATE, &error);
    if (rc == GPUC_OK)
        rc = gpuc_job_new(&s->job, s->cluster, "nvidia-smi", err);
    if (rc == GPUC_OK)
        rc = gpuc_job_set(s->job, "command", "[\"nvidia-smi\", \"-L\"]", err);
    if (rc == GPUC_OK)
        refused(gpuc_job_start(&op, s->job, &error), GPUC_ESTATE, &error);
    if (rc == GPUC_OK)
        gpuc_free(gpuc_job_to_json(s->job));
    if (rc == GPUC_OK)
        rc = gpuc_job_new_kubeconfig(&s->of_others, s->context, "/nowhere/config", "cuda", err);
    if (rc == GPUC_OK)
        refused(gpuc_job_start(&op, s->of_others, &error), GPUC_ENOTFOUND, &error);
    assert_null(op);
    assert_null(config);
    return rc;
}

static int walk(scenario *s, gpuc_error **err)
{
    static const char wrong[] = "name: 7\nmachines: [{nmae: x}]\n";
    gpuc_machine_spec *machine = NULL;
    gpuc_error *error = NULL;
    gpuc_spec *none = NULL;
    int rc = gpuc_context_new(&s->context, err);

    refused(gpuc_spec_parse(&none, wrong, sizeof(wrong) - 1, "wrong.yaml", &error), GPUC_EINVAL,
            &error);
    assert_null(none);
    if (rc == GPUC_OK)
        rc = api_open(&s->cluster, s->context, &s->spec, err);
    if (rc == GPUC_OK)
        rc = gpuc_spec_add_machine(&machine, s->spec, "m2", "worker", err);
    if (rc == GPUC_OK)
        rc = gpuc_machine_spec_set(machine, "host", "127.0.0.1", err);
    gpuc_machine_spec_unref(machine);
    if (rc == GPUC_OK)
        gpuc_free(gpuc_spec_to_json(s->spec));
    if (rc == GPUC_OK)
        rc = gpuc_cluster_skip_step(s->cluster, "os.swap", NULL, err);
    if (rc == GPUC_OK)
        rc = api_add_step(s->cluster, err);
    if (rc == GPUC_OK)
        rc = plan(s, err);
    return rc == GPUC_OK ? look(s, err) : rc;
}

/* Whether the chain of causes ends in a lack of memory. */
static bool for_want_of_memory(const gpuc_error *error)
{
    while (gpuc_error_cause(error))
        error = gpuc_error_cause(error);
    return gpuc_error_code(error) == GPUC_ENOMEM;
}

static int once(size_t which)
{
    scenario s = {0};
    gpuc_error *error = NULL;
    int rc;

    calls = 0;
    fail_at = which;
    gpuc_set_allocator(&hook);
    rc = walk(&s, &error);
    assert_int_equal(rc == GPUC_OK, error == NULL);
    if (error && !for_want_of_memory(error))
        fail_msg("allocation %zu: %s: %s", which, gpuc_error_name(gpuc_error_code(error)),
                 gpuc_error_message(error));
    gpuc_error_unref(error);
    gpuc_job_unref(s.job);
    gpuc_job_unref(s.of_others);
    gpuc_op_unref(s.op);
    gpuc_cluster_unref(s.cluster);
    gpuc_spec_unref(s.spec);
    gpuc_context_unref(s.context);
    gpuc_set_allocator(NULL);
    if (live != 0)
        fail_msg("allocation %zu: %ld blocks are not released", which, live);
    return rc;
}

static void test_api_oom__each_allocation_fails_in_turn(void **state)
{
    const char *every = getenv("GPUC_TEST_EVERY"); /* under valgrind not each of them */
    size_t step = every ? strtoul(every, NULL, 10) : 1, total, refusals = 0, tried = 0;

    ASSERT_OK(once(0));
    total = calls;
    for (size_t which = 1; which <= total; which += step ? step : 1) {
        refusals += once(which) != GPUC_OK;
        tried++;
    }
    print_message("%zu allocations, %zu failed in turn: %zu refused, %zu went on\n", total, tried,
                  refusals, tried - refusals);
    assert_true(total > 500 && refusals > tried / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_api_oom__each_allocation_fails_in_turn),
    };

    return cmocka_run_group_tests_name("api_oom", tests, api_setup, api_teardown);
}
