/* SPDX-License-Identifier: Apache-2.0 */
/* gc on the project of gc_server.h (SIMULATED), in which a lost cluster left things and one whose state
 * is here has some: what its tests share. */
#ifndef TEST_GC_CLIENT_H
#define TEST_GC_CLIENT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

#include "core/context.h"
#include "core/store.h"
#include "provider/gce/left.h"
#include "support/gc_server.h"
#include "util/alloc.h"

#define LOST "0b1c2d3e-0000-4000-8000-000000000001"
#define ALIVE "0b1c2d3e-0000-4000-8000-000000000002"
#define TWIN "0b1c2d3e-0000-4000-8000-000000000003"
#define KEY(uuid, name) "ubuntu:ssh-ed25519 AAAA gpucluster=" uuid " " name "\n"
#define ANN "ann:ssh-rsa AAAA ann@home\n"

static gpuc_context *context;
static char directory[64], token_file[96], state_dir[96];

static inline void know(const char *name, const char *uuid)
{
    gpuc__store *store = NULL;
    char *warning = NULL;

    assert_int_equal(gpuc__store_open(&store, state_dir, name, true, &warning, NULL), GPUC_OK);
    assert_int_equal(gpuc__store_lock(store, "test", NULL), GPUC_OK);
    assert_int_equal(gpuc__store_set(store, NULL, "uuid", uuid, NULL), GPUC_OK);
    gpuc__store_close(store);
    gpuc__free(warning);
}

static inline int setup(void **state)
{
    char endpoint[128];
    FILE *file;

    snprintf(directory, sizeof(directory), "/tmp/gpuc-test-gc-XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(token_file, sizeof(token_file), "%s/token", directory);
    snprintf(state_dir, sizeof(state_dir), "%s/state", directory);
    assert_int_equal(mkdir(state_dir, 0700), 0);
    file = fopen(token_file, "w");
    assert_non_null(file);
    fputs("token\n", file);
    fclose(file);
    gc_begin();
    snprintf(endpoint, sizeof(endpoint), "%s/compute/v1/", gc_world.http.url);
    setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", endpoint, 1);
    setenv("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", token_file, 1);
    gc_put("zones/z1-a", "instances", "demo-m1", LOST, "demo");
    gc_put("zones/z1-a", "instances", "theirs", NULL, NULL);
    gc_put("zones/z2-b", "instances", "demo-m2", LOST, "demo");
    gc_put("zones/z2-b", "disks", "demo-data", LOST, NULL);
    gc_put("regions/z1", "addresses", "demo-ip", LOST, NULL);
    gc_put("global", "firewalls", "demo-expose-443", LOST, "demo");
    gc_put("global", "firewalls", "default-allow-ssh", NULL, NULL);
    gc_put("zones/z1-a", "instances", "here-m1", ALIVE, "here");
    snprintf(gc_world.keys, sizeof(gc_world.keys), ANN KEY(LOST, "demo") KEY(ALIVE, "here"));
    know("here", ALIVE);
    assert_int_equal(gpuc_context_new(&context, NULL), GPUC_OK);
    return 0;
}

static inline int remove_path(const char *path, const struct stat *about, int kind, struct FTW *where)
{
    return remove(path);
}

static inline int teardown(void **state)
{
    gpuc_context_unref(context);
    gc_finish();
    return nftw(directory, remove_path, 8, FTW_DEPTH | FTW_PHYS);
}

static inline json_t *run(const char *cluster, uint32_t flags)
{
    gpuc_error *err = NULL;
    char *text = NULL;
    json_t *root;

    if (gpuc_gc(&text, context, NULL, "p1", cluster, state_dir, flags, -1, &err) != GPUC_OK)
        fail_msg("%s", gpuc_error_message(err));
    root = json_loads(text, 0, NULL);
    assert_non_null(root);
    gpuc_free(text);
    return root;
}

static inline int fails(const char *cluster, uint32_t flags, char **message)
{
    gpuc_error *err = NULL;
    char *text = NULL;
    int code = gpuc_gc(&text, context, "gce", "p1", cluster, state_dir, flags, -1, &err);

    assert_null(text);
    assert_non_null(err);
    if (message)
        *message = gpuc__strdup(gpuc_error_message(err));
    gpuc_error_unref(err);
    return code;
}

static inline json_t *resources_of(json_t *root, const char *uuid)
{
    json_t *cluster;
    size_t i;

    json_array_foreach(json_object_get(root, "clusters"), i, cluster) {
        if (strcmp(json_string_value(json_object_get(cluster, "uuid")), uuid) == 0)
            return json_object_get(cluster, "resources");
    }
    return NULL;
}
#endif
