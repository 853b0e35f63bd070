/* SPDX-License-Identifier: Apache-2.0 */
/* The provider `local` against a scripted daemon (SIMULATED): every way it can refuse, fail, lie or
 * hang, and what is sent to an Incus daemon. The real one is in tests/integration. */
#include "support/http_server.h"
#include "support/provider_client.h"

#include "provider/local/local.h"

#define OP "/1.0/operations/01234567-89ab-cdef-0123-456789abcdef"
#define SYNC(metadata) "{\"type\":\"sync\",\"metadata\":" metadata "}"
#define ASYNC "{\"type\":\"async\",\"operation\":\"" OP "\",\"metadata\":{}}"
#define FAILED(why) SYNC("{\"status_code\":400,\"err\":\"" why "\"}")
#define ERROR "{\"type\":\"error\",\"error\":\"not there\",\"metadata\":null}"
#define INSTANCE "/1.0/instances/c1-m1"
#define OURS                                                                                       \
    "{\"status\":\"Running\",\"config\":{\"user.gpucluster.cluster\":\"u-1\","                     \
    "\"user.gpucluster.machine\":\"m1\",\"user.gpucluster.stage\":\"ready\"},"                     \
    "\"expanded_devices\":{\"eth0\":{\"type\":\"nic\",\"name\":\"eth0\"}}}"

#define ADDRESS                                                                                    \
    SYNC("{\"status\":\"Running\",\"network\":{\"cni0\":{\"addresses\":[{\"family\":\"inet\","             \
         "\"scope\":\"global\",\"address\":\"10.244.0.1\"}]},\"eth0\":{\"addresses\":[{\"family\":"         \
         "\"inet\",\"scope\":\"global\",\"address\":\"192.0.2.9\"}]}}}")

typedef struct rule {
    const char *match; /* "METHOD target" begins so */
    int status;        /* 0: hang; -1: close */
    const char *body;
    int after;         /* skipped so many times first */
} rule;

/* A daemon on which all goes well. */
static const rule well[] = {
    {"GET /1.0/projects/default", 200, SYNC("{\"name\":\"default\"}"), 0},
    {"GET /1.0/projects", 200, SYNC("[{\"name\":\"default\"},{\"name\":\"lab\"}]"), 0},
    {"GET /1.0/operations?", 200, SYNC("{}"), 0},
    {"GET " OP "/wait", 200, SYNC("{\"status_code\":103}"), 0},
    {"GET " OP "/wait", 200, SYNC("{\"status_code\":200}"), 1},
    {"GET /1.0/images/aliases/debian", 200, SYNC("{\"type\":\"container\"}"), 0},
    {"GET /1.0/images/aliases?", 200, SYNC("[{\"name\":\"debian3\"},{\"name\":\"fedora\"}]"), 0},
    {"GET /1.0/profiles/default", 200,
     SYNC("{\"devices\":{\"root\":{\"type\":\"disk\",\"path\":\"/\"},"
          "\"eth0\":{\"type\":\"nic\"}}}"),
     0},
    {"POST /1.0/instances ", 202, ASYNC, 0},
    {"GET " INSTANCE "/files?path=%2Fetc%2Fpasswd", 200,
     "root:x:0:0:root:/root:/bin/sh\ndebian:x:1000:1001::/home/debian:/bin/sh\n", 0},
    {"GET " INSTANCE "/files?path=/etc/ssh/ssh_host_ed25519_key.pub", 200,
     "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILlCh0STabcdefgh m1\n", 0},
    {"GET " INSTANCE "/files?path=%2Fetc%2Fhosts", 200, "127.0.0.1 localhost\n127.0.1.1 old\n", 0},
    {"GET " INSTANCE "/files", 404, ERROR, 0},
    {"POST " INSTANCE "/files", 200, SYNC("{}"), 0},
    {"POST " INSTANCE "/exec", 202, ASYNC, 0},
    {"PATCH " INSTANCE, 200, SYNC("{}"), 0},
    {"PUT " INSTANCE "/state", 202, ASYNC, 0},
    {"DELETE " INSTANCE, 202, ASYNC, 0},
    {"GET " INSTANCE "/logs/lxc.log", 200, "the log says why\n", 0},
    {"GET " INSTANCE "/state", 200, ADDRESS, 0},
    {"GET " INSTANCE " ", 404, ERROR, 0},
    {"GET " INSTANCE " ", 200, SYNC(OURS), 1},
    {"GET /1.0/instances?", 200, SYNC("[" OURS "]"), 0},
    {"GET /1.0 ", 200, SYNC("{\"auth\":\"trusted\",\"environment\":{\"server\":\"incus\"}}"), 0},
};
#define WELL (sizeof(well) / sizeof(well[0]))

