/* SPDX-License-Identifier: Apache-2.0 */
/* Host keys: given, in known_hosts, unknown, changed, revoked. */
#include "support/ssh_client.h"

static const char *use_known_hosts;
static const char *use_host_keys[3];
static bool use_first;

static void with_known_hosts(gpuc__ssh_config *config)
{
    config->host_keys = use_host_keys[0] ? use_host_keys : NULL;
    config->known_hosts = use_known_hosts;
    config->trust_first_use = use_first;
}

/* Connects with this known_hosts file (format takes port, then key) and takes the result. */
static void connect_known(const char *format, const char *key, result *r)
{
    char text[2048];
    gpuc__ssh *ssh;

    use_known_hosts = sshd_path(&server, "known_hosts");
    snprintf(text, sizeof(text), format, server.port, key);
    write_file(use_known_hosts, text);
    ssh = client_with(&server, with_known_hosts);
    connect_wait(ssh, r);
    gpuc__ssh_unref(ssh);
}

static void other_key(char *line, size_t size)
{
    if (access(sshd_path(&server, "other"), F_OK))
        assert_true(make_key(&server, "other", "ed25519", ""));
    public_line(&server, "other", line, size);
}

static void test_ssh_hostkey__known_hosts(void **state)
{
    static const char *const formats[] = {
        "# comment\n\nother ssh-ed25519 AAAA\n[127.0.0.1]:%d %s\n",
        "a,[127.0.0.1]:%d,b %s a comment\n",
        "[127.0.0.*]:%d %s\r\n",
        "garbage\n@cert-authority * ssh-ed25519 AAAA\n[127.?.0.1]:%d %s",
    };
    result r;

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        connect_known(formats[i], server.host_key, &r);
        assert_null(r.message);
        result_clear(&r);
    }
}

static void test_ssh_hostkey__hashed_known_hosts(void **state)
{
    char text[1024];
    result r;

    snprintf(text, sizeof(text), "[127.0.0.1]:%d %s\n", server.port, server.host_key);
    write_file(sshd_path(&server, "hashed"), text);
    assert_int_equal(run_program((const char *const[]){"ssh-keygen", "-H", "-f",
                                                       sshd_path(&server, "hashed"), NULL}),
                     0);
    assert_true(read_text(sshd_path(&server, "hashed"), text, sizeof(text)) > 0);
    assert_memory_equal(text, "|1|", 3);
    connect_known("", "", &r); /* forget */
    result_clear(&r);
    write_file(sshd_path(&server, "known_hosts"), text);
    {
        gpuc__ssh *ssh = client_with(&server, with_known_hosts);

        connect_wait(ssh, &r);
        gpuc__ssh_unref(ssh);
    }
    assert_null(r.message);
    result_clear(&r);
}

static void test_ssh_hostkey__unknown(void **state)
{
    static const char *const formats[] = {
        "", "127.0.0.1 ssh-ed25519 AAAA\n#%d%s", "[127.0.0.1]:%d,![127.0.0.1]:* %s\n"};
    result r;

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        connect_known(formats[i], server.host_key, &r);
        assert_int_equal(r.code, GPUC_EHOSTKEY);
        assert_contains(r.message, "SHA256:");
        assert_contains(r.message, "not known");
        assert_contains(r.remedy, server.host_key);
        assert_int_equal(r.retryable, 0);
        result_clear(&r);
    }
}

static void test_ssh_hostkey__changed(void **state)
{
    char other[512];
    result r;

    other_key(other, sizeof(other));
    use_first = true; /* which is for unknown keys, never for changed ones */
    connect_known("[127.0.0.1]:%d %s\n", other, &r);
    use_first = false;
    assert_int_equal(r.code, GPUC_EHOSTKEY);
    assert_contains(r.message, "expected was ssh-ed25519 SHA256:");
    assert_contains(r.message, "line 1 of");
    assert_contains(r.remedy, "ssh-keygen -lf");
    result_clear(&r);
}

