/* SPDX-License-Identifier: Apache-2.0 */
/* Logging in: kinds of keys, refusals, the agent. */
#include <libssh2.h>

#include "support/ssh_client.h"

static gpuc__ssh_key *use_keys[4];
static size_t use_count;

static void with_keys(gpuc__ssh_config *config)
{
    config->keys = use_keys;
    config->key_count = use_count;
}

static void with_agent(gpuc__ssh_config *config)
{
    config->key_count = 0;
    config->agent = true;
    config->connect_timeout_ms = 3000;
}

static void with_user(gpuc__ssh_config *config)
{
    config->user = "no-such-user";
}

static gpuc__ssh *client_with_key(const char *name)
{
    gpuc__ssh *ssh;

    use_keys[0] = load_key(&server, name);
    use_count = 1;
    ssh = client_with(&server, with_keys);
    gpuc__ssh_key_unref(use_keys[0]);
    return ssh;
}

static void test_ssh_auth__ecdsa(void **state)
{
    gpuc__ssh *ssh;
    result r;

    assert_true(make_key(&server, "ec", "ecdsa", ""));
    authorize(&server, "ec");
    ssh = client_with_key("ec");
    connect_wait(ssh, &r);
    assert_null(r.message);
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_auth__encrypted_key(void **state)
{
    gpuc__ssh_key *key = NULL;
    gpuc_error *err = NULL;
    gpuc__ssh *ssh;
    result r;

    assert_true(make_key(&server, "locked", "ed25519", "open sesame"));
    authorize(&server, "locked");
    assert_int_equal(gpuc__ssh_key_load(&key, sshd_path(&server, "locked"), NULL, &err),
                     GPUC_EAUTH);
    assert_contains(gpuc_error_message(err), "no passphrase was given");
    err = gpuc_error_unref(err);
    assert_int_equal(gpuc__ssh_key_load(&key, sshd_path(&server, "locked"), "wrong", &err),
                     GPUC_EAUTH);
    assert_contains(gpuc_error_message(err), "does not open");
    err = gpuc_error_unref(err);
    assert_int_equal(gpuc__ssh_key_load(&key, sshd_path(&server, "locked"), "open sesame", NULL),
                     GPUC_OK);
    use_keys[0] = key;
    use_count = 1;
    ssh = client_with(&server, with_keys);
    gpuc__ssh_key_unref(key);
    connect_wait(ssh, &r);
    assert_null(r.message);
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_auth__wrong_key_says_what_was_tried(void **state)
{
    gpuc__ssh *ssh;
    result r;

    assert_true(make_key(&server, "stranger", "ed25519", ""));
    ssh = client_with_key("stranger");
    connect_wait(ssh, &r);
    assert_int_equal(r.code, GPUC_EAUTH);
    assert_int_equal(r.retryable, 0);
    assert_contains(r.message, "stranger (refused)");
    assert_contains(r.message, "accepts: publickey");
    assert_contains(r.message, "gpu-1 (");
    assert_contains(r.message, server.user);
    assert_contains(r.remedy, "authorized_keys");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_auth__second_key_is_tried(void **state)
{
    gpuc__ssh *ssh;
    result r;

    assert_true(make_key(&server, "first", "ed25519", ""));
    use_keys[0] = load_key(&server, "first");
    use_keys[1] = load_key(&server, "id");
    use_count = 2;
    ssh = client_with(&server, with_keys);
    gpuc__ssh_key_unref(use_keys[0]);
    gpuc__ssh_key_unref(use_keys[1]);
    connect_wait(ssh, &r);
    assert_null(r.message);
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_auth__unknown_user(void **state)
{
    gpuc__ssh *ssh = client_with(&server, with_user);
    result r;

    connect_wait(ssh, &r);
    assert_int_equal(r.code, GPUC_EAUTH);
    assert_contains(r.message, "no-such-user");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static bool rsa_works(void)
{
    return libssh2_version(0x010b00) != NULL;
}

static void test_ssh_auth__rsa_user_key(void **state)
{
    gpuc__ssh *ssh;
    result r;

    assert_true(make_key(&server, "rsa", "rsa", ""));
    authorize(&server, "rsa");
    ssh = client_with_key("rsa");
    exec_wait(ssh, "echo by RSA", &r);
    assert_null(r.message);
    assert_string_equal(r.out, "by RSA\n");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

static void test_ssh_auth__rsa_refused_says_what_helps(void **state)
{
    test_sshd strict;
    gpuc__ssh *ssh;
    result r;

    assert_true(sshd_make(&strict, NULL, "PubkeyAcceptedAlgorithms ssh-ed25519") &&
                sshd_launch(&strict));
    use_keys[0] = load_key(&server, "rsa");
    use_count = 1;
    ssh = client_with(&strict, with_keys);
    gpuc__ssh_key_unref(use_keys[0]);
    connect_wait(ssh, &r);
    assert_int_equal(r.code, GPUC_EAUTH);
    assert_contains(r.message, "rsa (refused)");
    if (!rsa_works()) {
        assert_contains(r.remedy, "ed25519");
        assert_contains(r.remedy, libssh2_version(0));
    }
    result_clear(&r);
    gpuc__ssh_unref(ssh);
    sshd_stop(&strict);
}

static void test_ssh_auth__host_with_only_an_rsa_key(void **state)
{
    test_sshd rsa;
    gpuc__ssh *ssh;
    result r;

    assert_true(sshd_make(&rsa, "rsa", NULL) && sshd_launch(&rsa));
    ssh = client_with(&rsa, NULL);
    connect_wait(ssh, &r);
    if (rsa_works()) {
        assert_null(r.message);
    } else {
        assert_int_equal(r.code, GPUC_EUNSUPPORTED);
        assert_contains(r.message, "only an RSA key");
        assert_contains(r.message, "rsa-sha2-512");
        assert_contains(r.remedy, "ed25519");
    }
    result_clear(&r);
    gpuc__ssh_unref(ssh);
    sshd_stop(&rsa);
}

/* Starts a real agent with one key; its process id, or 0. */
static pid_t start_agent(const char *key)
{
    char path[256];
    pid_t pid;

    snprintf(path, sizeof(path), "%s", sshd_path(&server, "agent.sock"));
    unlink(path);
    pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);

        dup2(null, 1);
        execlp("ssh-agent", "ssh-agent", "-D", "-a", path, (char *)NULL);
        _exit(127);
    }
    setenv("SSH_AUTH_SOCK", path, 1);
    for (int i = 0; i < 200 && access(path, F_OK); i++)
        pause_ms(10);
    return run_program((const char *const[]){"ssh-add", "-q", sshd_path(&server, key), NULL}) ? 0
                                                                                              : pid;
}

static void stop_agent(pid_t pid)
{
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

static void test_ssh_auth__agent(void **state)
{
    pid_t agent = start_agent("id");
    gpuc__ssh *ssh = client_with(&server, with_agent);
    result r;

    assert_true(agent > 0);
    exec_wait(ssh, "echo by agent", &r);
    assert_null(r.message);
    assert_string_equal(r.out, "by agent\n");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
    stop_agent(agent);
}

static void test_ssh_auth__agent_with_an_rsa_key(void **state)
{
    pid_t agent = start_agent("rsa");
    gpuc__ssh *ssh = client_with(&server, with_agent);
    result r;

    assert_true(agent > 0);
    connect_wait(ssh, &r);
    assert_null(r.message);
    result_clear(&r);
    gpuc__ssh_unref(ssh);
    stop_agent(agent);
}

static void test_ssh_auth__agent_without_the_right_key(void **state)
{
    gpuc__ssh *ssh;
    pid_t agent;
    result r;

    assert_true(make_key(&server, "elsewhere", "ed25519", ""));
    agent = start_agent("elsewhere");
    assert_true(agent > 0);
    ssh = client_with(&server, with_agent);
    connect_wait(ssh, &r);
    assert_int_equal(r.code, GPUC_EAUTH);
    assert_contains(r.message, "agent key elsewhere (refused)");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
    stop_agent(agent);
}

static void test_ssh_auth__no_agent(void **state)
{
    gpuc__ssh *ssh = client_with(&server, with_agent);
    result r;

    setenv("SSH_AUTH_SOCK", "/nonexistent/agent", 1);
    connect_wait(ssh, &r);
    assert_int_equal(r.code, GPUC_EAUTH);
    assert_contains(r.message, "/nonexistent/agent");
    result_clear(&r);
    unsetenv("SSH_AUTH_SOCK");
    connect_wait(ssh, &r);
    assert_int_equal(r.code, GPUC_EAUTH);
    assert_contains(r.message, "SSH_AUTH_SOCK is not set");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
}

/* An agent that accepts and says nothing must not hold a connection for ever. */
static void test_ssh_auth__mute_agent(void **state)
{
    pid_t agent = start_agent("id");
    gpuc__ssh *ssh;
    result r;

    assert_true(agent > 0);
    kill(agent, SIGSTOP);
    ssh = client_with(&server, with_agent);
    connect_wait(ssh, &r);
    kill(agent, SIGCONT);
    assert_int_equal(r.code, GPUC_ETIMEDOUT);
    assert_contains(r.message, "authenticating");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
    stop_agent(agent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ssh_auth__ecdsa),
        cmocka_unit_test(test_ssh_auth__encrypted_key),
        cmocka_unit_test(test_ssh_auth__wrong_key_says_what_was_tried),
        cmocka_unit_test(test_ssh_auth__second_key_is_tried),
        cmocka_unit_test(test_ssh_auth__unknown_user),
        cmocka_unit_test(test_ssh_auth__rsa_user_key),
        cmocka_unit_test(test_ssh_auth__rsa_refused_says_what_helps),
        cmocka_unit_test(test_ssh_auth__host_with_only_an_rsa_key),
        cmocka_unit_test(test_ssh_auth__agent),
        cmocka_unit_test(test_ssh_auth__agent_with_an_rsa_key),
        cmocka_unit_test(test_ssh_auth__agent_without_the_right_key),
        cmocka_unit_test(test_ssh_auth__no_agent),
        cmocka_unit_test(test_ssh_auth__mute_agent),
    };

    return sshd_missing() ? 0 : cmocka_run_group_tests(tests, set_up, tear_down);
}
