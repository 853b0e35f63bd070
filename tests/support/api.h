/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster through the public API alone, on a host that is not there: nothing answers on its port,
 * so a plan ends at once and knows no more than that. Include after cmocka.h. */
#ifndef GPUC_TEST_API_H
#define GPUC_TEST_API_H
#include <ftw.h>
#include <gpucluster.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASSERT_OK(call) assert_int_equal((call), GPUC_OK)

static const char api_spec[] = "apiVersion: gpucluster/v1\n"
                               "name: api\n"
                               "provider: {kind: ssh}\n"
                               "ssh: {user: root, agent: true}\n"
                               "machines:\n"
                               "  - {name: m1, role: control-plane, host: 127.0.0.1, port: 1}\n";

static char api_state[64]; /* the state directory */

__attribute__((unused)) static int api_remove(const char *path, const struct stat *status, int kind,
                                              struct FTW *walk)
{
    return remove(path);
}

__attribute__((unused)) static int api_setup(void **state)
{
    snprintf(api_state, sizeof(api_state), "/tmp/gpuc-api-XXXXXX");
    unsetenv("SSH_AUTH_SOCK");
    return mkdtemp(api_state) ? 0 : -1;
}

__attribute__((unused)) static int api_teardown(void **state)
{
    return nftw(api_state, api_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* err is NULL or where an error goes, as in the library. */
__attribute__((unused)) static int api_open(gpuc_cluster **out, gpuc_context *context,
                                            gpuc_spec **spec, gpuc_error **err)
{
    gpuc_cluster_options options = GPUC_CLUSTER_OPTIONS_INIT;
    int rc = gpuc_spec_parse(spec, api_spec, strlen(api_spec), "api.yaml", err);

    options.state_dir = api_state;
    return rc < 0 ? rc : gpuc_cluster_open(out, context, *spec, NULL, &options, err);
}

__attribute__((unused)) static int api_add_step(gpuc_cluster *cluster, gpuc_error **err)
{
    gpuc_custom_step step = GPUC_CUSTOM_STEP_INIT;

    step.id = "site.motd";
    step.probe = "test -e /etc/motd.site";
    step.act = "touch /etc/motd.site";
    step.undo = "rm -f /etc/motd.site";
    return gpuc_cluster_add_step(cluster, &step, err);
}
#endif
