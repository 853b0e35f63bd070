/* SPDX-License-Identifier: Apache-2.0 */
/* support-bundle: one archive with what a bug report needs, secrets taken out. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <regex.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"

extern char **environ;

#define EVIDENCE_LIMIT (8 << 20)

typedef struct text {
    char *data;
    size_t length;
} text;

/* What a node is asked; each part is bounded and none changes anything. */
static const char evidence_command[] =
    "exec 2>&1; part() { echo \"== $*\"; timeout 30 sudo -n \"$@\" | tail -n 2000; }; "
    "part uname -a; part cat /etc/os-release; part df -h; part free -m; "
    "part cat /var/lib/gpucluster/acts.log; part systemctl --no-pager --failed; "
    "part journalctl --no-pager -b -u kubelet -n 1000; "
    "part journalctl --no-pager -b -u containerd -n 500; part nvidia-smi; part dmesg; true";

static void append(int stream, const char *data, size_t length, void *userdata)
{
    text *t = userdata;
    char *grown;

    (void)stream;
    if (t->length + length > EVIDENCE_LIMIT || !(grown = realloc(t->data, t->length + length + 1)))
        return;
    memcpy(grown + t->length, data, length);
    t->data = grown;
    t->length += length;
    grown[t->length] = '\0';
}

/* Blanks what looks like a secret: private keys, bootstrap tokens, bearer tokens. */
static void redact(char *data)
{
    static const char *const patterns[] = {
        "-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*", "[a-z0-9]{6}\\.[a-z0-9]{16}",
        "[Bb]earer [A-Za-z0-9._~+/-]+=*", "certificate-key[= ]+[0-9a-f]{64}"};

    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        regmatch_t match;
        regex_t regex;

        if (regcomp(&regex, patterns[i], REG_EXTENDED))
            continue;
        for (char *p = data; regexec(&regex, p, 1, &match, 0) == 0 && match.rm_eo > match.rm_so;
             p += match.rm_eo)
            memset(p + match.rm_so, '*', (size_t)(match.rm_eo - match.rm_so));
        regfree(&regex);
    }
}

static int save(const char *folder, const char *name, char *data)
{
    char path[PATH_MAX];
    FILE *file;
    int ok;

    if (!data)
        return -1;
    redact(data);
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    ok = file && fputs(data, file) >= 0;
    if (file)
        ok = fclose(file) == 0 && ok;
    return ok ? 0 : -1;
}

static void machine_evidence(cli *c, const char *folder, const char *machine)
{
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    text output = {strdup(""), 0};
    char name[300];

    if (gpuc_cluster_exec_start(&op, c->cluster, machine, evidence_command, append, &output, 300,
                                &error) == GPUC_OK)
        run_operation(c, op, &error);
    if (error) {
        char *json = gpuc_error_to_json(error);

        append(1, "\n== error\n", 10, &output);
        if (json)
            append(1, json, strlen(json), &output);
        gpuc_free(json);
    }
    snprintf(name, sizeof(name), "machine-%s.txt", machine);
    save(folder, name, output.data);
    free(output.data);
    gpuc_error_unref(error);
    gpuc_op_unref(op);
}

static int archive(const char *folder, const char *out)
{
    const char *slash = strrchr(folder, '/');
    char parent[PATH_MAX];
    char *arguments[] = {"tar", "-czf", (char *)out, "-C", parent, (char *)slash + 1, NULL};
    int status = -1;
    pid_t pid;

    snprintf(parent, sizeof(parent), "%.*s", (int)(slash - folder), folder);
    if (posix_spawnp(&pid, "tar", NULL, NULL, arguments, environ) || waitpid(pid, &status, 0) < 0)
        return -1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static void remove_folder(char *folder)
{
    char *arguments[] = {"rm", "-rf", "--", folder, NULL};
    pid_t pid;

    if (posix_spawnp(&pid, "rm", NULL, NULL, arguments, environ) == 0)
        waitpid(pid, NULL, 0);
}

static void collect(cli *c, const char *folder)
{
    char *status = NULL, *history = NULL;
    json_t *root, *machine;
    size_t i;

    if (gpuc_cluster_status(&status, c->cluster, NULL) == GPUC_OK) {
        root = json_loads(status, 0, NULL);
        json_array_foreach(json_object_get(root, "machines"), i, machine)
            machine_evidence(c, folder, json_string_value(json_object_get(machine, "name")));
        json_decref(root);
        save(folder, "status.json", status);
    }
    if (gpuc_cluster_history(&history, c->cluster, 20000, NULL) == GPUC_OK)
        save(folder, "events.json", history);
    gpuc_free(status);
    gpuc_free(history);
}

int cmd_support_bundle(cli *c, int argc, char **argv)
{
    char folder[] = "/tmp/gpucluster-support-XXXXXX", standard[300];
    const char *out = NULL;
    int o, status;

    while ((o = next_option(c, argc, argv, "o:", NULL, &status)) != -1) {
        if (o == BAD_OPTION)
            return status;
        out = optarg;
    }
    if ((status = arguments(c, argc, argv, 0, 1)) || (status = open_cluster(c, argv[optind])))
        return status;
    if (!mkdtemp(folder)) {
        usage_error(c, "cannot make a folder in /tmp: %s", strerror(errno));
        return EXIT_FAILED;
    }
    snprintf(standard, sizeof(standard), "%s-support.tar.gz", gpuc_cluster_name(c->cluster));
    out = out ? out : standard;
    collect(c, folder);
    umask(077);
    status = archive(folder, out) < 0 ? EXIT_FAILED : EXIT_DONE;
    remove_folder(folder);
    if (status)
        usage_error(c, "tar could not write %s", out);
    else if (c->json)
        print_json(json_pack("{s:s}", "archive", out));
    else
        printf("wrote %s: read it before you pass it on\n", out);
    return status;
}
