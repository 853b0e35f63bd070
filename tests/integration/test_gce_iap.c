/* SPDX-License-Identifier: Apache-2.0 */
/* Tunnels, shared things and gc on the Compute Engine emulator (SIMULATED), with OpenSSH's server
 * behind its instances. Every request is compared with Google's published description where that is
 * in the cache. */
#include "support/provider_client.h"
#include "provider/gce/machines.h"
#include "support/run_program.h"
#include "support/run_until.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>

#define UUID "0b1c2d3e-0000-4000-8000-0000000000aa"

static gpuc_context *context;
static gpuc__provider *provider;
static pid_t pid;
static char endpoint[128], admin[128], relay[128], directory[] = "/tmp/gpuc-test-iap-XXXXXX";
static char logged[8192];

static char name[] = "demo", m1[] = "m1", user[] = "nobody", zone[] = "us-east1-b";
static char *zones[] = {zone, NULL}, *none[] = {NULL};
static char region[] = "us-east1", network[] = "default", type[] = "n1-standard-1", key[] = "ssh-ed25519 "
    "AAAAC3NzaC1lZDI1NTE5AAAAILlCh0STabcdefghijklmnopqrstuvwxyz012345 test", project[] = "p1";
static gpuc__machine_model machine = {.name = m1, .role = GPUC__ROLE_WORKER, .user = user,
                                      .machine_type = type};
static char office[] = "203.0.113.0/24", *from[] = {office, NULL};
static gpuc__expose_model expose = {.port = 6443, .from = from};
static gpuc__spec_model spec;

static json_t *ask(const char *what, const char *body)
{
    static run_result result;
    char command[512];

    snprintf(command, sizeof(command), "curl -sS --fail %s '%s%s'",
             body ? "-X POST --data-binary @-" : "", admin, what);
    run_program(&result, command, body ? body : "");
    assert_int_equal(result.status, 0);
    return json_loads(result.out, JSON_DECODE_ANY, NULL);
}

static void tell(const char *what, const char *body)
{
    json_decref(ask(what, body));
}

static int journal_set(void *data, const char *of, const char *what, const char *value,
                       gpuc_error **err)
{
    return GPUC_OK;
}

static void on_log(gpuc_context *of, int level, const char *category, const char *message,
                   void *userdata)
{
    if (strcmp(category, "iap") == 0 && level <= GPUC_LOG_INFO)
        strncat(logged, message, sizeof(logged) - strlen(logged) - 1);
}

static void copy(char *to, size_t size, const json_t *root, const char *what)
{
    const char *text = json_string_value(json_object_get(root, what));

    snprintf(to, size, "%s", text ? text : "");
}