static http_server server;
static gpuc_context *context;
static gpuc__provider *provider;
static const rule *extra; /* asked before `well`; ends with a NULL match */
static int seen_extra[8], seen[WELL];
static char sent[32768]; /* heads and bodies of what was put into the machine */

static const rule *match_in(const rule *rules, size_t count, int *used, const char *line)
{
    const rule *best = NULL;

    for (size_t i = 0; i < count; i++) {
        if (strncmp(rules[i].match, line, strlen(rules[i].match)) != 0)
            continue;
        if (used[i]++ >= rules[i].after && (!best || rules[i].after > best->after))
            best = &rules[i];
    }
    return best;
}

static void serve(http_server *s, int fd)
{
    http_server_request r;
    char line[1100];
    size_t extras;

    while (http_server_read(fd, &r)) {
        const rule *found;

        for (extras = 0; extra && extra[extras].match; extras++)
            ;
        snprintf(line, sizeof(line), "%s %s ", r.method, r.target);
        found = match_in(extra, extras, seen_extra, line);
        if (!found)
            found = match_in(well, WELL, seen, line);
        if (strstr(line, "/files"))
            snprintf(sent + strlen(sent), sizeof(sent) - strlen(sent), "%s%s", r.head, r.body);
        free(r.body);
        r.body = NULL;
        if (found && found->status == 0)
            http_server_hang(fd);
        if (found && found->status <= 0)
            break;
        http_server_answer(fd, found ? found->status : 500, found ? found->body : ERROR);
    }
    free(r.body);
}

static char c1[] = "c1", m1[] = "m1", user[] = "debian", image[] = "debian", project[] = "default";
static char path[64];
static gpuc__machine_model machine = {.name = m1, .user = user, .image = image};
static gpuc__spec_model spec = {.name = c1, .provider_socket = path, .provider_project = project,
                                .ssh_user = user, .machines = &machine, .machine_count = 1};

static void begin(const rule *rules)
{
    gpuc__provider_config config = {.spec = &spec, .cluster_uuid = "u-1",
                                    .ssh_public_key = "ssh-ed25519 LOGIN"};

    extra = rules;
    memset(seen_extra, 0, sizeof(seen_extra));
    memset(seen, 0, sizeof(seen));
    sent[0] = '\0';
    snprintf(path, sizeof(path), "/tmp/gpuc-test-daemon-%d", (int)getpid());
    assert_int_equal(gpuc_context_new(&context, NULL), GPUC_OK);
    config.context = context;
    http_server_start(&server, path, serve, NULL);
    assert_int_equal(gpuc__provider_local.new_(&provider, &config, NULL), GPUC_OK);
    provider->request_ms = 1000;
}

static void finish(void)
{
    gpuc__provider_local.free(provider);
    gpuc_context_run(context, 0, NULL);
    gpuc_context_unref(context);
    http_server_stop(&server);
}

static provider_result create(const rule *rules)
{
    provider_result r = {0};

    begin(rules);
    gpuc__provider_local.create(provider, &machine, "a-1", provider_on_machine, &r);
    provider_wait(context, &r, 20000);
    finish();
    return r;
}

