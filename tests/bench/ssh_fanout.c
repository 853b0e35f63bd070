/* SPDX-License-Identifier: Apache-2.0 */
/* One command on N machines through the library's SSH transport; prints CPU, memory and wall time
 * as JSON. The "machines" are loopback addresses 127.1.x.y of one sshd.
 * ssh_fanout PORT USER KEY HOST_KEY HOSTS IN_FLIGHT COMMAND */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/context.h"
#include "transport/ssh.h"

struct fan {
    gpuc_context *context;
    gpuc__ssh_key *key;
    int port, hosts, started, under_way, ok, failed;
    const char *user, *host_key, *command;
    size_t bytes;
};

struct one {
    struct fan *fan;
    gpuc__ssh *ssh;
};

static void start_next(struct fan *fan);

static void on_done(void *data, int status, const char *out, size_t out_length, const char *errout,
                    size_t errout_length, gpuc_error *error)
{
    struct one *one = data;
    struct fan *fan = one->fan;

    if (error) {
        if (!fan->failed)
            fprintf(stderr, "%s\n", gpuc_error_message(error));
        gpuc_error_unref(error);
        fan->failed++;
    } else {
        fan->ok += status == 0;
        fan->failed += status != 0;
    }
    fan->bytes += out_length;
    fan->under_way--;
    gpuc__ssh_unref(one->ssh);
    free(one);
    start_next(fan);
}

static void start_next(struct fan *fan)
{
    struct one *one;
    char host[32];
    const char *host_keys[] = {fan->host_key, NULL};
    gpuc__ssh_config config = {.host = host, .port = fan->port, .user = fan->user,
                               .keys = &fan->key, .key_count = 1, .host_keys = host_keys,
                               .connect_timeout_ms = 120000};

    if (fan->started == fan->hosts)
        return;
    one = calloc(1, sizeof(*one));
    snprintf(host, sizeof(host), "127.1.%d.%d", fan->started / 250, fan->started % 250 + 1);
    one->fan = fan;
    if (gpuc__ssh_new(&one->ssh, fan->context, &config, NULL))
        abort();
    fan->started++;
    fan->under_way++;
    gpuc__ssh_exec(one->ssh, &(gpuc__ssh_exec_args){.command = fan->command, .done = on_done,
                                                    .data = one});
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    struct fan fan = {0};
    struct rusage use;
    uint64_t start;
    double cpu;

    if (argc != 8) {
        fprintf(stderr, "usage: ssh_fanout PORT USER KEY HOST_KEY HOSTS IN_FLIGHT COMMAND\n");
        return 2;
    }
    fan.port = (int)strtol(argv[1], NULL, 10);
    fan.user = argv[2];
    fan.host_key = argv[4];
    fan.hosts = (int)strtol(argv[5], NULL, 10);
    fan.command = argv[7];
    if (gpuc_context_new(&fan.context, NULL) || gpuc__ssh_key_load(&fan.key, argv[3], NULL, NULL))
        return 2;
    start = gpuc__clock_ms();
    for (long i = strtol(argv[6], NULL, 10); i > 0; i--)
        start_next(&fan);
    while (fan.under_way)
        gpuc_context_run(fan.context, -1, NULL);
    gpuc__ssh_key_unref(fan.key);
    gpuc_context_unref(fan.context);
    getrusage(RUSAGE_SELF, &use);
    cpu = seconds(use.ru_utime) + seconds(use.ru_stime);
    printf("{\"hosts\": %d, \"ok\": %d, \"failed\": %d, \"bytes\": %zu, \"cpu_ms_per_host\": %.3f, "
           "\"peak_rss_kb\": %ld, \"wall_s\": %.3f}\n",
           fan.hosts, fan.ok, fan.failed, fan.bytes, cpu * 1000 / fan.hosts, use.ru_maxrss,
           (double)(gpuc__clock_ms() - start) / 1000);
    return fan.failed ? 1 : 0;
}
