/* SPDX-License-Identifier: Apache-2.0 */
/* What clusters left behind on a daemon (SIMULATED): found by label, removed only while it is theirs. */
#include "support/http_server.h"
#include "support/provider_client.h"

#include "provider/local/local.h"

#define SYNC(metadata) "{\"type\":\"sync\",\"metadata\":" metadata "}"
#define INSTANCE(name, cluster)                                                                    \
    "{\"name\":\"" name "\",\"status\":\"Stopped\",\"created_at\":\"2026-11-23T10:00:00Z\","        \
    "\"config\":{\"user.gpucluster.cluster\":\"" cluster "\",\"user.gpucluster.machine\":\"m1\"}}"

static http_server server;
static gpuc_context *context;
static gpuc__provider *provider;
static char path[64], c1[] = "gc", project[] = "default";
static gpuc__spec_model spec = {.name = c1, .provider_socket = path, .provider_project = project};
static char asked[8192];
static bool refuse;

static const char *answer_of(const char *line, int *status)
{
    *status = 200;
    if (strncmp(line, "GET /1.0 ", 9) == 0)
        return SYNC("{\"auth\":\"trusted\",\"environment\":{\"server\":\"incus\"}}");
    if (strncmp(line, "GET /1.0/projects", 17) == 0)
        return SYNC("{\"name\":\"default\"}");
    if (strncmp(line, "GET /1.0/operations", 19) == 0)
        return SYNC("{}");
    if (strncmp(line, "GET /1.0/instances?", 19) == 0 && refuse)
        *status = 403;
    if (strncmp(line, "GET /1.0/instances?", 19) == 0)
        return SYNC("[" INSTANCE("demo-m1", "u-1") "," INSTANCE("odd", "u-2")
                    ",{\"name\":\"theirs\",\"config\":{}},{\"config\":7}]");
    if (strncmp(line, "GET /1.0/instances/demo-m1 ", 27) == 0)
        return SYNC(INSTANCE("demo-m1", "u-1"));
    if (strncmp(line, "DELETE /1.0/instances/demo-m1 ", 30) == 0)
        return SYNC("{}");
    *status = 404;
    return "{\"type\":\"error\",\"error\":\"not there\",\"metadata\":null}";
}

static void serve(http_server *s, int fd)
{
    http_server_request r;

    while (http_server_read(fd, &r)) {
        char line[1100];
        int status;

        snprintf(line, sizeof(line), "%s %s ", r.method, r.target);
        strncat(asked, line, sizeof(asked) - strlen(asked) - 1);
        free(r.body);
        r.body = NULL;
        const char *text = answer_of(line, &status);
        http_server_answer(fd, status, text);
    }
    free(r.body);
}

static int setup(void **state)
{
    gpuc__provider_config config = {.spec = &spec, .cluster_uuid = ""};

    asked[0] = '\0';
    refuse = false;
    snprintf(path, sizeof(path), "/tmp/gpuc-test-left-%d", (int)getpid());
    http_server_start(&server, path, serve, NULL);
    assert_int_equal(gpuc_context_new(&context, NULL), GPUC_OK);
    config.context = context;
    return gpuc__provider_local.new_(&provider, &config, NULL);
}

static int teardown(void **state)
{
    gpuc__provider_local.free(provider);
    gpuc_context_run(context, 0, NULL);
    gpuc_context_unref(context);
    http_server_stop(&server);
    return 0;
}

typedef struct left {
    provider_result r;
    json_t *found;
} left;

static void on_left(void *data, json_t *found, gpuc_error *error)
{
    left *l = data;

    l->found = json_deep_copy(found);
    provider_take_error(&l->r, error);
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static void test_local_left__finds_what_carries_a_label(void **state)
{
    left l = {0};
    const json_t *entry;

    gpuc__provider_local.find_left(provider, on_left, &l);
    provider_wait(context, &l.r, 5000);
    assert_int_equal(l.r.code, GPUC_OK);
    assert_int_equal(json_array_size(l.found), 2);
    entry = json_array_get(l.found, 0);
    assert_string_equal(text_at(entry, "type"), "instance");
    assert_string_equal(text_at(entry, "name"), "demo-m1");
    assert_string_equal(text_at(entry, "cluster"), "u-1");
    assert_string_equal(text_at(entry, "cluster_name"), "demo");
    assert_string_equal(text_at(entry, "status"), "Stopped");
    assert_string_equal(text_at(json_array_get(l.found, 1), "cluster_name"), "");
    json_decref(l.found);
    provider_result_clear(&l.r);
    refuse = true;
    gpuc__provider_local.find_left(provider, on_left, &l);
    provider_wait(context, &l.r, 5000);
    assert_int_equal(l.r.code, GPUC_EPERM);
    assert_null(l.found);
    provider_result_clear(&l.r);
}

static int remove_it(const char *name, const char *cluster)
{
    json_t *entry = json_pack("{s:s, s:s, s:s}", "type", "instance", "name", name, "cluster", cluster);
    provider_result r = {0};
    int code;

    asked[0] = '\0';
    gpuc__provider_local.remove_left(provider, entry, provider_on_done, &r);
    json_decref(entry);
    provider_wait(context, &r, 5000);
    code = r.code;
    provider_result_clear(&r);
    return code;
}

static void test_local_left__removes_only_the_clusters_own(void **state)
{
    assert_int_equal(remove_it("demo-m1", "u-9"), GPUC_OK); /* another's by now */
    assert_null(strstr(asked, "DELETE"));
    assert_int_equal(remove_it("gone-m1", "u-1"), GPUC_OK);
    assert_null(strstr(asked, "DELETE"));
    assert_int_equal(remove_it("demo-m1", "u-1"), GPUC_OK);
    assert_non_null(strstr(asked, "DELETE /1.0/instances/demo-m1 "));
    assert_int_equal(remove_it("../projects", "u-1"), GPUC_EPROTO);
    assert_null(strstr(asked, "DELETE"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_local_left__##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(finds_what_carries_a_label),
        TEST(removes_only_the_clusters_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
