/* SPDX-License-Identifier: Apache-2.0 */
/* Tunnels through a relay that echoes (SIMULATED): whole streams, lost connections taken up again,
 * and every way in which a tunnel does not come about. */
#include "support/provider_client.h"
#include "support/iap_server.h"
#include "support/run_until.h"
#include "provider/gce/machines.h"

#include <fcntl.h>

#define UUID IAP_UUID
#define ALL IAP_ALL

static gpuc_context *context;
static gpuc__provider *provider;
static char token_file[] = "/tmp/gpuc-test-token-XXXXXX";
static char name[] = "demo", project[] = "p1", user[] = "ubuntu";
static gpuc__machine_model machine = {.name = name, .user = user};
static gpuc__spec_model spec;
static char logged[8192];

static void on_log(gpuc_context *of, int level, const char *category, const char *message,
                   void *userdata)
{
    if (strcmp(category, "iap") == 0 && level <= GPUC_LOG_INFO)
        snprintf(logged + strlen(logged), sizeof(logged) - strlen(logged), "%s\n", message);
}

static void write_token(const char *text)
{
    FILE *file = fopen(token_file, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int setup(void **state)
{
    gpuc__provider_config config = {.spec = &spec, .cluster_uuid = UUID};
    char url[128];

    close(mkstemp(token_file));
    write_token("token-1");
    setenv("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", token_file, 1);
    spec = (gpuc__spec_model){.name = name, .provider = GPUC__PROVIDER_GCE,
                              .provider_project = project, .ssh_user = user,
                              .machines = &machine, .machine_count = 1};
    memset(&relay, 0, sizeof(relay));
    logged[0] = '\0';
    http_server_start(&relay.http, NULL, iap_serve, NULL);
    snprintf(url, sizeof(url), "%s/compute/v1/", relay.http.url);
    setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", url, 1);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%d", relay.http.port);
    setenv("GPUC_IAP_URL", url, 1);
    assert_int_equal(gpuc_context_new(&context, NULL), GPUC_OK);
    gpuc_context_set_log(context, on_log, GPUC_LOG_DEBUG, NULL, NULL);
    config.context = context;
    return gpuc__provider_gce.new_(&provider, &config, NULL);
}

static void turn(int times)
{
    while (times--)
        assert_int_equal(gpuc_context_run(context, 5, NULL), GPUC_OK);
}

static void end(void)
{
    gpuc__provider_gce.free(provider);
    provider = NULL;
    turn(5);
}

static int teardown(void **state)
{
    if (provider)
        end();
    gpuc_context_unref(context);
    http_server_stop(&relay.http);
    unlink(token_file);
    memcpy(token_file + sizeof(token_file) - 7, "XXXXXX", 6);
    return 0;
}

static int open_tunnel(void)
{
    int fd = -1;

    assert_int_equal(gpuc__provider_gce.tunnel(provider, "m1", 22, &fd, NULL), GPUC_OK);
    assert_true(fd >= 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* Writes all and reads until all has come back. */
static void pass(int fd, const unsigned char *bytes, size_t length)
{
    static unsigned char back[ALL];
    size_t put = 0, got = 0;
    uint64_t stop = gpuc__clock_ms() + 30000;

    while (got < length && gpuc__clock_ms() < stop) {
        ssize_t n = put < length ? write(fd, bytes + put, length - put) : 0;

        put += n > 0 ? (size_t)n : 0;
        assert_int_equal(gpuc_context_run(context, 2, NULL), GPUC_OK);
        n = read(fd, back + got, sizeof(back) - got);
        assert_int_not_equal(n, 0);
        got += n > 0 ? (size_t)n : 0;
    }
    assert_int_equal(got, length);
    assert_memory_equal(back, bytes, length);
}

static void wait_end(int fd)
{
    uint64_t stop = gpuc__clock_ms() + 20000;
    char byte;
    ssize_t n = -1;

    while (n < 0 && gpuc__clock_ms() < stop) {
        assert_int_equal(gpuc_context_run(context, 10, NULL), GPUC_OK);
        n = read(fd, &byte, 1);
    }
    assert_int_equal(n, 0);
    close(fd);
}

static const unsigned char *pattern(void)
{
    static unsigned char bytes[ALL];

    for (size_t i = 0; i < ALL; i++)
        bytes[i] = (unsigned char)(i * 31 + i / 251);
    return bytes;
}

static void test_gce_iap__passes_bytes_both_ways(void **state)
{
    int fd = open_tunnel(), other = open_tunnel();

    pass(fd, pattern(), ALL);
    pass(other, (const unsigned char *)"SSH-2.0-x\r\n", 11);
    assert_int_equal(relay.lists, 1); /* one list for both */
    assert_non_null(strstr(relay.first, "GET /v4/connect?project=p1&port=22&newWebsocket=True&"
                                        "zone=z1-a&instance=demo-m1&interface=nic0 HTTP/1.1\r\n"));
    assert_non_null(strstr(relay.first, "\r\nOrigin: bot:iap-tunneler\r\n"));
    assert_string_equal(relay.tokens[0], "token-1");
    close(fd);
    close(other);
    fd = open_tunnel(); /* where the machine is, is known now */
    pass(fd, (const unsigned char *)"x", 1);
    assert_int_equal(relay.lists, 1);
    close(fd);
    RUN_UNTIL(context, relay.goodbyes >= 3);
    assert_int_equal(relay.goodbyes, 3);
    turn(5);
    assert_null(provider->tunnels);
    assert_string_equal(logged, "");
}

static void test_gce_iap__goes_on_after_lost_connections(void **state)
{
    int fd;

    relay.cuts = 3;
    relay.cut_after = 100000;
    fd = open_tunnel();
    pass(fd, pattern(), ALL);
    assert_int_equal(relay.connects, 1);
    assert_int_equal(relay.reconnects, 3);
    close(fd);
}

static void test_gce_iap__asks_for_a_new_token_when_told(void **state)
{
    int fd;

    relay.code = 4004;
    relay.codes = 2;
    fd = open_tunnel();
    while (!strstr(logged, "connecting again"))
        turn(1);
    write_token("token-2");
    pass(fd, (const unsigned char *)"hello", 5);
    assert_int_equal(relay.connects, 3);
    assert_string_equal(relay.tokens[1], "token-1"); /* it may not be the token's fault */
    assert_string_equal(relay.tokens[2], "token-2");
    close(fd);
}

static void test_gce_iap__says_why_there_is_none(void **state)
{
    relay.code = 4003;
    relay.codes = 1;
    wait_end(open_tunnel());
    assert_non_null(strstr(logged, "4003: said so"));
    assert_non_null(strstr(logged, "35.235.240.0/20"));
    logged[0] = '\0';
    relay.status = 403;
    wait_end(open_tunnel());
    assert_non_null(strstr(logged, "roles/iap.tunnelResourceAccessor"));
    relay.status = 0;
    logged[0] = '\0';
    relay.bad = true;
    wait_end(open_tunnel());
    assert_non_null(strstr(logged, "data before it was connected"));
    machine.name = project;
    logged[0] = '\0';
    int fd = -1;
    assert_int_equal(gpuc__provider_gce.tunnel(provider, "p1", 22, &fd, NULL), GPUC_OK);
    wait_end(fd);
    machine.name = name;
    assert_non_null(strstr(logged, "has no instance demo-p1 of this cluster"));
    assert_null(strstr(logged, "token-1"));
}

static void test_gce_iap__a_bad_address_is_refused(void **state)
{
    static const char *const bad[] = {"ws://192.0.2.1/v4", "ftp://127.0.0.1", "wss://", "x",
                                      "wss://a b/", "ws://localhost.example.org:1/"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        gpuc_error *err = NULL;
        int fd = -1;

        setenv("GPUC_IAP_URL", bad[i], 1);
        assert_int_equal(gpuc__provider_gce.tunnel(provider, "m1", 22, &fd, &err), GPUC_EINVAL);
        assert_int_equal(fd, -1);
        gpuc_error_unref(err);
    }
}

static void test_gce_iap__ends_with_either_side_at_any_time(void **state)
{
    int fds[4];

    relay.silent = true;
    close(open_tunnel()); /* before anything was done */
    RUN_UNTIL(context, !provider->tunnels);
    assert_null(provider->tunnels);
    fds[0] = open_tunnel();
    turn(20);
    relay.silent = false;
    fds[1] = open_tunnel();
    pass(fds[1], (const unsigned char *)"x", 1);
    fds[2] = open_tunnel();
    turn(1);
    fds[3] = open_tunnel();
    end();
    for (int i = 0; i < 4; i++) {
        char byte;

        assert_int_equal(read(fds[i], &byte, 1), 0);
        close(fds[i]);
    }
}

int main(void)
{
#define TEST(of) cmocka_unit_test_setup_teardown(test_gce_iap__##of, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(passes_bytes_both_ways),
        TEST(goes_on_after_lost_connections),
        TEST(asks_for_a_new_token_when_told),
        TEST(says_why_there_is_none),
        TEST(a_bad_address_is_refused),
        TEST(ends_with_either_side_at_any_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