static void test_ssh_hostkey__given_key_is_not_the_machines(void **state)
{
    char other[512];
    gpuc__ssh *ssh;
    result r;

    other_key(other, sizeof(other));
    use_host_keys[0] = other;
    ssh = client_with(&server, with_known_hosts);
    connect_wait(ssh, &r);
    assert_int_equal(r.code, GPUC_EHOSTKEY);
    result_clear(&r);
    gpuc__ssh_unref(ssh);
    use_host_keys[1] = server.host_key; /* any of the given ones will do */
    ssh = client_with(&server, with_known_hosts);
    connect_wait(ssh, &r);
    assert_null(r.message);
    result_clear(&r);
    gpuc__ssh_unref(ssh);
    use_host_keys[0] = "not a key";
    use_host_keys[1] = NULL;
    ssh = client_with(&server, with_known_hosts);
    connect_wait(ssh, &r);
    assert_int_equal(r.code, GPUC_EINVAL);
    assert_contains(r.message, "not a key");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
    use_host_keys[0] = NULL;
}

static void test_ssh_hostkey__revoked(void **state)
{
    char format[1200];
    result r;

    snprintf(format, sizeof(format), "[127.0.0.1]:%%d %%s\n@revoked * %s\n", server.host_key);
    connect_known(format, server.host_key, &r);
    assert_int_equal(r.code, GPUC_EHOSTKEY);
    assert_contains(r.message, "revoked");
    result_clear(&r);
}

static void test_ssh_hostkey__first_use_then_pinned(void **state)
{
    gpuc__ssh *ssh;
    char old[512];
    result r;

    use_first = true;
    use_known_hosts = "/nonexistent/known_hosts";
    ssh = client_with(&server, with_known_hosts);
    connect_wait(ssh, &r);
    assert_null(r.message);
    assert_true(gpuc__ssh_trusted_first_use(ssh));
    assert_string_equal(gpuc__ssh_host_key(ssh), server.host_key);
    /* the machine comes back with another key */
    sshd_kill(&server, true);
    snprintf(old, sizeof(old), "%s", sshd_path(&server, "host_ed25519"));
    unlink(old);
    assert_true(make_key(&server, "host_ed25519", "ed25519", ""));
    assert_true(sshd_launch(&server));
    turn_for(50);
    connect_wait(ssh, &r);
    assert_int_equal(r.code, GPUC_EHOSTKEY);
    assert_contains(r.message, "expected was");
    result_clear(&r);
    gpuc__ssh_unref(ssh);
    use_first = false;
    public_line(&server, "host_ed25519", server.host_key, sizeof(server.host_key));
}

/* A server with several keys must be asked for the one that is known. */
static void test_ssh_hostkey__the_known_type_is_preferred(void **state)
{
    test_sshd both;
    gpuc__ssh *ssh;
    result r;

    assert_true(sshd_make(&both, "ecdsa ed25519 rsa", NULL) && sshd_launch(&both));
    ssh = client_with(&both, NULL); /* expects the ecdsa key */
    connect_wait(ssh, &r);
    assert_null(r.message);
    assert_string_equal(gpuc__ssh_host_key(ssh), both.host_key);
    result_clear(&r);
    gpuc__ssh_unref(ssh);
    sshd_stop(&both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ssh_hostkey__known_hosts),
        cmocka_unit_test(test_ssh_hostkey__hashed_known_hosts),
        cmocka_unit_test(test_ssh_hostkey__unknown),
        cmocka_unit_test(test_ssh_hostkey__changed),
        cmocka_unit_test(test_ssh_hostkey__given_key_is_not_the_machines),
        cmocka_unit_test(test_ssh_hostkey__revoked),
        cmocka_unit_test(test_ssh_hostkey__first_use_then_pinned),
        cmocka_unit_test(test_ssh_hostkey__the_known_type_is_preferred),
    };

    return sshd_missing() ? 0 : cmocka_run_group_tests(tests, set_up, tear_down);
}
