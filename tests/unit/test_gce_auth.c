/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens for Google's APIs: what a service account signs and sends, who gets the token, and when
 * the next one is fetched. */
#include "support/gce_auth.h"

static reply give(const http_server_request *r, int n)
{
    static const char *const bodies[] = {
        "{\"access_token\":\"ya29.first\",\"expires_in\":3599,\"token_type\":\"Bearer\"}",
        "{\"access_token\":\"ya29.second\",\"expires_in\":3599,\"token_type\":\"Bearer\"}"};

    return (reply){200, bodies[n > 0], "Content-Type: application/json\r\n"};
}

/* Base64url of `length` characters as bytes. */
static size_t decode(unsigned char *out, const char *text, size_t length)
{
    char padded[4096];
    size_t n = 0;

    assert_true(length < sizeof(padded) - 4);
    for (; n < length; n++) {
        assert_null(strchr("+/=", text[n]));
        padded[n] = text[n] == '-' ? '+' : text[n] == '_' ? '/' : text[n];
    }
    for (; n % 4; n++)
        padded[n] = '=';
    assert_int_equal(EVP_DecodeBlock(out, (unsigned char *)padded, (int)n), n / 4 * 3);
    return length * 3 / 4;
}

static json_t *decode_json(const char *text, size_t length)
{
    unsigned char bytes[4096];
    json_t *object = json_loadb((char *)bytes, decode(bytes, text, length), 0, NULL);

    assert_true(json_is_object(object));
    return object;
}

