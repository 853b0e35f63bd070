/* SPDX-License-Identifier: Apache-2.0 */
/* Machines of a cluster behind one real sshd, with canned answers of a SIMULATED GPU (gpu_host.sh).
 * Include after ssh_client.h; `context` is the test's. */
#ifndef TEST_GPU_HOSTS_H
#define TEST_GPU_HOSTS_H
#include "support/gpu_answers.h"

#include "cluster/provide.h"

#define ASSERT_OK(call) assert_int_equal((call), GPUC_OK)

static gpuc_spec *spec;
static gpuc_cluster *cluster;

/* Where `up` has found them. */
static inline void gpu_hosts_place(void)
{
    for (size_t i = 0; i < cluster->member_count; i++) {
        gpuc__member *member = cluster->members[i];
        const gpuc__machine_model *m = member->model;

        ASSERT_OK(gpuc__machine_info_copy(&member->info,
                                          &(gpuc__machine_info){.address = m->host,
                                                                .port = m->port,
                                                                .user = m->user,
                                                                .host_keys = m->host_keys},
                                          NULL));
        member->has_info = true;
    }
    cluster->identity = (gpuc__identity){.uuid = gpuc__strdup("u"), .ca_cert = gpuc__strdup("c"),
                                         .admin_key = gpuc__strdup("k")};
}

/* The server; false when there is none to be had. */
static inline bool gpu_hosts_serve(void)
{
    char line[1024];

    if (!sshd_make(&server, NULL, NULL))
        return false;
    gpu_hosts_force();
    snprintf(line, sizeof(line), "[127.1.*]:%d %s\n", server.port, server.host_key);
    put_file("known_hosts", line);
    gpu_hosts_answers();
    return sshd_launch(&server);
}

/* The cluster "lab": a control plane that nothing answers for, and beside it good, lost (seven of its
 * eight GPUs), gone and slow. */
static inline void gpu_hosts_open(void)
{
    gpuc_cluster_options options = GPUC_CLUSTER_OPTIONS_INIT;
    char text[2048], dir[300];

    snprintf(text, sizeof(text),
             "apiVersion: gpucluster/v1\nname: lab\nprovider: {kind: ssh}\n"
             "ssh: {user: %s, identity: %s, known_hosts: %s}\nmachines:\n"
             "  - {name: m, role: control-plane, host: 127.1.0.1, port: 1}\n"
             "  - {name: good, role: worker, host: 127.1.0.2, port: %d, accelerator: {count: 1}}\n"
             "  - {name: lost, role: worker, host: 127.1.0.3, port: %d, accelerator: {count: 8}}\n"
             "  - {name: gone, role: worker, host: 127.1.0.4, port: 1, accelerator: {count: 1}}\n"
             "  - {name: slow, role: worker, host: 127.1.0.5, port: %d, accelerator: {count: 1}}\n",
             server.user, sshd_path(&server, "id"), sshd_path(&server, "known_hosts"), server.port,
             server.port, server.port);
    put_file("127.1.0.5", "hang\n");
    snprintf(dir, sizeof(dir), "%s/state", server.dir);
    options.state_dir = dir;
    ASSERT_OK(gpuc_spec_parse(&spec, text, strlen(text), NULL, NULL));
    ASSERT_OK(gpuc_cluster_open(&cluster, context, spec, NULL, &options, NULL));
    gpu_hosts_place();
}
#endif
