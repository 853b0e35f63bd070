/* SPDX-License-Identifier: Apache-2.0 */
/* What a run leaves behind: events, estimates, rows in the store, and none of the secrets. */
#include "graph_fake.h"

#include <dirent.h>
#include <fcntl.h>

#define SECRET "s3cr3t-t0ken-value"

/* The last progress event that waits; the others are dropped. */
static gpuc_event *last_progress(fake_world *w)
{
    gpuc_event *event, *last = NULL;

    while (gpuc_context_next_event(w->context, &event)) {
        if (gpuc_event_kind(event) == GPUC_EVENT_PROGRESS) {
            gpuc_event_unref(last);
            last = gpuc_event_ref(event);
        }
        gpuc_event_unref(event);
    }
    return last;
}

static void test_graph_record__progress_counts_and_estimates(void **state)
{
    fake_world w;
    fake_step a = {.delay_ms = 20}, b = {.delay_ms = -1}, c = {0};
    gpuc_event *event;

    fake_open(&w, true);
    ASSERT_OK(gpuc__store_step_set(w.store, "old", "b", "done", NULL, 5000, NULL));
    ASSERT_OK(gpuc__store_step_set(w.store, "old", "c", "done", NULL, 700, NULL));
    fake_add(&w, &c, "m1", "c", fake_add(&w, &b, "m1", "b", fake_add(&w, &a, "m1", "a", NULL)));
    ASSERT_OK(gpuc__graph_run(w.graph, NULL, 4, fake_done, &w, NULL));
    while (b.acts == 0)
        ASSERT_OK(gpuc_context_run(w.context, 1000, NULL));
    event = last_progress(&w);
    assert_int_equal(gpuc_event_done(event), 1);
    assert_int_equal(gpuc_event_total(event), 3);
    assert_int_equal(gpuc_event_remaining(event), 5700);
    gpuc_event_unref(event);
    fake_end_act(&b, GPUC_OK);
    fake_wait(&w, 1);
    event = last_progress(&w);
    assert_int_equal(gpuc_event_done(event), 3);
    assert_int_equal(gpuc_event_remaining(event), 0);
    gpuc_event_unref(event);
    assert_in_range(gpuc__store_step_estimate(w.store, "a"), 10, 3000); /* measured now */
    fake_close(&w);
}

static void count_kinds(fake_world *w, int *counts)
{
    json_t *rows = NULL, *row;
    size_t i;

    ASSERT_OK(gpuc__store_events(w->store, 1000, &rows, NULL));
    json_array_foreach(rows, i, row)
    {
        counts[json_integer_value(json_object_get(row, "kind"))]++;
    }
    json_decref(rows);
}

static void test_graph_record__store_knows_states_and_events(void **state)
{
    static const char *const expected[] = {"done", "failed", "skipped", "skipped"};
    fake_world w;
    fake_step a = {0}, b = {.fail_times = 1, .fail_code = GPUC_EREMOTE}, c = {0}, d = {0};
    int counts[16] = {0};
    json_t *rows = NULL, *row, *error;
    size_t i;

    fake_open(&w, true);
    fake_add(&w, &c, "m1", "c", fake_add(&w, &b, "m1", "b", fake_add(&w, &a, "m1", "a", NULL)));
    fake_add_desc(&w, &d, (gpuc__step_desc){.id = "d", .machine = "m1", .skip = true});
    fake_run(&w, 4);
    ASSERT_OK(gpuc__store_steps(w.store, &rows, NULL));
    assert_int_equal(json_array_size(rows), 4);
    json_array_foreach(rows, i, row)
    {
        const char *id = json_string_value(json_object_get(row, "step"));

        assert_string_equal(json_string_value(json_object_get(row, "state")),
                            expected[id[0] - 'a']);
        error = json_object_get(row, "error");
        if (id[0] == 'b')
            assert_int_equal(json_integer_value(json_object_get(error, "code")), GPUC_EREMOTE);
        else
            assert_true(json_is_null(error));
    }
    json_decref(rows);
    count_kinds(&w, counts);
    assert_int_equal(counts[GPUC_EVENT_STEP_STARTED], 2);
    assert_int_equal(counts[GPUC_EVENT_STEP_DONE], 1);
    assert_int_equal(counts[GPUC_EVENT_STEP_FAILED], 1);
    assert_int_equal(counts[GPUC_EVENT_STEP_SKIPPED], 2);
    fake_close(&w);
}

static void leak_act(gpuc__node *node, void *data, const char *attempt, bool resumed)
{
    gpuc_error *error = NULL;

    gpuc__node_progress(node, "using " SECRET " now");
    gpuc__error_set(&error, GPUC_EAUTH, GPUC_DOMAIN_NONE, "token %s refused", SECRET);
    gpuc__error_evidence(&error, "Authorization: " SECRET, 33);
    gpuc__error_remedy(&error, "replace %s", SECRET);
    gpuc__node_acted(node, error);
}

