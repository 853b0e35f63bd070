/* SPDX-License-Identifier: Apache-2.0 */
/* kill -9 at 200 random points of a run, then run again until it converges.
 *
 * The machine is a pair of files: `started` gets a line when an act is really started there,
 * `effects` one when it is through. An act that is taken up again looks whether its attempt was
 * started, as a transient unit on a machine would be looked up by its name, and starts it only if
 * it was not.
 *
 * What must hold: an attempt is committed before it is started; an attempt without a recorded end
 * is taken up and never replaced by another. So every step is started exactly once, however often
 * the process dies. */
#include "graph_fake.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#define MACHINES 3
#define STEPS 4
#define KILLS 200

typedef struct crash_step {
    char base[64], name[32];
    gpuc_context *context;
    gpuc__node *node;
} crash_step;

static int points_left; /* until this process kills itself; 0: never */

static void point(void)
{
    if (points_left && --points_left == 0)
        raise(SIGKILL);
}

static void append(const char *base, const char *file, const char *text)
{
    char path[128], line[128];
    int n = snprintf(line, sizeof(line), "%s\n", text), fd;

    snprintf(path, sizeof(path), "%s/%s", base, file);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0 || write(fd, line, (size_t)n) != n)
        _exit(3);
    close(fd);
}

static int count_lines(const char *base, const char *file, const char *start)
{
    char path[128], line[128];
    int count = 0;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", base, file);
    f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        count += strncmp(line, start, strlen(start)) == 0;
    if (f)
        fclose(f);
    return count;
}

static void crash_probe(gpuc__node *node, void *data)
{
    crash_step *step = data;
    bool there = count_lines(step->base, "effects", step->name) > 0;

    point();
    gpuc__node_probed(node, there ? GPUC__VERDICT_PRESENT : GPUC__VERDICT_NEEDED, NULL, NULL);
}

static void crash_finish(void *data)
{
    crash_step *step = data;

    point();
    if (count_lines(step->base, "effects", step->name) == 0)
        append(step->base, "effects", step->name);
    point();
    gpuc__node_acted(step->node, NULL);
}

static void crash_act(gpuc__node *node, void *data, const char *attempt, bool resumed)
{
    crash_step *step = data;
    char line[64];

    step->node = node;
    snprintf(line, sizeof(line), "%s %s", step->name, attempt);
    point();
    if (!resumed || count_lines(step->base, "started", line) == 0)
        append(step->base, "started", line);
    point();
    if (gpuc__context_defer(step->context, crash_finish, step) != GPUC_OK)
        _exit(4);
}

static const gpuc__step_ops crash_ops = {.probe = crash_probe, .act = crash_act};

/* A whole run in a process of its own; does not return. */
/* The step after all is behind the last step of every machine. */
static int depend_on_all(fake_world *w, gpuc__node *node, gpuc_error **error)
{
    int rc = GPUC_OK;

    for (int m = 0; rc == GPUC_OK && m < MACHINES; m++) {
        char machine[16], id[16];

        snprintf(machine, sizeof(machine), "m%d", m);
        snprintf(id, sizeof(id), "s%d", STEPS - 1);
        rc = gpuc__graph_depend(w->graph, node, gpuc__graph_find(w->graph, machine, id), error);
    }
    return rc;
}

static int open_world(fake_world *w, const char *base, gpuc_error **error)
{
    int rc = gpuc_context_new(&w->context, error);

    if (rc == GPUC_OK)
        rc = gpuc__store_open(&w->store, base, "k8s", true, NULL, error);
    if (rc == GPUC_OK)
        rc = gpuc__store_lock(w->store, "crash", error);
    return rc == GPUC_OK ? gpuc__graph_new(&w->graph, w->context, w->store, error) : rc;
}