static int set_up(void **state)
{
    char line[4096] = "";
    int out[2];
    FILE *pipe_end;
    json_t *root;

    assert_int_equal(pipe(out), 0);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        dup2(out[1], 1);
        execl(GPUC_TEST_DATA "/../gce_emulator/emulator", "emulator", "--project", project,
              "--backend", "sshd", "--latency", "50", (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    pipe_end = fdopen(out[0], "r");
    if (!fgets(line, sizeof(line), pipe_end))
        line[0] = '\0';
    fclose(pipe_end);
    root = json_loads(line, 0, NULL);
    copy(endpoint, sizeof(endpoint), root, "endpoint");
    copy(admin, sizeof(admin), root, "admin");
    copy(relay, sizeof(relay), root, "iap");
    json_decref(root);
    setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", endpoint, 1);
    setenv("CLOUDSDK_AUTH_ACCESS_TOKEN", "token-of-the-test", 1);
    setenv("GPUC_IAP_URL", relay, 1);
    return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    return rmdir(directory);
}

static void wait_ok(provider_result *r)
{
    provider_wait(context, r, 60000);
    if (r->code)
        print_error("%s\n", r->message);
    assert_int_equal(r->code, GPUC_OK);
    provider_result_clear(r);
}

static void begin(void)
{
    gpuc__provider_config config = {.spec = &spec, .cluster_uuid = UUID, .ssh_public_key = key,
                                    .journal = {.set = journal_set}};
    provider_result r = {0};

    if (!endpoint[0]) {
        print_message("the emulator does not start here (it needs Python 3.11 and sshd)\n");
        skip();
    }
    spec = (gpuc__spec_model){.name = name, .provider = GPUC__PROVIDER_GCE,
                              .provider_project = project, .zones = zones, .region = region,
                              .labels = none, .network = network, .ssh_user = user,
                              .max_price = -1, .project_ssh_key = true, .exposes = &expose,
                              .expose_count = 1, .machines = &machine, .machine_count = 1};
    logged[0] = '\0';
    tell("reset", "{}");
    assert_int_equal(gpuc_context_new(&context, NULL), GPUC_OK);
    gpuc_context_set_log(context, on_log, GPUC_LOG_DEBUG, NULL, NULL);
    config.context = context;
    assert_int_equal(gpuc__provider_gce.new_(&provider, &config, NULL), GPUC_OK);
    gpuc__provider_gce.make_shared(provider, provider_on_done, &r);
    wait_ok(&r);
    gpuc__provider_gce.create(provider, &machine, "a", provider_on_machine, &r);
    wait_ok(&r);
}

static void end(void)
{
    gpuc__provider_gce.free(provider);
    for (int i = 0; i < 5; i++)
        gpuc_context_run(context, 5, NULL);
}

static void finish(void)
{
    json_t *state = ask("state", NULL);

    assert_int_equal(json_array_size(json_object_get(state, "violations")), 0);
    assert_true(json_is_true(json_object_get(state, "empty")));
    json_decref(state);
    gpuc_context_unref(context);
}

static bool read_more(int fd, unsigned char *bytes, size_t *have, size_t want)
{
    uint64_t stop = gpuc__clock_ms() + 20000;

    while (*have < want && gpuc__clock_ms() < stop) {
        ssize_t n = read(fd, bytes + *have, want - *have);

        if (n == 0)
            return false;
        *have += n > 0 ? (size_t)n : 0;
        if (n < 0)
            assert_int_equal(gpuc_context_run(context, 10, NULL), GPUC_OK);
    }
    return *have == want;
}

/* The server's greeting and its first packet, as a whole, through a tunnel of its own. */
static void greet(void)
{
    unsigned char bytes[4096];
    size_t have = 0, line = 0, length;
    int fd = -1;

    assert_int_equal(gpuc__provider_gce.tunnel(provider, "m1", 22, &fd, NULL), GPUC_OK);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    assert_int_equal(write(fd, "SSH-2.0-test\r\n", 14), 14);
    while (!line) {
        assert_true(read_more(fd, bytes, &have, have + 1));
        line = bytes[have - 1] == '\n' ? have : 0;
    }
    assert_memory_equal(bytes, "SSH-2.0-OpenSSH", 15);
    assert_true(read_more(fd, bytes, &have, line + 6));
    length = (size_t)bytes[line] << 24 | bytes[line + 1] << 16 | bytes[line + 2] << 8 | bytes[line + 3];
    assert_in_range(length, 100, sizeof(bytes) - 300);
    assert_true(read_more(fd, bytes, &have, line + 4 + length));
    assert_int_equal(bytes[line + 5], 20); /* KEXINIT */
    assert_null(memmem(bytes + line, have - line, "SSH-2.0", 7)); /* nothing came twice */
    close(fd);
}

static void test_gce_iap__reaches_a_machine_through_whatever_befalls(void **state)
{
    static const char *const faults[] = {
        "{\"fault\":\"drop\",\"after\":20}",
        "{\"fault\":\"drop\",\"after\":20,\"on\":\"any\",\"times\":2}",
        "{\"fault\":\"fragment\",\"size\":3}",  "{\"fault\":\"small\",\"size\":5}",
        "{\"fault\":\"unknown_tag\"}",          "{\"fault\":\"ping\"}",
        "{\"fault\":\"close\",\"after\":30,\"code\":4004}", "{\"fault\":\"status\",\"status\":503}",
    };
    provider_result r = {0};

    begin();
    greet();
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        json_t *counts;

        tell("iap", faults[i]);
        greet();
        counts = ask("iap", NULL);
        assert_int_equal(json_array_size(json_object_get(counts, "faults")), 0); /* it came */
        json_decref(counts);
    }
    gpuc__provider_gce.destroy(provider, "m1", provider_on_done, &r);
    wait_ok(&r);
    gpuc__provider_gce.drop_shared(provider, provider_on_done, &r);
    wait_ok(&r);
    end();
    finish();
}

static void test_gce_iap__says_why_it_cannot(void **state)
{
    static const struct {
        const char *fault, *said;
    } cases[] = {
        {"{\"fault\":\"status\",\"status\":403}", "roles/iap.tunnelResourceAccessor"},
        {"{\"fault\":\"text\"}", "a message of text"},
        {"{\"fault\":\"bad_ack\"}", "count"},
        {"{\"fault\":\"close\",\"after\":1,\"code\":4003}", "35.235.240.0/20"},
    };
    provider_result r = {0};

    begin();
    for (size_t i = 0; i <= sizeof(cases) / sizeof(cases[0]); i++) {
        bool closed = i == sizeof(cases) / sizeof(cases[0]);
        int fd = -1;
        char byte;
        ssize_t n = 1;

        if (!closed)
            tell("iap", cases[i].fault);
        logged[0] = '\0';
        assert_int_equal(gpuc__provider_gce.tunnel(provider, "m1", closed ? 6444 : 22, &fd, NULL),
                         GPUC_OK);
        fcntl(fd, F_SETFL, O_NONBLOCK);
        RUN_UNTIL(context, (n = read(fd, &byte, 1)) == 0);
        assert_int_equal(n, 0);
        close(fd);
        if (!strstr(logged, closed ? "port 6444" : cases[i].said))
            print_error("%s\n", logged);
        assert_non_null(strstr(logged, closed ? "port 6444" : cases[i].said));
    }
    gpuc__provider_gce.drop_shared(provider, provider_on_done, &r);
    wait_ok(&r);
    gpuc__provider_gce.destroy(provider, "m1", provider_on_done, &r);
    wait_ok(&r);
    end();
    finish();
}

static void test_gce_iap__gc_finds_and_removes_what_a_lost_state_left(void **state)
{
    char *text = NULL;
    json_t *root, *list;

    begin();
    end(); /* and nobody remembers */
    assert_int_equal(gpuc_gc(&text, context, "gce", "p1", NULL, directory, 0, -1, NULL), GPUC_OK);
    root = json_loads(text, 0, NULL);
    gpuc_free(text);
    assert_int_equal(json_array_size(json_object_get(root, "clusters")), 1);
    list = json_object_get(json_array_get(json_object_get(root, "clusters"), 0), "resources");
    assert_int_equal(json_array_size(list), 5); /* machine, disk, two rules, key */
    json_decref(root);
    assert_int_equal(gpuc_gc(&text, context, "gce", "p1", UUID, directory, GPUC_GC_DELETE, -1, NULL),
                     GPUC_OK);
    gpuc_free(text);
    assert_int_equal(gpuc_gc(&text, context, "gce", "p1", NULL, directory, 0, -1, NULL), GPUC_OK);
    root = json_loads(text, 0, NULL);
    gpuc_free(text);
    assert_int_equal(json_array_size(json_object_get(root, "clusters")), 0);
    json_decref(root);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_iap__reaches_a_machine_through_whatever_befalls),
        cmocka_unit_test(test_gce_iap__says_why_it_cannot),
        cmocka_unit_test(test_gce_iap__gc_finds_and_removes_what_a_lost_state_left),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
