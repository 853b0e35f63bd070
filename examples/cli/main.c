/* SPDX-License-Identifier: Apache-2.0 */
/* gpucluster: the library at a shell. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

const command commands[] = {
    {"plan", "SPEC|CLUSTER [--shell] [--replace MACHINE] [--let-go MACHINE] [--skip STEP]",
     "what up would do; changes nothing", cmd_plan},
    {"up", "SPEC|CLUSTER [--replace MACHINE] [--let-go MACHINE] [--skip STEP] [--no-proof] "
     "[--report FILE]",
     "make it so, and prove it", cmd_up},
    {"status", "[CLUSTER] [--watch]", "machines and steps, and why each is where it is", cmd_status},
    {"verify", "[CLUSTER|SPEC] | --host [USER@]HOST[:PORT]… | --hosts FILE [--identity FILE] [--gpus N] … | "
     "--kubeconfig FILE [--context C] [--namespace NS] [--image IMAGE] [--label] …, [--check ID=VALUE] [--report FILE]",
     "the proof, again; or of hosts or a cluster that are not the library's: changes nothing", cmd_verify},
    {"report", "[CLUSTER] [--from FILE] [--format json|ctrf|junit|html|table] [--output FILE]",
     "the last proof, for people and for other tools", cmd_report},
    {"run", "KIND | -f FILE [-c CLUSTER | --kubeconfig FILE] [--verify] [--set KEY=VALUE]",
     "a job on every GPU node: nvidia-smi, tensorflow; or what manifests say", cmd_run},
    {"kubeconfig", "[CLUSTER] [--merge FILE] [--server URL]", "access for kubectl", cmd_kubeconfig},
    {"proxy", "[CLUSTER] [--port N] [--kubeconfig FILE]", "the API server on a local port",
     cmd_proxy},
    {"ssh", "[-c CLUSTER] [-t] MACHINE [COMMAND…]", "a shell or a command on a machine", cmd_ssh},
    {"scp", "FROM TO [-c CLUSTER]", "copy a file; MACHINE:PATH names a remote one", cmd_scp},
    {"logs", "[CLUSTER] [-n N]", "the events of earlier runs", cmd_logs},
    {"support-bundle", "[CLUSTER] [-o FILE]", "one redacted archive for a bug report",
     cmd_support_bundle},
    {"down", "[CLUSTER] [--purge-driver] [--let-go MACHINE] [--yes]", "undo what up did", cmd_down},
    {"catalog", "[accelerators|machine-types|zones] [--zone ZONE] [--project PROJECT] [--shipped]",
     "what Google Compute Engine has, and what it costs", cmd_catalog},
    {"gc", "[CLUSTER] [--kind KIND] [--project PROJECT] [--delete [--all [--min-age TIME]]]",
     "what clusters left behind whose state was lost", cmd_gc},
    {"gpu", "parse FILE|- [--json]", "what a saved capture of nvidia-smi says", cmd_gpu},
    {"list", "", "the clusters that the state directory knows", cmd_list},
    {NULL, NULL, NULL, NULL},
};

static void usage(FILE *out)
{
    fprintf(out, "usage: gpucluster [--json] [--quiet] [--verbose] [--state-dir DIR] "
                 "[--bundle DIR] [--mirror URL] COMMAND …\n\n");
    for (const command *c = commands; c->name; c++)
        fprintf(out, "  %-15s %s\n  %-15s   %s\n", c->name, c->arguments, "", c->summary);
    fprintf(out, "\nExit status: 0 done, 1 failed, 2 usage, 3 the proof failed, 4 another process "
                 "works on the cluster, 5 the spec is wrong, 6 not all could be proven, 130 cancelled.\n");
}

static void log_line(gpuc_context *context, int level, const char *category, const char *message,
                     void *userdata)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};

    const cli *c = userdata;

    (void)context;
    /* What a step says is an event too. */
    if (!c->verbose && strcmp(category, "step") == 0)
        return;
    if (c->json) {
        json_t *line = json_pack("{s:s,s:s,s:s,s:s}", "event", "log", "level", names[level], "category",
                                 category, "message", message);

        json_dumpf(line, stderr, JSON_COMPACT);
        json_decref(line);
        fputc('\n', stderr);
    } else {
        fprintf(stderr, "gpucluster: %s: %s: ", names[level], category);
        print_clean(stderr, message);
        fputc('\n', stderr);
    }
}

static int parse_globals(cli *c, int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},         {"quiet", no_argument, NULL, 'q'},
        {"verbose", no_argument, NULL, 'v'},      {"state-dir", required_argument, NULL, 's'},
        {"bundle", required_argument, NULL, 'b'}, {"mirror", required_argument, NULL, 'm'},
        {"help", no_argument, NULL, 'h'},         {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int o;

    while ((o = getopt_long(argc, argv, "+jqvhV", options, NULL)) != -1) {
        switch (o) {
        case 'j':
            c->json = true;
            break;
        case 'q':
            c->quiet = true;
            break;
        case 'v':
            c->verbose = true;
            break;
        case 's':
            c->state_dir = optarg;
            break;
        case 'b':
            c->bundle = optarg;
            break;
        case 'm':
            c->mirror = optarg;
            break;
        case 'h':
            usage(stdout);
            exit(EXIT_DONE);
        case 'V':
            printf("gpucluster %s\n", gpuc_version());
            exit(EXIT_DONE);
        default:
            return -1;
        }
    }
    return optind;
}

static int command_usage(const command *k)
{
    printf("usage: gpucluster %s %s\n%s\n", k->name, k->arguments, k->summary);
    return EXIT_DONE;
}

static int dispatch(cli *c, int argc, char **argv)
{
    for (const command *k = commands; k->name; k++) {
        if (strcmp(k->name, argv[0]) == 0) {
            if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
                return command_usage(k);
            optind = 0;
            return k->run(c, argc, argv);
        }
    }
    return usage_error(c, "there is no command \"%s\"; gpucluster --help lists them", argv[0]);
}

int main(int argc, char **argv)
{
    cli c = {0};
    gpuc_error *error = NULL;
    const char *no_color = getenv("NO_COLOR");
    int first = parse_globals(&c, argc, argv), status;

    if (first < 0 || first >= argc) {
        usage(stderr);
        return EXIT_USAGE;
    }
    c.terminal = isatty(STDERR_FILENO) && !c.json;
    c.color = c.terminal && !(no_color && no_color[0]);
    if (gpuc_context_new(&c.context, &error) < 0)
        return print_error(&c, error);
    gpuc_context_set_log(c.context, log_line, c.verbose ? GPUC_LOG_DEBUG : GPUC_LOG_WARN, &c, NULL);
    catch_signals();
    status = dispatch(&c, argc - first, argv + first);
    gpuc_cluster_unref(c.cluster);
    gpuc_context_unref(c.context);
    free(c.report_files);
    return status;
}