static void test_local_daemon__all_goes_well_on_incus(void **state)
{
    provider_result r = create(NULL);

    assert_int_equal(r.code, 0);
    assert_string_equal(r.address, "192.0.2.9"); /* not the pod network's */
    assert_string_equal(r.first_host_key, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILlCh0STabcdefgh");
    assert_non_null(strstr(sent, "X-Incus-mode: 0600"));
    assert_null(strstr(sent, "X-LXD-"));
    assert_non_null(strstr(sent, "-----BEGIN OPENSSH PRIVATE KEY-----"));
    assert_non_null(strstr(sent, "path=%2Fhome%2Fdebian%2F.ssh%2Fauthorized_keys"));
    assert_non_null(strstr(sent, "X-Incus-uid: 1000\r\nX-Incus-gid: 1001"));
    assert_non_null(strstr(sent, "ssh-ed25519 LOGIN\n"));
    assert_non_null(strstr(sent, "127.0.0.1 localhost\n127.0.1.1\tm1 c1-m1\n"));
    assert_null(strstr(sent, "old"));
    provider_result_clear(&r);
}

static const struct {
    rule rules[3];
    int code, retryable;
    const char *message, *remedy; /* parts of them */
} failures[] = {
    {{{"GET /1.0 ", 200, SYNC("{\"auth\":\"untrusted\"}"), 0}}, GPUC_EPERM, 0, "trust", "group"},
    {{{"GET /1.0 ", 403, ERROR, 0}}, GPUC_EPERM, 0, "may not be used", "group"},
    {{{"GET /1.0 ", 200, "hello", 0}}, GPUC_EPROTO, 0, "not one of", "provider.socket"},
    {{{"GET /1.0 ", 200, "{\"type\":\"sync\"}", 0}}, GPUC_EPROTO, 0, "not one of", NULL},
    {{{"GET /1.0 ", 0, NULL, 0}}, GPUC_ETIMEDOUT, 1, "1000 ms", NULL},
    {{{"GET /1.0 ", -1, NULL, 0}}, GPUC_ENETWORK, 1, "does not answer", "start"},
    {{{"GET /1.0/projects/default", 404, ERROR, 0}}, GPUC_ENOTFOUND, 0, "default, lab", "project"},
    {{{"GET /1.0/images/aliases/debian", 404, ERROR, 0}}, GPUC_ENOTFOUND, 0, "debian3, fedora",
     "did you mean debian3"},
    {{{"GET /1.0/images/aliases/debian", 200, SYNC("{\"type\":\"virtual-machine\"}"), 0}},
     GPUC_EUNSUPPORTED, 0, "virtual-machine", "container"},
    {{{"GET /1.0/profiles/default", 200, SYNC("{\"devices\":{}}"), 0}}, GPUC_ESTATE, 0,
     "no root disk", "storage create"},
    {{{"GET /1.0/profiles/default", 200,
       SYNC("{\"devices\":{\"r\":{\"type\":\"disk\",\"path\":\"/\"}}}"), 0}},
     GPUC_ESTATE, 0, "no network", "network create"},
    {{{"GET " INSTANCE " ", 200, SYNC("{\"config\":{}}"), 0}}, GPUC_EEXIST, 0, "c1-m1",
     "another name"},
    {{{"GET " OP, 200, FAILED("no space left"), 0}}, GPUC_EREMOTE, 0, "no space left", "show-log"},
    {{{"GET " OP, 200, SYNC("{\"status_code\":\"x\"}"), 0}}, GPUC_EPROTO, 0, "not one of", NULL},
    {{{"GET " OP, 200, SYNC("[]"), 0}}, GPUC_EPROTO, 0, "not one of", NULL},
    {{{"GET " OP, 0, NULL, 0}}, GPUC_ETIMEDOUT, 1, "1000 ms", NULL},
    {{{"GET " OP, 404, ERROR, 0}}, GPUC_ENOTFOUND, 0, "making the machine", NULL},
    {{{"POST /1.0/instances ", 202, "{\"type\":\"async\",\"operation\":\"/1.0/operations/../x\","
                                    "\"metadata\":{}}", 0}},
     GPUC_EPROTO, 0, "not one of", NULL},
    {{{"POST /1.0/instances ", 503, "<html>busy</html>", 0}}, GPUC_EBUSY, 1, "503", NULL},
    {{{"GET " INSTANCE "/files?path=%2Fetc%2Fpasswd", 200, "debianx:x:1:1::/:/\n", 0}},
     GPUC_ENOTFOUND, 0, "no user debian", "ssh.user"},
    {{{"POST " INSTANCE "/files?path=%2Fetc%2Fssh", 404, ERROR, 0}}, GPUC_ENOTFOUND, 0,
     "not there", "OpenSSH"},
    {{{"PUT " INSTANCE "/state", 400, ERROR, 0}}, GPUC_EINVAL, 0, "starting the machine", NULL},
    {{{"GET " INSTANCE "/state", 200, SYNC("{\"status\":\"Stopped\"}"), 0}}, GPUC_EREMOTE, 0,
     "Stopped", "image boots"},
};

static void test_local_daemon__says_what_went_wrong(void **state)
{
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        provider_result r = create(failures[i].rules);

        if (r.code != failures[i].code || !strstr(r.message, failures[i].message))
            print_error("case %zu: %d %s\n", i, r.code, r.message ? r.message : "no error");
        if (failures[i].remedy && !(r.remedy && strstr(r.remedy, failures[i].remedy)))
            print_error("case %zu: remedy %s\n", i, r.remedy ? r.remedy : "none");
        assert_int_equal(r.code, failures[i].code);
        assert_int_equal(r.retryable, failures[i].retryable);
        assert_non_null(strstr(r.message, failures[i].message));
        if (failures[i].remedy)
            assert_true(r.remedy && strstr(r.remedy, failures[i].remedy));
        assert_false(r.found);
        provider_result_clear(&r);
    }
}