static void child(const char *base, int points)
{
    static crash_step steps[MACHINES * STEPS + 1];
    fake_world w = {0};
    gpuc__node *all = NULL;
    gpuc_error *error = NULL;
    int rc;

    points_left = points;
    rc = open_world(&w, base, &error);
    for (int i = 0; rc == GPUC_OK && i <= MACHINES * STEPS; i++) {
        bool last = i == MACHINES * STEPS;
        char machine[16], id[16];
        gpuc__node *node = NULL, *before;

        snprintf(machine, sizeof(machine), "m%d", i / STEPS);
        snprintf(id, sizeof(id), "s%d", i % STEPS);
        snprintf(steps[i].base, sizeof(steps[i].base), "%s", base);
        snprintf(steps[i].name, sizeof(steps[i].name), "%s.%s", last ? "all" : machine, id);
        steps[i].context = w.context;
        before = i % STEPS ? all : NULL;
        rc = gpuc__graph_add(
            w.graph,
            &(gpuc__step_desc){
                .id = id, .machine = last ? NULL : machine, .ops = &crash_ops, .data = &steps[i]},
            &node, &error);
        rc = rc || gpuc__graph_depend(w.graph, node, before, &error);
        if (last)
            rc = rc || depend_on_all(&w, node, &error);
        all = node;
    }
    rc = rc || gpuc__graph_run(w.graph, NULL, 2, fake_done, &w, &error);
    while (rc == GPUC_OK && w.completions == 0) {
        point();
        rc = gpuc_context_run(w.context, 1000, &error);
    }
    if (rc == GPUC_OK && !w.error)
        _exit(0);
    fprintf(stderr, "%s\n", gpuc_error_message(error ? error : w.error));
    _exit(2);
}

/* Exactly one start and one effect of each step, every attempt ended, every step done. */
static void assert_converged(const char *base)
{
    gpuc__store *store = NULL;
    json_t *rows = NULL, *row;
    size_t i;

    ASSERT_OK(gpuc__store_open(&store, base, "k8s", false, NULL, NULL));
    ASSERT_OK(gpuc__store_steps(store, &rows, NULL));
    assert_int_equal(json_array_size(rows), MACHINES * STEPS + 1);
    json_array_foreach(rows, i, row)
    {
        const char *machine = json_string_value(json_object_get(row, "machine"));
        const char *step = json_string_value(json_object_get(row, "step"));
        char name[64], *attempt = NULL;

        assert_string_equal(json_string_value(json_object_get(row, "state")), "done");
        snprintf(name, sizeof(name), "%s.%s", *machine ? machine : "all", step);
        assert_int_equal(count_lines(base, "started", name), 1);
        assert_int_equal(count_lines(base, "effects", name), 1);
        ASSERT_OK(gpuc__store_intent_open(store, machine, step, &attempt, NULL));
        assert_null(attempt);
    }
    json_decref(rows);
    gpuc__store_close(store);
}

static void test_graph_crash__every_step_is_started_once(void **state)
{
    unsigned seed = 20260101;
    int kills = 0, clusters = 0;

    while (kills < KILLS) {
        char base[64];
        int status = -1;

        fake_base(base, sizeof(base));
        while (status != 0) {
            pid_t pid;
            int points;

            seed = seed * 1103515245u + 12345u;
            points = 1 + (int)(seed >> 16) %
                             60; /* a whole run has about 100, one with nothing to do 25 */
            pid = fork();
            assert_true(pid >= 0);
            if (pid == 0)
                child(base, points);
            assert_int_equal(waitpid(pid, &status, 0), pid);
            if (WIFSIGNALED(status))
                assert_int_equal(WTERMSIG(status), SIGKILL);
            else
                assert_int_equal(WEXITSTATUS(status), 0);
            kills += WIFSIGNALED(status);
        }
        assert_converged(base);
        clusters++;
        nftw(base, fake_remove, 8, FTW_DEPTH | FTW_PHYS);
    }
    print_message("%d kills over %d clusters\n", kills, clusters);
}

/* The same with a kill from outside, at any instruction: inside SQLite too. */
static void test_graph_crash__killed_at_any_instruction(void **state)
{
    unsigned seed = 7;
    char base[64];
    int kills = 0, status = -1;

    fake_base(base, sizeof(base));
    for (int i = 0; i < 60 && status != 0; i++) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
            child(base, 0);
        seed = seed * 1103515245u + 12345u;
        usleep(500 + (seed >> 16) % 12000);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        kills += WIFSIGNALED(status);
    }
    if (status != 0) {
        pid_t pid = fork();

        if (pid == 0)
            child(base, 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
    }
    assert_int_equal(status, 0);
    assert_converged(base);
    print_message("%d kills\n", kills);
    nftw(base, fake_remove, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graph_crash__every_step_is_started_once),
        cmocka_unit_test(test_graph_crash__killed_at_any_instruction),
    };

    return cmocka_run_group_tests_name("graph_crash", tests, NULL, NULL);
}
