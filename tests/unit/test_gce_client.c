/* SPDX-License-Identifier: Apache-2.0 */
/* The client of the Compute Engine API against a scripted server (SIMULATED): what a request looks
 * like, which answers are taken, how a call ends. Repetitions are in test_gce_client_retry.c,
 * operations and lists in test_gce_client_wait.c. */
#include "support/gce_api.h"

#include "util/error.h"

#define ZONE "projects/p1/zones/z1"
#define UUID "6f1c2a52-6f6c-4d7a-9d5e-0a4a0c5b6d7e"

static gce_end ask(gpuc__gce_args args)
{
    gce_end end = {0};

    args.done = gce_on_end;
    args.data = &end;
    args.path = args.path ? args.path : ZONE "/instances/c1-m1";
    assert_non_null(gpuc__gce_send(client, &args));
    gce_wait_for(&end);
    return end;
}

static void test_gce_client__sends_what_the_api_wants(void **state)
{
    gce_step steps[] = {
        {"GET", "/compute/v1/" ZONE "/instances/c1-m1?fields=name", 200, "{\"name\":\"n\"}"},
        {"POST", "/instances?requestId=" UUID, 200, "{}"},
        {"DELETE", "/c1-m1?a=b&requestId=" UUID, 204, ""},
        {NULL}};
    json_t *body = json_pack("{s:s}", "name", "c1-m1");
    gce_end end;

    setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "payer-1", 1);
    gce_begin(steps, 10);
    end = ask((gpuc__gce_args){.method = "GET", .query = "fields=name", .request_id = UUID});
    assert_int_equal(end.code, GPUC_OK);
    assert_int_equal(end.scope, GPUC__GCE_SCOPE_NONE);
    assert_string_equal(json_string_value(json_object_get(end.answer, "name")), "n");
    assert_non_null(strstr(api.seen[0].head, "Authorization: Bearer token-1\r\n"));
    assert_non_null(strstr(api.seen[0].head, "User-Agent: libgpucluster/"));
    assert_non_null(strstr(api.seen[0].head, "Accept-Encoding: gzip"));
    assert_non_null(strstr(api.seen[0].head, "X-Goog-User-Project: payer-1\r\n"));
    assert_null(strstr(api.seen[0].head, "Content-Type"));
    assert_null(strstr(api.seen[0].line, "requestId")); /* a read has none */
    gce_drop(&end);

    end = ask((gpuc__gce_args){
        .method = "POST", .path = ZONE "/instances", .body = body, .request_id = UUID});
    assert_int_equal(end.code, GPUC_OK);
    assert_non_null(strstr(api.seen[1].line, "{\"name\":\"c1-m1\"}"));
    assert_non_null(strstr(api.seen[1].head, "Content-Type: application/json\r\n"));
    gce_drop(&end);

    end = ask((gpuc__gce_args){.method = "DELETE", .query = "a=b", .request_id = UUID});
    assert_int_equal(end.code, GPUC_OK);
    assert_null(end.answer);
    assert_int_equal(gpuc__gce_client_requests(client), 3);
    assert_int_equal(api.unmatched, 0);
    gce_drop(&end);
    json_decref(body);
    gce_finish();
    unsetenv("GOOGLE_CLOUD_QUOTA_PROJECT");
}

static void test_gce_client__takes_a_compressed_answer(void **state)
{
    gce_step steps[] = {{"GET", "/", 200, NULL, GCE_GZIP}, {NULL}};
    gce_end end;

    gce_begin(steps, 10);
    end = ask((gpuc__gce_args){.method = "GET"});
    assert_string_equal(json_string_value(json_object_get(end.answer, "name")), "zipped");
    gce_drop(&end);
    gce_finish();
}

