/* SPDX-License-Identifier: Apache-2.0 */
/* Verification of hosts over a real sshd that answers on all of 127.0.0.0/8, whose hosts have canned
 * answers, good and bad: gpu_host.sh. */
#include "support/ssh_client.h"

#include "support/gpu_verification.h"

static int silent = -1; /* a socket that takes connections and says nothing */
static int silent_port;

static void listen_silently(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t length = sizeof(a);

    silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(silent, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(silent, 16), 0);
    getsockname(silent, (struct sockaddr *)&a, &length);
    silent_port = ntohs(a.sin_port);
}

static int begin(void **state)
{
    char line[2048];

    if (gpuc_context_new(&context, NULL) || !sshd_make(&server, NULL, NULL))
        return -1;
    gpu_hosts_force();
    snprintf(line, sizeof(line), "[127.1.*]:%d %s\n[127.2.0.1]:%d %s\n[127.9.9.9]:%d %s\n", server.port, server.host_key,
             server.port, server.host_key, server.port,
             "ssh-ed25519 "
             "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f");
    put_file("known_hosts", line);
    gpu_hosts_answers();
    listen_silently();
    return sshd_launch(&server) ? 0 : -1;
}

static int end(void **state)
{
    close(silent);
    return tear_down(state);
}

static json_t *find(json_t *list, const char *key, const char *value)
{
    size_t i;
    json_t *entry;

    json_array_foreach(list, i, entry) {
        if (strcmp(json_string_value(json_object_get(entry, key)), value) == 0)
            return entry;
    }
    fail_msg("no %s \"%s\"", key, value);
    return NULL;
}

/* The check host.reach of a machine: its status, and part of what it says. */
static void reach(json_t *root, const char *machine, const char *status, const char *part)
{
    json_t *m = find(json_object_get(root, "machines"), "name", machine);
    json_t *check = find(json_object_get(m, "checks"), "id", "host.reach");

    assert_string_equal(json_string_value(json_object_get(check, "status")), status);
    assert_contains(json_string_value(json_object_get(check, "observed")), part);
    if (strcmp(status, "fail") == 0) {
        assert_string_equal(json_string_value(json_object_get(m, "verdict")), "fail");
        assert_non_null(json_string_value(json_object_get(check, "remedy")));
    }
}

static void test_verify_hosts__good(void **state)
{
    char message[600];
    int code;
    json_t *root = run(verification("127.1.0.1\n127.1.0.2 gpus=1\n127.1.0.3"), &code, message,
                       sizeof(message)), *machine, *check;

    if (code != GPUC_OK)
        fail_msg("%s", message);
    assert_int_equal(json_array_size(json_object_get(root, "machines")), 3);
    machine = find(json_object_get(root, "machines"), "name", "127.1.0.2");
    check = find(json_object_get(machine, "checks"), "id", "cuda.compute");
    assert_string_equal(json_string_value(json_object_get(check, "status")), "pass");
    check = find(json_object_get(machine, "checks"), "id", "k8s.pod");
    assert_true(json_is_false(json_object_get(check, "applies")));
    reach(root, "127.1.0.1", "pass", "as expected");
    json_decref(root);
}

static void test_verify_hosts__too_few_gpus(void **state)
{
    char message[600];
    int code;
    json_t *root = run(verification("127.1.0.1 gpus=8"), &code, message, sizeof(message));

    assert_int_equal(code, GPUC_EPROOF);
    assert_contains(message, "1 of 1 machines failed the proof (127.1.0.1)");
    json_decref(root);
}

/* None of the bad ones keeps the good ones from being proven, and each says what is wrong with it. */
static void test_verify_hosts__bad_among_good(void **state)
{
    char message[600];
    int code, count = 0;
    json_t *root;
    gpuc_verification *v = verification("127.1.0.1\n127.1.0.2:1\n127.1.0.3:%d\n127.1.0.4\n127.1.0.5\n"
                                        "127.1.0.6\n127.1.0.7\n127.9.9.9\n127.1.0.8\n"
                                        "no-such-host.invalid\nnobody-here@127.1.0.9\n127.1.0.10",
                                        silent_port);
    struct timespec begun, now;

    put_file("127.1.0.4", "endless\n");
    put_file("127.1.0.5", "large\n");
    put_file("127.1.0.6", "garbage\n");
    put_file("127.1.0.7", "status\n");
    gpuc_verification_set(v, "connect_timeout", "8", NULL);
    gpuc_verification_set(v, "parallel", "2", NULL); /* the silent one must not keep a turn */
    clock_gettime(CLOCK_MONOTONIC, &begun);
    root = run(v, &code, message, sizeof(message));
    clock_gettime(CLOCK_MONOTONIC, &now);
    assert_int_equal(code, GPUC_EPROOF);
    assert_contains(message, "9 of 12 machines failed");
    reach(root, "127.1.0.1", "pass", "as expected");
    reach(root, "127.1.0.2:1", "fail", "refused");
    snprintf(message, sizeof(message), "127.1.0.3:%d", silent_port);
    reach(root, message, "fail", "");
    reach(root, "127.1.0.4", "fail", "bytes");
    reach(root, "127.1.0.5", "fail", "bytes");
    reach(root, "127.1.0.6", "fail", "none of the sections");
    reach(root, "127.1.0.7", "fail", "none of the sections");
    reach(root, "127.9.9.9", "fail", "offers the host key");
    reach(root, "127.1.0.8", "pass", "as expected");
    reach(root, "no-such-host.invalid", "fail", "no-such-host.invalid");
    reach(root, "127.1.0.9", "fail", "");
    reach(root, "127.1.0.10", "pass", "as expected");
    count = (int)json_array_size(json_object_get(root, "machines"));
    assert_int_equal(count, 12);
    if (now.tv_sec - begun.tv_sec > 60)
        fail_msg("it took %ld s", (long)(now.tv_sec - begun.tv_sec));
    json_decref(root);
}

