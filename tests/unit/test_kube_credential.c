/* SPDX-License-Identifier: Apache-2.0 */
/* What credential plugins print and are told, and what Warning headers say. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "kube/plugin.h"
#include "kube/warning.h"
#include "util/alloc.h"

#define V1 "client.authentication.k8s.io/v1"
#define PRINTED(status) "{\"apiVersion\":\"" V1 "\",\"kind\":\"ExecCredential\"" status "}"

static void test_credential__reads_token_certificate_and_end(void **state)
{
    static const char both[] =
        PRINTED(",\"status\":{\"token\":\"abc\",\"clientCertificateData\":\"CERT\","
                "\"clientKeyData\":\"KEY\",\"expirationTimestamp\":\"2026-01-02T04:04:05.5+01:00\"}");
    static const char plain[] = PRINTED(",\"status\":{\"token\":\"abc\",\"clientKeyData\":\"\","
                                        "\"expirationTimestamp\":null}");
    gpuc__credential c = {0};

    assert_int_equal(gpuc__credential_parse(&c, both, strlen(both), V1, NULL), GPUC_OK);
    assert_string_equal(c.token, "abc");
    assert_string_equal(c.cert_pem, "CERT");
    assert_string_equal(c.key_pem, "KEY");
    assert_int_equal(c.expires_ms, 1767323045000);
    gpuc__credential_clear(&c);
    assert_int_equal(gpuc__credential_parse(&c, plain, strlen(plain), V1, NULL), GPUC_OK);
    assert_null(c.key_pem);
    assert_int_equal(c.expires_ms, 0);
    gpuc__credential_clear(&c);
}

static void test_credential__says_what_is_wrong(void **state)
{
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"", "not one JSON object"},
        {"{} {}", "not one JSON object"},
        {"{}", "no ExecCredential"},
        {"{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "beta1\"}", "another apiVersion"},
        {PRINTED(""), "no status"},
        {PRINTED(",\"status\":[]"), "no status"},
        {PRINTED(",\"status\":{\"token\":7}"), "neither a token"},
        {PRINTED(",\"status\":{\"clientKeyData\":\"K\"}"), "not both"},
        {PRINTED(",\"status\":{\"token\":\"a\\nb\"}"), "line break"},
        {PRINTED(",\"status\":{\"token\":\"a\",\"expirationTimestamp\":\"soon\"}"), "no time"},
        {PRINTED(",\"status\":{\"token\":\"a\",\"expirationTimestamp\":5}"), "no time"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        gpuc__credential c = {0};
        gpuc_error *err = NULL;

        assert_int_equal(gpuc__credential_parse(&c, bad[i].text, strlen(bad[i].text), V1, &err),
                         GPUC_EPROTO);
        if (!strstr(gpuc_error_message(err), bad[i].message))
            fail_msg("%s: %s", bad[i].text, gpuc_error_message(err));
        assert_non_null(gpuc_error_remedy(err));
        assert_null(c.token);
        gpuc_error_unref(err);
    }
}

static void test_plugin_info__tells_of_the_cluster_when_asked(void **state)
{
    gpuc__kubeconfig c = {.server = (char *)"https://h:6443",
                          .ca_pem = (char *)"CA\n",
                          .tls_server_name = (char *)"kubernetes",
                          .token = (char *)"secret",
                          .exec = {.api_version = (char *)V1,
                                   .cluster_config = (char *)"{\"audience\":\"x\"}"}};
    char *text = gpuc__plugin_info(&c);

    assert_string_equal(text, "{\"apiVersion\":\"" V1 "\",\"kind\":\"ExecCredential\","
                              "\"spec\":{\"interactive\":false}}");
    gpuc__free(text);
    c.exec.cluster_info = true;
    text = gpuc__plugin_info(&c);
    assert_string_equal(
        text, "{\"apiVersion\":\"" V1 "\",\"kind\":\"ExecCredential\",\"spec\":{"
              "\"interactive\":false,\"cluster\":{\"server\":\"https://h:6443\","
              "\"tls-server-name\":\"kubernetes\",\"certificate-authority-data\":\"Q0EK\","
              "\"config\":{\"audience\":\"x\"}}}}");
    gpuc__free(text);
}

/* ---- warnings ---- */

static void expect_warnings(const char *value, const char *wanted)
{
    char all[512] = "", text[32];
    int code = 0;

    while (gpuc__warning_next(&value, &code, text, sizeof(text)))
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%d[%s]", code, text);
    snprintf(all + strlen(all), sizeof(all) - strlen(all), "|%s", value);
    assert_string_equal(all, wanted);
}

static void test_warning__texts_of_a_header(void **state)
{
    expect_warnings("299 - \"v1beta1 is deprecated\"", "299[v1beta1 is deprecated]|");
    expect_warnings("299 - \"a \\\"b\\\" \\\\ c, d\", 299 k8s \"e\" \"Sat, 25 Aug 2012 23:34:45 GMT\"",
                    "299[a \"b\" \\ c, d]299[e]|");
    expect_warnings("110 h:80 \"stale\" , , 299 - \"\"", "110[stale]299[]|");
    expect_warnings("299 - \"x\x1b[31mred\"", "299[x [31mred]|");
    expect_warnings("299 - \"0123456789012345678901234567890123456789\"",
                    "299[0123456789012345678901234567890]|");
    expect_warnings("299 - \"ends", "|299 - \"ends");
    expect_warnings("299 - \"ends\\", "|299 - \"ends\\");
    expect_warnings("299 - \"a\" x", "|299 - \"a\" x");
    expect_warnings("299 - \"a\" \"date", "|299 - \"a\" \"date");
    expect_warnings("2999 - \"a\"", "|2999 - \"a\"");
    expect_warnings("299  \"a\"", "|299  \"a\"");
    expect_warnings("", "|");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_credential__reads_token_certificate_and_end),
        cmocka_unit_test(test_credential__says_what_is_wrong),
        cmocka_unit_test(test_plugin_info__tells_of_the_cluster_when_asked),
        cmocka_unit_test(test_warning__texts_of_a_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