static const struct {
    const char *endpoint;
    int code;
    const char *whole; /* or what the error says */
} endpoints[] = {
    {"https://compute.googleapis.com/compute/v1/", GPUC_OK,
     "https://compute.googleapis.com/compute/v1/"},
    {"http://127.0.0.1:1/compute/v1", GPUC_OK, "http://127.0.0.1:1/compute/v1/"},
    {"http://localhost:1/x/", GPUC_OK, "http://localhost:1/x/"},
    {"http://[::1]:1/x/", GPUC_OK, "http://[::1]:1/x/"},
    {"http://192.0.2.1/compute/v1/", GPUC_EINVAL, "in the clear"},
    {"http://127.0.0.1.example.com/", GPUC_EINVAL, "in the clear"},
    {"http://localhost.example.com/", GPUC_EINVAL, "in the clear"},
    {"http://127.0.0.1@example.com/", GPUC_EINVAL, "user's name"},
    {"https://h/compute/v1/?a=b", GPUC_EINVAL, "query"},
    {"ftp://h/", GPUC_EINVAL, "https://"},
    {"compute.googleapis.com", GPUC_EINVAL, "https://"},
};

static void test_gce_client__takes_only_a_safe_endpoint(void **state)
{
    gce_step none[] = {{NULL}};

    gce_begin(none, 10);
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        gpuc__gce_client *made = NULL;
        gpuc_error *err = NULL;

        assert_int_equal(gpuc__gce_client_new(&made, context, auth, endpoints[i].endpoint, &err),
                         endpoints[i].code);
        if (made) {
            assert_string_equal(gpuc__gce_client_endpoint(made), endpoints[i].whole);
        } else {
            assert_non_null(strstr(gpuc_error_message(err), endpoints[i].whole));
            assert_non_null(gpuc_error_remedy(err));
        }
        gpuc__gce_client_unref(made);
        gpuc_error_unref(err);
    }
    gce_finish();
}

static void test_gce_client__takes_the_endpoint_of_gcloud(void **state)
{
    static const char variable[] = "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE";
    gce_step none[] = {{NULL}};
    gpuc__gce_client *made = NULL;
    gpuc_error *err = NULL;

    gce_begin(none, 10);
    setenv(variable, "http://127.0.0.1:9/compute/v1", 1);
    assert_int_equal(gpuc__gce_client_new(&made, context, auth, NULL, NULL), GPUC_OK);
    assert_string_equal(gpuc__gce_client_endpoint(made), "http://127.0.0.1:9/compute/v1/");
    gpuc__gce_client_unref(made);
    setenv(variable, "http://example.com/compute/v1/", 1);
    assert_int_equal(gpuc__gce_client_new(&made, context, auth, NULL, &err), GPUC_EINVAL);
    assert_non_null(strstr(gpuc_error_message(err), variable));
    gpuc_error_unref(err);
    setenv(variable, "", 1);
    assert_int_equal(gpuc__gce_client_new(&made, context, auth, NULL, NULL), GPUC_OK);
    assert_string_equal(gpuc__gce_client_endpoint(made),
                        "https://compute.googleapis.com/compute/v1/");
    gpuc__gce_client_unref(made);
    unsetenv(variable);
    gce_finish();
}

#define LINKED(project) "{\"selfLink\":\"" GCE_LINK "projects/" project "/zones/z1/instances/i\"}"

static const struct {
    const char *path, *body;
    int code;
} owners[] = {
    {ZONE "/instances/i", LINKED("p1"), GPUC_OK},
    {ZONE "/instances/i", LINKED("p2"), GPUC_EPROTO},
    {ZONE "/instances/i", LINKED("p11"), GPUC_EPROTO},
    {ZONE "/instances/i", "{\"selfLink\":\"http://h/other/v1/projects/p1/x\"}", GPUC_OK},
    {ZONE "/instances/i", "{\"selfLink\":7,\"targetLink\":\"nothing\"}", GPUC_OK},
    {ZONE "/operations/i", "{\"targetLink\":\"" GCE_LINK "projects/p2/zones/z1/instances/i\"}",
     GPUC_EPROTO},
    {ZONE "/instances", "{\"items\":[" LINKED("p1") "," LINKED("p2") "]}", GPUC_EPROTO},
    {"projects/p1/aggregated/instances",
     "{\"items\":{\"zones/z1\":{\"instances\":[" LINKED("p1") "]}}}", GPUC_OK},
    {"projects/p1/aggregated/instances",
     "{\"items\":{\"zones/z1\":{\"instances\":[" LINKED("p2") "]}}}", GPUC_EPROTO},
    {"projects/example.com%3Ap1/zones/z1", LINKED("example.com:p1"), GPUC_OK},
    {"projects/example.com%3Ap1/zones/z1", LINKED("example.com:p2"), GPUC_EPROTO},
    {"projects/1234567/zones/z1", LINKED("p1"), GPUC_OK}, /* links have the name */
};

