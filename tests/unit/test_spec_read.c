/* SPDX-License-Identifier: Apache-2.0 */
/* Reading: JSON beside YAML, and texts that are too much. */
#include "support/spec.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "spec/read.h"
#include "util/alloc.h"

#define EXAMPLES GPUC_TEST_DATA "/../../examples/specs/"
#define JSON_TOP "{\"apiVersion\":\"gpucluster\\/v1\",\"name\":\"k8s\","

static void test_spec_read__yaml_and_json_are_equal(void **unused)
{
    static const char *const files[] = {"local.yaml", "ssh.yaml", "gce.yaml", "quickstart.yaml"};

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        gpuc_spec *yaml = NULL, *json = NULL;
        char path[4096], *first, *second;

        snprintf(path, sizeof(path), "%s%s", EXAMPLES, files[i]);
        assert_int_equal(gpuc_spec_load(&yaml, path, NULL), GPUC_OK);
        first = gpuc_spec_to_json(yaml);
        json = spec_parse(first);
        second = gpuc_spec_to_json(json);
        assert_string_equal(first, second);
        gpuc_free(first);
        gpuc_free(second);
        gpuc_spec_unref(yaml);
        gpuc_spec_unref(json);
    }
}

static void test_spec_read__json_escapes(void **unused)
{
    gpuc_spec *spec = spec_parse(
        JSON_TOP "\"provider\":{\"kind\":\"local\",\"socket\":\"\\/a\\u0062\\ud83d\\ude00\\\\ud83d"
                 "\\\"\\t\"},\n\t\"machines\"\n\t:\t[{\"name\":\"m\",\"role\":\"control-plane\"}]}");
    gpuc__spec_model *m = NULL;

    assert_int_equal(gpuc__spec_model_new(&m, spec, NULL), GPUC_OK);
    assert_string_equal(m->provider_socket, "/ab\xf0\x9f\x98\x80\\ud83d\"\t");
    gpuc__spec_model_free(m);
    gpuc_spec_unref(spec);
}

/* What is rewritten for libyaml keeps its place. */
static void test_spec_read__json_positions_behind_a_surrogate_pair(void **unused)
{
    static const char text[] =
        "{\"sources\": {\"bundle\": \"\\ud83d\\ude00\", \"bundel\": 1}}";
    gpuc_error *err = NULL;
    char expected[64];

    assert_int_equal(spec_try(text, &err), GPUC_EINVAL);
    snprintf(expected, sizeof(expected), "k8s.yaml:1:%d: sources.bundel: unknown key...",
             (int)(strstr(text, "\"bundel") - text) + 1);
    spec_assert_message(err, expected);
    gpuc_error_unref(err);
}

static void test_spec_read__json_rewriting_only_touches_json(void **unused)
{
    static const char pair[] = "{\"a\"\n : \"\\ud83d\\ude00\"}";
    char *yaml = gpuc__spec_json_as_yaml(pair, strlen(pair));

    assert_string_equal(yaml, "{\"a\":\n   \"\\U0001f600\"  }");
    gpuc__free(yaml);
    assert_null(gpuc__spec_json_as_yaml("{a: b}", 6));
    assert_null(gpuc__spec_json_as_yaml("{\"a\": \"\\ud83d\"}", 15));
}

static void test_spec_read__json_nul(void **unused)
{
    static const bad_spec bad = {
        JSON_TOP "\"provider\":{\"kind\":\"local\",\"socket\":\"/a\\u0000b\"}}",
        "k8s.yaml:1:81: a text with a NUL byte; expected a text without one"};

    spec_assert_bad(&bad, GPUC_EINVAL);
}

static void test_spec_read__byte_order_mark_and_crlf(void **unused)
{
    gpuc_spec *spec = spec_parse("\xef\xbb\xbf" "apiVersion: gpucluster/v1\r\nname: k8s\r\n"
                                 "provider: {kind: local}\r\nmachines:\r\n"
                                 "  - {name: m, role: control-plane}\r\n");

    assert_string_equal(gpuc_spec_name(spec), "k8s");
    gpuc_spec_unref(spec);
}

static void test_spec_read__too_deep(void **unused)
{
    static const bad_spec bad = {SPEC "ssh: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
                                 "k8s.yaml:6:37: nested deeper than 32 levels"};

    spec_assert_bad(&bad, GPUC_ELIMIT);
}

