/* SPDX-License-Identifier: Apache-2.0 */
/* The provider `local` against a real daemon: GPUC_BED_SOCKET and GPUC_BED_IMAGE name it and its
 * image (tests/bed/bed env). Its instances begin with "pv-". */
#include "support/provider_client.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_MS 240000

static gpuc_context *context;
static gpuc__provider *provider, *stranger;
static gpuc__machine_model machine;
static gpuc__spec_model spec;
static char cluster[32];

static const gpuc__provider_ops *const ops = &gpuc__provider_local;

static gpuc__provider *open_as(const char *uuid)
{
    gpuc__provider_config config = {.context = context, .spec = &spec, .cluster_uuid = uuid,
                                    .ssh_public_key = "ssh-ed25519 AAAATEST test"};
    gpuc__provider *p = NULL;

    assert_int_equal(ops->new_(&p, &config, NULL), GPUC_OK);
    return p;
}

static void open_all(void)
{
    static char name[] = "m1", user[] = "debian", memory[] = "256MiB", project[] = "default";

    machine = (gpuc__machine_model){.name = name, .group = name, .user = user, .port = 22,
                                    .cpus = 1, .memory = memory,
                                    .image = getenv("GPUC_BED_IMAGE")};
    spec = (gpuc__spec_model){.name = cluster, .provider = GPUC__PROVIDER_LOCAL,
                              .provider_socket = getenv("GPUC_BED_SOCKET"),
                              .provider_project = project, .ssh_user = user,
                              .machines = &machine, .machine_count = 1};
    assert_int_equal(gpuc_context_new(&context, NULL), GPUC_OK);
    provider = open_as("11111111-aaaa");
    stranger = open_as("22222222-bbbb");
}

static void close_all(void)
{
    ops->free(provider);
    ops->free(stranger);
    gpuc_context_unref(context);
}

static int setup(void **state)
{
    if (getenv("GPUC_BED_SOCKET") && getenv("GPUC_BED_IMAGE")) {
        snprintf(cluster, sizeof(cluster), "pv-%d", (int)getpid() % 100000);
        open_all();
    }
    return 0;
}

static void need_bed(void)
{
    if (!context) {
        print_message("skipped: no daemon is named by GPUC_BED_SOCKET and GPUC_BED_IMAGE\n");
        skip();
    }
}

static provider_result create(gpuc__provider *p, const char *attempt)
{
    provider_result r = {0};

    ops->create(p, &machine, attempt, provider_on_machine, &r);
    provider_wait(context, &r, LIMIT_MS);
    if (r.code)
        print_message("create: %s\n", r.message);
    return r;
}

static provider_result look(gpuc__provider *p)
{
    provider_result r = {0};

    ops->look(p, "m1", provider_on_machine, &r);
    provider_wait(context, &r, LIMIT_MS);
    return r;
}

static void destroy(gpuc__provider *p)
{
    provider_result r = {0};

    ops->destroy(p, "m1", provider_on_done, &r);
    provider_wait(context, &r, LIMIT_MS);
    if (r.code)
        print_message("destroy: %s\n", r.message);
    assert_int_equal(r.code, 0);
    provider_result_clear(&r);
}

static void assert_names(gpuc__provider *p, const char *names)
{
    provider_result r = {0};

    ops->list(p, provider_on_names, &r);
    provider_wait(context, &r, LIMIT_MS);
    assert_int_equal(r.code, 0);
    assert_string_equal(r.names, names);
    provider_result_clear(&r);
}

static void test_provider_local__makes_looks_and_destroys(void **state)
{
    provider_result made, again, seen, check = {0};
    uint64_t begun = gpuc__clock_ms();

    need_bed();
    ops->check(provider, provider_on_done, &check);
    provider_wait(context, &check, LIMIT_MS);
    assert_int_equal(check.code, 0);
    seen = look(provider);
    assert_false(seen.found);
    made = create(provider, "attempt-1");
    assert_int_equal(made.code, 0);
    assert_true(made.found && made.made_here);
    assert_non_null(made.address);
    assert_non_null(made.first_host_key);
    assert_memory_equal(made.first_host_key, "ssh-ed25519 ", 12);
    print_message("made in %d ms: %s\n", (int)(gpuc__clock_ms() - begun), made.address);
    again = create(provider, "attempt-2");
    assert_string_equal(again.address, made.address);
    assert_string_equal(again.first_host_key, made.first_host_key);
    seen = look(provider);
    assert_string_equal(seen.status, "Running");
    assert_string_equal(seen.address, made.address);
    assert_string_equal(seen.first_host_key, made.first_host_key);
    assert_names(provider, "m1 ");
    assert_names(stranger, "");
    provider_result_clear(&made);
    provider_result_clear(&again);
    provider_result_clear(&seen);
}