static void test_gce_client__takes_nothing_of_another_project(void **state)
{
    for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
        gce_step steps[] = {{"GET", "/", 200, owners[i].body}, {NULL}};
        gce_end end;

        gce_begin(steps, 10);
        end = ask((gpuc__gce_args){.method = "GET", .path = owners[i].path});
        if (end.code != owners[i].code)
            print_error("case %zu: %s\n", i, end.message);
        assert_int_equal(end.code, owners[i].code);
        if (end.error) {
            assert_int_equal(end.scope, GPUC__GCE_SCOPE_FINAL);
            assert_null(end.answer);
            assert_non_null(strstr(end.message, "is about https://www"));
        }
        assert_int_equal(api.count, 1);
        gce_drop(&end);
        gce_finish();
    }
}

static void test_gce_client__a_huge_answer_is_refused(void **state)
{
    gce_step steps[] = {{"GET", "/", 200, NULL, GCE_HUGE, -1}, {NULL}};
    gce_end end;

    gce_begin(steps, 10);
    end = ask((gpuc__gce_args){.method = "GET", .doing = "looking at c1-m1", .machine = "m1"});
    assert_int_equal(end.code, GPUC_ELIMIT);
    assert_int_equal(end.scope, GPUC__GCE_SCOPE_FINAL);
    assert_non_null(strstr(end.message, "looking at c1-m1: "));
    assert_string_equal(gpuc_error_machine(end.error), "m1");
    assert_int_equal(gpuc__gce_client_requests(client), 1);
    gce_drop(&end);
    gce_finish();
}

static void test_gce_client__errors_tell_no_token(void **state)
{
    gce_step steps[] = {{"GET", "/", 400, GCE_ERROR(400, "invalid", "bad token-1 given")}, {NULL}};
    gce_end end;
    char *whole;

    gce_begin(steps, 10);
    end = ask((gpuc__gce_args){.method = "GET"});
    assert_int_equal(end.code, GPUC_EINVAL);
    assert_int_equal(gpuc_error_native_code(end.error), 400);
    whole = gpuc_error_to_json(end.error);
    assert_non_null(strstr(whole, "bad [redacted] given"));
    assert_null(strstr(whole, "token-1"));
    gpuc_free(whole);
    gce_drop(&end);
    gce_finish();
}

/* Cancels after so many turns of the loop; the call must end once, soon, and not inside. */
static void cancel_after(int turns, gce_step *steps)
{
    gce_end end = {0};
    gpuc__gce_args args = {.method = "GET", .path = ZONE, .done = gce_on_end, .data = &end};
    gpuc__gce_call *call;

    gce_begin(steps, 1000);
    call = gpuc__gce_send(client, &args);
    assert_non_null(call);
    for (int i = 0; i < turns; i++)
        gpuc_context_run(context, 20, NULL);
    gpuc__gce_call_cancel(call);
    gpuc__gce_call_cancel(call);
    gce_wait_for(&end);
    assert_int_equal(end.code, GPUC_ECANCELLED);
    assert_int_equal(end.scope, GPUC__GCE_SCOPE_FINAL);
    gce_drop(&end);
    gce_finish();
}

static void test_gce_client__can_be_cancelled_at_any_moment(void **state)
{
    for (int turns = 0; turns < 6; turns++) {
        gce_step hang[] = {{"GET", "/", 0, NULL, GCE_HANG, -1}, {NULL}};
        gce_step busy[] = {{"GET", "/", 503, "", 0, -1}, {NULL}};

        cancel_after(turns, hang);
        cancel_after(turns, busy); /* then in the pause before the next try */
    }
}