static void check_signature(const char *jwt, size_t length, const char *signature)
{
    unsigned char bytes[4096];
    size_t size = decode(bytes, signature, strlen(signature));
    EVP_MD_CTX *digest = EVP_MD_CTX_new();

    assert_int_equal(size, 256);
    assert_int_equal(EVP_DigestVerifyInit(digest, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestVerify(digest, bytes, size, (const unsigned char *)jwt, length), 1);
    EVP_MD_CTX_free(digest);
}

static void check_text(const json_t *object, const char *name, const char *value)
{
    assert_string_equal(json_string_value(json_object_get(object, name)), value);
}

static void test_gce_auth__a_service_account_signs_for_itself(void **state)
{
    static const char start[] =
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    const char *jwt, *claims_at, *signature;
    json_t *header, *claims;
    gpuc__gce_auth *auth;
    json_int_t now = (json_int_t)(gpuc__now_ms() / 1000), issued;
    wait w;

    begin(give);
    put_account("");
    auth = open_auth();
    assert_non_null(strstr(gpuc__gce_auth_describe(auth), "service account robot@sa-project.iam"));
    assert_non_null(strstr(gpuc__gce_auth_describe(auth), "(GOOGLE_APPLICATION_CREDENTIALS)"));
    w = ask(auth);
    assert_string_equal(w.token, "ya29.first");
    assert_string_equal(seen[0].method, "POST");
    assert_string_equal(seen[0].target, "/token");
    assert_non_null(
        strcasestr(seen[0].head, "Content-Type: application/x-www-form-urlencoded\r\n"));
    assert_memory_equal(seen[0].body, start, sizeof(start) - 1);
    jwt = seen[0].body + sizeof(start) - 1;
    claims_at = strchr(jwt, '.') + 1;
    signature = strchr(claims_at, '.') + 1;
    header = decode_json(jwt, (size_t)(claims_at - 1 - jwt));
    claims = decode_json(claims_at, (size_t)(signature - 1 - claims_at));
    check_text(header, "typ", "JWT");
    check_text(header, "alg", "RS256");
    check_text(header, "kid", "0123abcd");
    check_text(claims, "iss", "robot@sa-project.iam.gserviceaccount.com");
    check_text(claims, "aud", "https://oauth2.googleapis.com/token"); /* not where it is sent */
    check_text(claims, "scope", "https://www.googleapis.com/auth/cloud-platform");
    issued = json_integer_value(json_object_get(claims, "iat"));
    assert_in_range(issued, now - 1, now + 30);
    assert_int_equal(json_integer_value(json_object_get(claims, "exp")) - issued, 3600);
    assert_int_equal(json_object_size(claims), 5);
    check_signature(jwt, (size_t)(signature - 1 - jwt), signature);
    json_decref(header);
    json_decref(claims);
    gpuc__gce_auth_unref(auth);
    finish();
}

static void test_gce_auth__one_refresh_serves_all(void **state)
{
    gpuc__gce_auth *auth;
    wait all[500] = {0}, later;

    begin(give);
    put_account("");
    auth = open_auth();
    for (int i = 0; i < 500; i++)
        gpuc__gce_auth_token(auth, on_token, &all[i]);
    until(&all[499], 1);
    for (int i = 0; i < 500; i++) {
        assert_int_equal(all[i].done, 1);
        assert_string_equal(all[i].token, "ya29.first");
    }
    later = ask(auth);
    assert_string_equal(later.token, "ya29.first");
    assert_int_equal(seen_count, 1);
    gpuc__gce_auth_unref(auth);
    finish();
}

static void test_gce_auth__a_token_that_ends_soon_is_replaced(void **state)
{
    gpuc__gce_auth *auth;
    uint64_t now;
    wait w;

    begin(give);
    put_account("");
    auth = open_auth();
    ask(auth);
    now = gpuc__clock_ms();
    assert_in_range(auth->until, now + 3500000, now + 3599000);
    assert_int_equal(auth->until - auth->renew, 225000);
    auth->renew = now + 5000; /* 230 s are left */
    w = ask(auth);
    assert_string_equal(w.token, "ya29.first");
    auth->renew = now; /* 225 s */
    w = ask(auth);
    assert_string_equal(w.token, "ya29.second");
    assert_int_equal(seen_count, 2);
    gpuc__gce_auth_unref(auth);
    finish();
}

static void test_gce_auth__a_refused_token_is_replaced(void **state)
{
    gpuc__gce_auth *auth;
    wait w;

    begin(give);
    put_account("");
    auth = open_auth();
    w = ask(auth);
    gpuc__gce_auth_reject(auth, "ya29.another");
    w = ask(auth);
    assert_string_equal(w.token, "ya29.first");
    gpuc__gce_auth_reject(auth, "ya29.first");
    w = ask(auth);
    assert_string_equal(w.token, "ya29.second");
    gpuc__gce_auth_reject(auth, "ya29.first"); /* a late answer: the token has been replaced */
    assert_int_equal(seen_count, 2);
    gpuc__gce_auth_reject(auth, "ya29.second");
    w = ask(auth); /* the server has no other */
    assert_int_equal(w.code, GPUC_EAUTH);
    assert_non_null(strstr(w.text, "the same one came again"));
    assert_non_null(strstr(w.text, "-> the account was disabled"));
    gpuc__gce_auth_unref(auth);
    finish();
}

static void test_gce_auth__waits_can_be_cancelled(void **state)
{
    gpuc__gce_auth *auth;
    wait one = {0}, other = {0}, third = {0};

    begin(give);
    put_account("");
    auth = open_auth();
    gpuc__gce_auth_token(auth, on_token, &one);
    gpuc__gce_auth_token(auth, on_token, &other);
    gpuc__gce_auth_cancel(auth, &one);
    assert_int_equal(one.done, 0);
    until(&other, 1);
    assert_int_equal(one.done, 1);
    assert_int_equal(one.code, GPUC_ECANCELLED);
    assert_string_equal(other.token, "ya29.first");
    gpuc__gce_auth_cancel(auth, &one); /* waits no more */
    gpuc__gce_auth_reject(auth, "ya29.first");
    gpuc__gce_auth_token(auth, on_token, &one); /* the last who waits: the request ends too */
    gpuc_context_process(context, NULL);
    assert_non_null(auth->refresh);
    gpuc__gce_auth_cancel(auth, &one);
    until(&one, 2);
    assert_int_equal(one.code, GPUC_ECANCELLED);
    assert_null(auth->refresh);
    gpuc__gce_auth_token(auth, on_token, &one); /* somebody comes while it is being ended */
    gpuc_context_process(context, NULL);
    gpuc__gce_auth_cancel(auth, &one);
    gpuc_context_process(context, NULL);
    gpuc__gce_auth_token(auth, on_token, &third);
    until(&third, 1);
    assert_string_equal(third.token, "ya29.second");
    assert_int_equal(one.done, 3);
    assert_int_equal(one.code, GPUC_ECANCELLED);
    gpuc__gce_auth_unref(auth);
    finish();
}

static void test_gce_auth__who_waits_when_it_goes_is_told(void **state)
{
    gpuc__gce_auth *auth;
    wait before = {0}, under_way = {0};

    begin(give);
    put_account("");
    auth = open_auth();
    gpuc__gce_auth_token(auth, on_token, &before);
    gpuc__gce_auth_unref(auth);
    assert_int_equal(before.done, 1);
    assert_int_equal(before.code, GPUC_ECANCELLED);
    auth = open_auth();
    gpuc__gce_auth_token(auth, on_token, &under_way);
    gpuc_context_process(context, NULL);
    assert_non_null(auth->refresh);
    gpuc__gce_auth_unref(gpuc__gce_auth_ref(auth));
    assert_int_equal(under_way.done, 0);
    gpuc__gce_auth_unref(auth);
    assert_int_equal(under_way.done, 1);
    assert_int_equal(under_way.code, GPUC_ECANCELLED);
    finish();
}

static void test_gce_auth__projects_by_their_order(void **state)
{
    gpuc__gce_auth *auth;

    begin(give);
    put_account(", \"quota_project_id\": \"payer\"");
    for (int i = 0; i < 4; i++) {
        static const char *const names[] = {"", "CLOUDSDK_CORE_PROJECT", "GCLOUD_PROJECT",
                                            "GOOGLE_CLOUD_PROJECT"};
        static const char *const want[] = {"sa-project", "p1", "p2", "p3"};

        if (i)
            setenv(names[i], want[i], 1);
        auth = open_auth();
        assert_string_equal(gpuc__gce_auth_project(auth), want[i]);
        assert_string_equal(gpuc__gce_auth_quota_project(auth), "payer");
        gpuc__gce_auth_unref(auth);
    }
    setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "other-payer", 1);
    auth = open_auth();
    assert_string_equal(gpuc__gce_auth_quota_project(auth), "other-payer");
    gpuc__gce_auth_unref(auth);
    finish();
}

