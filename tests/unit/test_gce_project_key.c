/* SPDX-License-Identifier: Apache-2.0 */
/* Our SSH key among others' in a project's metadata: what is not ours stays, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "provider/gce/shared.h"
#include "util/alloc.h"

#define UUID "0b1c2d3e-0000-4000-8000-000000000001"
#define OTHER_UUID "0b1c2d3e-0000-4000-8000-000000000002"
#define OURS "ubuntu:ssh-ed25519 AAAAC3Nz gpucluster=" UUID " demo"
#define OLD "ubuntu:ssh-ed25519 AAAAold gpucluster=" UUID " demo"
#define THEIRS "ann:ssh-rsa AAAAB3 ann@home"
#define NEIGHBOUR "ubuntu:ssh-ed25519 AAAAC3Nz gpucluster=" OTHER_UUID " demo"
#define EXPIRING "bob:ssh-rsa AAAA google-ssh {\"userName\":\"bob\",\"expireOn\":\"2026-11-23\"}"

static json_t *project_of(json_t *items)
{
    json_t *project = json_pack("{s:s, s:{s:s, s:o*}}", "name", "p", "commonInstanceMetadata",
                                "fingerprint", "e7RONi2DXYY=", "items", items);

    assert_non_null(project);
    return project;
}

/* The items that the plan would write; NULL: nothing is to be done. Consumes items. */
static json_t *plan(json_t *items, json_t *lines)
{
    json_t *project = project_of(items), *body = NULL, *written = NULL;

    assert_int_equal(gpuc__gce_key_plan(&body, project, lines, UUID, NULL), GPUC_OK);
    if (body) {
        assert_string_equal(json_string_value(json_object_get(body, "fingerprint")),
                            "e7RONi2DXYY=");
        written = json_incref(json_object_get(body, "items"));
    }
    json_decref(body);
    json_decref(project);
    json_decref(lines);
    return written;
}

static json_t *ours(void)
{
    return json_pack("[s]", OURS);
}

static const char *value_of(const json_t *items, const char *key)
{
    json_t *item;
    size_t i;

    json_array_foreach(items, i, item) {
        if (strcmp(json_string_value(json_object_get(item, "key")), key) == 0)
            return json_string_value(json_object_get(item, "value"));
    }
    return NULL;
}

/* Adds our line to the value, checks what comes of it, takes it away: all is as before. */
static void check_round(const char *key, const char *before, const char *after)
{
    json_t *items = json_pack("[{s:s,s:s},{s:s,s:s}]", "key", "startup-script", "value",
                              "#!/bin/sh\necho ssh-keys\n", "key", key, "value", before);
    json_t *first = json_deep_copy(items), *written, *back;

    written = plan(items, ours());
    assert_non_null(written);
    assert_int_equal(json_array_size(written), 2);
    assert_string_equal(value_of(written, key), after);
    assert_null(plan(json_deep_copy(written), ours())); /* it is there now */
    back = plan(json_deep_copy(written), json_array());
    assert_true(json_equal(back, first));
    json_decref(first);
    json_decref(written);
    json_decref(back);
}

static void test_gce_project_key__leaves_all_else_byte_for_byte(void **state)
{
    check_round("ssh-keys", THEIRS "\n" EXPIRING "\n", THEIRS "\n" EXPIRING "\n" OURS "\n");
    check_round("ssh-keys", THEIRS, THEIRS "\n" OURS);
    check_round("ssh-keys", NEIGHBOUR "\n", NEIGHBOUR "\n" OURS "\n");
    check_round("sshKeys", THEIRS "\n\n# odd  \n", THEIRS "\n\n# odd  \n" OURS "\n");
    check_round("ssh-keys", "   \n", "   \n" OURS "\n");
    assert_null(plan(json_pack("[{s:s,s:s}]", "key", "ssh-keys", "value", THEIRS), json_array()));
}

static void test_gce_project_key__makes_the_item_and_takes_it_away(void **state)
{
    json_t *written = plan(NULL, ours()), *back;

    assert_int_equal(json_array_size(written), 1);
    assert_string_equal(value_of(written, "ssh-keys"), OURS "\n");
    back = plan(written, json_array());
    assert_non_null(back);
    assert_int_equal(json_array_size(back), 0);
    json_decref(back);
    assert_null(plan(NULL, json_array()));
}