static gpuc__gce_call *ended_call;

static void on_end_cancel(void *data, json_t *answer, gpuc__gce_scope scope, gpuc_error *error)
{
    gpuc__gce_call_cancel(ended_call);
    gce_on_end(data, answer, scope, error);
}

static void test_gce_client__cancelling_in_done_does_nothing(void **state)
{
    gce_step steps[] = {{"GET", "/", 200, "{}"}, {NULL}};
    gce_end end = {0};
    gpuc__gce_args args = {.method = "GET", .path = ZONE, .done = on_end_cancel, .data = &end};

    gce_begin(steps, 10);
    ended_call = gpuc__gce_send(client, &args);
    gce_wait_for(&end);
    assert_int_equal(end.code, GPUC_OK);
    gce_drop(&end);
    gce_finish();
}

static void test_gce_client__a_call_keeps_what_it_needs(void **state)
{
    gce_step steps[] = {{"GET", "/", 200, "{}"}, {NULL}};
    gce_end end = {0};
    gpuc__gce_args args = {.method = "GET", .path = ZONE, .done = gce_on_end, .data = &end};

    gce_begin(steps, 10);
    assert_non_null(gpuc__gce_send(client, &args));
    gpuc__gce_client_unref(client); /* its owner goes first */
    client = NULL;
    gce_wait_for(&end);
    assert_int_equal(end.code, GPUC_OK);
    gce_drop(&end);
    gce_finish();
}

static void test_gce_client__request_ids_are_uuids(void **state)
{
    char one[37], other[37];

    assert_int_equal(gpuc__gce_uuid(one, NULL), GPUC_OK);
    assert_int_equal(gpuc__gce_uuid(other, NULL), GPUC_OK);
    assert_string_not_equal(one, other);
    for (int i = 0; i < 36; i++)
        assert_non_null(
            strchr(i == 8 || i == 13 || i == 18 || i == 23 ? "-" : "0123456789abcdef", one[i]));
    assert_int_equal(one[36], '\0');
    assert_int_equal(one[14], '4');
    assert_non_null(strchr("89ab", one[19]));
}

static void test_gce_client__links_differ_in_their_host_only(void **state)
{
    assert_true(
        gpuc__gce_same_link(GCE_LINK "projects/p/x", "http://127.0.0.1:1/compute/v1/projects/p/x"));
    assert_true(gpuc__gce_same_link("projects/p/x", GCE_LINK "projects/p/x"));
    assert_false(gpuc__gce_same_link(GCE_LINK "projects/p/x", GCE_LINK "projects/p/y"));
    assert_false(gpuc__gce_same_link("zones/z", "zones/z"));
    assert_false(gpuc__gce_same_link(NULL, NULL));
    assert_string_equal(gpuc__gce_link_name(GCE_LINK "projects/p/zones/us-east1-d"), "us-east1-d");
    assert_string_equal(gpuc__gce_link_name("n1-standard-2"), "n1-standard-2");
    assert_null(gpuc__gce_link_name(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_client__sends_what_the_api_wants),
        cmocka_unit_test(test_gce_client__takes_a_compressed_answer),
        cmocka_unit_test(test_gce_client__takes_only_a_safe_endpoint),
        cmocka_unit_test(test_gce_client__takes_the_endpoint_of_gcloud),
        cmocka_unit_test(test_gce_client__takes_nothing_of_another_project),
        cmocka_unit_test(test_gce_client__a_huge_answer_is_refused),
        cmocka_unit_test(test_gce_client__errors_tell_no_token),
        cmocka_unit_test(test_gce_client__can_be_cancelled_at_any_moment),
        cmocka_unit_test(test_gce_client__cancelling_in_done_does_nothing),
        cmocka_unit_test(test_gce_client__a_call_keeps_what_it_needs),
        cmocka_unit_test(test_gce_client__request_ids_are_uuids),
        cmocka_unit_test(test_gce_client__links_differ_in_their_host_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
