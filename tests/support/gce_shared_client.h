/* SPDX-License-Identifier: Apache-2.0 */
/* The provider on the small project of gce_shared_server.h, with a journal in memory: what the tests
 * of shared things share. */
#ifndef TEST_GCE_SHARED_CLIENT_H
#define TEST_GCE_SHARED_CLIENT_H
#include "support/provider_client.h"
#include "support/gce_shared_server.h"
#include "provider/gce/machines.h"
#include "util/error.h"

#define UUID "0b1c2d3e-0000-4000-8000-000000000001"
#define OURS "ubuntu:ssh-ed25519 AAAAC3Nz gpucluster=" UUID " demo"
#define KEYS 8

static gpuc_context *context;
static gpuc__provider *provider;
static char token_file[] = "/tmp/gpuc-test-token-XXXXXX";

static char name[] = "demo", project[] = "p1", user[] = "ubuntu", network[] = "default";
static char all[] = "0.0.0.0/0", office[] = "203.0.113.0/24", office2[] = "198.51.100.0/24";
static char *from_all[] = {all, NULL}, *from_office[] = {office, office2, NULL};
static gpuc__expose_model exposes[] = {{.port = 6443, .from = from_office},
                                       {.port = 443, .from = from_all}};
static gpuc__machine_model machine = {.name = name, .user = user, .role = GPUC__ROLE_CONTROL_PLANE};
static gpuc__spec_model spec;

/* ---- a journal in memory ---- */

static struct {
    char key[64], *value;
} kept[KEYS];
static int kept_sets;

static inline int journal_set(void *data, const char *of, const char *key, const char *value,
                       gpuc_error **err)
{
    int free_at = -1;

    assert_null(of);
    kept_sets++;
    for (int i = 0; i < KEYS; i++) {
        if (kept[i].value && strcmp(kept[i].key, key) == 0) {
            gpuc__free(kept[i].value);
            kept[i].value = NULL;
        }
        if (!kept[i].value)
            free_at = i;
    }
    assert_int_not_equal(free_at, -1);
    snprintf(kept[free_at].key, sizeof(kept[free_at].key), "%s", key);
    kept[free_at].value = gpuc__strdup(value);
    return value && !kept[free_at].value ? gpuc__error_nomem(err) : GPUC_OK;
}

static inline int journal_get(void *data, const char *of, const char *key, char **out, gpuc_error **err)
{
    *out = NULL;
    for (int i = 0; i < KEYS; i++) {
        if (kept[i].value && strcmp(kept[i].key, key) == 0)
            *out = gpuc__strdup(kept[i].value);
    }
    return GPUC_OK;
}

static inline const char *kept_value(const char *key)
{
    for (int i = 0; i < KEYS; i++) {
        if (kept[i].value && strcmp(kept[i].key, key) == 0)
            return kept[i].value;
    }
    return NULL;
}

/* ---- a provider ---- */

static inline void begin(void)
{
    gpuc__provider_config config = {.context = context,
                                    .spec = &spec,
                                    .cluster_uuid = UUID,
                                    .ssh_public_key = "ssh-ed25519 AAAAC3Nz someone",
                                    .journal = {journal_set, journal_get, NULL}};

    assert_int_equal(gpuc__provider_gce.new_(&provider, &config, NULL), GPUC_OK);
    assert_int_equal(gpuc__gce_open(provider, NULL), GPUC_OK);
    gpuc__gce_client_scale_time(provider->client, 1);
}

static inline void end(void)
{
    gpuc__provider_gce.free(provider);
    for (int i = 0; i < 5; i++)
        gpuc_context_run(context, 0, NULL);
}

static inline void listen_again(void)
{
    char endpoint[128];

    http_server_start(&world.http, NULL, world_serve, NULL);
    snprintf(endpoint, sizeof(endpoint), "%s/compute/v1/", world.http.url);
    setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", endpoint, 1);
}

static inline int setup(void **state)
{
    int fd = mkstemp(token_file);

    assert_int_equal(write(fd, "token\n", 6), 6);
    close(fd);
    setenv("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", token_file, 1);
    spec = (gpuc__spec_model){.name = name,
                              .provider = GPUC__PROVIDER_GCE,
                              .provider_project = project,
                              .network = network,
                              .ssh_user = user,
                              .external_ip = true,
                              .machines = &machine,
                              .machine_count = 1};
    world_begin();
    listen_again();
    assert_int_equal(gpuc_context_new(&context, NULL), GPUC_OK);
    kept_sets = 0;
    begin();
    return 0;
}

static inline int teardown(void **state)
{
    end();
    gpuc_context_unref(context);
    http_server_stop(&world.http);
    world_finish();
    for (int i = 0; i < KEYS; i++) {
        gpuc__free(kept[i].value);
        kept[i].value = NULL;
    }
    unlink(token_file);
    memcpy(token_file + sizeof(token_file) - 7, "XXXXXX", 6);
    return 0;
}

typedef struct look {
    int done, code;
    bool there;
    char *detail;
} look;

static inline void on_look(void *data, bool there, const char *detail, gpuc_error *error)
{
    look *l = data;

    l->done++;
    l->there = there;
    l->detail = gpuc__strdup(detail);
    l->code = error ? gpuc_error_code(error) : 0;
    gpuc_error_unref(error);
}

/* What look says; detail may be NULL for nothing. */
static inline void expect_look(bool there, const char *detail)
{
    look l = {0};
    int sets = kept_sets;

    gpuc__provider_gce.look_shared(provider, on_look, &l);
    assert_int_equal(l.done, 0);
    for (uint64_t stop = gpuc__clock_ms() + 10000; !l.done && gpuc__clock_ms() < stop;)
        assert_int_equal(gpuc_context_run(context, 50, NULL), GPUC_OK);
    assert_int_equal(l.done, 1);
    assert_int_equal(l.code, 0);
    assert_int_equal(l.there, there);
    if (detail)
        assert_string_equal(l.detail, detail);
    else
        assert_null(l.detail);
    assert_int_equal(kept_sets, sets); /* a look changes nothing */
    gpuc__free(l.detail);
}

static inline void run(void (*fn)(gpuc__provider *, gpuc__provider_fn, void *), provider_result *r)
{
    provider_result_clear(r);
    fn(provider, provider_on_done, r);
    assert_int_equal(r->done, 0); /* never inside the call */
    for (uint64_t stop = gpuc__clock_ms() + 20000; !r->done && gpuc__clock_ms() < stop;)
        assert_int_equal(gpuc_context_run(context, 2, NULL), GPUC_OK);
    assert_int_equal(r->done, 1);
    if (r->code)
        print_message("%s\n", r->message);
}

static inline void expect(void (*fn)(gpuc__provider *, gpuc__provider_fn, void *), int code)
{
    provider_result r = {0};

    run(fn, &r);
    assert_int_equal(r.code, code);
    provider_result_clear(&r);
}

#define MAKE gpuc__provider_gce.make_shared
#define DROP gpuc__provider_gce.drop_shared

static inline int count_of(const char *line)
{
    int n = 0;

    for (const char *at = world.log; (at = strstr(at, line)); at += strlen(line))
        n++;
    return n;
}

static inline void expose(size_t count)
{
    spec.exposes = exposes;
    spec.expose_count = count;
}
#endif
