/* SPDX-License-Identifier: Apache-2.0 */
/* The state store: values, records, secrets, what is refused. */
#include "graph_fake.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

typedef struct place {
    char base[64];
    gpuc__store *store;
} place;

static void open_place(place *p)
{
    snprintf(p->base, sizeof(p->base), "/tmp/gpuc-test-XXXXXX");
    assert_non_null(mkdtemp(p->base));
    ASSERT_OK(gpuc__store_open(&p->store, p->base, "k8s", true, NULL, NULL));
    ASSERT_OK(gpuc__store_lock(p->store, "test", NULL));
}

static void close_place(place *p)
{
    gpuc__store_close(p->store);
    nftw(p->base, fake_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static void reopen(place *p)
{
    gpuc__store_close(p->store);
    ASSERT_OK(gpuc__store_open(&p->store, p->base, "k8s", false, NULL, NULL));
    ASSERT_OK(gpuc__store_lock(p->store, "again", NULL));
}

static void path_in(const place *p, char *out, size_t size, const char *rest)
{
    snprintf(out, size, "%s/k8s/%s", p->base, rest);
}

static void test_store__values_by_machine_and_key(void **state)
{
    place p;
    char *value = NULL;
    json_t *machines = NULL;

    open_place(&p);
    ASSERT_OK(gpuc__store_set(p.store, NULL, "spec", "name: k8s", NULL));
    ASSERT_OK(gpuc__store_set(p.store, "w2", "address", "10.0.0.2", NULL));
    ASSERT_OK(gpuc__store_set(p.store, "w1", "address", "10.0.0.1", NULL));
    ASSERT_OK(gpuc__store_set(p.store, "w2", "address", "10.0.0.3", NULL));
    reopen(&p);
    ASSERT_OK(gpuc__store_get(p.store, "w2", "address", &value, NULL));
    assert_string_equal(value, "10.0.0.3");
    gpuc__free(value);
    ASSERT_OK(gpuc__store_get(p.store, NULL, "address", &value, NULL));
    assert_null(value);
    ASSERT_OK(gpuc__store_machines(p.store, &machines, NULL));
    assert_int_equal(json_array_size(machines), 2);
    assert_string_equal(json_string_value(json_array_get(machines, 0)), "w2");
    json_decref(machines);
    ASSERT_OK(gpuc__store_set(p.store, NULL, "spec", NULL, NULL));
    ASSERT_OK(gpuc__store_forget_machine(p.store, "w2", NULL));
    ASSERT_OK(gpuc__store_get(p.store, "w2", "address", &value, NULL));
    assert_null(value);
    ASSERT_OK(gpuc__store_machines(p.store, &machines, NULL));
    assert_int_equal(json_array_size(machines), 1);
    json_decref(machines);
    close_place(&p);
}

static void test_store__intents_open_and_end(void **state)
{
    place p;
    char *attempt = NULL;
    gpuc_error *error = NULL;

    open_place(&p);
    ASSERT_OK(gpuc__store_intent_open(p.store, "m", "s", &attempt, NULL));
    assert_null(attempt);
    ASSERT_OK(gpuc__store_intent_begin(p.store, "m", "s", "00000000000000aa", NULL));
    ASSERT_OK(gpuc__store_intent_begin(p.store, NULL, "s", "00000000000000bb", NULL));
    reopen(&p);
    ASSERT_OK(gpuc__store_intent_open(p.store, "m", "s", &attempt, NULL));
    assert_string_equal(attempt, "00000000000000aa");
    gpuc__free(attempt);
    ASSERT_OK(gpuc__store_intent_end(p.store, "00000000000000aa", 0, "fine", NULL));
    ASSERT_OK(gpuc__store_intent_open(p.store, "m", "s", &attempt, NULL));
    assert_null(attempt);
    ASSERT_OK(gpuc__store_intent_open(p.store, "", "s", &attempt, NULL));
    assert_string_equal(attempt, "00000000000000bb");
    gpuc__free(attempt);
    assert_int_equal(gpuc__store_intent_end(p.store, "ff", 0, NULL, &error), GPUC_ENOTFOUND);
    gpuc_error_unref(error);
    close_place(&p);
}

static void test_store__steps_and_estimates(void **state)
{
    static const int64_t durations[] = {100, 9000, 300};
    place p;
    json_t *steps = NULL, *row;

    open_place(&p);
    assert_int_equal(gpuc__store_step_estimate(p.store, "a"), -1);
    for (size_t i = 0; i < 3; i++)
        ASSERT_OK(gpuc__store_step_set(p.store, "m", "a", "done", NULL, durations[i], NULL));
    ASSERT_OK(gpuc__store_step_set(p.store, "", "b", "failed", "{\"code\":-20}", -1, NULL));
    ASSERT_OK(gpuc__store_step_set(p.store, "m", "a", "done", NULL, -1, NULL));
    ASSERT_OK(gpuc__store_steps(p.store, &steps, NULL));
    assert_int_equal(json_array_size(steps), 2);
    row = json_array_get(steps, 0);
    assert_string_equal(json_string_value(json_object_get(row, "state")), "done");
    assert_int_equal(json_integer_value(json_object_get(row, "duration_ms")), 300);
    row = json_array_get(steps, 1);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(row, "error"), "code")),
                     -20);
    assert_int_equal(json_integer_value(json_object_get(row, "duration_ms")), -1);
    json_decref(steps);
    assert_int_equal(gpuc__store_step_estimate(p.store, "a"), 300);
    for (int i = 0; i < 40; i++)
        ASSERT_OK(gpuc__store_step_set(p.store, "m", "a", "done", NULL, 50, NULL));
    assert_int_equal(gpuc__store_step_estimate(p.store, "a"), 50); /* old samples go */
    gpuc__store_close(p.store);
    /* Another cluster below the same base knows it too. */
    ASSERT_OK(gpuc__store_open(&p.store, p.base, "other", true, NULL, NULL));
    assert_int_equal(gpuc__store_step_estimate(p.store, "a"), 50);
    close_place(&p);
}