static void test_verify_hosts__unknown_host_key(void **state)
{
    char message[600];
    int code;
    gpuc_verification *v = verification("127.1.0.1");
    json_t *root;

    gpuc_verification_set(v, "known_hosts", "/dev/null/none", NULL);
    root = run(v, &code, message, sizeof(message));
    assert_int_equal(code, GPUC_EPROOF);
    json_decref(root);

    v = verification("127.1.0.1");
    put_file("empty", "");
    gpuc_verification_set(v, "known_hosts", sshd_path(&server, "empty"), NULL);
    root = run(v, &code, message, sizeof(message));
    reach(root, "127.1.0.1", "fail", "the host is not known");
    json_decref(root);

    v = verification("127.1.0.1");
    gpuc_verification_set(v, "known_hosts", sshd_path(&server, "empty"), NULL);
    gpuc_verification_set(v, "trust_on_first_use", "true", NULL);
    root = run(v, &code, message, sizeof(message));
    assert_int_equal(code, GPUC_OK);
    reach(root, "127.1.0.1", "pass", "TRUSTED AT FIRST USE");
    json_decref(root);
}

static void test_verify_hosts__changed_key_is_never_trusted(void **state)
{
    char message[600];
    int code;
    gpuc_verification *v = verification("127.9.9.9");
    json_t *root;

    gpuc_verification_set(v, "trust_on_first_use", "true", NULL);
    root = run(v, &code, message, sizeof(message));
    assert_int_equal(code, GPUC_EPROOF);
    reach(root, "127.9.9.9", "fail", "expected was");
    json_decref(root);
}

static void test_verify_hosts__through_a_jump_host(void **state)
{
    char message[600], jump[200];
    int code;
    gpuc_verification *v = verification("127.1.0.1\n127.1.0.2");
    json_t *root;

    snprintf(jump, sizeof(jump), "%s@127.2.0.1:%d", server.user, server.port);
    assert_int_equal(gpuc_verification_set(v, "jump", jump, NULL), GPUC_OK);
    root = run(v, &code, message, sizeof(message));
    if (code != GPUC_OK)
        fail_msg("%s", message);
    json_decref(root);
}

/* Of a spec that no `up` has been run of, the hosts alone; nothing is kept. */
static void test_verify_hosts__spec_that_was_never_up(void **state)
{
    gpuc_cluster_options options = GPUC_CLUSTER_OPTIONS_INIT;
    gpuc_cluster *cluster = NULL;
    gpuc_report *report = NULL;
    gpuc_spec *spec = NULL;
    gpuc_error *error = NULL;
    char text[2048], dir[300];

    snprintf(text, sizeof(text),
             "apiVersion: gpucluster/v1\nname: lab\nprovider: {kind: ssh}\n"
             "ssh: {user: %s, identity: %s, known_hosts: %s}\nmachines:\n"
             "  - {name: m, role: control-plane, host: 127.1.0.1, port: %d}\n"
             "  - {name: g, role: worker, host: 127.1.0.2, port: %d, accelerator: {count: 1}}\n",
             server.user, sshd_path(&server, "id"), sshd_path(&server, "known_hosts"), server.port,
             server.port);
    snprintf(dir, sizeof(dir), "%s/state", server.dir);
    options.state_dir = dir;
    assert_int_equal(gpuc_spec_parse(&spec, text, strlen(text), NULL, NULL), GPUC_OK);
    assert_int_equal(gpuc_cluster_open(&cluster, context, spec, NULL, &options, NULL), GPUC_OK);
    if (gpuc_cluster_verify(&report, cluster, 0, &error) < 0)
        fail_msg("%s", gpuc_error_message(error));
    assert_int_equal(gpuc_report_simulated(report), 1);
    assert_int_not_equal(access(dir, F_OK), 0);
    gpuc_report_unref(report);
    gpuc_cluster_unref(cluster);
    gpuc_spec_unref(spec);
}

/* What has been proven by then is in the report. */
static void test_verify_hosts__cancelled(void **state)
{
    gpuc_verification *v = verification("127.1.0.1\n127.1.0.20");
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    int done = 0;

    put_file("127.1.0.20", "hang\n");
    assert_int_equal(gpuc_verification_start(&op, v, NULL), GPUC_OK);
    for (int i = 0; i < 1000 && !done; i++) {
        gpuc_context_run(context, 20, NULL);
        gpuc_op_progress(op, &done, NULL, NULL);
    }
    assert_int_equal(done, 1);
    gpuc_op_cancel(op);
    assert_int_equal(gpuc_op_wait(op, 20000, &error), GPUC_ECANCELLED);
    assert_contains(gpuc_error_message(error), "after 1 of 2 machines");
    assert_non_null(gpuc_op_report(op));
    gpuc_error_unref(error);
    gpuc_op_unref(op);
    gpuc_verification_unref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify_hosts__good),
        cmocka_unit_test(test_verify_hosts__too_few_gpus),
        cmocka_unit_test(test_verify_hosts__bad_among_good),
        cmocka_unit_test(test_verify_hosts__unknown_host_key),
        cmocka_unit_test(test_verify_hosts__changed_key_is_never_trusted),
        cmocka_unit_test(test_verify_hosts__through_a_jump_host),
        cmocka_unit_test(test_verify_hosts__spec_that_was_never_up),
        cmocka_unit_test(test_verify_hosts__cancelled),
    };

    if (sshd_missing())
        return 0;
    return cmocka_run_group_tests(tests, begin, end);
}
