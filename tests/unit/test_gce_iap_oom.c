/* SPDX-License-Identifier: Apache-2.0 */
/* Each allocation failing in turn while a tunnel is opened and used: it works or ends, and nothing is
 * lost. */
#include "util_test.h"

#include "support/provider_client.h"
#include "support/iap_server.h"
#include "provider/gce/machines.h"

#include <fcntl.h>

static gpuc_context *context;
static gpuc__provider *provider;
static char name[] = "demo", project[] = "p1", user[] = "ubuntu";
static gpuc__machine_model machine = {.name = name, .user = user};
static gpuc__spec_model spec = {.name = name, .provider = GPUC__PROVIDER_GCE,
                                .provider_project = project, .ssh_user = user,
                                .machines = &machine, .machine_count = 1};

static void begin(void)
{
    gpuc__provider_config config = {.spec = &spec, .cluster_uuid = IAP_UUID};
    char url[128];

    memset(&relay, 0, sizeof(relay));
    http_server_start(&relay.http, NULL, iap_serve, NULL);
    snprintf(url, sizeof(url), "%s/compute/v1/", relay.http.url);
    setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", url, 1);
    setenv("CLOUDSDK_AUTH_ACCESS_TOKEN", "token-of-the-test", 1);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%d", relay.http.port);
    setenv("GPUC_IAP_URL", url, 1);
    assert_int_equal(gpuc_context_new(&context, NULL), GPUC_OK);
    config.context = context;
    assert_int_equal(gpuc__provider_gce.new_(&provider, &config, NULL), GPUC_OK);
}

static void finish(void)
{
    gpuc__provider_gce.free(provider);
    for (int i = 0; i < 5; i++)
        gpuc_context_run(context, 2, NULL);
    gpuc_context_unref(context);
    http_server_stop(&relay.http);
}

/* With n allocations allowed: whether a few bytes came back. */
static bool try_with(int n)
{
    gpuc_error *err = NULL;
    char back[8];
    ssize_t got = -1;
    int fd = -1;
    bool ok = false;

    begin();
    allow_allocations(n);
    if (gpuc__provider_gce.tunnel(provider, "m1", 22, &fd, &err) == GPUC_OK) {
        fcntl(fd, F_SETFL, O_NONBLOCK);
        assert_int_equal(write(fd, "hello", 5), 5);
        for (int i = 0; got < 0 && i < (allocations_left ? 4000 : 20); i++) {
            gpuc_context_run(context, 2, NULL);
            got = read(fd, back, sizeof(back));
        }
        ok = got == 5 && memcmp(back, "hello", 5) == 0 && allocations_left > 0;
        close(fd);
    } else {
        assert_int_equal(gpuc_error_code(err), GPUC_ENOMEM);
        assert_int_equal(fd, -1);
    }
    allow_allocations(-1);
    gpuc_error_unref(err);
    finish();
    return ok;
}

static void test_gce_iap_oom__works_or_ends(void **state)
{
    int n = 0;

    while (n < 1000 && !try_with(n))
        n++;
    assert_in_range(n, 20, 999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_iap_oom__works_or_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
