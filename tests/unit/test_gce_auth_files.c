/* SPDX-License-Identifier: Apache-2.0 */
/* Credential files that are not what they should be: each is named, with the field and what to
 * do. */
#include "support/gce_auth.h"

static reply none(const http_server_request *r, int n)
{
    return (reply){500, "", NULL};
}

/* What opening says: message, causes and remedy. */
static int refused(char *text, size_t size)
{
    gpuc__gce_auth *auth = NULL;
    gpuc_error *err = NULL;
    int rc = gpuc__gce_auth_new(&auth, context, &err);

    assert_int_not_equal(rc, GPUC_OK);
    assert_null(auth);
    assert_int_equal(gpuc_error_code(err), rc);
    assert_non_null(gpuc_error_remedy(err));
    snprintf(text, size, "%s", gpuc_error_message(err));
    if (gpuc_error_cause(err))
        snprintf(text + strlen(text), size - strlen(text), "\n%s",
                 gpuc_error_message(gpuc_error_cause(err)));
    snprintf(text + strlen(text), size - strlen(text), "\n-> %s", gpuc_error_remedy(err));
    gpuc_error_unref(err);
    return rc;
}

#define EXTERNAL                                                                                   \
    "{\"type\": \"external_account\", \"audience\": \"a\", \"subject_token_type\": \"t\","         \
    "\"token_url\": \"https://sts.googleapis.com/v1/token\", "
#define ACCOUNT "{\"type\": \"service_account\", \"client_email\": \"e@p\", \"private_key\": "