static void test_store__events_are_bounded(void **state)
{
    place p;
    json_t *events = NULL;
    char json[32];

    open_place(&p);
    gpuc__store_batch_begin(p.store);
    for (int i = 0; i < 21000; i++) {
        snprintf(json, sizeof(json), "{\"n\":%d}", i);
        ASSERT_OK(gpuc__store_event_add(p.store, json, NULL));
    }
    ASSERT_OK(gpuc__store_batch_end(p.store, NULL));
    ASSERT_OK(gpuc__store_events(p.store, 2, &events, NULL));
    assert_int_equal(json_array_size(events), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(events, 1), "n")), 20999);
    json_decref(events);
    ASSERT_OK(gpuc__store_events(p.store, 100000, &events, NULL));
    assert_in_range(json_array_size(events), 20000, 20512);
    json_decref(events);
    close_place(&p);
}

static void test_store__secrets_are_files_of_0600(void **state)
{
    place p;
    char path[128], *value = NULL;
    struct stat st;
    gpuc_error *error = NULL;

    open_place(&p);
    ASSERT_OK(gpuc__store_get_secret(p.store, "ca.key", &value, NULL));
    assert_null(value);
    ASSERT_OK(gpuc__store_set_secret(p.store, "ca.key", "old", NULL));
    ASSERT_OK(gpuc__store_set_secret(p.store, "ca.key", "new", NULL));
    ASSERT_OK(gpuc__store_get_secret(p.store, "ca.key", &value, NULL));
    assert_string_equal(value, "new");
    gpuc__free_secret(value);
    path_in(&p, path, sizeof(path), "secrets/ca.key");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    chmod(path, 0644);
    assert_int_equal(gpuc__store_get_secret(p.store, "ca.key", &value, &error), GPUC_EPERM);
    assert_non_null(strstr(gpuc_error_remedy(error), "chmod 600"));
    error = gpuc_error_unref(error);
    ASSERT_OK(gpuc__store_set_secret(p.store, "ca.key", NULL, NULL));
    assert_int_equal(stat(path, &st), -1);
    assert_int_equal(gpuc__store_set_secret(p.store, "../x", "v", &error), GPUC_EINVAL);
    gpuc_error_unref(error);
    close_place(&p);
}

static void test_store__open_to_others_is_refused(void **state)
{
    place p;
    char path[128];
    gpuc__store *store = NULL;
    gpuc_error *error = NULL;

    open_place(&p);
    path_in(&p, path, sizeof(path), "");
    chmod(path, 0750);
    assert_int_equal(gpuc__store_open(&store, p.base, "k8s", true, NULL, &error), GPUC_EPERM);
    assert_non_null(strstr(gpuc_error_message(error), "0750"));
    error = gpuc_error_unref(error);
    chmod(path, 0700);
    path_in(&p, path, sizeof(path), "state.db");
    chmod(path, 0640);
    assert_int_equal(gpuc__store_open(&store, p.base, "k8s", false, NULL, &error), GPUC_EPERM);
    gpuc_error_unref(error);
    assert_null(store);
    close_place(&p);
}

static void test_store__bad_names_and_unknown_clusters(void **state)
{
    static const char *const bad[] = {"", "..", "a/b", ".hidden", "a b", "ä"};
    gpuc__store *store = NULL;
    gpuc_error *error = NULL;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(gpuc__store_open(&store, "/tmp", bad[i], false, NULL, NULL), GPUC_EINVAL);
    assert_int_equal(gpuc__store_open(&store, "/tmp", "gpuc-no-such", false, NULL, &error),
                     GPUC_ENOTFOUND);
    assert_non_null(gpuc_error_remedy(error));
    gpuc_error_unref(error);
    assert_null(store);
}

