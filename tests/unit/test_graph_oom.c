/* SPDX-License-Identifier: Apache-2.0 */
/* A small graph planned and run while each allocation of the library fails in turn: it always ends,
 * says why, calls back once, and leaks nothing (the sanitizer looks). */
#include "graph_fake.h"

static size_t calls, fail_at;
static bool failed;

static bool refuse(void)
{
    if (++calls != fail_at)
        return false;
    failed = true;
    return true;
}

static void *hook_malloc(size_t size)
{
    return refuse() ? NULL : malloc(size);
}

static void *hook_realloc(void *memory, size_t size)
{
    return refuse() ? NULL : realloc(memory, size);
}

typedef struct scenario {
    fake_world w;
    fake_step steps[4];
} scenario;

static int build(scenario *s, gpuc_error **err)
{
    static const struct {
        const char *machine, *id;
        int before;
    } table[] = {{"m1", "a", -1}, {"m1", "b", 0}, {"m2", "a", -1}, {NULL, "c", 1}};
    gpuc__node *nodes[4];
    int rc = gpuc__graph_new(&s->w.graph, s->w.context, s->w.store, err);

    if (rc == GPUC_OK)
        gpuc__graph_scale_time(s->w.graph, 1);
    for (int i = 0; rc == GPUC_OK && i < 4; i++) {
        s->steps[i] = (fake_step){.world = &s->w, .name = table[i].id, .detail = "so"};
        rc = gpuc__graph_add(s->w.graph,
                             &(gpuc__step_desc){.id = table[i].id,
                                                .machine = table[i].machine,
                                                .retries = 1,
                                                .remedy = "look",
                                                .ops = &fake_ops,
                                                .data = &s->steps[i]},
                             &nodes[i], err);
        if (rc == GPUC_OK && table[i].before >= 0)
            rc = gpuc__graph_depend(s->w.graph, nodes[i], nodes[table[i].before], err);
    }
    s->steps[2].fail_times = 1;
    s->steps[2].fail_code = GPUC_ENETWORK;
    return rc;
}

static void wait_for(scenario *s, int completions)
{
    gpuc_event *event;

    while (s->w.completions < completions) {
        assert_int_equal(gpuc_context_run(s->w.context, 5000, NULL), GPUC_OK);
        while (gpuc_context_next_event(s->w.context, &event))
            gpuc_event_unref(event);
    }
}

static int walk(scenario *s, gpuc_error **err)
{
    int rc = gpuc_context_new(&s->w.context, err), n = 0;
    char *text;

    if (rc == GPUC_OK)
        rc = gpuc__context_add_secret(s->w.context, "hunter2", err);
    if (rc == GPUC_OK)
        rc = gpuc__store_open(&s->w.store, s->w.base, "k8s", true, NULL, err);
    if (rc == GPUC_OK)
        rc = gpuc__store_lock(s->w.store, "oom", err);
    if (rc == GPUC_OK)
        rc = build(s, err);
    if (rc == GPUC_OK && (rc = gpuc__graph_plan(s->w.graph, "k8s", fake_planned, &s->w, err)) == 0)
        wait_for(s, ++n);
    if (rc == GPUC_OK && s->w.plan) {
        gpuc_free(gpuc_plan_to_text(s->w.plan));
        gpuc_free(gpuc_plan_to_shell(s->w.plan));
        text = gpuc_plan_to_json(s->w.plan);
        gpuc_free(text);
    }
    if (rc == GPUC_OK && (rc = gpuc__graph_run(s->w.graph, NULL, 2, fake_done, &s->w, err)) == 0)
        wait_for(s, ++n);
    if (rc == GPUC_OK)
        assert_int_equal(s->w.completions, n);
    return rc;
}

static void test_graph_oom__each_allocation_fails_in_turn(void **state)
{
    static const gpuc_allocator hook = {hook_malloc, hook_realloc, free};
    size_t tried = 0, refused = 0, survived = 0;

    for (fail_at = 1;; fail_at++) {
        static scenario s;
        gpuc_error *error = NULL;
        int rc;

        memset(&s, 0, sizeof(s));
        fake_base(s.w.base, sizeof(s.w.base));
        calls = 0;
        failed = false;
        gpuc_set_allocator(&hook);
        rc = walk(&s, &error);
        /* A refusal says so; the loss of an event, of a detail or of a text is survived. */
        if (rc != GPUC_OK) {
            assert_int_equal(rc, GPUC_ENOMEM);
            assert_non_null(error);
            refused++;
        } else {
            assert_null(error);
            survived++;
        }
        gpuc_error_unref(error);
        fake_close(&s.w);
        gpuc_set_allocator(NULL);
        tried++;
        if (!failed)
            break;
    }
    print_message("%zu allocations failed in turn: %zu refused, %zu went on\n", tried - 1, refused,
                  survived);
    assert_true(refused > 20 && survived > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graph_oom__each_allocation_fails_in_turn),
    };

    return cmocka_run_group_tests_name("graph_oom", tests, NULL, NULL);
}
