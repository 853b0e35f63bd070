/* SPDX-License-Identifier: Apache-2.0 */
/* The public API used wrongly: missing and wrong arguments, unknown sizes and flags, calls from inside
 * callbacks, handles dropped in every order. It uses nothing but the public headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/api.h"

/* The call is refused with that code and with an error that says something. */
#define REFUSED(want, call)                                                                        \
    do {                                                                                           \
        gpuc_error *e = NULL, **err = &e;                                                          \
        assert_int_equal((call), (want));                                                          \
        assert_non_null(e);                                                                        \
        assert_int_equal(gpuc_error_code(e), (want));                                              \
        assert_true(strlen(gpuc_error_message(e)) > 10);                                           \
        gpuc_error_unref(e);                                                                       \
        err = NULL;                                                                                \
        assert_int_equal((call), (want)); /* and without a place for the error */                  \
    } while (0)
#define WRONG(call) REFUSED(GPUC_EINVAL, call)

typedef struct world {
    gpuc_context *context;
    gpuc_spec *spec;
    gpuc_cluster *cluster;
    gpuc_op *op;
    gpuc_plan *plan;
    gpuc_job *job;
} world;

static void open_world(world *w)
{
    memset(w, 0, sizeof(*w));
    ASSERT_OK(gpuc_context_new(&w->context, NULL));
    ASSERT_OK(api_open(&w->cluster, w->context, &w->spec, NULL));
}

static void close_world(world *w)
{
    gpuc_job_unref(w->job);
    gpuc_plan_unref(w->plan);
    gpuc_op_unref(w->op);
    gpuc_cluster_unref(w->cluster);
    gpuc_spec_unref(w->spec);
    gpuc_context_unref(w->context);
}

static void test_api_args__contexts_and_specs(void **state)
{
    gpuc_machine_spec *machine = NULL;
    gpuc_spec *spec = NULL;
    world w;

    open_world(&w);
    WRONG(gpuc_context_new(NULL, err));
    WRONG(gpuc_context_process(NULL, err));
    WRONG(gpuc_context_run(NULL, 0, err));
    WRONG(gpuc_context_run(w.context, -2, err));
    WRONG(gpuc_op_wait(NULL, 0, err));
    WRONG(gpuc_spec_parse(NULL, "", 0, NULL, err));
    WRONG(gpuc_spec_parse(&spec, NULL, 1, NULL, err));
    WRONG(gpuc_spec_load(NULL, "/", err));
    WRONG(gpuc_spec_load(&spec, NULL, err));
    WRONG(gpuc_spec_new(NULL, "a", err));
    WRONG(gpuc_spec_new(&spec, NULL, err));
    WRONG(gpuc_spec_new(&spec, "Not A Label", err));
    WRONG(gpuc_spec_set(NULL, "name", "a", err));
    WRONG(gpuc_spec_set(w.spec, NULL, "a", err));
    WRONG(gpuc_spec_set(w.spec, "name", NULL, err));
    WRONG(gpuc_spec_set(w.spec, "nmae", "a", err));
    WRONG(gpuc_spec_add_machine(&machine, NULL, "a", "worker", err));
    WRONG(gpuc_spec_add_machine(&machine, w.spec, NULL, "worker", err));
    WRONG(gpuc_spec_add_machine(&machine, w.spec, "a", NULL, err));
    WRONG(gpuc_spec_add_machine(&machine, w.spec, "a", "king", err));
    WRONG(gpuc_machine_spec_set(NULL, "host", "a", err));
    WRONG(gpuc_spec_validate(NULL, err));
    assert_null(machine);
    assert_null(spec);
    close_world(&w);
}

