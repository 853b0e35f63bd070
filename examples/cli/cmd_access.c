/* SPDX-License-Identifier: Apache-2.0 */
/* Access with kubectl: kubeconfig, proxy. */
#include <getopt.h>
#include <stdio.h>

#include "cli.h"

static int merge_into(cli *c, const char *paths, const char *config)
{
    gpuc_error *error = NULL;
    char *changed = NULL;

    if (gpuc_kubeconfig_store(&changed, paths, config, 0, &error) < 0)
        return print_error(c, error);
    gpuc_free(changed);
    return EXIT_DONE;
}

int cmd_kubeconfig(cli *c, int argc, char **argv)
{
    static const struct option options[] = {{"merge", required_argument, NULL, 'm'},
                                            {"server", required_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    const char *merge = NULL, *server = NULL;
    gpuc_error *error = NULL;
    char *config = NULL;
    int o, status;

    while ((o = next_option(c, argc, argv, "", options, &status)) != -1) {
        if (o == BAD_OPTION)
            return status;
        *(o == 'm' ? &merge : &server) = optarg;
    }
    if ((status = arguments(c, argc, argv, 0, 1)) || (status = open_cluster(c, argv[optind])))
        return status;
    if (gpuc_cluster_kubeconfig(&config, c->cluster, server, &error) < 0)
        return print_error(c, error);
    status = merge ? merge_into(c, merge, config) : EXIT_DONE;
    if (!merge && !c->json)
        fputs(config, stdout);
    else if (c->json && status == EXIT_DONE)
        print_json(merge ? json_pack("{s:s}", "merged", merge)
                         : json_pack("{s:s}", "kubeconfig", config));
    gpuc_free(config);
    return status;
}

/* A kubeconfig for the proxy's own port, so that `kubectl --kubeconfig FILE` works while it runs. */
static int write_proxy_config(cli *c, const char *path, int port)
{
    gpuc_error *error = NULL;
    char *config = NULL, server[64];
    int status;

    snprintf(server, sizeof(server), "https://127.0.0.1:%d", port);
    if (gpuc_cluster_kubeconfig(&config, c->cluster, server, &error) < 0)
        return print_error(c, error);
    status = write_file(c, path, config, 0600);
    gpuc_free(config);
    return status;
}

int cmd_proxy(cli *c, int argc, char **argv)
{
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"kubeconfig", required_argument, NULL, 'k'},
                                            {NULL, 0, NULL, 0}};
    const char *file = NULL;
    gpuc_error *error = NULL;
    gpuc_op *op = NULL;
    long port = 0;
    int o, status, bound;

    while ((o = next_option(c, argc, argv, "p:", options, &status)) != -1) {
        if (o == BAD_OPTION)
            return status;
        if (o == 'k')
            file = optarg;
        else if (!parse_number(optarg, 0, 65535, &port))
            return usage_error(c, "--port wants a number from 0 to 65535, not \"%s\"", optarg);
    }
    if ((status = arguments(c, argc, argv, 0, 1)) || (status = open_cluster(c, argv[optind])))
        return status;
    if (gpuc_cluster_proxy_start(&op, c->cluster, (int)port, &bound, &error) < 0)
        return print_error(c, error);
    if (file && (status = write_proxy_config(c, file, bound))) {
        gpuc_op_unref(op);
        return status;
    }
    printf(c->json ? "{\"server\":\"https://127.0.0.1:%d\"}\n" : "https://127.0.0.1:%d\n", bound);
    fflush(stdout);
    status = run_operation(c, op, &error) < 0 && !interrupted ? print_error(c, error) : EXIT_DONE;
    gpuc_op_unref(op);
    return status;
}