static void test_spec_read__too_many_values(void **unused)
{
    size_t length = 300000;
    char *text = calloc(1, length + 1);
    bad_spec bad = {text, "k8s.yaml:1:200000: more than 100000 values"};

    text[0] = '[';
    for (size_t i = 1; i < length; i++)
        text[i] = i % 2 ? '1' : ',';
    spec_assert_bad(&bad, GPUC_ELIMIT);
    free(text);
}

static void test_spec_read__too_many_keys(void **unused)
{
    char text[8192] = SPEC;
    bad_spec bad = {text, "k8s.yaml:258:1: more than 256 keys in one mapping"};
    size_t length = strlen(text);

    for (int i = 0; i < 300; i++)
        length += (size_t)snprintf(text + length, sizeof(text) - length, "key%d: 1\n", i);
    spec_assert_bad(&bad, GPUC_ELIMIT);
}

static void test_spec_read__too_many_directives(void **unused)
{
    char text[4096] = "";
    bad_spec bad = {text, "k8s.yaml: more than 16 YAML directives"};
    size_t length = 0;

    for (int i = 0; i < 17; i++)
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%%TAG !a%d! b\r", i);
    spec_assert_bad(&bad, GPUC_ELIMIT);
    assert_int_equal(spec_try("%YAML 1.1\n---\n" SPEC, NULL), GPUC_OK);
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void test_spec_read__a_file_of_100_mb(void **unused)
{
    char path[] = "/tmp/gpuc-spec-XXXXXX";
    int fd = mkstemp(path);
    double start = seconds();
    gpuc_error *err = NULL;
    gpuc_spec *spec = NULL;

    assert_int_not_equal(fd, -1);
    assert_int_equal(ftruncate(fd, 100 * 1000 * 1000), 0);
    assert_int_equal(gpuc_spec_load(&spec, path, &err), GPUC_ELIMIT);
    assert_true(seconds() - start < 0.5);
    assert_non_null(strstr(gpuc_error_message(err), ": larger than the limit of 4 MiB"));
    assert_non_null(gpuc_error_remedy(err));
    assert_null(spec);
    gpuc_error_unref(err);
    close(fd);
    unlink(path);
}

/* A file without a size is read to the limit and no further. */
static void test_spec_read__an_endless_file(void **unused)
{
    gpuc_spec *spec = NULL;

    assert_int_equal(gpuc_spec_load(&spec, "/dev/zero", NULL), GPUC_ELIMIT);
    assert_null(spec);
}

static void test_spec_read__files_that_cannot_be_read(void **unused)
{
    gpuc_error *err = NULL;
    gpuc_spec *spec = NULL;

    assert_int_equal(gpuc_spec_load(&spec, "/nonexistent/k8s.yaml", &err), GPUC_ENOTFOUND);
    spec_assert_message(err, "/nonexistent/k8s.yaml: cannot be opened: No such file or directory");
    gpuc_error_unref(err);
    assert_int_equal(gpuc_spec_load(&spec, "/", NULL), GPUC_EIO);
    assert_int_equal(gpuc_spec_load(&spec, NULL, NULL), GPUC_EINVAL);
    assert_int_equal(gpuc_spec_parse(&spec, NULL, 1, NULL, NULL), GPUC_EINVAL);
    assert_null(spec);
}

static void test_spec_read__text_without_an_end(void **unused)
{
    size_t length = strlen(SPEC);
    char *text = malloc(length); /* no NUL behind it: a sanitizer sees a read too far */
    gpuc_spec *spec = NULL;

    memcpy(text, SPEC, length);
    assert_int_equal(gpuc_spec_parse(&spec, text, length, NULL, NULL), GPUC_OK);
    gpuc_spec_unref(spec);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spec_read__yaml_and_json_are_equal),
        cmocka_unit_test(test_spec_read__json_escapes),
        cmocka_unit_test(test_spec_read__json_positions_behind_a_surrogate_pair),
        cmocka_unit_test(test_spec_read__json_rewriting_only_touches_json),
        cmocka_unit_test(test_spec_read__json_nul),
        cmocka_unit_test(test_spec_read__byte_order_mark_and_crlf),
        cmocka_unit_test(test_spec_read__too_deep),
        cmocka_unit_test(test_spec_read__too_many_values),
        cmocka_unit_test(test_spec_read__too_many_keys),
        cmocka_unit_test(test_spec_read__too_many_directives),
        cmocka_unit_test(test_spec_read__a_file_of_100_mb),
        cmocka_unit_test(test_spec_read__an_endless_file),
        cmocka_unit_test(test_spec_read__files_that_cannot_be_read),
        cmocka_unit_test(test_spec_read__text_without_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