static void test_api_args__clusters(void **state)
{
    gpuc_cluster_options options, bad;
    gpuc_cluster *cluster = NULL;
    char *text = NULL;
    world w;

    open_world(&w);
    gpuc_cluster_options_init(&options);
    options.state_dir = api_state;
    WRONG(gpuc_cluster_open(NULL, w.context, w.spec, NULL, &options, err));
    WRONG(gpuc_cluster_open(&cluster, NULL, w.spec, NULL, &options, err));
    WRONG(gpuc_cluster_open(&cluster, w.context, NULL, NULL, &options, err));
    WRONG(gpuc_cluster_open(&cluster, w.context, NULL, "", &options, err));
    WRONG(gpuc_cluster_open(&cluster, w.context, w.spec, "both", &options, err));
    REFUSED(GPUC_ENOTFOUND, gpuc_cluster_open(&cluster, w.context, NULL, "absent", &options, err));
    WRONG(gpuc_cluster_open(&cluster, w.context, NULL, "../../etc", &options, err));
    bad = options;
    bad.struct_size = 0; /* not filled in */
    WRONG(gpuc_cluster_open(&cluster, w.context, w.spec, NULL, &bad, err));
    bad.struct_size = sizeof(bad) + 8; /* of a later version */
    WRONG(gpuc_cluster_open(&cluster, w.context, w.spec, NULL, &bad, err));
    bad = options;
    bad.flags = 1;
    WRONG(gpuc_cluster_open(&cluster, w.context, w.spec, NULL, &bad, err));
    bad = options;
    bad.reserved = 1;
    WRONG(gpuc_cluster_open(&cluster, w.context, w.spec, NULL, &bad, err));
    bad = options;
    bad.parallel = 1u << 31;
    WRONG(gpuc_cluster_open(&cluster, w.context, w.spec, NULL, &bad, err));
    assert_null(cluster);
    WRONG(gpuc_cluster_status(NULL, w.cluster, err));
    WRONG(gpuc_cluster_status(&text, NULL, err));
    WRONG(gpuc_cluster_list(NULL, api_state, err));
    WRONG(gpuc_cluster_history(NULL, w.cluster, 0, err));
    WRONG(gpuc_cluster_history(&text, NULL, 0, err));
    WRONG(gpuc_cluster_history(&text, w.cluster, -1, err));
    WRONG(gpuc_cluster_replace(NULL, "m1", err));
    WRONG(gpuc_cluster_replace(w.cluster, NULL, err));
    REFUSED(GPUC_ENOTFOUND, gpuc_cluster_replace(w.cluster, "m2", err));
    REFUSED(GPUC_EUNSUPPORTED, gpuc_cluster_replace(w.cluster, "m1", err));
    WRONG(gpuc_cluster_let_go(NULL, "m1", err));
    WRONG(gpuc_cluster_let_go(w.cluster, NULL, err));
    REFUSED(GPUC_ENOTFOUND, gpuc_cluster_let_go(w.cluster, "m2", err));
    assert_null(text);
    close_world(&w);
}

static void test_api_args__steps(void **state)
{
    gpuc_custom_step step;
    world w;

    open_world(&w);
    gpuc_custom_step_init(&step);
    WRONG(gpuc_cluster_skip_step(NULL, "os.swap", NULL, err));
    WRONG(gpuc_cluster_skip_step(w.cluster, NULL, NULL, err));
    WRONG(gpuc_cluster_skip_step(w.cluster, "os.swab", NULL, err));
    REFUSED(GPUC_ENOTFOUND, gpuc_cluster_skip_step(w.cluster, "os.swap", "m2", err));
    ASSERT_OK(gpuc_cluster_skip_step(w.cluster, "os.swap", "", NULL));
    WRONG(gpuc_cluster_add_step(NULL, &step, err));
    WRONG(gpuc_cluster_add_step(w.cluster, NULL, err));
    WRONG(gpuc_cluster_add_step(w.cluster, &step, err)); /* nothing filled in */
    step.id = "site.x";
    step.probe = "true";
    WRONG(gpuc_cluster_add_step(w.cluster, &step, err)); /* no act */
    step.act = "true";
    step.struct_size--;
    WRONG(gpuc_cluster_add_step(w.cluster, &step, err));
    step.struct_size++;
    step.after = "os.pakages";
    WRONG(gpuc_cluster_add_step(w.cluster, &step, err));
    step.after = NULL;
    step.roles = "kings";
    WRONG(gpuc_cluster_add_step(w.cluster, &step, err));
    step.roles = NULL;
    step.id = "os.swap"; /* the recipe's */
    WRONG(gpuc_cluster_add_step(w.cluster, &step, err));
    step.id = "nodot";
    WRONG(gpuc_cluster_add_step(w.cluster, &step, err));
    step.id = "site.x; rm";
    WRONG(gpuc_cluster_add_step(w.cluster, &step, err));
    step.id = "site.x";
    ASSERT_OK(gpuc_cluster_add_step(w.cluster, &step, NULL));
    close_world(&w);
}

