/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's lock between processes: refusal names the holder, readers read, kill -9 frees it. */
#include "graph_fake.h"

#include <signal.h>
#include <sys/wait.h>

typedef struct holder {
    char base[64];
    pid_t pid;
    int ready, go; /* pipes */
} holder;

/* A second process that takes the lock, writes, and waits to be told or killed. */
static void start_holder(holder *h)
{
    int ready[2], go[2];
    char byte;

    snprintf(h->base, sizeof(h->base), "/tmp/gpuc-test-XXXXXX");
    assert_non_null(mkdtemp(h->base));
    assert_int_equal(pipe(ready) | pipe(go), 0);
    h->pid = fork();
    assert_true(h->pid >= 0);
    if (h->pid == 0) {
        gpuc__store *store = NULL;
        int rc = gpuc__store_open(&store, h->base, "k8s", true, NULL, NULL);

        close(go[1]);
        if (rc == GPUC_OK)
            rc = gpuc__store_lock(store, "up", NULL);
        if (rc == GPUC_OK)
            rc = gpuc__store_set(store, NULL, "key", "committed", NULL);
        if (rc == GPUC_OK) {
            gpuc__store_batch_begin(store); /* a transaction that stays open */
            rc = gpuc__store_set(store, NULL, "key", "not yet", NULL);
        }
        byte = (char)rc;
        if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) < 0)
            _exit(1);
        gpuc__store_batch_end(store, NULL);
        gpuc__store_close(store);
        _exit(0);
    }
    close(ready[1]);
    close(go[0]);
    h->ready = ready[0];
    h->go = go[1];
    assert_int_equal(read(h->ready, &byte, 1), 1);
    assert_int_equal(byte, GPUC_OK);
}

static void end_holder(holder *h, bool kill_it)
{
    int status;

    if (kill_it)
        kill(h->pid, SIGKILL);
    close(h->go);
    assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
    assert_int_equal(kill_it ? WIFSIGNALED(status) : WEXITSTATUS(status), kill_it);
    close(h->ready);
}

static void expect_stored(gpuc__store *store, const char *expected)
{
    char *value = NULL;

    ASSERT_OK(gpuc__store_get(store, NULL, "key", &value, NULL));
    assert_string_equal(value, expected);
    gpuc__free(value);
}

static void test_store_lock__refusal_names_the_holder(void **state)
{
    holder h;
    gpuc__store *store = NULL;
    gpuc_error *error = NULL;
    json_t *who;
    char pid[32];

    start_holder(&h);
    ASSERT_OK(gpuc__store_open(&store, h.base, "k8s", true, NULL, NULL));
    assert_int_equal(gpuc__store_lock(store, "up", &error), GPUC_EBUSY);
    snprintf(pid, sizeof(pid), "process %d (", (int)h.pid);
    assert_non_null(strstr(gpuc_error_message(error), pid));
    assert_non_null(strstr(gpuc_error_message(error), "started \"up\" at 20"));
    assert_non_null(strstr(gpuc_error_message(error), "store_lock")); /* the command */
    assert_non_null(gpuc_error_remedy(error));
    gpuc_error_unref(error);
    who = gpuc__store_holder(store);
    assert_int_equal(json_integer_value(json_object_get(who, "pid")), h.pid);
    json_decref(who);
    end_holder(&h, false);
    assert_null(gpuc__store_holder(store));
    ASSERT_OK(gpuc__store_lock(store, "up", NULL));
    expect_stored(store, "not yet");
    gpuc__store_close(store);
    nftw(h.base, fake_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static void test_store_lock__readers_read_while_locked(void **state)
{
    holder h;
    gpuc__store *store = NULL;
    json_t *rows = NULL;

    start_holder(&h);
    ASSERT_OK(gpuc__store_open(&store, h.base, "k8s", false, NULL, NULL));
    expect_stored(store, "committed"); /* not what is not committed yet */
    ASSERT_OK(gpuc__store_steps(store, &rows, NULL));
    json_decref(rows);
    end_holder(&h, false);
    expect_stored(store, "not yet");
    gpuc__store_close(store);
    nftw(h.base, fake_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static void test_store_lock__kill_frees_it_and_loses_nothing(void **state)
{
    holder h;
    gpuc__store *store = NULL;

    start_holder(&h);
    end_holder(&h, true);
    ASSERT_OK(gpuc__store_open(&store, h.base, "k8s", false, NULL, NULL));
    assert_null(gpuc__store_holder(store));
    ASSERT_OK(gpuc__store_lock(store, "up", NULL));
    expect_stored(store, "committed");
    ASSERT_OK(gpuc__store_set(store, NULL, "key", "mine", NULL));
    expect_stored(store, "mine");
    gpuc__store_close(store);
    nftw(h.base, fake_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static void test_store_lock__same_process_is_refused_too(void **state)
{
    char base[] = "/tmp/gpuc-test-XXXXXX";
    gpuc__store *first = NULL, *second = NULL;

    assert_non_null(mkdtemp(base));
    ASSERT_OK(gpuc__store_open(&first, base, "k8s", true, NULL, NULL));
    ASSERT_OK(gpuc__store_open(&second, base, "k8s", true, NULL, NULL));
    ASSERT_OK(gpuc__store_lock(first, "up", NULL));
    ASSERT_OK(gpuc__store_lock(first, "up", NULL));
    assert_int_equal(gpuc__store_lock(second, "down", NULL), GPUC_EBUSY);
    /* Looking who holds it neither takes nor frees it. */
    json_decref(gpuc__store_holder(second));
    assert_int_equal(gpuc__store_lock(second, "down", NULL), GPUC_EBUSY);
    gpuc__store_unlock(first);
    ASSERT_OK(gpuc__store_lock(second, "down", NULL));
    /* Removed by its holder: the waiting one learns that, and makes no half cluster. */
    ASSERT_OK(gpuc__store_destroy(second, NULL));
    gpuc__store_close(second);
    assert_int_not_equal(gpuc__store_lock(first, "up", NULL), GPUC_OK);
    gpuc__store_close(first);
    nftw(base, fake_remove, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_lock__refusal_names_the_holder),
        cmocka_unit_test(test_store_lock__readers_read_while_locked),
        cmocka_unit_test(test_store_lock__kill_frees_it_and_loses_nothing),
        cmocka_unit_test(test_store_lock__same_process_is_refused_too),
    };

    return cmocka_run_group_tests_name("store_lock", tests, NULL, NULL);
}