static void test_gce_project_key__sees_both_items_and_prefers_the_present_one(void **state)
{
    json_t *both = json_pack("[{s:s,s:s},{s:s,s:s}]", "key", "sshKeys", "value", OLD "\n" THEIRS "\n",
                             "key", "ssh-keys", "value", EXPIRING "\n" OLD);
    json_t *written = plan(json_deep_copy(both), ours()), *back;

    assert_string_equal(value_of(written, "sshKeys"), THEIRS "\n");
    assert_string_equal(value_of(written, "ssh-keys"), EXPIRING "\n" OURS);
    json_decref(written);
    /* a line of ours in either is enough */
    written = json_pack("[{s:s,s:s},{s:s,s:s}]", "key", "ssh-keys", "value", THEIRS "\n", "key",
                        "sshKeys", "value", OURS "\n");
    assert_null(plan(json_deep_copy(written), ours()));
    /* only one of two */
    back = plan(json_pack("[{s:s,s:s},{s:s,s:s}]", "key", "ssh-keys", "value", OURS "\n", "key",
                          "sshKeys", "value", OURS "\n"),
                ours());
    assert_int_equal(json_array_size(back), 1);
    json_decref(back);
    json_decref(written);
    json_decref(both);
}

static void test_gce_project_key__what_only_looks_like_ours_stays(void **state)
{
    static const char *const lines[] = {
        "eve:ssh-rsa AAAA not gpucluster=" UUID,     "eve:ssh-rsa AAAA gpucluster=" UUID "0 demo",
        "eve:ssh-rsa gpucluster=" UUID " AAAA",      "gpucluster=" UUID,
        "eve:ssh-rsa AAAA xgpucluster=" UUID " demo", "",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_null(plan(json_pack("[{s:s,s:s}]", "key", "ssh-keys", "value", lines[i]),
                         json_array()));
    assert_null(plan(json_pack("[{s:s,s:s},{s:s},s,{}]", "key", "other", "value", OURS, "key",
                               "ssh-keys", "odd"),
                     json_array()));
}

static void test_gce_project_key__refuses_what_cannot_be_written(void **state)
{
    json_t *project = json_pack("{s:{}}", "commonInstanceMetadata"), *body = NULL, *lines = ours();
    char *large = gpuc__malloc(256 * 1024 + 1);
    gpuc_error *err = NULL;

    assert_int_equal(gpuc__gce_key_plan(&body, project, lines, UUID, &err), GPUC_EPROTO);
    err = gpuc_error_unref(err);
    json_decref(project);
    memset(large, 'a', 256 * 1024);
    large[256 * 1024] = '\0';
    project = project_of(json_pack("[{s:s,s:s}]", "key", "ssh-keys", "value", large));
    assert_int_equal(gpuc__gce_key_plan(&body, project, lines, UUID, &err), GPUC_ELIMIT);
    assert_non_null(strstr(gpuc_error_remedy(err), "ssh.project_key"));
    gpuc_error_unref(err);
    assert_null(body);
    gpuc__free(large);
    json_decref(project);
    json_decref(lines);
}

static void test_gce_project_key__one_line_for_each_user(void **state)
{
    static char ubuntu[] = "ubuntu", admin[] = "admin", name[] = "demo", uuid[] = UUID;
    static char key[] = "ssh-ed25519 AAAAC3Nz me@here and more\n";
    gpuc__machine_model machines[] = {{.user = ubuntu}, {.user = admin}, {.user = ubuntu}};
    gpuc__spec_model spec = {.name = name, .machines = machines, .machine_count = 3};
    gpuc__provider provider = {.spec = &spec, .uuid = uuid, .public_key = key};
    json_t *lines = gpuc__gce_key_lines(&provider);

    assert_int_equal(json_array_size(lines), 2);
    assert_string_equal(json_string_value(json_array_get(lines, 0)), OURS);
    assert_string_equal(json_string_value(json_array_get(lines, 1)),
                        "admin:ssh-ed25519 AAAAC3Nz gpucluster=" UUID " demo");
    json_decref(lines);
    provider.public_key = NULL;
    lines = gpuc__gce_key_lines(&provider);
    assert_int_equal(json_array_size(lines), 0);
    json_decref(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_project_key__leaves_all_else_byte_for_byte),
        cmocka_unit_test(test_gce_project_key__makes_the_item_and_takes_it_away),
        cmocka_unit_test(test_gce_project_key__sees_both_items_and_prefers_the_present_one),
        cmocka_unit_test(test_gce_project_key__what_only_looks_like_ours_stays),
        cmocka_unit_test(test_gce_project_key__refuses_what_cannot_be_written),
        cmocka_unit_test(test_gce_project_key__one_line_for_each_user),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
