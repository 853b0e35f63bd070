/* SPDX-License-Identifier: Apache-2.0 */
/* A hundred machines at once in one process. One sshd answers for all of them. */
#include "support/ssh_client.h"

static char use_host[32];

static void with_host(gpuc__ssh_config *config)
{
    config->machine = NULL;
    config->host = use_host;
    config->connect_timeout_ms = 110000;
}

static void test_ssh_many__hundred_machines(void **state)
{
    enum { COUNT = 100 };
    static gpuc__ssh *many[COUNT];
    static result r[COUNT];

    for (int i = 0; i < COUNT; i++) {
        snprintf(use_host, sizeof(use_host), "127.1.%d.%d", i / 50, i % 50 + 1);
        many[i] = client_with(&server, with_host);
        memset(&r[i], 0, sizeof(r[i]));
        exec_start(many[i], "echo $SSH_CONNECTION", &r[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_true(wait_for(&r[i].done, 1));
        assert_null(r[i].message);
        snprintf(use_host, sizeof(use_host), "127.1.%d.%d", i / 50, i % 50 + 1);
        assert_contains(r[i].out, use_host);
        result_clear(&r[i]);
    }
    for (int i = 0; i < COUNT; i++)
        gpuc__ssh_unref(many[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ssh_many__hundred_machines)};

    return sshd_missing() ? 0 : cmocka_run_group_tests(tests, set_up, tear_down);
}