static void test_api_args__operations(void **state)
{
    gpuc_op *op = NULL;
    gpuc_plan *plan = NULL;
    gpuc_report *report = NULL;
    world w;

    open_world(&w);
    WRONG(gpuc_cluster_plan_start(NULL, w.cluster, 0, err));
    WRONG(gpuc_cluster_plan_start(&op, NULL, 0, err));
    WRONG(gpuc_cluster_plan_start(&op, w.cluster, 1, err));
    WRONG(gpuc_cluster_plan(NULL, w.cluster, 0, err));
    WRONG(gpuc_cluster_plan(&plan, NULL, 0, err));
    WRONG(gpuc_cluster_plan(&plan, w.cluster, 1u << 31, err));
    WRONG(gpuc_cluster_up_start(NULL, w.cluster, 0, err));
    WRONG(gpuc_cluster_up_start(&op, NULL, 0, err));
    WRONG(gpuc_cluster_up_start(&op, w.cluster, GPUC_DOWN_PURGE_DRIVER, err));
    WRONG(gpuc_cluster_up(NULL, 0, err));
    WRONG(gpuc_cluster_up(w.cluster, 4, err));
    WRONG(gpuc_cluster_verify_start(NULL, w.cluster, 0, err));
    WRONG(gpuc_cluster_verify_start(&op, NULL, 0, err));
    WRONG(gpuc_cluster_verify_start(&op, w.cluster, 1, err));
    WRONG(gpuc_cluster_verify(NULL, w.cluster, 0, err));
    WRONG(gpuc_cluster_verify(&report, NULL, 0, err));
    WRONG(gpuc_cluster_down_start(NULL, w.cluster, 0, err));
    WRONG(gpuc_cluster_down_start(&op, NULL, 0, err));
    WRONG(gpuc_cluster_down_start(&op, w.cluster, GPUC_UP_NO_PROOF, err));
    WRONG(gpuc_cluster_down(NULL, 0, err));
    WRONG(gpuc_cluster_down(w.cluster, 8, err));
    ASSERT_OK(gpuc_cluster_plan_start(&w.op, w.cluster, 0, NULL));
    REFUSED(GPUC_ETIMEDOUT, gpuc_op_wait(w.op, 0, err));
    WRONG(gpuc_op_wait(w.op, -2, err));
    /* One at a time per cluster. */
    REFUSED(GPUC_EBUSY, gpuc_cluster_plan_start(&op, w.cluster, 0, err));
    ASSERT_OK(gpuc_op_wait(w.op, 20000, NULL));
    assert_null(gpuc_plan_step(gpuc_op_plan(w.op), SIZE_MAX));
    assert_null(gpuc_op_report(w.op));
    assert_null(op);
    assert_null(plan);
    assert_null(report);
    close_world(&w);
}

