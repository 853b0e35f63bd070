/* SPDX-License-Identifier: Apache-2.0 */
/* Events: their fields, their JSON, the queue and its limit. */
#include "graph_fake.h"

#include <jansson.h>

static gpuc_context *fresh(void)
{
    gpuc_context *context = NULL;

    ASSERT_OK(gpuc_context_new(&context, NULL));
    return context;
}

static void emit(gpuc_context *context, int kind, int number)
{
    gpuc__context_emit(context, gpuc__event_new(kind, "m1", "a", "%d", number));
}

static void test_event__fields_and_json(void **state)
{
    gpuc_event *event = gpuc__event_new(GPUC_EVENT_PROGRESS, NULL, "s", "a\nb\xff");
    char *text;
    json_t *json;

    gpuc__event_set_progress(event, 2, 5, 900);
    gpuc__event_set_progress(NULL, 2, 5, 900);
    assert_int_equal(gpuc_event_kind(event), GPUC_EVENT_PROGRESS);
    assert_null(gpuc_event_machine(event));
    assert_string_equal(gpuc_event_step(event), "s");
    assert_string_equal(gpuc_event_message(event), "a\\nb\\xff");
    assert_int_equal(gpuc_event_done(event), 2);
    assert_int_equal(gpuc_event_total(event), 5);
    assert_int_equal(gpuc_event_remaining(event), 900);
    assert_true(gpuc_event_time(event) > 1600000000000);
    text = gpuc_event_to_json(event);
    assert_null(strchr(text, '\n'));
    json = json_loads(text, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(json, "event")), "progress");
    assert_int_equal(json_integer_value(json_object_get(json, "remaining_ms")), 900);
    assert_true(json_is_null(json_object_get(json, "machine")));
    json_decref(json);
    gpuc_free(text);
    assert_null(gpuc_event_unref(gpuc_event_ref(event)));
    gpuc_event_unref(event);
}

static void test_event__queue_keeps_order(void **state)
{
    gpuc_context *context = fresh();
    gpuc_event *event = NULL;

    assert_int_equal(gpuc_context_next_event(context, &event), 0);
    assert_null(event);
    for (int i = 0; i < 5; i++)
        emit(context, i % 2 ? GPUC_EVENT_NOTICE : GPUC_EVENT_STEP_PROGRESS, i);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(gpuc_context_next_event(context, &event), 1);
        assert_int_equal(strtol(gpuc_event_message(event), NULL, 10), i);
        gpuc_event_unref(event);
    }
    assert_int_equal(gpuc_context_next_event(context, &event), 0);
    assert_int_equal(gpuc_context_next_event(NULL, &event), 0);
    gpuc__context_emit(context, NULL);
    gpuc_context_unref(context);
}

static void test_event__overflow_drops_progress_first(void **state)
{
    gpuc_context *context = fresh();
    gpuc_event *event;
    int kept = 0, progress = 0, first_progress = -1, last = -1;

    for (int i = 0; i < 10000; i++)
        emit(context, i % 10 == 5 ? GPUC_EVENT_PROGRESS : GPUC_EVENT_STEP_DONE, i);
    for (int i = 10000; i < 10100; i++)
        emit(context, GPUC_EVENT_STEP_DONE, i);
    while (gpuc_context_next_event(context, &event)) {
        int number = (int)strtol(gpuc_event_message(event), NULL, 10);

        assert_true(number > last);
        last = number;
        kept++;
        if (gpuc_event_kind(event) == GPUC_EVENT_PROGRESS && progress++ == 0)
            first_progress = number;
        gpuc_event_unref(event);
    }
    assert_int_equal(kept, 10000);
    assert_int_equal(progress, 900);
    assert_int_equal(first_progress, 1005);
    assert_int_equal(last, 10099);
    gpuc_context_unref(context);
}

static void test_event__overflow_without_progress_drops_the_oldest(void **state)
{
    gpuc_context *context = fresh();
    gpuc_event *event = NULL;
    int kept = 1;

    for (int i = 0; i < 10003; i++)
        emit(context, GPUC_EVENT_LOG_LINE, i);
    assert_int_equal(gpuc_context_next_event(context, &event), 1);
    assert_string_equal(gpuc_event_message(event), "3");
    gpuc_event_unref(event);
    while (gpuc_context_next_event(context, &event)) {
        kept++;
        gpuc_event_unref(event);
    }
    assert_int_equal(kept, 10000);
    gpuc_context_unref(context);
}

static void append(gpuc_context *context, gpuc_event *event, void *userdata)
{
    char *text = userdata;
    size_t used = strlen(text);
    gpuc_event *other = event;

    snprintf(text + used, 64 - used, "%s ", gpuc_event_message(event));
    assert_int_equal(gpuc_context_next_event(context, &other), 0);
    if (strcmp(gpuc_event_message(event), "2") == 0)
        emit(context, GPUC_EVENT_NOTICE, 4); /* comes after what is under way, in order */
}

static void test_event__callback_gets_all_in_order(void **state)
{
    gpuc_context *context = fresh();
    char text[64] = "";
    gpuc_event *event;

    emit(context, GPUC_EVENT_NOTICE, 1); /* waits: there is no callback yet */
    gpuc_context_set_event(context, append, text, NULL);
    emit(context, GPUC_EVENT_NOTICE, 2);
    emit(context, GPUC_EVENT_NOTICE, 3);
    assert_string_equal(text, "1 2 4 3 ");
    gpuc_context_set_event(context, NULL, NULL, NULL);
    emit(context, GPUC_EVENT_NOTICE, 5);
    assert_int_equal(gpuc_context_next_event(context, &event), 1);
    gpuc_event_unref(event);
    emit(context, GPUC_EVENT_NOTICE, 6); /* freed with the context */
    gpuc_context_unref(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event__fields_and_json),
        cmocka_unit_test(test_event__queue_keeps_order),
        cmocka_unit_test(test_event__overflow_drops_progress_first),
        cmocka_unit_test(test_event__overflow_without_progress_drops_the_oldest),
        cmocka_unit_test(test_event__callback_gets_all_in_order),
    };

    return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
