/* SPDX-License-Identifier: Apache-2.0 */
/* An API server that a kubeconfig leads to, and a folder for its files. */
#ifndef TEST_KUBE_AUTH_H
#define TEST_KUBE_AUTH_H
#include "support/kube_api.h"

#include <sys/stat.h>

static char dir[64];
static gpuc__kube *mine;

static inline void put(const char *name, const char *text, mode_t mode)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    chmod(path, mode);
}

/* The number a file holds; -1 when there is none. */
static inline long number(const char *name)
{
    char path[128], text[32] = "-1";
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "r");
    if (f) {
        (void)!fgets(text, sizeof(text), f);
        fclose(f);
    }
    return strtol(text, NULL, 10);
}

static inline void open_kube(kube_step *steps, gpuc__kubeconfig *config)
{
    gpuc_error *err = NULL;

    kube_api_begin(steps);
    config->context = (char *)"test";
    config->server = api.server.url;
    if (gpuc__kube_open(&mine, context, config, NULL, NULL, NULL, &err) != GPUC_OK)
        fail_msg("%s", gpuc_error_message(err));
}

static inline void close_kube(void)
{
    gpuc__kube_unref(mine);
    kube_api_end();
}

static inline gpuc__kube_call *get(kube_end *end, int deadline_ms)
{
    return gpuc__kube_send(mine, &(gpuc__kube_args){.method = "GET",
                                                    .path = "/version",
                                                    .deadline_ms = deadline_ms,
                                                    .done = kube_on_end,
                                                    .data = end});
}

static inline void expect_get(int code)
{
    kube_end end = {0};

    get(&end, 20000);
    kube_wait(&end);
    if ((end.error ? gpuc_error_code(end.error) : GPUC_OK) != code)
        fail_msg("%s", end.error ? gpuc_error_message(end.error) : "no error");
    kube_drop(&end);
}

static inline int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/gpuc-kube-auth-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static inline int remove_dir(void **state)
{
    static const char *const names[] = {"token", "plugin", "n", "pid"};
    char path[128];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
    return rmdir(dir);
}
#endif