static void test_api_args__access_and_jobs(void **state)
{
    gpuc_op *op = NULL;
    gpuc_job *job = NULL;
    char *text = NULL;
    int bound = 0;
    world w;

    open_world(&w);
    WRONG(gpuc_cluster_kubeconfig(NULL, w.cluster, NULL, err));
    WRONG(gpuc_cluster_kubeconfig(&text, NULL, NULL, err));
    REFUSED(GPUC_ESTATE, gpuc_cluster_kubeconfig(&text, w.cluster, NULL, err));
    WRONG(gpuc_kubeconfig_merge(NULL, "", "", err));
    WRONG(gpuc_kubeconfig_merge(&text, "", NULL, err));
    WRONG(gpuc_kubeconfig_store(NULL, "/nowhere", "", 0, err));
    WRONG(gpuc_kubeconfig_store(&text, "/nowhere", NULL, 0, err));
    WRONG(gpuc_cluster_proxy_start(NULL, w.cluster, 0, &bound, err));
    WRONG(gpuc_cluster_proxy_start(&op, NULL, 0, &bound, err));
    WRONG(gpuc_cluster_proxy_start(&op, w.cluster, 0, NULL, err));
    WRONG(gpuc_cluster_proxy_start(&op, w.cluster, -1, &bound, err));
    WRONG(gpuc_cluster_proxy_start(&op, w.cluster, 65536, &bound, err));
    REFUSED(GPUC_ESTATE, gpuc_cluster_proxy_start(&op, w.cluster, 0, &bound, err));
    WRONG(gpuc_cluster_exec_start(NULL, w.cluster, "m1", "true", NULL, NULL, 0, err));
    WRONG(gpuc_cluster_exec_start(&op, NULL, "m1", "true", NULL, NULL, 0, err));
    WRONG(gpuc_cluster_exec_start(&op, w.cluster, NULL, "true", NULL, NULL, 0, err));
    WRONG(gpuc_cluster_exec_start(&op, w.cluster, "m1", NULL, NULL, NULL, 0, err));
    WRONG(gpuc_cluster_exec_start(&op, w.cluster, "m1", "true", NULL, NULL, UINT32_MAX, err));
    REFUSED(GPUC_ENOTFOUND,
            gpuc_cluster_exec_start(&op, w.cluster, "m2", "true", NULL, NULL, 0, err));
    WRONG(gpuc_cluster_copy_start(&op, w.cluster, "m1", NULL, "/x", 1, err));
    WRONG(gpuc_cluster_copy_start(&op, w.cluster, "m1", "/x", "", 1, err));
    REFUSED(GPUC_ENOTFOUND, gpuc_cluster_copy_start(&op, w.cluster, "m2", "/x", "/x", 1, err));
    WRONG(gpuc_cluster_shell_start(&op, w.cluster, "m1", NULL, -1, 1, err));
    WRONG(gpuc_cluster_shell_start(&op, w.cluster, NULL, NULL, 0, 1, err));
    REFUSED(GPUC_ENOTFOUND, gpuc_cluster_shell_start(&op, w.cluster, "m2", NULL, 0, 1, err));
    WRONG(gpuc_job_new(NULL, w.cluster, "nvidia-smi", err));
    WRONG(gpuc_job_new(&job, NULL, "nvidia-smi", err));
    WRONG(gpuc_job_new(&job, w.cluster, NULL, err));
    WRONG(gpuc_job_new(&job, w.cluster, "nvidia-sim", err));
    WRONG(gpuc_job_new_kubeconfig(NULL, w.context, "default", "cuda", err));
    WRONG(gpuc_job_new_kubeconfig(&job, NULL, "default", "cuda", err));
    WRONG(gpuc_job_new_kubeconfig(&job, w.context, NULL, "cuda", err));
    WRONG(gpuc_job_new_kubeconfig(&job, w.context, "", "cuda", err));
    WRONG(gpuc_job_new_kubeconfig(&job, w.context, "default", "nvidia-sim", err));
    ASSERT_OK(gpuc_job_new(&w.job, w.cluster, "nvidia-smi", NULL));
    WRONG(gpuc_job_set(NULL, "gpus", "1", err));
    WRONG(gpuc_job_set(w.job, NULL, "1", err));
    WRONG(gpuc_job_set(w.job, "gpus", NULL, err));
    WRONG(gpuc_job_set(w.job, "gpsu", "1", err));
    WRONG(gpuc_job_set(w.job, "gpus", "many", err));
    WRONG(gpuc_job_set(w.job, "context", "lab", err));
    WRONG(gpuc_job_set(w.job, "command", "{}", err));
    WRONG(gpuc_job_start(NULL, w.job, err));
    WRONG(gpuc_job_start(&op, NULL, err));
    WRONG(gpuc_job_run(NULL, err));
    REFUSED(GPUC_ESTATE, gpuc_job_run(w.job, err));
    assert_null(op);
    assert_null(job);
    assert_null(text);
    assert_int_equal(bound, 0);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_api_args__contexts_and_specs),
        cmocka_unit_test(test_api_args__clusters),
        cmocka_unit_test(test_api_args__steps),
        cmocka_unit_test(test_api_args__operations),
        cmocka_unit_test(test_api_args__access_and_jobs),
    };

    return cmocka_run_group_tests_name("api_args", tests, api_setup, api_teardown);
}
