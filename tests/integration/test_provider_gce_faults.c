/* SPDX-License-Identifier: Apache-2.0 */
/* Every request of one `up` and `down` failing in turn, in every way (SIMULATED): it converges or says
 * what is wrong; a second run converges; nothing is made twice, nothing is left. */
#include "support/gce_bench.h"

#define REQUESTS_MAX 16

static const struct {
    const char *name, *action;
    bool hidden; /* the client mends it by itself: no error is seen */
} kinds[] = {
    {"rate limit",
     "{\"kind\":\"status\",\"status\":403,\"reason\":\"rateLimitExceeded\"}", true},
    {"409", "{\"kind\":\"status\",\"status\":409,\"reason\":\"alreadyExists\"}", false},
    {"412", "{\"kind\":\"status\",\"status\":412,\"reason\":\"conditionNotMet\"}", false},
    {"429", "{\"kind\":\"status\",\"status\":429,\"reason\":\"rateLimitExceeded\",\"retry_after\":1}",
     true},
    {"500", "{\"kind\":\"status\",\"status\":500,\"reason\":\"internalError\"}", true},
    {"503", "{\"kind\":\"status\",\"status\":503,\"reason\":\"backendError\"}", true},
    {"403", "{\"kind\":\"status\",\"status\":403,\"reason\":\"forbidden\"}", false},
    {"truncated", "{\"kind\":\"truncate\"}", true},
    {"hang", "{\"kind\":\"hang\"}", true},
    {"reset before", "{\"kind\":\"reset_before\"}", true},
    {"reset after", "{\"kind\":\"reset_after\"}", true},
    {"dropped", "{\"kind\":\"drop_answer\"}", true},
    {"no JSON", "{\"kind\":\"invalid_json\"}", true},
    {"huge", "{\"kind\":\"huge\"}", false},
};

static bool fired(void)
{
    json_t *answer = emulator_ask("faults", NULL);
    json_t *rule = json_array_get(json_object_get(answer, "faults"), 0);
    bool yes = json_integer_value(json_object_get(rule, "fired")) > 0;

    json_decref(answer);
    return yes;
}

/* False when there is no such request any more. */
static bool one_fails(size_t kind, int nth)
{
    provider_result up, down = {0};
    char rule[400], text[80];
    bool hit;

    begin(1);
    emulator_tell("settings", "{\"latency_ms\":10}");
    snprintf(rule, sizeof(rule), "{\"path\":\"/compute/v1/\",\"nth\":%d,\"times\":1,\"action\":%s}",
             nth, kinds[kind].action);
    emulator_tell("faults", rule);
    provider->client->ms_per_s = 20;
    snprintf(text, sizeof(text), "%s at request %d", kinds[kind].name, nth);
    up = gce_create_one(0);
    if (up.code == 0)
        down = gce_destroy_one("m1");
    hit = fired();
    if (kinds[kind].hidden && (up.code || down.code))
        print_error("%s: %s\n", text, up.code ? up.message : down.message);
    assert_true(!kinds[kind].hidden || (!up.code && !down.code));
    if (up.code || down.code) { /* the next run */
        bool made = !up.code;

        assert_non_null(made ? down.remedy : up.remedy);
        provider_result_clear(&up);
        provider_result_clear(&down);
        if (!made) {
            up = gce_create_one(0);
            if (up.code)
                print_error("%s, again: %s\n", text, up.message);
            assert_int_equal(up.code, 0);
        }
        down = gce_destroy_one("m1");
        assert_int_equal(down.code, 0);
    }
    provider_result_clear(&up);
    provider_result_clear(&down);
    assert_true(requests_of("instances$") < 12);
    assert_clean();
    gce_turns(2);
    assert_string_equal(journal_text(), "");
    gce_finish_at();
    return hit;
}

static void test_provider_gce_faults__each_request_in_each_way(void **state)
{
    for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
        int nth = 1;

        while (one_fails(kind, nth))
            nth++;
        assert_true(nth > 6 && nth < REQUESTS_MAX);
        print_message("%s: %d requests\n", kinds[kind].name, nth - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_provider_gce_faults__each_request_in_each_way),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
