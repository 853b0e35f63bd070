/* SPDX-License-Identifier: Apache-2.0 */
/* The proof: of a cluster that the library made, or of hosts and nodes that it did not. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define CHECKS_MAX 64
#define FILE_MAX_BYTES (4u * 1024 * 1024)

/* Options that are settings of a verification: --trust-on-first-use is "trust_on_first_use". */
enum { HOST = 'H', HOSTS = 'F', REPORT = 'R', CHECK = 'C', SETTING = 1000, CLUSTER_SETTING };

static const struct option options[] = {
    {"host", required_argument, NULL, HOST},
    {"hosts", required_argument, NULL, HOSTS},
    {"report", required_argument, NULL, REPORT},
    {"check", required_argument, NULL, CHECK},
    {"user", required_argument, NULL, SETTING},
    {"port", required_argument, NULL, SETTING},
    {"identity", required_argument, NULL, SETTING},
    {"passphrase-env", required_argument, NULL, SETTING},
    {"agent", no_argument, NULL, SETTING},
    {"known-hosts", required_argument, NULL, SETTING},
    {"trust-on-first-use", no_argument, NULL, SETTING},
    {"jump", required_argument, NULL, SETTING},
    {"sudo-password-env", required_argument, NULL, SETTING},
    {"gpus", required_argument, NULL, SETTING},
    {"parallel", required_argument, NULL, SETTING},
    {"connect-timeout", required_argument, NULL, SETTING},
    {"kubeconfig", required_argument, NULL, CLUSTER_SETTING},
    {"context", required_argument, NULL, CLUSTER_SETTING},
    {"namespace", required_argument, NULL, CLUSTER_SETTING},
    {"image", required_argument, NULL, CLUSTER_SETTING},
    {"runtime-class", required_argument, NULL, CLUSTER_SETTING},
    {"label", no_argument, NULL, CLUSTER_SETTING},
    {NULL, 0, NULL, 0},
};

typedef struct wanted {
    gpuc_verification *verification;
    bool hosts, settings, nodes, kubeconfig;
    const char *setting; /* the last one, for messages */
    const char *checks[CHECKS_MAX];
    int check_count;
} wanted;

/* Reads in to its end into text, which has room for FILE_MAX_BYTES and two more. */
static const char *read_stream(FILE *in, char *text)
{
    size_t n = fread(text, 1, FILE_MAX_BYTES + 1, in);

    text[n] = '\0';
    if (ferror(in))
        return "cannot be read";
    return n > FILE_MAX_BYTES || memchr(text, '\0', n) ? "larger than 4 MiB, or no text" : NULL;
}

/* The text of a file, "-" for standard input; new string (free). NULL: *status says why. */
static char *read_hosts(const cli *c, const char *path, int *status)
{
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    char *text = malloc(FILE_MAX_BYTES + 2);
    const char *why = in && text ? read_stream(in, text) : strerror(errno);

    if (in && in != stdin)
        fclose(in);
    if (!why)
        return text;
    *status = usage_error(c, "%s: %s", path, why);
    free(text);
    return NULL;
}

static int add_file(cli *c, wanted *w, const char *path)
{
    gpuc_error *error = NULL;
    int status = EXIT_DONE;
    char *text = read_hosts(c, path, &status);

    if (!text)
        return status;
    if (gpuc_verification_add_hosts(w->verification, text, path, &error) < 0)
        status = print_error(c, error);
    free(text);
    return status;
}

static int set_option(cli *c, const wanted *w, const char *name, const char *value)
{
    gpuc_error *error = NULL;
    char key[64];

    snprintf(key, sizeof(key), "%s", name);
    for (char *p = key; *p; p++)
        *p = *p == '-' ? '_' : *p;
    if (gpuc_verification_set(w->verification, key, value ? value : "true", &error) < 0)
        return print_error(c, error);
    return EXIT_DONE;
}

