/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of lists of hosts. */
#include "util_test.h"

#include "cluster/hosts.h"
#include "util/alloc.h"
#include "util/error.h"

static gpuc__hosts hosts;

static int clear(void **state)
{
    gpuc__hosts_clear(&hosts);
    return 0;
}

static void add(const char *text)
{
    gpuc_error *error = NULL;

    if (gpuc__hosts_add(&hosts, text, strlen(text), "list", &error) < 0)
        fail_msg("\"%s\": %s", text, gpuc_error_message(error));
}

/* Refused with a message that begins "list:LINE: " and holds `part`; nothing is added. */
static void refused(const char *text, unsigned line, const char *part)
{
    gpuc_error *error = NULL;
    size_t before = hosts.count;
    char start[32];

    assert_int_equal(gpuc__hosts_add(&hosts, text, strlen(text), "list", &error), GPUC_EINVAL);
    snprintf(start, sizeof(start), "list:%u: ", line);
    if (strncmp(gpuc_error_message(error), start, strlen(start)) != 0 ||
        !strstr(gpuc_error_message(error), part))
        fail_msg("\"%s\": \"%s\" is not \"%s… %s\"", text, gpuc_error_message(error), start, part);
    assert_non_null(gpuc_error_remedy(error));
    gpuc_error_unref(error);
    assert_int_equal(hosts.count, before);
}

static void check(size_t at, const char *name, const char *user, const char *host, int port, int gpus)
{
    const gpuc__host *h = &hosts.list[at];

    assert_true(at < hosts.count);
    assert_string_equal(h->name, name);
    if (user)
        assert_string_equal(h->user, user);
    else
        assert_null(h->user);
    assert_string_equal(h->host, host);
    assert_int_equal(h->port, port);
    assert_int_equal(h->gpus, gpus);
}

static void test_hosts__forms(void **state)
{
    add("# our machines\n"
        "gpu-1\n"
        "\n"
        "  ubuntu@gpu-2.example.org:2222 gpus=8 # new\r\n"
        "[2001:db8::1]:22\tgpus=1\n"
        "2001:db8::2\n"
        "CORP\\anna@gpu_3\n"
        "a@b@192.0.2.1");
    assert_int_equal(hosts.count, 6);
    check(0, "gpu-1", NULL, "gpu-1", 0, -1);
    check(1, "gpu-2.example.org:2222", "ubuntu", "gpu-2.example.org", 2222, 8);
    check(2, "[2001:db8::1]:22", NULL, "2001:db8::1", 22, 1);
    check(3, "2001:db8::2", NULL, "2001:db8::2", 0, -1);
    check(4, "gpu_3", "CORP\\anna", "gpu_3", 0, -1);
    check(5, "192.0.2.1", "a@b", "192.0.2.1", 0, -1);
}

static void test_hosts__nothing(void **state)
{
    add("");
    add("\n\n# only a comment");
    assert_int_equal(hosts.count, 0);
}

static void test_hosts__refused(void **state)
{
    add("known\n");
    refused("fine\nknown", 2, "second time");
    refused("fine\nfine", 2, "second time");
    refused("host:0", 1, "is no port");
    refused("host:65536", 1, "is no port");
    refused("host:", 1, "is no port");
    refused("host:ssh", 1, "is no port");
    refused("a\nb\n@host", 3, "no name of a user");
    refused("-oProxyCommand=x@host", 1, "no name of a user");
    refused("-host", 1, "no name and no address");
    refused("user@", 1, "no name and no address");
    refused("[::1", 1, "no name and no address");
    refused("[::1]22", 1, "no name and no address");
    refused("ho$st", 1, "no name and no address");
    refused("host gpu=8", 1, "did you mean gpus=N");
    refused("host gpus=", 1, "no number of GPUs");
    refused("host gpus=0", 1, "no number of GPUs");
    refused("host gpus=x", 1, "no number of GPUs");
    refused("host gpus=99999999999999999999", 1, "no number of GPUs");
    refused("host gpus=1 gpus=2", 1, "twice");
    refused("host other", 1, "not understood");
    assert_int_equal(hosts.count, 1);
}

static void test_hosts__bytes(void **state)
{
    char line[2000];
    gpuc_error *error = NULL;

    memset(line, 'a', sizeof(line));
    line[sizeof(line) - 1] = '\0';
    refused(line, 1, "longer than");
    assert_int_equal(gpuc__hosts_add(&hosts, "a\nb\0c\n", 6, "list", &error), GPUC_EINVAL);
    gpuc_error_unref(error);
    refused("h\x1bost", 1, "no name and no address");
    refused("h\xc3\xb6st", 1, "no name and no address");
}

static void test_hosts__limits(void **state)
{
    gpuc_error *error = NULL;
    size_t size = 16 * (GPUC__HOSTS_MAX + 1), at = 0;
    char *text = malloc(size);

    for (int i = 0; i <= GPUC__HOSTS_MAX; i++)
        at += (size_t)snprintf(text + at, size - at, "host-%d\n", i);
    assert_int_equal(gpuc__hosts_add(&hosts, text, at, NULL, &error), GPUC_ELIMIT);
    gpuc_error_unref(error);
    assert_int_equal(hosts.count, 0);
    text[at - 12] = '\0';
    add(text);
    assert_int_equal(hosts.count, GPUC__HOSTS_MAX);
    free(text);
    error = NULL;
    assert_int_equal(gpuc__hosts_add(&hosts, "", GPUC__HOSTS_TEXT_MAX + 1, NULL, &error),
                     GPUC_ELIMIT);
    gpuc_error_unref(error);
}

/* Each allocation fails in turn; the list is as before, or whole. */
static void test_hosts__without_memory(void **state)
{
    int rc = GPUC_ENOMEM;

    for (int n = 0; rc == GPUC_ENOMEM && n < 100; n++) {
        gpuc_error *error = NULL;

        allow_allocations(n);
        rc = gpuc__hosts_add(&hosts, "user@a gpus=1\nb\n", 16, "list", &error);
        allow_allocations(-1);
        assert_int_equal(hosts.count, rc == GPUC_OK ? 2 : 0);
        gpuc_error_unref(error);
    }
    assert_int_equal(rc, GPUC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_hosts__forms, clear),
        cmocka_unit_test_teardown(test_hosts__nothing, clear),
        cmocka_unit_test_teardown(test_hosts__refused, clear),
        cmocka_unit_test_teardown(test_hosts__bytes, clear),
        cmocka_unit_test_teardown(test_hosts__limits, clear),
        cmocka_unit_test_teardown(test_hosts__without_memory, clear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
