/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the API server what we may do. */
#include "support/kube_api.h"

#include "kube/access.h"

#define REVIEWS "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
#define ALLOWED "{\"status\":{\"allowed\":true}}"
#define DENIED "{\"status\":{\"allowed\":false,\"reason\":\"no RBAC policy matched\"}}"

static const gpuc__access wanted[] = {
    {"list", "", "nodes", false, false},
    {"create", "batch", "jobs", true, false},
    {"get", "", "pods/log", true, true},
};

static json_t *review(kube_step *steps, kube_end *end)
{
    kube_api_begin(steps);
    assert_non_null(gpuc__access_review(kube, wanted, 3, "team", 5000, kube_on_end, end));
    kube_wait(end);
    return end->result;
}

static const char *text(const json_t *result, const char *list, size_t at)
{
    return json_string_value(json_array_get(json_object_get(result, list), at));
}

static void test_access__some_are_refused(void **state)
{
    kube_step steps[] = {{"POST", REVIEWS, 201, ALLOWED}, {"POST", REVIEWS, 201, DENIED},
                         {"POST", REVIEWS, 201, DENIED}, {NULL}};
    kube_end end = {0};
    json_t *result = review(steps, &end);

    assert_null(end.error);
    assert_int_equal(json_array_size(json_object_get(result, "needed")), 1);
    assert_string_equal(text(result, "needed", 0), "create jobs.batch in the namespace \"team\"");
    assert_string_equal(text(result, "optional", 0), "get pods/log in the namespace \"team\"");
    assert_int_equal(kube_api_asked("\"resource\": \"pods\"") + kube_api_asked("\"resource\":\"pods\""), 1);
    assert_int_equal(kube_api_asked("\"subresource\": \"log\"") + kube_api_asked("\"subresource\":\"log\""), 1);
    assert_int_equal(kube_api_asked("team"), 2);
    kube_drop(&end);
    kube_api_end();
}

/* A server that answers no such questions is found out later. */
static void test_access__no_answer_is_no_refusal(void **state)
{
    static const char no[] = KUBE_STATUS(403, "Forbidden", "may not ask");
    kube_step steps[] = {{"POST", REVIEWS, 403, no, .times = -1}, {NULL}};
    kube_end end = {0};
    json_t *result = review(steps, &end);

    assert_null(end.error);
    assert_int_equal(json_array_size(json_object_get(result, "needed")), 0);
    kube_drop(&end);
    kube_api_end();
}

static void test_access__not_logged_in(void **state)
{
    static const char no[] = KUBE_STATUS(401, "Unauthorized", "who are you");
    kube_step steps[] = {{"POST", REVIEWS, 401, no, .times = -1}, {NULL}};
    kube_end end = {0};

    assert_null(review(steps, &end));
    assert_int_equal(gpuc_error_code(end.error), GPUC_EAUTH);
    kube_drop(&end);
    kube_api_end();
}

static void test_access__cancelled(void **state)
{
    kube_step steps[] = {{"POST", REVIEWS, 201, "", KUBE_HANG}, {NULL}};
    kube_end end = {0};
    gpuc__kube_call *call;

    kube_api_begin(steps);
    call = gpuc__access_review(kube, wanted, 3, "team", 5000, kube_on_end, &end);
    gpuc_context_run(context, 100, NULL);
    gpuc__kube_cancel(call);
    kube_wait(&end);
    assert_int_equal(gpuc_error_code(end.error), GPUC_ECANCELLED);
    kube_drop(&end);
    kube_api_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_access__some_are_refused),
        cmocka_unit_test(test_access__no_answer_is_no_refusal),
        cmocka_unit_test(test_access__not_logged_in),
        cmocka_unit_test(test_access__cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