/* --check ID=VALUE: of the cluster that is open, or of hosts. */
static int set_checks(cli *c, const wanted *w)
{
    gpuc_error *error = NULL;

    for (int i = 0; i < w->check_count; i++) {
        const char *equals = strchr(w->checks[i], '=');
        char key[160];
        int rc;

        if (!equals || equals - w->checks[i] > 120)
            return usage_error(c, "verify: --check %s: expected CHECK=off, or CHECK.LIMIT=NUMBER",
                               w->checks[i]);
        snprintf(key, sizeof(key), "check.%.*s", (int)(equals - w->checks[i]), w->checks[i]);
        rc = w->hosts || w->nodes
                 ? gpuc_verification_set(w->verification, key, equals + 1, &error)
                 : gpuc_cluster_set_check(c->cluster, key + strlen("check."), equals + 1, &error);
        if (rc < 0)
            return print_error(c, error);
    }
    return EXIT_DONE;
}

static int take_option(cli *c, wanted *w, int o, int index)
{
    gpuc_error *error = NULL;

    if (o == REPORT)
        return add_report_file(c, optarg);
    if (o == CHECK && w->check_count == CHECKS_MAX)
        return usage_error(c, "verify: more than %d --check", CHECKS_MAX);
    if (o == CHECK) {
        w->checks[w->check_count++] = optarg;
        return EXIT_DONE;
    }
    if (o == SETTING || o == CLUSTER_SETTING) {
        w->settings = w->settings || o == SETTING;
        w->nodes = w->nodes || o == CLUSTER_SETTING;
        w->kubeconfig = w->kubeconfig || strcmp(options[index].name, "kubeconfig") == 0;
        w->setting = options[index].name;
        if (o == CLUSTER_SETTING && optarg && !*optarg)
            return usage_error(c, "verify: --%s is empty", w->setting);
        return set_option(c, w, options[index].name, optarg);
    }
    w->hosts = true;
    if (o == HOSTS)
        return add_file(c, w, optarg);
    if (gpuc_verification_add_hosts(w->verification, optarg, "--host", &error) < 0)
        return print_error(c, error);
    return EXIT_DONE;
}

static int parse(cli *c, wanted *w, int argc, char **argv)
{
    int o, status, index = 0;

    while ((o = next_option_at(c, argc, argv, "", options, &status, &index)) != -1) {
        if (o == BAD_OPTION || (status = take_option(c, w, o, index)))
            return status;
    }
    if (w->nodes && !w->kubeconfig && (status = set_option(c, w, "kubeconfig", "default")))
        return status;
    /* As kubectl: whoever names a kubeconfig at a shell means its plugins, too. */
    if (w->nodes && (status = set_option(c, w, "exec", "true")))
        return status;
    if (w->hosts || w->nodes)
        return arguments(c, argc, argv, 0, 0);
    if (w->settings)
        return usage_error(c, "verify: --%s is for hosts: name them with --host or --hosts",
                           w->setting);
    status = arguments(c, argc, argv, 0, 1);
    return status ? status : open_cluster(c, argv[optind]);
}

int cmd_verify(cli *c, int argc, char **argv)
{
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    wanted w = {0};
    int status, rc;

    if (gpuc_verification_new(&w.verification, c->context, &error) < 0)
        return print_error(c, error);
    status = parse(c, &w, argc, argv);
    if (status == EXIT_DONE)
        status = set_checks(c, &w);
    if (status == EXIT_DONE) {
        rc = w.hosts || w.nodes ? gpuc_verification_start(&op, w.verification, &error)
                     : gpuc_cluster_verify_start(&op, c->cluster, 0, &error);
        if (rc == GPUC_OK) {
            rc = run_operation(c, op, &error);
            status = finish_with_report(c, op, rc, error, true);
        } else {
            status = print_error(c, error);
        }
    }
    gpuc_verification_unref(w.verification);
    return status;
}