static void test_provider_local__leaves_what_is_not_its_own(void **state)
{
    provider_result r, check = {0};

    need_bed();
    r = create(stranger, "attempt-1");
    assert_int_equal(r.code, GPUC_EEXIST);
    assert_non_null(strstr(r.message, cluster));
    assert_non_null(r.remedy);
    provider_result_clear(&r);
    ops->check(stranger, provider_on_done, &check);
    provider_wait(context, &check, LIMIT_MS);
    assert_int_equal(check.code, GPUC_EEXIST);
    provider_result_clear(&check);
    r = look(stranger);
    assert_false(r.found);
    provider_result_clear(&r);
    destroy(stranger);
    assert_names(provider, "m1 ");
    destroy(provider);
    destroy(provider);
    assert_names(provider, "");
}

static void test_provider_local__names_the_images_there_are(void **state)
{
    static char wrong[] = "gpucluster-debian-21";
    provider_result r;

    need_bed();
    machine.image = wrong;
    r = create(provider, "attempt-1");
    machine.image = getenv("GPUC_BED_IMAGE");
    assert_int_equal(r.code, GPUC_ENOTFOUND);
    assert_non_null(strstr(r.message, machine.image));
    provider_result_clear(&r);
    assert_names(provider, "");
}

/* The transport logs each answer: the child is killed when this many have come. */
static void die_at(gpuc_context *c, int level, const char *category, const char *message,
                   void *userdata)
{
    int *left = userdata;

    if (strcmp(category, "http") == 0 && --*left == 0)
        kill(getpid(), SIGKILL);
}

/* A child makes the machine and is killed after so many answers of the daemon. */
static void create_and_die(int answers)
{
    provider_result r = {0};
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) { /* a context of its own: the parent's loop is not for two processes */
        open_all();
        gpuc_context_set_log(context, die_at, GPUC_LOG_DEBUG, &answers, NULL);
        ops->create(provider, &machine, "attempt-1", provider_on_machine, &r);
        while (!r.done)
            gpuc_context_run(context, 100, NULL);
        _exit(1); /* it was not killed */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Answers 7 to 21 of a creation: the request to make it, its end, the user list, four files, the
 * stage, the request to start it, its end, the names, the stage, and the wait for an address. */
static void test_provider_local__survives_kill_at_any_point(void **state)
{
    static const int few[] = {7, 11, 16}, many[] = {2, 6, 7, 8, 9, 10, 12, 14, 15, 16,
                                                        17, 18, 19, 20, 21, 22};
    bool all = getenv("GPUC_TEST_LONG") != NULL;
    const int *points = all ? many : few;
    size_t count = all ? sizeof(many) / sizeof(many[0]) : sizeof(few) / sizeof(few[0]);
    provider_result r;

    need_bed();
    for (size_t i = 0; i < count; i++) {
        create_and_die(points[i]);
        if (i % 3 == 2) { /* or the machine is given up */
            destroy(provider);
            assert_names(provider, "");
            continue;
        }
        r = create(provider, "attempt-2");
        assert_int_equal(r.code, 0);
        assert_non_null(r.address);
        assert_non_null(r.first_host_key);
        assert_names(provider, "m1 ");
        provider_result_clear(&r);
        destroy(provider);
    }
    assert_names(provider, "");
}

static void test_provider_local__cancels(void **state)
{
    provider_result r = {0};

    need_bed();
    ops->create(provider, &machine, "attempt-1", provider_on_machine, &r);
    for (int i = 0; i < 3; i++)
        gpuc_context_run(context, 30, NULL);
    ops->cancel(provider, NULL);
    provider_wait(context, &r, 5000);
    assert_int_equal(r.code, GPUC_ECANCELLED);
    provider_result_clear(&r);
    destroy(provider);
    assert_names(provider, "");
}

static int teardown(void **state)
{
    if (context) {
        destroy(provider);
        close_all();
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_provider_local__makes_looks_and_destroys),
        cmocka_unit_test(test_provider_local__leaves_what_is_not_its_own),
        cmocka_unit_test(test_provider_local__names_the_images_there_are),
        cmocka_unit_test(test_provider_local__cancels),
        cmocka_unit_test(test_provider_local__survives_kill_at_any_point),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
