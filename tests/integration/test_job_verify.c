/* SPDX-License-Identifier: Apache-2.0 */
/* A job's look at its machines beforehand, over a real sshd whose hosts have canned answers with a
 * SIMULATED GPU (gpu_host.sh); behind it an API server that counts what it is asked and allows nothing. */
#include "support/ssh_client.h"

#include <stdatomic.h>

#include "support/http_server.h"

#include "support/gpu_hosts.h"
#include "support/run_until.h"

#include "cluster/jobs_internal.h"

static http_server api;
static atomic_int asked;

static void serve(http_server *s, int fd)
{
    http_server_request r;

    while (http_server_read(fd, &r)) {
        atomic_fetch_add(&asked, 1);
        free(r.body);
        http_server_answer(fd, 403,
                           "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"code\":403,\"message\":"
                           "\"this is only a test\"}");
    }
}

/* As a cluster is that is up. */
static void be_up(void)
{
    gpuc__kubeconfig config = {.context = (char *)"lab", .server = api.url};

    ASSERT_OK(gpuc__cluster_open_store(cluster, true, NULL));
    ASSERT_OK(gpuc__store_lock(cluster->store, "test", NULL));
    ASSERT_OK(gpuc__store_set(cluster->store, NULL, "up", "1", NULL));
    gpuc__store_unlock(cluster->store);
    ASSERT_OK(gpuc__kube_open(&cluster->kube, context, &config, NULL, NULL, NULL, NULL));
}

static int begin(void **state)
{
    http_server_start(&api, NULL, serve, NULL);
    if (gpuc_context_new(&context, NULL) || !gpu_hosts_serve())
        return -1;
    gpu_hosts_open();
    be_up();
    return 0;
}

static int end(void **state)
{
    gpuc_cluster_unref(cluster);
    gpuc_spec_unref(spec);
    for (int i = 0; i < 5; i++)
        gpuc_context_run(context, 0, NULL);
    http_server_stop(&api);
    return tear_down(state);
}

static gpuc_job *job_on(const char *node)
{
    gpuc_job *job = NULL;

    ASSERT_OK(gpuc_job_new(&job, cluster, "nvidia-smi", NULL));
    ASSERT_OK(gpuc_job_set(job, "verify", "true", NULL));
    if (node)
        ASSERT_OK(gpuc_job_set(job, "node", node, NULL));
    return job;
}

/* What the error of a run is; NULL node: all machines. */
static gpuc_error *run(const char *node)
{
    gpuc_error *error = NULL;
    gpuc_job *job = job_on(node);

    atomic_store(&asked, 0);
    assert_int_not_equal(gpuc_job_run(job, &error), GPUC_OK);
    gpuc_job_unref(job);
    return error;
}

static void test_job_verify__a_good_machine_gets_its_job(void **state)
{
    gpuc_error *error = run("good");

    assert_int_equal(gpuc_error_code(error), GPUC_EPERM);
    assert_contains(gpuc_error_message(error), "only a test");
    assert_true(atomic_load(&asked) > 0);
    gpuc_error_unref(error);
}

static void test_job_verify__a_machine_that_fails_gets_none(void **state)
{
    gpuc_error *error = run("lost");

    assert_int_equal(gpuc_error_code(error), GPUC_EPROOF);
    assert_contains(gpuc_error_message(error), "lost: the proof failed at gpu.");
    assert_string_equal(gpuc_error_machine(error), "lost");
    assert_non_null(gpuc_error_remedy(error));
    assert_int_equal(atomic_load(&asked), 0);
    gpuc_error_unref(error);
}

static void test_job_verify__nor_does_one_that_cannot_be_reached(void **state)
{
    gpuc_error *error = run("gone");

    assert_int_equal(gpuc_error_code(error), GPUC_ENETWORK);
    assert_string_equal(gpuc_error_machine(error), "gone");
    assert_int_equal(atomic_load(&asked), 0);
    gpuc_error_unref(error);
}

/* A machine without GPUs has nothing to look at. */
static void test_job_verify__no_gpus(void **state)
{
    gpuc_error *error = run("m");

    assert_int_equal(gpuc_error_code(error), GPUC_EPERM);
    assert_true(atomic_load(&asked) > 0);
    gpuc_error_unref(error);
}

static void wait_until_looking(const gpuc_job *job, size_t looking)
{
    RUN_UNTIL(context, job->looking <= looking);
    assert_int_equal(job->looking, looking);
}

/* All machines are looked at, a bad one does not keep the others from it; then it is cancelled. */
static void test_job_verify__cancelled(void **state)
{
    gpuc_error *error = NULL;
    gpuc_job *job = job_on(NULL), *other;
    gpuc_op *op = NULL, *second = NULL;
    char *status = NULL;

    ASSERT_OK(gpuc_job_start(&op, job, NULL));
    assert_int_equal(job->look_count, 4);
    other = job_on("good"); /* one at a time looks at the machines, and asking how things stand is fine */
    assert_int_equal(gpuc_job_start(&second, other, NULL), GPUC_EBUSY);
    assert_null(second);
    gpuc_job_unref(other);
    ASSERT_OK(gpuc_cluster_status(&status, cluster, NULL));
    gpuc_free(status);
    wait_until_looking(job, 1); /* the slow one */
    assert_int_equal(gpuc_error_code(job->error) == GPUC_EPROOF ||
                     gpuc_error_code(job->error) == GPUC_ENETWORK, 1);
    gpuc_op_cancel(op);
    assert_int_not_equal(gpuc_op_wait(op, 20000, &error), GPUC_OK);
    assert_null(job->kube);
    gpuc_error_unref(error);
    gpuc_op_unref(op);
    gpuc_job_unref(job);
    job = job_on("slow");
    ASSERT_OK(gpuc_job_start(&op, job, NULL));
    gpuc_context_run(context, 200, NULL);
    gpuc_op_cancel(op);
    error = NULL;
    assert_int_equal(gpuc_op_wait(op, 20000, &error), GPUC_ECANCELLED);
    gpuc_error_unref(error);
    gpuc_op_unref(op);
    gpuc_job_unref(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_verify__a_good_machine_gets_its_job),
        cmocka_unit_test(test_job_verify__a_machine_that_fails_gets_none),
        cmocka_unit_test(test_job_verify__nor_does_one_that_cannot_be_reached),
        cmocka_unit_test(test_job_verify__no_gpus),
        cmocka_unit_test(test_job_verify__cancelled),
    };

    if (sshd_missing())
        return 0;
    return cmocka_run_group_tests(tests, begin, end);
}