static const struct {
    const char *text;
    int code;
    const char *says, *remedy;
} cases[] = {
    {"", GPUC_EINVAL, "is not a JSON object: line 1", "make the file anew"},
    {"ya29.secret-token", GPUC_EINVAL, "is not a JSON object", "make the file anew"},
    {"[1, 2]", GPUC_EINVAL, "is not a JSON object", "make the file anew"},
    {"{\"type\": \"service_account\",\n \"private_key\": \"s3cret", GPUC_EINVAL, "line 2", NULL},
    {"{}", GPUC_EINVAL, "\"type\" is missing", "make the file anew"},
    {"{\"type\": 7}", GPUC_EINVAL, "\"type\" is missing or no text", NULL},
    {"{\"type\": \"robot\"}", GPUC_EINVAL, "\"robot\", which is not a type of credential", NULL},
    {"{\"type\": \"gdch_service_account\"}", GPUC_EUNSUPPORTED, "which is not supported here",
     "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"},
    {"{\"type\": \"external_account_authorized_user\"}", GPUC_EUNSUPPORTED, "not supported", NULL},
    {"{\"installed\": {\"client_id\": \"x\"}}", GPUC_EINVAL, "the file of an OAuth client id",
     "application-default login"},
    {"{\"type\": \"service_account\"}", GPUC_EINVAL, "\"client_email\" is missing", NULL},
    {"{\"type\": \"service_account\", \"client_email\": 1}", GPUC_EINVAL,
     "\"client_email\" is not a text", NULL},
    {"{\"type\": \"service_account\", \"client_email\": \"e\"}", GPUC_EINVAL,
     "\"private_key\" is missing", NULL},
    {ACCOUNT "\"\"}", GPUC_EINVAL, "\"private_key\" is empty", NULL},
    {ACCOUNT "\"s3cret-s3cret-s3cret\"}", GPUC_EINVAL,
     "\"private_key\" is not an unencrypted private key in PEM", "keys create"},
    {ACCOUNT "\"k\", \"token_uri\": \"http://example.com/token\"}", GPUC_EINVAL,
     "\"token_uri\" is not an address that secrets may be sent to", "https://"},
    {ACCOUNT "\"k\", \"token_uri\": \"https://user:pw@example.com/\"}", GPUC_EINVAL,
     "\"token_uri\" is not an address", NULL},
    {ACCOUNT "\"k\", \"token_uri\": \"http://127.0.0.1.example.com/\"}", GPUC_EINVAL,
     "\"token_uri\" is not an address", NULL},
    {ACCOUNT "\"k\", \"token_uri\": \"http://localhost.example.com/\"}", GPUC_EINVAL,
     "\"token_uri\" is not an address", NULL},
    {ACCOUNT "\"k\", \"universe_domain\": \"other.cloud\"}", GPUC_EUNSUPPORTED,
     "\"universe_domain\" is not googleapis.com", NULL},
    {"{\"type\": \"authorized_user\"}", GPUC_EINVAL, "\"client_id\" is missing", NULL},
    {"{\"type\": \"authorized_user\", \"client_id\": \"i\", \"client_secret\": \"s\"}", GPUC_EINVAL,
     "\"refresh_token\" is missing", NULL},
    {EXTERNAL "\"x\": 1}", GPUC_EINVAL, "\"credential_source\" is missing", NULL},
    {EXTERNAL "\"credential_source\": {}}", GPUC_EINVAL, "must name either a file or a url", NULL},
    {EXTERNAL "\"credential_source\": {\"file\": \"a\", \"url\": \"http://b/\"}}", GPUC_EINVAL,
     "must name either a file or a url", NULL},
    {EXTERNAL "\"credential_source\": {\"url\": \"ftp://b/\"}}", GPUC_EINVAL,
     "\"credential_source.url\" is not an address", NULL},
    {EXTERNAL "\"credential_source\": {\"url\": \"http://b/\", \"headers\": {\"A\": \"b\\nC\"}}}",
     GPUC_EINVAL, "\"credential_source.headers\" holds what is no header", NULL},
    {EXTERNAL "\"credential_source\": {\"file\": \"a\", \"format\": {\"type\": \"xml\"}}}",
     GPUC_EINVAL, "is neither \"text\" nor \"json\"", NULL},
    {EXTERNAL "\"credential_source\": {\"file\": \"a\", \"format\": {\"type\": \"json\"}}}",
     GPUC_EINVAL, "\"subject_token_field_name\" is missing", NULL},
    {EXTERNAL "\"credential_source\": {\"executable\": {\"command\": \"x\"}}}", GPUC_EUNSUPPORTED,
     "names a program to run", "credential_source.file"},
    {EXTERNAL "\"credential_source\": {\"environment_id\": \"aws1\"}}", GPUC_EUNSUPPORTED,
     "signed for another cloud", NULL},
    {EXTERNAL "\"credential_source\": {\"certificate\": {}}}", GPUC_EUNSUPPORTED,
     "client certificate", NULL},
    {"{\"type\": \"impersonated_service_account\"}", GPUC_EINVAL,
     "\"service_account_impersonation_url\" is missing", NULL},
    {"{\"type\": \"impersonated_service_account\", \"source_credentials\": {\"type\":"
     "\"impersonated_service_account\"}, \"service_account_impersonation_url\": \"https://i/x\"}",
     GPUC_EUNSUPPORTED, "\"impersonated_service_account\", which is not supported here", NULL},
};

static void test_gce_auth_files__each_mistake_is_named(void **state)
{
    char text[4096];

    begin(none);
    setenv("GOOGLE_APPLICATION_CREDENTIALS", path_of("bad.json"), 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put("bad.json", cases[i].text);
        if (refused(text, sizeof(text)) != cases[i].code || !strstr(text, cases[i].says) ||
            (cases[i].remedy && !strstr(text, cases[i].remedy)))
            fail_msg("%s: %s", cases[i].text, text);
        assert_non_null(strstr(text, path_of("bad.json")));
        assert_non_null(strstr(text, "(GOOGLE_APPLICATION_CREDENTIALS)"));
        assert_null(strstr(text, "s3cret"));
        assert_null(strstr(text, "secret-token"));
    }
    assert_int_equal(seen_count, 0);
    finish();
}

static void test_gce_auth_files__keys_of_other_kinds(void **state)
{
    static const char *const says[] = {"is not an RSA key", "of fewer than 2048 bits"};
    EVP_PKEY *rsa = key;
    char text[4096];

    begin(none);
    for (int i = 0; i < 2; i++) {
        key = i ? EVP_RSA_gen(1024) : EVP_EC_gen("P-256");
        put_account("");
        assert_int_equal(refused(text, sizeof(text)), GPUC_EINVAL);
        assert_non_null(strstr(text, says[i]));
        EVP_PKEY_free(key);
    }
    key = rsa;
    finish();
}

