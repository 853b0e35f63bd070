/* SPDX-License-Identifier: Apache-2.0 */
/* The manifests compiled in: they fill, each object has a path, and values stay values. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kube/client.h"
#include "kube/manifest.h"
#include "kube/status.h"
#include "util/alloc.h"

static json_t *values(void)
{
    json_t *v = NULL;

    assert_int_equal(gpuc__manifest_values(&v, NULL), GPUC_OK);
    json_object_set_new(v, "POD_SUBNET", json_string("10.244.0.0/16"));
    return v;
}

static void test_manifest__all_fill_and_have_paths(void **state)
{
    static const char *const names[] = {"flannel", "runtime-class", "device-plugin"};
    json_t *v = values();

    for (size_t n = 0; n < 3; n++) {
        json_t *objects = NULL, *object;
        char *text;
        size_t i;

        assert_int_equal(gpuc__manifest_load(&objects, names[n], v, NULL), GPUC_OK);
        assert_true(json_array_size(objects) > 0);
        json_array_foreach(objects, i, object)
        {
            char *path = NULL;

            assert_int_equal(gpuc__kube_object_path(&path, object, NULL), GPUC_OK);
            assert_string_equal("libgpucluster",
                                gpuc__json_text(object, "metadata", "labels",
                                                "app.kubernetes.io/managed-by", NULL));
            gpuc__free(path);
        }
        text = json_dumps(objects, 0);
        assert_null(strstr(text, "${"));
        assert_null(strstr(text, "$json"));
        free(text);
        json_decref(objects);
    }
    json_decref(v);
}

static void test_manifest__flannel_is_what_the_node_needs(void **state)
{
    json_t *v = values(), *objects = NULL, *net;

    assert_int_equal(gpuc__manifest_load(&objects, "flannel", v, NULL), GPUC_OK);
    net = json_loads(gpuc__json_text(json_array_get(objects, 4), "data", "net-conf.json", NULL), 0,
                     NULL);
    assert_string_equal(gpuc__json_text(net, "Network", NULL), "10.244.0.0/16");
    assert_string_equal(gpuc__json_text(net, "Backend", "Type", NULL), "vxlan");
    json_decref(net);
    json_decref(objects);
    json_decref(v);
}

static void test_manifest__values_cannot_change_the_structure(void **state)
{
    json_t *v = values(), *objects = NULL, *net;

    json_object_set_new(v, "POD_SUBNET", json_string("x\", \"Network\": \"y ${POD_SUBNET}"));
    assert_int_equal(gpuc__manifest_load(&objects, "flannel", v, NULL), GPUC_OK);
    net = json_loads(gpuc__json_text(json_array_get(objects, 4), "data", "net-conf.json", NULL), 0,
                     NULL);
    assert_string_equal(gpuc__json_text(net, "Network", NULL),
                        "x\", \"Network\": \"y ${POD_SUBNET}");
    assert_int_equal(json_object_size(net), 3);
    json_decref(net);
    json_decref(objects);
    json_decref(v);
}

static void test_manifest__missing_values_are_named(void **state)
{
    json_t *v = json_object(), *objects = NULL;
    gpuc_error *err = NULL;

    assert_int_equal(gpuc__manifest_load(&objects, "device-plugin", v, &err), GPUC_EINVAL);
    assert_non_null(strstr(gpuc_error_message(err), "${DEVICE_PLUGIN_IMAGE}"));
    assert_null(objects);
    gpuc_error_unref(err);
    err = NULL;
    assert_int_equal(gpuc__manifest_load(&objects, "nothing", v, &err), GPUC_EINVAL);
    gpuc_error_unref(err);
    json_decref(v);
}

static void test_manifest__images_of_a_bundle_win(void **state)
{
    json_t *v = values();

    gpuc__manifest_use_image(v, "nvcr.io/nvidia/k8s-device-plugin:v9");
    gpuc__manifest_use_image(v, "localhost:5000/other:v1");
    gpuc__manifest_use_image(v, "ghcr.io/flannel-io/flannel@sha256:00");
    assert_string_equal(gpuc__json_text(v, "DEVICE_PLUGIN_IMAGE", NULL),
                        "nvcr.io/nvidia/k8s-device-plugin:v9");
    assert_string_equal(gpuc__json_text(v, "FLANNEL_IMAGE", NULL),
                        "ghcr.io/flannel-io/flannel@sha256:00");
    assert_memory_equal(gpuc__json_text(v, "FLANNEL_CNI_IMAGE", NULL),
                        "ghcr.io/flannel-io/flannel-cni-plugin:", 38);
    json_decref(v);
}

static bool holds(const char *applied, const char *live)
{
    json_t *a = json_loads(applied, 0, NULL), *l = json_loads(live, 0, NULL);
    bool result;

    assert_non_null(a);
    result = gpuc__manifest_holds(a, l);
    json_decref(a);
    json_decref(l);
    return result;
}

static void test_manifest__what_was_changed_is_seen(void **state)
{
    static const char applied[] = "{\"spec\":{\"n\":1,\"none\":{},\"off\":false,\"c\":[{\"name\":\"a\","
                                  "\"image\":\"x:1\"},{\"name\":\"b\"}]}}";

    assert_true(holds(applied, applied));
    assert_true(holds(applied, "{\"status\":{},\"spec\":{\"n\":1,\"more\":2,\"c\":[{\"name\":\"new\"},"
                               "{\"name\":\"b\"},{\"image\":\"x:1\",\"name\":\"a\",\"d\":[]}]}}"));
    assert_false(holds(applied, "{\"spec\":{\"n\":1,\"c\":[{\"name\":\"a\",\"image\":\"x:2\"},"
                                "{\"name\":\"b\"}]}}"));
    assert_false(holds(applied, "{\"spec\":{\"n\":2,\"c\":[{\"name\":\"a\",\"image\":\"x:1\"},"
                                "{\"name\":\"b\"}]}}"));
    assert_false(holds(applied, "{\"spec\":{\"n\":1,\"c\":[{\"name\":\"a\",\"image\":\"x:1\"}]}}"));
    assert_false(holds(applied, "{\"spec\":\"text\"}"));
    assert_false(holds(applied, "{}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manifest__all_fill_and_have_paths),
        cmocka_unit_test(test_manifest__flannel_is_what_the_node_needs),
        cmocka_unit_test(test_manifest__values_cannot_change_the_structure),
        cmocka_unit_test(test_manifest__missing_values_are_named),
        cmocka_unit_test(test_manifest__images_of_a_bundle_win),
        cmocka_unit_test(test_manifest__what_was_changed_is_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
