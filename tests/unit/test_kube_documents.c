/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests as people write them: what is read, and where it says what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kube/documents.h"
#include "kube/job.h"
#include "kube/manifest.h"
#include "kube/status.h"

static int read_text(json_t *out, const char *text, gpuc_error **err)
{
    json_t *values = NULL;
    int rc;

    assert_int_equal(gpuc__manifest_values(&values, NULL), GPUC_OK);
    rc = gpuc__documents_read(out, text, strlen(text), "m.yaml", values, err);
    json_decref(values);
    return rc;
}

static void test_documents__reads_what_kubectl_reads(void **state)
{
    static const char text[] =
        "# a comment, then an empty document\n---\n---\n"
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: &d\n  a: \"1\"\n  b: |\n    two\n"
        "---\n"
        "apiVersion: v1\nkind: List\nitems:\n"
        "- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: e, labels: &l {x: y}}\n"
        "- apiVersion: batch/v1\n  kind: Job\n  metadata: {generateName: j-, labels: *l}\n"
        "  spec: {<<: {suspend: true, completions: 9}, completions: 0x10, mode: 0644, r: 1.5, on: off,"
        " t: !!str 5, v: 1.2.3, n: ~, m: -3}\n";
    json_t *out = json_array();
    const json_t *spec;

    assert_int_equal(read_text(out, text, NULL), GPUC_OK);
    assert_int_equal(json_array_size(out), 3);
    assert_string_equal(gpuc__json_text(json_array_get(out, 0), "where", NULL), "m.yaml:4:1");
    assert_string_equal(gpuc__json_text(json_array_get(out, 0), "object", "data", "b", NULL), "two\n");
    assert_string_equal(gpuc__json_text(json_array_get(out, 2), "where", NULL), "m.yaml:18:3");
    assert_string_equal(
        gpuc__json_text(json_array_get(out, 2), "object", "metadata", "labels", "x", NULL), "y");
    spec = gpuc__json_at(json_array_get(out, 2), "object", "spec", NULL);
    assert_int_equal(json_integer_value(json_object_get(spec, "completions")), 16);
    assert_int_equal(json_integer_value(json_object_get(spec, "mode")), 420);
    assert_int_equal(json_integer_value(json_object_get(spec, "m")), -3);
    assert_true(json_is_real(json_object_get(spec, "r")));
    assert_true(json_is_true(json_object_get(spec, "suspend")));
    assert_true(json_is_false(json_object_get(spec, "on")));
    assert_true(json_is_null(json_object_get(spec, "n")));
    assert_string_equal(gpuc__json_text(spec, "t", NULL), "5");
    assert_string_equal(gpuc__json_text(spec, "v", NULL), "1.2.3");
    json_decref(out);
}

static void test_documents__reads_json(void **state)
{
    json_t *out = json_array();

    assert_int_equal(read_text(out, "\t{\"apiVersion\": \"v1\",\n\t\"kind\": \"Pod\",\n\t\"metadata\":"
                                    " {\"name\": \"p\"},\n\t\"spec\": {\"x\": \"\\u00e9\"}}\n", NULL),
                     GPUC_OK);
    assert_int_equal(json_array_size(out), 1);
    assert_string_equal(gpuc__json_text(json_array_get(out, 0), "object", "spec", "x", NULL),
                        "\xc3\xa9");
    json_decref(out);
}