static void test_gce_auth_files__that_cannot_be_read(void **state)
{
    char text[4096], *path;
    FILE *f;

    begin(none);
    path = path_of("key.json");
    setenv("GOOGLE_APPLICATION_CREDENTIALS", path, 1);
    assert_int_equal(refused(text, sizeof(text)), GPUC_ENOTFOUND); /* no falling through */
    assert_non_null(strstr(text, "GOOGLE_APPLICATION_CREDENTIALS"));
    assert_non_null(strstr(text, "key.json"));
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(refused(text, sizeof(text)), GPUC_EINVAL);
    assert_non_null(strstr(text, "is not a regular file"));
    unlink(path);
    setenv("GOOGLE_APPLICATION_CREDENTIALS", folder, 1);
    assert_int_equal(refused(text, sizeof(text)), GPUC_EINVAL);
    setenv("GOOGLE_APPLICATION_CREDENTIALS", path, 1);
    f = fopen(path, "w");
    assert_int_equal(fwrite("{\"a\"\0: 1}", 1, 9, f), 9);
    fclose(f);
    assert_int_equal(refused(text, sizeof(text)), GPUC_EINVAL);
    assert_non_null(strstr(text, "P12"));
    assert_int_equal(truncate(path, 100 * 1024 * 1024), 0);
    assert_int_equal(refused(text, sizeof(text)), GPUC_ELIMIT);
    if (geteuid() != 0) {
        chmod(path, 0);
        assert_int_equal(refused(text, sizeof(text)), GPUC_EPERM);
    }
    setenv("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "/nonexistent/token", 1);
    assert_int_equal(refused(text, sizeof(text)), GPUC_ENOTFOUND);
    assert_non_null(strstr(text, "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"));
    unsetenv("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE");
    setenv("CLOUDSDK_AUTH_ACCESS_TOKEN", "two words", 1);
    assert_int_equal(refused(text, sizeof(text)), GPUC_EINVAL);
    assert_null(strstr(text, "two words"));
    finish();
}

static void test_gce_auth_files__a_key_that_others_can_read(void **state)
{
    char *path;

    begin(none);
    path = put_account("");
    gpuc__gce_auth_unref(open_auth());
    assert_null(strstr(lines, "can be read by others"));
    chmod(path, 0644);
    gpuc__gce_auth_unref(open_auth()); /* told, not refused */
    assert_non_null(strstr(lines, "1 gce "));
    assert_non_null(strstr(lines, "account.json holds a key and can be read by others: chmod 600"));
    finish();
}

static void test_gce_auth_files__no_credentials_at_all(void **state)
{
    char text[4096];

    begin(none);
    assert_int_equal(refused(text, sizeof(text)), GPUC_EAUTH);
    assert_non_null(strstr(text, "/.config/gcloud/application_default_credentials.json"));
    assert_non_null(strstr(text, "NO_GCE_CHECK"));
    assert_non_null(strstr(text, "gcloud auth application-default login"));
    setenv("CLOUDSDK_CONFIG", "/nonexistent", 1);
    assert_int_equal(refused(text, sizeof(text)), GPUC_EAUTH);
    assert_non_null(strstr(text, "/nonexistent/application_default_credentials.json"));
    unsetenv("NO_GCE_CHECK");
    setenv("CLOUDSDK_CORE_CHECK_GCE_METADATA", "false", 1);
    assert_int_equal(refused(text, sizeof(text)), GPUC_EAUTH);
    unsetenv("CLOUDSDK_CORE_CHECK_GCE_METADATA");
    setenv("GCE_METADATA_HOST", "host/path", 1);
    assert_int_equal(refused(text, sizeof(text)), GPUC_EINVAL);
    assert_non_null(strstr(text, "GCE_METADATA_HOST"));
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_auth_files__each_mistake_is_named),
        cmocka_unit_test(test_gce_auth_files__keys_of_other_kinds),
        cmocka_unit_test(test_gce_auth_files__that_cannot_be_read),
        cmocka_unit_test(test_gce_auth_files__a_key_that_others_can_read),
        cmocka_unit_test(test_gce_auth_files__no_credentials_at_all),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    EVP_PKEY_free(key);
    return failed;
}
