/* SPDX-License-Identifier: Apache-2.0 */
/* The socket under a connection, and libssh2's view of it: two buffers. */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/ssh_internal.h"
#include "util/alloc.h"

#define IN_SIZE (32 * 1024)
#define OUT_MAX (8 * 1024 * 1024) /* far above the high-water mark and an SFTP window */
#define SPIN_MANY 4096 /* "would block" answers in one turn that only a busy loop can produce */
#define SPIN_WAIT_MS 10
#define SPIN_MAX (SPIN_MANY + 300)

static LIBSSH2_ALLOC_FUNC(session_alloc)
{
    return gpuc__malloc(count);
}

static LIBSSH2_FREE_FUNC(session_free_memory)
{
    gpuc__free(ptr);
}

static LIBSSH2_REALLOC_FUNC(session_realloc)
{
    return gpuc__realloc(ptr, count);
}

static void ended(gpuc__ssh_link *link, int error)
{
    link->ended = true;
    link->ended_errno = error;
    link->readable = false;
}

size_t gpuc__ssh_link_queued(const gpuc__ssh_link *link)
{
    return link->out_end - link->out_start;
}

void gpuc__ssh_link_flush(gpuc__ssh_link *link)
{
    while (link->out_start < link->out_end && !link->ended) {
        ssize_t n = send(link->fd, link->out + link->out_start, link->out_end - link->out_start,
                         MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n < 0 && errno != EPIPE && errno != ECONNRESET) {
            ended(link, errno);
            return;
        }
        if (n < 0) {
            /* what the peer said before it closed may still be there to read */
            link->out_start = link->out_end;
            link->readable = true;
            return;
        }
        link->out_start += (size_t)n;
    }
    if (link->out_start == link->out_end) {
        link->out_start = link->out_end = 0;
        if (link->out_capacity > 64 * 1024) {
            gpuc__free(link->out);
            link->out = NULL;
            link->out_capacity = 0;
        }
    }
}

/* Room for `more` bytes at out_end. */
static bool out_reserve(gpuc__ssh_link *link, size_t more)
{
    size_t used = gpuc__ssh_link_queued(link), capacity;
    char *out;

    if (link->out_end + more <= link->out_capacity)
        return true;
    if (link->out_start) {
        memmove(link->out, link->out + link->out_start, used);
        link->out_start = 0;
        link->out_end = used;
    }
    if (used + more <= link->out_capacity)
        return true;
    if (used + more > OUT_MAX)
        return false;
    for (capacity = link->out_capacity ? link->out_capacity : 2048; capacity < used + more;)
        capacity *= 2;
    out = gpuc__realloc(link->out, capacity);
    if (!out)
        return false;
    link->out = out;
    link->out_capacity = capacity;
    return true;
}

static LIBSSH2_SEND_FUNC(session_send)
{
    gpuc__ssh_link *link = *abstract;

    if (link->dead || link->ended)
        return -EPIPE;
    if (!out_reserve(link, length))
        return -ENOMEM;
    memcpy(link->out + link->out_end, buffer, length);
    link->out_end += length;
    return (ssize_t)length;
}

/* libssh2 has places that loop over "would block" instead of returning (its SFTP start when the
 * subsystem is refused). Their end is to be helped along, for a bounded time. */
static void help_busy_loop(gpuc__ssh_link *link)
{
    struct pollfd one = {link->fd, POLLIN, 0};

    gpuc__ssh_link_flush(link);
    if (poll(&one, 1, SPIN_WAIT_MS) > 0)
        link->readable = true;
    if (link->would_block > SPIN_MAX)
        ended(link, ETIMEDOUT);
}

bool gpuc__ssh_link_fill(gpuc__ssh_link *link)
{
    size_t room;
    ssize_t n;

    if (link->ended)
        return false;
    if (!link->in && !(link->in = gpuc__malloc(IN_SIZE))) {
        ended(link, ENOMEM); /* else it would be asked for as long as bytes wait to be read */
        return false;
    }
    if (link->in_start == link->in_end)
        link->in_start = link->in_end = 0;
    room = IN_SIZE - link->in_end;
    if (!room)
        return false;
    do
        n = recv(link->fd, link->in + link->in_end, room, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        link->readable = false;
        return false;
    }
    if (n <= 0) {
        ended(link, n ? errno : 0);
        return false;
    }
    link->readable = (size_t)n == room; /* less: drained; the poll tells when there is more */
    link->in_end += (size_t)n;
    if (link->ssh->state == GPUC__SSH_HANDSHAKE)
        gpuc__buf_add(&link->greeting, link->in + link->in_end - n, (size_t)n);
    link->last_received = gpuc__clock_ms();
    link->ssh->keepalives = 0;
    return true;
}

