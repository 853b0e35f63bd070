/* SPDX-License-Identifier: Apache-2.0 */
/* Starts tests/gce_emulator (SIMULATED) and turns its knobs. Include after cmocka.h. */
#ifndef TEST_GCE_EMULATOR_H
#define TEST_GCE_EMULATOR_H
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/run_program.h"

typedef struct emulator {
    pid_t pid;
    char endpoint[128], admin[128];
    char trouble[512]; /* why it could not be started */
} emulator;

static emulator gce_emulator;

/* What the admin interface answers; new reference. body NULL: GET. */
__attribute__((unused)) static json_t *emulator_ask(const char *what, const char *body)
{
    static run_result result;
    char command[512];

    if (body)
        snprintf(command, sizeof(command), "curl -sS --fail -X POST --data-binary @- '%s%s'",
                 gce_emulator.admin, what);
    else
        snprintf(command, sizeof(command), "curl -sS --fail '%s%s'", gce_emulator.admin, what);
    run_program(&result, command, body ? body : "");
    if (result.status != 0)
        print_error("%s: %s%s\n", command, result.out, result.err);
    assert_int_equal(result.status, 0);
    return json_loads(result.out, JSON_DECODE_ANY, NULL);
}

__attribute__((unused)) static void emulator_tell(const char *what, const char *body)
{
    json_decref(emulator_ask(what, body));
}

/* False: it does not run here, and trouble says why. */
__attribute__((unused)) static bool emulator_start(const char *project, int latency_ms)
{
    char line[4096] = "", latency[16];
    int out[2];
    FILE *from;
    json_t *root;

    snprintf(latency, sizeof(latency), "%d", latency_ms);
    if (pipe(out) != 0)
        abort();
    gce_emulator.pid = fork();
    if (gce_emulator.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        dup2(out[1], 1);
        close(out[0]);
        execl(GPUC_TEST_DATA "/../gce_emulator/emulator", "emulator", "--project", project,
              "--backend", "none", "--latency", latency, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    from = fdopen(out[0], "r");
    if (!from || !fgets(line, sizeof(line), from))
        line[0] = '\0';
    root = json_loads(line, 0, NULL);
    snprintf(gce_emulator.endpoint, sizeof(gce_emulator.endpoint), "%s",
             root ? json_string_value(json_object_get(root, "endpoint")) : "");
    snprintf(gce_emulator.admin, sizeof(gce_emulator.admin), "%s",
             root ? json_string_value(json_object_get(root, "admin")) : "");
    json_decref(root);
    fclose(from);
    if (!gce_emulator.endpoint[0])
        snprintf(gce_emulator.trouble, sizeof(gce_emulator.trouble),
                 "the emulator does not start here (it needs Python 3.11)");
    return gce_emulator.endpoint[0];
}

__attribute__((unused)) static void emulator_stop(void)
{
    kill(gce_emulator.pid, SIGTERM);
    waitpid(gce_emulator.pid, NULL, 0);
}
#endif