static void test_local_daemon__is_not_there(void **state)
{
    provider_result r = {0};

    begin(NULL);
    unlink(path);
    gpuc__provider_local.check(provider, provider_on_done, &r);
    provider_wait(context, &r, 5000);
    assert_int_equal(r.code, GPUC_ENOTFOUND);
    assert_non_null(strstr(r.message, path));
    assert_non_null(strstr(r.remedy, "apt-get install"));
    provider_result_clear(&r);
    finish();
}

static void test_local_daemon__cancel_ends_a_hanging_call(void **state)
{
    const rule hang[] = {{"GET " OP, 0, NULL, 0}, {NULL, 0, NULL, 0}};
    provider_result r = {0}, look = {0};

    begin(hang);
    provider->request_ms = 30000;
    gpuc__provider_local.create(provider, &machine, "a-1", provider_on_machine, &r);
    for (int i = 0; i < 10; i++)
        gpuc_context_run(context, 20, NULL);
    gpuc__provider_local.look(provider, "m1", provider_on_machine, &look);
    gpuc__provider_local.cancel(provider, NULL);
    provider_wait(context, &r, 2000);
    assert_int_equal(r.code, GPUC_ECANCELLED);
    assert_int_equal(look.code, GPUC_ECANCELLED);
    provider_result_clear(&r);
    provider_result_clear(&look);
    finish();
}

#define ADDRESSLESS SYNC("{\"status\":\"Running\",\"network\":null}")

static void test_local_daemon__a_look_waits_a_little_for_the_address(void **state)
{
    const rule late[] = {{"GET " INSTANCE " ", 200, SYNC(OURS), 0},
                         {"GET " INSTANCE "/state", 200, ADDRESSLESS, 0},
                         {"GET " INSTANCE "/state", 200, ADDRESS, 3},
                         {NULL, 0, NULL, 0}};
    const rule never[] = {{"GET " INSTANCE " ", 200, SYNC(OURS), 0},
                          {"GET " INSTANCE "/state", 200, ADDRESSLESS, 0},
                          {NULL, 0, NULL, 0}};
    provider_result r = {0};

    begin(late);
    gpuc__provider_local.look(provider, "m1", provider_on_machine, &r);
    provider_wait(context, &r, 5000);
    assert_int_equal(r.code, GPUC_OK);
    assert_string_equal(r.address, "192.0.2.9");
    assert_int_equal(seen_extra[1], 4);
    provider_result_clear(&r);
    finish();
    begin(never);
    gpuc__provider_local.look(provider, "m1", provider_on_machine, &r);
    provider_wait(context, &r, 5000);
    assert_int_equal(r.code, GPUC_OK);
    assert_true(r.found);
    assert_int_equal(seen_extra[1], 8);
    provider_result_clear(&r);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_local_daemon__all_goes_well_on_incus),
        cmocka_unit_test(test_local_daemon__says_what_went_wrong),
        cmocka_unit_test(test_local_daemon__is_not_there),
        cmocka_unit_test(test_local_daemon__cancel_ends_a_hanging_call),
        cmocka_unit_test(test_local_daemon__a_look_waits_a_little_for_the_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
