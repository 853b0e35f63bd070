/* SPDX-License-Identifier: Apache-2.0 */
/* A verification of the nodes of a pretended cluster, and what its report says. */
#ifndef TEST_VERIFY_NODES_H
#define TEST_VERIFY_NODES_H
#define HTTP_SERVER_CONNECTIONS 256
#include "unit/util_test.h"

#include "support/gpu_data.h"
#include "support/gpu_machine.h"
#include "support/kube_fleet.h"

static gpuc_context *context;
static gpuc_verification *v;
static char dir[] = "/tmp/gpuc-fleet.XXXXXX", config[64];

static void begin(const char *nodes, const char *pods)
{
    fleet_begin(nodes, pods);
    fleet_kubeconfig(config);
    assert_int_equal(gpuc_context_new(&context, NULL), GPUC_OK);
    assert_int_equal(gpuc_verification_new(&v, context, NULL), GPUC_OK);
    assert_int_equal(gpuc_verification_set(v, "kubeconfig", config, NULL), GPUC_OK);
    assert_int_equal(gpuc_verification_set(v, "image", "registry/python:3", NULL), GPUC_OK);
}

static void end(void)
{
    gpuc_verification_unref(v);
    for (int i = 0; i < 5; i++)
        gpuc_context_run(context, 0, NULL);
    gpuc_context_unref(context);
    fleet_end();
}

/* Runs it; the report (NULL: there is none), the code and the message. */
static json_t *run(int *code, char *message, size_t size)
{
    gpuc_report *report = NULL;
    gpuc_error *error = NULL;
    char *text;
    json_t *root = NULL;

    *code = gpuc_verification_run(&report, v, &error);
    snprintf(message, size, "%s", error ? gpuc_error_message(error) : "");
    gpuc_error_unref(error);
    text = report ? gpuc_report_to_json(report) : NULL;
    if (text)
        root = json_loads(text, 0, NULL);
    gpuc_free(text);
    gpuc_report_unref(report);
    return root;
}

static const json_t *check(const json_t *root, const char *machine, const char *id)
{
    const json_t *m, *c;
    size_t i, k;

    json_array_foreach(json_object_get(root, "machines"), i, m) {
        if (strcmp(json_string_value(json_object_get(m, "name")), machine) != 0)
            continue;
        json_array_foreach(json_object_get(m, "checks"), k, c) {
            if (strcmp(json_string_value(json_object_get(c, "id")), id) == 0)
                return c;
        }
    }
    fail_msg("%s has no check %s", machine, id);
    return NULL;
}

static void is(const json_t *root, const char *machine, const char *id, const char *status,
               const char *part)
{
    const json_t *c = check(root, machine, id);
    const char *seen = json_string_value(json_object_get(c, "observed"));

    if (!seen) /* of what was skipped the reason stands there */
        seen = json_string_value(json_object_get(c, "reason"));
    assert_string_equal(json_string_value(json_object_get(c, "status")), status);
    if (!seen || !strstr(seen, part))
        fail_msg("%s %s: \"%s\" does not contain \"%s\"", machine, id, seen ? seen : "", part);
}

/* Of the group of tests. */
static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(config, sizeof(config), "%s/config", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(config);
    return rmdir(dir);
}
#endif