static void leak_probe(gpuc__node *node, void *data)
{
    gpuc__node_probed(node, GPUC__VERDICT_NEEDED, "not with " SECRET, NULL);
}

static char *leak_shell(const gpuc__node *node, void *data)
{
    return gpuc__strdup("join --token " SECRET "\n");
}

static const gpuc__step_ops leak_ops = {.probe = leak_probe, .act = leak_act, .shell = leak_shell};

static void assert_no_secret(const char *text)
{
    assert_non_null(text);
    assert_null(strstr(text, SECRET));
}

/* Looks at every byte of every file of the state folder, the database's own included. */
static void assert_no_secret_on_disk(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    int files = 0;

    assert_non_null(d);
    while ((entry = readdir(d))) {
        char path[400], *data = test_malloc(8 << 20);
        ssize_t n;
        int fd;

        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        fd = open(path, O_RDONLY);
        n = fd >= 0 ? read(fd, data, 8 << 20) : -1;
        if (n > 0) {
            files++;
            assert_null(memmem(data, (size_t)n, SECRET, strlen(SECRET)));
        }
        if (fd >= 0)
            close(fd);
        test_free(data);
    }
    closedir(d);
    assert_true(files >= 2);
}

static void log_line(gpuc_context *context, int level, const char *category, const char *message,
                     void *userdata)
{
    ++*(int *)userdata;
    assert_no_secret(message);
}

static void test_graph_record__no_secret_leaves_it(void **state)
{
    fake_world w;
    fake_step a = {0};
    gpuc_event *event;
    int lines = 0, events = 0;
    char *text;

    fake_open(&w, true);
    ASSERT_OK(gpuc__context_add_secret(w.context, SECRET, NULL));
    gpuc_context_set_log(w.context, log_line, GPUC_LOG_DEBUG, &lines, NULL);
    fake_add_desc(&w, &a, (gpuc__step_desc){.id = "a", .machine = "m", .ops = &leak_ops});
    fake_plan(&w);
    text = gpuc_plan_to_shell(w.plan);
    assert_no_secret(text);
    assert_non_null(strstr(text, "join --token [redacted]"));
    gpuc_free(text);
    text = gpuc_plan_to_json(w.plan);
    assert_no_secret(text);
    gpuc_free(text);
    fake_run(&w, 1);
    text = gpuc_error_to_json(w.error);
    assert_no_secret(text);
    assert_non_null(strstr(text, "token [redacted] refused"));
    gpuc_free(text);
    while (gpuc_context_next_event(w.context, &event)) {
        events++;
        assert_no_secret(gpuc_event_message(event));
        gpuc_event_unref(event);
    }
    assert_true(lines >= 2 && events >= 3);
    assert_no_secret_on_disk(gpuc__store_dir(w.store));
    fake_close(&w);
}

static void test_graph_record__unwritable_state_stops_the_run(void **state)
{
    fake_world w;
    fake_step a = {0}, b = {.delay_ms = -1};

    fake_open(&w, true);
    fake_add(&w, &a, "m1", "a", NULL);
    gpuc__store_unlock(w.store); /* from now on every write is refused */
    fake_run(&w, 4);
    assert_int_equal(gpuc_error_code(w.error), GPUC_ESTATE);
    assert_int_equal(a.acts, 0); /* what is not committed is not begun */
    ASSERT_OK(gpuc__store_lock(w.store, "test", NULL));
    fake_add(&w, &b, "m2", "b", NULL);
    ASSERT_OK(gpuc__graph_run(w.graph, NULL, 4, fake_done, &w, NULL));
    while (b.acts == 0)
        ASSERT_OK(gpuc_context_run(w.context, 1000, NULL));
    gpuc__store_unlock(w.store);
    fake_end_act(&b, GPUC_OK); /* its end cannot be written: the run ends, and says so */
    fake_wait(&w, 2);
    assert_int_equal(gpuc_error_code(w.error), GPUC_ESTATE);
    ASSERT_OK(gpuc__store_lock(w.store, "test", NULL));
    fake_run(&w, 4);
    assert_null(w.error);
    assert_int_equal(b.acts, 1); /* found, not done again */
    fake_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graph_record__progress_counts_and_estimates),
        cmocka_unit_test(test_graph_record__store_knows_states_and_events),
        cmocka_unit_test(test_graph_record__no_secret_leaves_it),
        cmocka_unit_test(test_graph_record__unwritable_state_stops_the_run),
    };

    return cmocka_run_group_tests_name("graph_record", tests, NULL, NULL);
}