/* What another process reads; the text of `address` of w1, NULL when there is none. */
static char *read_elsewhere(const place *p)
{
    gpuc__store *other = NULL;
    char *value = NULL;

    ASSERT_OK(gpuc__store_open(&other, p->base, "k8s", false, NULL, NULL));
    ASSERT_OK(gpuc__store_get(other, "w1", "address", &value, NULL));
    gpuc__store_close(other);
    return value;
}

static void test_store__what_is_set_soon_comes_with_the_next_commit(void **state)
{
    place p;
    char *value = NULL;

    open_place(&p);
    ASSERT_OK(gpuc__store_set_soon(p.store, "w1", "address", "10.0.0.1", NULL));
    ASSERT_OK(gpuc__store_get(p.store, "w1", "address", &value, NULL));
    assert_string_equal(value, "10.0.0.1");
    gpuc__free(value);
    assert_null(read_elsewhere(&p));
    ASSERT_OK(gpuc__store_set(p.store, NULL, "spec", "name: k8s", NULL));
    value = read_elsewhere(&p);
    assert_string_equal(value, "10.0.0.1");
    gpuc__free(value);
    ASSERT_OK(gpuc__store_set_soon(p.store, "w1", "address", "10.0.0.2", NULL));
    gpuc__store_unlock(p.store);
    value = read_elsewhere(&p);
    assert_string_equal(value, "10.0.0.2");
    gpuc__free(value);
    close_place(&p);
}

static void test_store__writing_needs_the_lock(void **state)
{
    place p;
    gpuc_error *error = NULL;

    open_place(&p);
    gpuc__store_unlock(p.store);
    assert_int_equal(gpuc__store_set(p.store, NULL, "k", "v", &error), GPUC_ESTATE);
    error = gpuc_error_unref(error);
    assert_int_equal(gpuc__store_set_secret(p.store, "k", "v", NULL), GPUC_ESTATE);
    assert_int_equal(gpuc__store_destroy(p.store, NULL), GPUC_ESTATE);
    close_place(&p);
}

static void test_store__damaged_and_newer_are_refused(void **state)
{
    place p;
    char path[128];
    sqlite3 *db = NULL;
    gpuc_error *error = NULL;
    int fd;

    open_place(&p);
    gpuc__store_close(p.store);
    p.store = NULL;
    path_in(&p, path, sizeof(path), "state.db");
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL);
    sqlite3_close(db);
    assert_int_equal(gpuc__store_open(&p.store, p.base, "k8s", true, NULL, &error),
                     GPUC_EUNSUPPORTED);
    assert_non_null(strstr(gpuc_error_message(error), "version 99"));
    error = gpuc_error_unref(error);
    fd = open(path, O_WRONLY | O_TRUNC);
    assert_true(write(fd, "this is not a database, it is a text of some length", 51) == 51);
    close(fd);
    assert_int_equal(gpuc__store_open(&p.store, p.base, "k8s", true, NULL, &error), GPUC_EIO);
    assert_non_null(strstr(gpuc_error_message(error), "state.db"));
    gpuc_error_unref(error);
    assert_null(p.store);
    close_place(&p);
}

static void test_store__list_and_destroy(void **state)
{
    place p;
    json_t *names = NULL;
    char path[128];

    open_place(&p);
    ASSERT_OK(gpuc__store_set_secret(p.store, "key", "v", NULL));
    snprintf(path, sizeof(path), "%s/empty", p.base);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/.deleted-old-1-1", p.base); /* a kill in the middle */
    assert_int_equal(mkdir(path, 0700), 0);
    ASSERT_OK(gpuc__store_list(p.base, &names, NULL));
    assert_int_equal(json_array_size(names), 1);
    json_decref(names);
    ASSERT_OK(gpuc__store_destroy(p.store, NULL));
    assert_int_equal(gpuc__store_set(p.store, NULL, "k", "v", NULL), GPUC_ESTATE);
    assert_int_equal(access(path, F_OK), -1);
    ASSERT_OK(gpuc__store_list(p.base, &names, NULL));
    assert_int_equal(json_array_size(names), 0);
    json_decref(names);
    ASSERT_OK(gpuc__store_list("/tmp/gpuc-no-such-folder", &names, NULL));
    json_decref(names);
    close_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store__values_by_machine_and_key),
        cmocka_unit_test(test_store__intents_open_and_end),
        cmocka_unit_test(test_store__steps_and_estimates),
        cmocka_unit_test(test_store__events_are_bounded),
        cmocka_unit_test(test_store__secrets_are_files_of_0600),
        cmocka_unit_test(test_store__open_to_others_is_refused),
        cmocka_unit_test(test_store__bad_names_and_unknown_clusters),
        cmocka_unit_test(test_store__what_is_set_soon_comes_with_the_next_commit),
        cmocka_unit_test(test_store__writing_needs_the_lock),
        cmocka_unit_test(test_store__damaged_and_newer_are_refused),
        cmocka_unit_test(test_store__list_and_destroy),
    };

    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