static void test_documents__says_where_and_what(void **state)
{
    static const struct {
        const char *text, *message, *remedy;
        int code;
    } wrong[] = {
        {"a: [1\n", "m.yaml:2:1: not YAML", "correct", GPUC_EINVAL},
        {"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n---\nkind: Pod\n",
         "m.yaml:5:1: document 2: the object has no apiVersion", "add", GPUC_EINVAL},
        {"apiVersion: v1\nkind: Pod\nmetadata: {labels: {}}\n", "no metadata.name", "add", GPUC_EINVAL},
        {"apiVersion: v1\nkind: Pod\nmetadata: {name: 7}\n", "is no text", "quotes", GPUC_EINVAL},
        {"- 1\n", "m.yaml:1:1: document 1: this is no Kubernetes object", "apiVersion", GPUC_EINVAL},
        {"just text\n", "no Kubernetes object", "apiVersion", GPUC_EINVAL},
        {"# nothing\n---\n", "m.yaml:1:1: there is no object", "file", GPUC_EINVAL},
        {"apiVersion: v1\nkind: List\n", "a List without items", "items", GPUC_EINVAL},
        {"apiVersion: extensions/v1beta1\nkind: Job\nmetadata: {name: j}\n",
         "m.yaml:2:7: document 1: extensions/v1beta1 Job is not known here; batch/v1 Job is", "write",
         GPUC_EUNSUPPORTED},
        {"apiVersion: kubeflow.org/v1\nkind: TFJob\nmetadata: {name: j}\n", "TFJob", "kubectl",
         GPUC_EUNSUPPORTED},
        {"apiVersion: kubeflow.org/v1\nkind: TFJob\nmetadata: {generateName: j-}\n", "TFJob", "kubectl",
         GPUC_EUNSUPPORTED},
        {"apiVersion: 1\nkind: Pod\nmetadata: {name: p}\n", "is no text", "quotes", GPUC_EINVAL},
        {"a: *b\n", "an alias of nothing", "anchor", GPUC_EINVAL},
        {"a: 1\na: 2\n", "stands here twice", "remove", GPUC_EINVAL},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        json_t *out = json_array();
        gpuc_error *err = NULL;

        assert_int_equal(read_text(out, wrong[i].text, &err), wrong[i].code);
        if (!strstr(gpuc_error_message(err), wrong[i].message))
            fail_msg("%zu: %s", i, gpuc_error_message(err));
        assert_non_null(strstr(gpuc_error_remedy(err), wrong[i].remedy));
        assert_int_equal(json_array_size(out), 0);
        gpuc_error_unref(err);
        json_decref(out);
    }
}

/* The Job of the article of 2017, in its own shape. */
static const char article[] =
    "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: nvidia-smi\n  labels:\n    name: nvidia-smi\n"
    "spec:\n  template:\n    metadata:\n      labels:\n        name: nvidia-smi\n    spec:\n"
    "      containers:\n      - name: nvidia-smi\n        image: nvidia/cuda\n"
    "        command: [ \"nvidia-smi\" ]\n        imagePullPolicy: IfNotPresent\n        resources:\n"
    "          requests:\n            alpha.kubernetes.io/nvidia-gpu: 1\n"
    "          limits:\n            alpha.kubernetes.io/nvidia-gpu: 1\n"
    "        volumeMounts:\n        - mountPath: /usr/local/nvidia/bin\n          name: bin\n"
    "      restartPolicy: Never\n      volumes:\n      - hostPath: {path: /usr/lib/nvidia-375/bin}\n"
    "        name: bin\n";

static void test_documents__names_what_replaces_2017(void **state)
{
    json_t *out = json_array();
    gpuc_error *err = NULL;

    assert_int_equal(read_text(out, article, &err), GPUC_EUNSUPPORTED);
    assert_non_null(strstr(gpuc_error_message(err), "m.yaml:20:13: "));
    assert_non_null(strstr(gpuc_error_message(err), "left Kubernetes in 1.11"));
    assert_non_null(strstr(gpuc_error_remedy(err), "nvidia.com/gpu under resources.limits"));
    assert_non_null(strstr(gpuc_error_remedy(err), "hostPath"));
    assert_non_null(strstr(gpuc_error_remedy(err), "nvcr.io/nvidia/cuda:"));
    gpuc_error_unref(err);
    json_decref(out);
}

/* Aliases of aliases: small to write, not to hold. */
static void test_documents__bounds_aliases(void **state)
{
    char text[4096] = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
    json_t *out = json_array();
    gpuc_error *err = NULL;

    for (int i = 1; i < 9; i++) {
        size_t n = strlen(text);

        n += (size_t)snprintf(text + n, sizeof(text) - n, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s*a%d", k ? "," : "", i - 1);
        snprintf(text + n, sizeof(text) - n, "]\n");
    }
    assert_int_equal(read_text(out, text, &err), GPUC_ELIMIT);
    gpuc_error_unref(err);
    json_decref(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documents__reads_what_kubectl_reads),
        cmocka_unit_test(test_documents__reads_json),
        cmocka_unit_test(test_documents__says_where_and_what),
        cmocka_unit_test(test_documents__names_what_replaces_2017),
        cmocka_unit_test(test_documents__bounds_aliases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