static void test_gce_auth__every_allocation_may_fail(void **state)
{
    bool ok = false;
    int n;

    for (n = 0; !ok && n < 1000; n++) {
        gpuc__gce_auth *auth = NULL;
        gpuc_error *err = NULL;
        wait w = {0};

        begin(give);
        put_account(", \"quota_project_id\": \"payer\"");
        gpuc_context_set_log(context, NULL, 0, NULL, NULL);
        allow_allocations(n);
        if (gpuc__gce_auth_new(&auth, context, &err) == GPUC_OK) {
            hurry(auth); /* a socket that cannot be watched is given up at the time-out */
            gpuc__gce_auth_token(auth, on_token, &w);
            until(&w, 1);
            ok = w.code == GPUC_OK;
        }
        allow_allocations(-1);
        if (!auth)
            assert_int_equal(gpuc_error_code(err), GPUC_ENOMEM);
        gpuc_error_unref(err);
        gpuc__gce_auth_unref(auth);
        finish();
    }
    assert_in_range(n, 50, 999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_auth__a_service_account_signs_for_itself),
        cmocka_unit_test(test_gce_auth__one_refresh_serves_all),
        cmocka_unit_test(test_gce_auth__a_token_that_ends_soon_is_replaced),
        cmocka_unit_test(test_gce_auth__a_refused_token_is_replaced),
        cmocka_unit_test(test_gce_auth__waits_can_be_cancelled),
        cmocka_unit_test(test_gce_auth__who_waits_when_it_goes_is_told),
        cmocka_unit_test(test_gce_auth__projects_by_their_order),
        cmocka_unit_test(test_gce_auth__every_allocation_may_fail),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    EVP_PKEY_free(key);
    return failed;
}
