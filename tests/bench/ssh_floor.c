/* SPDX-License-Identifier: Apache-2.0 */
/* The floor under ssh_fanout: a bare program over libssh2 and epoll that does only this, with the
 * private key loaded once, a sign callback, and the host key compared. No timeouts, no messages.
 * ssh_floor PORT USER KEY HOST_KEY HOSTS IN_FLIGHT COMMAND */
#include <arpa/inet.h>
#include <errno.h>
#include <libssh2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "transport/ssh_key_internal.h"

enum stage { HANDSHAKE, AUTH, OPEN, EXEC, READ, CLOSE };

struct one {
    int fd;
    enum stage stage;
    unsigned events;
    LIBSSH2_SESSION *session;
    LIBSSH2_CHANNEL *channel;
    char *out;
    size_t length, capacity;
};

static gpuc__ssh_key *key;
static const char *user, *command;
static gpuc__buf expected = GPUC__BUF_INIT(4096);
static size_t bytes;
static int port, poller, failed;

static int sign(LIBSSH2_SESSION *session, unsigned char **sig, size_t *sig_length,
                const unsigned char *data, size_t length, void **abstract)
{
    gpuc__buf made = GPUC__BUF_INIT(4096);

    if (!gpuc__ssh_key_sign(key, (gpuc__span){NULL, 0}, data, length, &made))
        return -1;
    *sig = malloc(made.length);
    memcpy(*sig, made.data, made.length);
    *sig_length = made.length;
    gpuc__buf_clear(&made);
    return 0;
}

static int read_all(struct one *c)
{
    for (;;) {
        ssize_t n;

        if (c->capacity - c->length < 16384) {
            c->capacity = c->capacity ? c->capacity * 2 : 32768;
            c->out = realloc(c->out, c->capacity);
        }
        n = libssh2_channel_read(c->channel, c->out + c->length, c->capacity - c->length);
        if (n < 0)
            return (int)n;
        if (n == 0)
            return libssh2_channel_eof(c->channel) ? 0 : LIBSSH2_ERROR_EAGAIN;
        c->length += (size_t)n;
    }
}

/* 0 when this stage is done, EAGAIN to wait, else failed */
static int step(struct one *c)
{
    gpuc__span blob = gpuc__ssh_key_blob(key);
    const char *host_key;
    size_t length;
    int rc, type;

    switch (c->stage) {
    case HANDSHAKE:
        rc = libssh2_session_handshake(c->session, c->fd);
        host_key = rc ? NULL : libssh2_session_hostkey(c->session, &length, &type);
        if (!rc && (length != expected.length || memcmp(host_key, expected.data, length) != 0))
            return -1;
        return rc;
    case AUTH:
        return libssh2_userauth_publickey(c->session, user, blob.data, blob.length, sign, NULL);
    case OPEN:
        c->channel = libssh2_channel_open_session(c->session);
        if (!c->channel)
            return libssh2_session_last_errno(c->session);
        /* unread, it would hide the end of the output */
        libssh2_channel_handle_extended_data2(c->channel, LIBSSH2_CHANNEL_EXTENDED_DATA_IGNORE);
        return 0;
    case EXEC:
        return libssh2_channel_exec(c->channel, command);
    case READ:
        return read_all(c);
    default:
        rc = libssh2_channel_close(c->channel);
        if (rc == 0)
            failed += libssh2_channel_get_exit_status(c->channel) != 0;
        return rc;
    }
}

static void watch(struct one *c, int operation)
{
    int directions = libssh2_session_block_directions(c->session);
    struct epoll_event e = {.data.ptr = c, .events = EPOLLIN};

    if (operation == EPOLL_CTL_ADD || (directions & LIBSSH2_SESSION_BLOCK_OUTBOUND))
        e.events |= EPOLLOUT;
    if (operation == EPOLL_CTL_ADD || e.events != c->events)
        epoll_ctl(poller, operation, c->fd, &e);
    c->events = e.events;
}

/* True when it is over. */
static int drive(struct one *c)
{
    int rc;

    while ((rc = step(c)) == 0 && c->stage != CLOSE)
        c->stage++;
    if (rc == LIBSSH2_ERROR_EAGAIN) {
        watch(c, EPOLL_CTL_MOD);
        return 0;
    }
    failed += rc != 0;
    bytes += c->length;
    if (c->channel)
        libssh2_channel_free(c->channel);
    libssh2_session_disconnect(c->session, "done");
    libssh2_session_free(c->session);
    close(c->fd);
    free(c->out);
    free(c);
    return 1;
}

static void start(int number)
{
    struct one *c = calloc(1, sizeof(*c));
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    a.sin_addr.s_addr = htonl(0x7f010000u + (uint32_t)(number / 250) * 256 +
                              (uint32_t)(number % 250) + 1);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connect(c->fd, (struct sockaddr *)&a, sizeof(a)) < 0 && errno != EINPROGRESS)
        abort();
    c->session = libssh2_session_init();
    libssh2_session_set_blocking(c->session, 0);
    libssh2_session_method_pref(c->session, LIBSSH2_METHOD_HOSTKEY, "ssh-ed25519");
    watch(c, EPOLL_CTL_ADD);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct epoll_event events[64];
    struct rusage use;
    int hosts, in_flight, started = 0, done = 0;
    double begin, cpu;

    if (argc != 8 || gpuc__ssh_key_load(&key, argv[3], NULL, NULL))
        return 2;
    port = (int)strtol(argv[1], NULL, 10);
    user = argv[2];
    hosts = (int)strtol(argv[5], NULL, 10);
    in_flight = (int)strtol(argv[6], NULL, 10);
    command = argv[7];
    if (!strchr(argv[4], ' ') ||
        !gpuc__base64_get(&expected, strchr(argv[4], ' ') + 1, strlen(strchr(argv[4], ' ') + 1)))
        return 2;
    libssh2_init(0);
    poller = epoll_create1(EPOLL_CLOEXEC);
    begin = now();
    while (started < hosts && started < in_flight)
        start(started++);
    while (done < hosts) {
        int n = epoll_wait(poller, events, 64, -1);

        for (int i = 0; i < n; i++) {
            if (!drive(events[i].data.ptr))
                continue;
            done++;
            if (started < hosts)
                start(started++);
        }
    }
    getrusage(RUSAGE_SELF, &use);
    cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
          (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    printf("{\"hosts\": %d, \"ok\": %d, \"failed\": %d, \"bytes\": %zu, \"cpu_ms_per_host\": %.3f, "
           "\"peak_rss_kb\": %ld, \"wall_s\": %.3f}\n",
           hosts, hosts - failed, failed, bytes, cpu * 1000 / hosts, use.ru_maxrss, now() - begin);
    return failed ? 1 : 0;
}
