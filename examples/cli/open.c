/* SPDX-License-Identifier: Apache-2.0 */
/* From an argument to an open cluster, and from an operation to its end. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

/* The name of the only cluster of the state directory; new string (free). */
static char *only_cluster(cli *c, int *status)
{
    gpuc_error *error = NULL;
    char *text = NULL, *name = NULL;
    json_t *names;

    if (gpuc_cluster_list(&text, c->state_dir, &error) < 0) {
        *status = print_error(c, error);
        return NULL;
    }
    names = json_loads(text, 0, NULL);
    gpuc_free(text);
    if (json_array_size(names) == 1)
        name = strdup(json_string_value(json_array_get(names, 0)));
    else
        *status = usage_error(c, "%s", json_array_size(names) ? "several clusters are known: name one of those "
                                                       "that `gpucluster list` shows"
                                                     : "no cluster is known yet: start with "
                                                       "`gpucluster up SPEC`");
    json_decref(names);
    return name;
}

/* --bundle and --mirror stand in place of what the spec says. */
static int set_sources(cli *c, gpuc_spec *spec, gpuc_error **error)
{
    int rc = GPUC_OK;

    if (c->bundle || c->mirror)
        rc = gpuc_spec_set(spec, "sources", "{}", error);
    if (rc == GPUC_OK && c->bundle)
        rc = gpuc_spec_set(spec, "sources.bundle", c->bundle, error);
    if (rc == GPUC_OK && c->mirror)
        rc = gpuc_spec_set(spec, "sources.mirror", c->mirror, error);
    return rc;
}

/* Names of clusters have neither slash nor dot. A folder of a cluster's name is not meant. */
static bool is_file(const char *what)
{
    struct stat st;

    return strpbrk(what, "/.") || (stat(what, &st) == 0 && !S_ISDIR(st.st_mode));
}

int open_cluster(cli *c, const char *what)
{
    gpuc_cluster_options options = GPUC_CLUSTER_OPTIONS_INIT;
    gpuc_error *error = NULL;
    gpuc_spec *spec = NULL;
    char *only = NULL;
    int status = EXIT_DONE, rc = GPUC_OK;

    options.state_dir = c->state_dir;
    if (!what && !(what = only = only_cluster(c, &status)))
        return status;
    if (is_file(what)) {
        rc = gpuc_spec_load(&spec, what, &error);
        if (rc == GPUC_OK)
            rc = set_sources(c, spec, &error);
    } else if (c->bundle || c->mirror) {
        free(only);
        return usage_error(c, "--bundle and --mirror go with a spec file, and \"%s\" is not one", what);
    }
    if (rc == GPUC_OK)
        rc = gpuc_cluster_open(&c->cluster, c->context, spec, spec ? NULL : what, &options, &error);
    gpuc_spec_unref(spec);
    free(only);
    return rc < 0 ? print_error(c, error) : EXIT_DONE;
}

int run_operation(cli *c, gpuc_op *op, gpuc_error **err)
{
    int rc;

    progress_begin(c);
    while ((rc = gpuc_op_wait(op, 250, err)) == GPUC_ETIMEDOUT &&
           gpuc_op_state(op) == GPUC_OP_RUNNING) {
        gpuc_error_unref(*err);
        *err = NULL;
        if (interrupted)
            gpuc_op_cancel(op);
    }
    progress_end(c);
    return rc;
}