/* The end of the stream is reported as "would block": what libssh2 has already queued for the
 * channels is delivered first, and the pump sees `ended` when nothing moves any more. */
static LIBSSH2_RECV_FUNC(session_recv)
{
    gpuc__ssh_link *link = *abstract;
    size_t n;

    if (link->dead)
        return -ECONNRESET;
    if (link->in_start == link->in_end && link->would_block > SPIN_MANY)
        help_busy_loop(link);
    if (link->in_start == link->in_end && (!link->readable || !gpuc__ssh_link_fill(link))) {
        link->would_block++;
        return link->would_block > SPIN_MAX ? -ECONNRESET : -EAGAIN;
    }
    n = link->in_end - link->in_start;
    if (n > length)
        n = length;
    memcpy(buffer, link->in + link->in_start, n);
    link->in_start += n;
    if (link->in_start == link->in_end)
        link->in_start = link->in_end = 0;
    return (ssize_t)n;
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    gpuc__ssh_link *link = handle->data;

    if (!link->ssh)
        return;
    if (status < 0 || (events & (UV_READABLE | UV_DISCONNECT)))
        link->readable = true;
    gpuc__ssh_pump(link->ssh);
}

static void link_free(uv_handle_t *handle)
{
    gpuc__ssh_link *link = handle->data;

    gpuc__buf_clear(&link->greeting);
    gpuc__free(link->in);
    gpuc__free(link->out);
    gpuc__free(link);
}

gpuc__ssh_link *gpuc__ssh_link_new(gpuc__ssh *ssh, int fd)
{
    gpuc__ssh_link *link = gpuc__calloc(1, sizeof(*link));

    if (!link || uv_poll_init(gpuc__context_loop(ssh->context), &link->poll, fd)) {
        gpuc__free(link);
        close(fd);
        return NULL;
    }
    link->poll.data = link;
    link->ssh = ssh;
    link->fd = fd;
    link->last_received = gpuc__clock_ms();
    gpuc__buf_init(&link->greeting, 64 * 1024);
    return link;
}

bool gpuc__ssh_link_start(gpuc__ssh_link *link)
{
    LIBSSH2_SESSION *session =
        libssh2_session_init_ex(session_alloc, session_free_memory, session_realloc, link);

    if (!session)
        return false;
    libssh2_session_set_blocking(session, 0);
#if LIBSSH2_VERSION_NUM >= 0x010b01
    libssh2_session_callback_set2(session, LIBSSH2_CALLBACK_SEND,
                                  (libssh2_cb_generic *)session_send);
    libssh2_session_callback_set2(session, LIBSSH2_CALLBACK_RECV,
                                  (libssh2_cb_generic *)session_recv);
#else
    libssh2_session_callback_set(session, LIBSSH2_CALLBACK_SEND, (void *)(uintptr_t)session_send);
    libssh2_session_callback_set(session, LIBSSH2_CALLBACK_RECV, (void *)(uintptr_t)session_recv);
#endif
    link->session = session;
    return true;
}

void gpuc__ssh_link_watch(gpuc__ssh_link *link, bool connecting)
{
    int events = 0;

    if (connecting)
        events = UV_WRITABLE;
    else if (!link->ended && gpuc__ssh_link_queued(link))
        events = UV_WRITABLE;
    /* libssh2 reads only on behalf of a channel: without one the buffer may fill up */
    if (!connecting && !link->ended && (link->in_end < IN_SIZE || link->in_start == link->in_end))
        events |= UV_READABLE;
    if (events != link->events) {
        link->events = events;
        if (events)
            uv_poll_start(&link->poll, events, on_poll);
        else
            uv_poll_stop(&link->poll);
    }
    if (link->in && link->in_start == link->in_end) {
        gpuc__free(link->in);
        link->in = NULL;
    }
}

void gpuc__ssh_link_drop(gpuc__ssh_link *link)
{
    link->dead = true;
    if (link->session) {
        libssh2_session_free(link->session);
        link->session = NULL;
    }
    link->ssh = NULL;
    uv_close((uv_handle_t *)&link->poll, link_free);
    close(link->fd);
}
