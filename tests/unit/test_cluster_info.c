/* SPDX-License-Identifier: Apache-2.0 */
/* What a provider said of a machine: kept as JSON, copied, compared; each allocation failing in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/provide.h"
#include "util/error.h"

static char *keys[] = {(char *)"ssh-ed25519 AAAA", (char *)"ssh-rsa BBBB", NULL};
static const gpuc__machine_info whole = {.address = (char *)"203.0.113.7",
                                         .port = 2222,
                                         .user = (char *)"ubuntu",
                                         .host_keys = keys,
                                         .provider_id = (char *)"k8s-m",
                                         .status = (char *)"RUNNING",
                                         .made_here = true,
                                         .image = (char *)"noble",
                                         .zone = (char *)"us-east1-d",
                                         .machine_type = (char *)"n1-standard-2",
                                         .internal_ip = (char *)"10.142.0.2",
                                         .external_ip = (char *)"203.0.113.7",
                                         .tunnelled = true};

static long left = -1, live;

static void *counted_malloc(size_t size)
{
    void *memory = left < 0 || left-- > 0 ? malloc(size) : NULL;

    live += memory != NULL;
    return memory;
}

static void *counted_realloc(void *old, size_t size)
{
    void *memory = left < 0 || left-- > 0 ? realloc(old, size) : NULL;

    live += memory && !old;
    return memory;
}

static void counted_free(void *memory)
{
    live -= memory != NULL;
    free(memory);
}

static int set_up(void **state)
{
    static const gpuc_allocator counted = {counted_malloc, counted_realloc, counted_free};

    gpuc_set_allocator(&counted);
    return 0;
}

static int tear_down(void **state)
{
    gpuc_set_allocator(NULL);
    return 0;
}

static void test_cluster_info__json_keeps_all_of_it(void **state)
{
    gpuc__machine_info copy = {0}, back = {0};
    json_t *first, *second;

    assert_int_equal(gpuc__machine_info_copy(&copy, &whole, NULL), GPUC_OK);
    first = gpuc__machine_info_to_json(&copy);
    assert_int_equal(gpuc__machine_info_from_json(&back, first, NULL), GPUC_OK);
    second = gpuc__machine_info_to_json(&back);
    assert_int_equal(json_object_size(first), 13);
    assert_true(json_equal(first, second));
    assert_true(gpuc__machine_info_same_place(&whole, &back));
    json_decref(first);
    json_decref(second);
    gpuc__machine_info_clear(&copy);
    gpuc__machine_info_clear(&back);
    assert_int_equal(live, 0);
}

static void test_cluster_info__what_another_place_is(void **state)
{
    gpuc__machine_info other = whole;
    char *fewer[] = {keys[0], NULL};

    other.zone = other.status = NULL; /* of no account to a connection */
    assert_true(gpuc__machine_info_same_place(&whole, &other));
    other.port = 22;
    assert_false(gpuc__machine_info_same_place(&whole, &other));
    other = whole;
    other.host_keys = fewer;
    assert_false(gpuc__machine_info_same_place(&whole, &other));
    other = whole;
    other.tunnelled = false;
    assert_false(gpuc__machine_info_same_place(&whole, &other));
}

static void test_cluster_info__damaged_json_is_empty(void **state)
{
    json_t *root = json_pack("{s:i, s:s, s:[i, s], s:s}", "address", 7, "port", "x", "host_keys", 1,
                             "ssh-rsa BBBB", "tunnelled", "yes");
    gpuc__machine_info info = {0};

    assert_int_equal(gpuc__machine_info_from_json(&info, root, NULL), GPUC_OK);
    assert_null(info.address);
    assert_int_equal(info.port, 0);
    assert_false(info.tunnelled);
    assert_string_equal(info.host_keys[0], "ssh-rsa BBBB");
    assert_null(info.host_keys[1]);
    json_decref(root);
    gpuc__machine_info_clear(&info);
}

static int scenario(gpuc_error **err)
{
    gpuc__machine_info copy = {0}, back = {0};
    int rc = gpuc__machine_info_copy(&copy, &whole, err);

    if (rc == GPUC_OK) {
        json_t *root = gpuc__machine_info_to_json(&copy);

        rc = gpuc__machine_info_from_json(&back, root, err);
        json_decref(root);
    }
    gpuc__machine_info_clear(&copy);
    gpuc__machine_info_clear(&back);
    return rc;
}

static void test_cluster_info__without_memory(void **state)
{
    long n = 0;
    int rc;

    do {
        gpuc_error *error = NULL;

        left = n++;
        rc = scenario(&error);
        left = -1;
        gpuc_error_unref(error);
        assert_true(rc == GPUC_OK || rc == GPUC_ENOMEM);
        assert_int_equal(live, 0);
    } while (rc < 0 && n < 1000);
    assert_int_equal(rc, GPUC_OK);
    assert_true(n > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cluster_info__json_keeps_all_of_it),
        cmocka_unit_test(test_cluster_info__what_another_place_is),
        cmocka_unit_test(test_cluster_info__damaged_json_is_empty),
        cmocka_unit_test(test_cluster_info__without_memory),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
