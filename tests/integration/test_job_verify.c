/* SPDX-License-Identifier: Apache-2.0 */
/* A job's look at its machines beforehand, over a real sshd whose hosts have canned answers with a
 * SIMULATED GPU (gpu_host.sh); behind it an API server that counts what it is asked and allows nothing. */
#include "support/ssh_client.h"

#include <stdatomic.h>

#include "support/http_server.h"

#include "support/gpu_data.h"
#include "support/gpu_machine.h"

#include "cluster/jobs_internal.h"
#include "cluster/provide.h"

#define ASSERT_OK(call) assert_int_equal((call), GPUC_OK)

static gpuc_spec *spec;
static gpuc_cluster *cluster;
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

static void put_file(const char *name, const char *text)
{
    write_file(sshd_path(&server, name), text);
}

static void put_answers(void)
{
    const gpu_machine m = GPU_MACHINE_SIMULATED;
    size_t length, at = 0;
    char *xml = gpu_fixture(m.fixture, &length), *text = malloc(length + 16384);

    at += gpu_section(text + at, "facts", m.facts, 0);
    at += gpu_section(text + at, "pci", m.pci, 0);
    at += gpu_section(text + at, "smi", xml, 0);
    snprintf(text + at, 64, "==nonce123 done\n");
    put_file("xml", xml);
    put_file("collect", text);
    put_file("probe", "{\"event\":\"driver\",\"cuda\":13000,\"count\":1,\"simulated\":true}\n"
                      "{\"event\":\"gpu\",\"ordinal\":0,\"bus\":\"0000:00:04.0\",\"status\":\"pass\","
                      "\"mismatches\":0,\"host_mismatches\":0,\"gbs\":1.5,\"mib\":8}\n"
                      "{\"event\":\"end\"}\n");
    free(text);
    free(xml);
}

/* As a cluster is that is up: addresses, credentials and an API server. */
static void be_up(void)
{
    gpuc__kubeconfig config = {.context = (char *)"lab", .server = api.url};

    ASSERT_OK(gpuc__cluster_open_store(cluster, true, NULL));
    ASSERT_OK(gpuc__store_lock(cluster->store, "test", NULL));
    ASSERT_OK(gpuc__store_set(cluster->store, NULL, "up", "1", NULL));
    gpuc__store_unlock(cluster->store);
    cluster->identity = (gpuc__identity){.uuid = gpuc__strdup("u"), .ca_cert = gpuc__strdup("c"),
                                         .admin_key = gpuc__strdup("k")};
    ASSERT_OK(gpuc__kube_open(&cluster->kube, context, &config, NULL, NULL, NULL, NULL));
    for (size_t i = 0; i < cluster->member_count; i++) {
        gpuc__member *member = cluster->members[i];
        const gpuc__machine_model *m = member->model;

        ASSERT_OK(gpuc__machine_info_copy(&member->info,
                                          &(gpuc__machine_info){.address = m->host,
                                                                .port = m->port,
                                                                .user = m->user,
                                                                .host_keys = m->host_keys},
                                          NULL));
        member->has_info = true;
    }
}

static int begin(void **state)
{
    gpuc_cluster_options options = GPUC_CLUSTER_OPTIONS_INIT;
    char text[2048], line[1024], dir[300];
    FILE *f;

    http_server_start(&api, NULL, serve, NULL);
    if (gpuc_context_new(&context, NULL) || !sshd_make(&server, NULL, NULL))
        return -1;
    f = fopen(sshd_path(&server, "config"), "a");
    fprintf(f, "ForceCommand /bin/sh %s/../support/gpu_host.sh %s\n", GPUC_TEST_DATA, server.dir);
    fclose(f);
    snprintf(line, sizeof(line), "[127.1.*]:%d %s\n", server.port, server.host_key);
    put_file("known_hosts", line);
    put_answers();
    if (!sshd_launch(&server))
        return -1;
    snprintf(text, sizeof(text),
             "apiVersion: gpucluster/v1\nname: lab\nprovider: {kind: ssh}\n"
             "ssh: {user: %s, identity: %s, known_hosts: %s}\nmachines:\n"
             "  - {name: m, role: control-plane, host: 127.1.0.1, port: 1}\n"
             "  - {name: good, role: worker, host: 127.1.0.2, port: %d, accelerator: {count: 1}}\n"
             "  - {name: lost, role: worker, host: 127.1.0.3, port: %d, accelerator: {count: 8}}\n"
             "  - {name: gone, role: worker, host: 127.1.0.4, port: 1, accelerator: {count: 1}}\n"
             "  - {name: slow, role: worker, host: 127.1.0.5, port: %d, accelerator: {count: 1}}\n",
             server.user, sshd_path(&server, "id"), sshd_path(&server, "known_hosts"), server.port,
             server.port, server.port);
    put_file("127.1.0.5", "hang\n");
    snprintf(dir, sizeof(dir), "%s/state", server.dir);
    options.state_dir = dir;
    ASSERT_OK(gpuc_spec_parse(&spec, text, strlen(text), NULL, NULL));
    ASSERT_OK(gpuc_cluster_open(&cluster, context, spec, NULL, &options, NULL));
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
    for (int i = 0; i < 400 && job->looking > looking; i++)
        gpuc_context_run(context, 50, NULL);
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
