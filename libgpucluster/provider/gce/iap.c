/* SPDX-License-Identifier: Apache-2.0 */
/* Tunnels through IAP to machines without an external address: one end of a socketpair bridged to
 * the relay. A lost connection is taken up again; why a tunnel ends is logged. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/context.h"
#include "provider/gce/iap_relay.h"
#include "provider/gce/machines.h"
#include "transport/websocket.h"
#include "util/alloc.h"
#include "util/error.h"

#define URL "https://tunnel.cloudproxy.app/v4"
#define URL_VARIABLE "GPUC_IAP_URL"
#define PROTOCOL "relay.tunnel.cloudproxy.app"
#define OPEN_MS 60000
#define PATIENCE_MS 60000 /* for connections that fail one after the other */
#define AGAIN_MS 500      /* before the second one; doubles */
#define AGAIN_MAX_MS 8000
#define IDLE_MS 2000
#define BLOCK (16 * 1024)
#define ROUNDS 16          /* blocks moved before others on the loop have their turn */
#define QUEUE_LOW (64u * 1024) /* while less waits in the WebSocket it is given more */
#define UNSENT_MAX (128u * 1024) /* while less waits for it, the socket is read */
#define NOTHING_LISTENS 4003
#define REAUTHENTICATE 4004
#define SID_IN_USE 4002

/* The socket's watch and the timer, which outlive the tunnel by their closing. */
struct end {
    uv_poll_t poll;
    uv_timer_t timer;
    int events, closing;
    struct gpuc__gce_tunnel *tunnel; /* NULL once let go */
};

typedef struct gpuc__gce_tunnel {
    struct gpuc__gce_tunnel *next, **link;
    gpuc__provider *provider;
    char *machine, *instance, *zone; /* zone NULL: being looked for */
    int port, fd;
    struct end *end;
    gpuc__task task;      /* moves bytes */
    gpuc__gce_find find;
    bool asking;          /* for a token */
    char *token;          /* of this connection; secret */
    gpuc__http *http;
    gpuc__websocket *ws;  /* NULL: between two connections */
    gpuc__iap_relay relay;
    gpuc__buf down;       /* what the socket would not take yet */
    bool over, up_eof, saying_goodbye;
    uint64_t opening_since;
    uint64_t failing_since; /* 0: the last connection was good */
    unsigned failures, rejected;
} tunnel;

static void connect_now(tunnel *t);
static void move(void *data);
static bool move_down(tunnel *t);

/* ---- the end ---- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct end *end = handle->data;

    if (--end->closing == 0)
        gpuc__free(end);
}

static void tunnel_free(tunnel *t)
{
    gpuc__provider *provider = t->provider;

    *t->link = t->next;
    if (t->next)
        t->next->link = t->link;
    gpuc__context_unpost(provider->context, &t->task);
    gpuc__gce_find_drop(&t->find);
    gpuc__websocket_drop(t->ws);
    gpuc__http_unref(t->http);
    if (t->end) {
        t->end->tunnel = NULL;
        t->end->closing = 2;
        uv_close((uv_handle_t *)&t->end->poll, on_handle_closed);
        uv_close((uv_handle_t *)&t->end->timer, on_handle_closed);
    }
    if (t->fd >= 0)
        close(t->fd);
    gpuc__iap_relay_clear(&t->relay);
    gpuc__buf_clear(&t->down);
    gpuc__free_secret(t->token);
    gpuc__free(t->machine);
    gpuc__free(t->instance);
    gpuc__free(t->zone);
    gpuc__free(t);
    gpuc__gce_unref(provider);
}

/* Ends it in the task: it may be asked for anywhere. */
static void end_later(tunnel *t)
{
    t->over = true;
    gpuc__context_post(t->provider->context, &t->task);
}

/* error is consumed. */
static void fail(tunnel *t, gpuc_error *error)
{
    const char *remedy = gpuc_error_remedy(error);
    bool usual = gpuc_error_native_code(error) == NOTHING_LISTENS; /* while a machine boots */

    gpuc__log(t->provider->context, usual ? GPUC_LOG_INFO : GPUC_LOG_WARN, "iap",
              "%s: the tunnel to port %d has ended: %s%s%s", t->machine, t->port,
              gpuc_error_message(error), remedy ? "; " : "",
              remedy ? remedy : "");
    gpuc_error_unref(error);
    if (!t->relay.sid && !usual) /* it may be somewhere else by now */
        json_object_del(t->provider->zones, t->machine);
    end_later(t);
}

/* ---- one connection after the other ---- */

static void on_again(uv_timer_t *timer)
{
    struct end *end = timer->data;

    if (end->tunnel && !end->tunnel->over)
        connect_now(end->tunnel);
}

/* The relay is silent for long, or a few bytes have not been confirmed yet. */
static void on_idle(uv_timer_t *timer)
{
    unsigned char message[GPUC__IAP_MESSAGE_MAX];
    tunnel *t = ((struct end *)timer->data)->tunnel;
    gpuc_error *error = NULL;
    size_t n;

    if (!t || !t->ws || t->over)
        return;
    if (!t->relay.open && gpuc__clock_ms() - t->opening_since > OPEN_MS) {
        gpuc__error_set(&error, GPUC_ETIMEDOUT, GPUC_DOMAIN_PROVIDER,
                        "the IAP relay did not connect within %d s", OPEN_MS / 1000);
        fail(t, error);
        return;
    }
    n = gpuc__iap_relay_next(&t->relay, message, true);
    if (n)
        gpuc__websocket_send(t->ws, message, n);
    move(t);
}

static void set_timer(tunnel *t, uv_timer_cb fn, uint64_t ms)
{
    uv_update_time(gpuc__context_loop(t->provider->context));
    uv_timer_start(&t->end->timer, fn, ms, 0);
}

/* Once more, unless that has gone on for too long; error is consumed. */
static void try_again(tunnel *t, gpuc_error *error)
{
    uint64_t now = gpuc__clock_ms(), pause = AGAIN_MS;

    if (!t->failing_since)
        t->failing_since = now;
    if (now - t->failing_since > PATIENCE_MS) {
        fail(t, error);
        return;
    }
    gpuc__log(t->provider->context, GPUC_LOG_INFO, "iap", "%s: connecting again: %s", t->machine,
              gpuc_error_message(error));
    gpuc_error_unref(error);
    for (unsigned i = 0; i < t->failures && pause < AGAIN_MAX_MS; i++)
        pause *= 2;
    t->failures++;
    set_timer(t, on_again, pause);
}

/* What a close code means. *again: a new connection may go on. */
static gpuc_error *explain_code(const tunnel *t, int code, const char *reason, bool *again)
{
    gpuc_error *error = NULL;
    char *clean = gpuc__text_line(reason);

    gpuc__error_set(&error, GPUC_ENETWORK, GPUC_DOMAIN_PROVIDER,
                    "the IAP relay closed with code %d%s%s", code, clean && *clean ? ": " : "",
                    clean ? clean : "");
    gpuc__error_native(&error, code);
    *again = false;
    if (code == 4003) {
        gpuc__error_remedy(&error,
                           "nothing listens on port %d of %s yet, or no firewall rule lets "
                           "35.235.240.0/20 in",
                           t->port, t->instance);
    } else if (code == REAUTHENTICATE) {
        *again = true;
        gpuc__error_remedy(&error, "the credentials were not accepted any more: log in again");
    } else if (code == SID_IN_USE) {
        *again = t->relay.sid != NULL; /* the lost connection is not yet seen as lost there */
    }
    gpuc__free(clean);
    return error;
}

/* A refused handshake, or a lost connection. */
static void explain_error(const tunnel *t, gpuc_error **error, bool *again)
{
    long status = gpuc_error_native_code(*error);

    *again = gpuc_error_retryable(*error) || status == 401;
    if (gpuc_error_domain(*error) != GPUC_DOMAIN_HTTP || status < 400 || status > 499)
        return;
    gpuc__error_wrap(error, gpuc_error_code(*error), GPUC_DOMAIN_PROVIDER,
                     "IAP does not let the tunnel to %s through (HTTP status %ld)", t->instance,
                     status);
    gpuc__error_native(error, status);
    gpuc__error_remedy(error,
                       "see that %s has the permission iap.tunnelInstances.accessViaIAP (role "
                       "roles/iap.tunnelResourceAccessor) in project %s, and that the IAP API is on",
                       gpuc__gce_auth_describe(t->provider->auth), t->provider->project);
}

static void on_closed(void *data, int code, const char *reason, gpuc_error *error)
{
    tunnel *t = data;
    bool again = false, in_order = !error && (code == 1000 || code == 1001 || code == 1005);

    t->ws = NULL;
    uv_timer_stop(&t->end->timer);
    gpuc__iap_relay_lost(&t->relay);
    if (t->saying_goodbye || t->over || in_order) {
        gpuc_error_unref(error);
        end_later(t);
        return;
    }
    if (error)
        explain_error(t, &error, &again);
    else
        error = explain_code(t, code, reason, &again);
    if (code == REAUTHENTICATE || gpuc_error_native_code(error) == 401) {
        /* the token may have ended meanwhile; a new one is asked for where that is not it */
        if (code != REAUTHENTICATE || t->rejected)
            gpuc__gce_auth_reject(t->provider->auth, t->token);
        again = t->rejected++ < 2;
    }
    if (again)
        try_again(t, error);
    else
        fail(t, error);
}

static void on_open(void *data)
{
    (void)data; /* the relay's first message counts */
}

static void on_message(void *data, bool text, const void *bytes, size_t length)
{
    tunnel *t = data;
    const unsigned char *payload = NULL;
    size_t size = 0;
    gpuc_error *error = NULL;

    if (t->over)
        return;
    if (text)
        gpuc__error_set(&error, GPUC_EPROTO, GPUC_DOMAIN_PROVIDER,
                        "the IAP relay sent a message of text");
    else
        gpuc__iap_relay_take(&t->relay, bytes, length, &payload, &size, &error);
    if (!error && size && !gpuc__buf_add(&t->down, payload, size))
        gpuc__error_nomem(&error);
    if (error) {
        fail(t, error);
        return;
    }
    if (t->relay.open)
        t->failing_since = t->failures = t->rejected = 0;
    if (!move_down(t))
        gpuc__websocket_pause(t->ws, true); /* until the socket takes more */
    gpuc__context_post(t->provider->context, &t->task);
}

static void on_empty(void *data)
{
    gpuc__context_post(((tunnel *)data)->provider->context, &((tunnel *)data)->task);
}

static void open_websocket(tunnel *t, const char *token)
{
    char *header = gpuc__asprintf("Authorization: Bearer %s", token);
    const char *const headers[] = {"Origin: bot:iap-tunneler", "User-Agent: libgpucluster", header,
                                   NULL};
    char *path = gpuc__iap_relay_path(&t->relay, t->provider->project, t->zone, t->instance,
                                      t->port);
    gpuc__websocket_args args = {.http = t->http,
                                 .path = path,
                                 .headers = headers,
                                 .subprotocol = PROTOCOL,
                                 .message_max = GPUC__IAP_RECEIVE_MAX,
                                 .queue_max = 2 * QUEUE_LOW,
                                 .open_ms = OPEN_MS,
                                 .open = on_open,
                                 .message = on_message,
                                 .empty = on_empty,
                                 .closed = on_closed,
                                 .data = t};
    gpuc_error *error = NULL;

    if (header && path)
        t->ws = gpuc__websocket_open(&args);
    gpuc__free_secret(header);
    gpuc__free_secret(path);
    if (t->ws) {
        t->opening_since = gpuc__clock_ms();
        set_timer(t, on_idle, IDLE_MS);
        return;
    }
    gpuc__error_nomem(&error);
    fail(t, error);
}

static void on_token(void *data, const char *token, gpuc_error *error)
{
    tunnel *t = data;

    t->asking = false;
    if (!error) {
        gpuc__free_secret(t->token);
        t->token = gpuc__strdup(token);
        if (!t->token)
            gpuc__error_nomem(&error);
    }
    if (t->over) {
        gpuc_error_unref(error);
        tunnel_free(t);
    } else if (error) {
        fail(t, error);
    } else {
        open_websocket(t, t->token);
    }
}

static void connect_now(tunnel *t)
{
    t->asking = true;
    gpuc__gce_auth_token(t->provider->auth, on_token, t);
}

/* ---- where the machine is ---- */

static void on_found(gpuc__gce_find *find, json_t *ours, json_t *foreign, gpuc_error *error)
{
    tunnel *t = find->data;
    const char *zone = json_string_value(json_object_get(json_array_get(ours, 0), "zone"));

    (void)foreign;
    if (!error && !zone) {
        gpuc__error_set(&error, GPUC_ENOTFOUND, GPUC_DOMAIN_PROVIDER,
                        "project %s has no instance %s of this cluster", t->provider->project,
                        t->instance);
    } else if (!error) {
        t->zone = gpuc__strdup(gpuc__gce_link_name(zone));
        if (!t->zone)
            gpuc__error_nomem(&error);
        if (!t->provider->zones)
            t->provider->zones = json_object();
        json_object_set_new(t->provider->zones, t->machine, json_string(t->zone));
    }
    if (error)
        fail(t, error);
    else
        connect_now(t);
}

/* ---- moving bytes ---- */

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

/* From the relay to the socket; false while the socket takes no more. */
static bool move_down(tunnel *t)
{
    size_t at = 0;

    while (at < t->down.length) {
        ssize_t n = send(t->fd, t->down.data + at, t->down.length - at, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && !would_block()) { /* nobody is there to read it */
            t->up_eof = true;
            at = t->down.length;
        }
        if (n < 0)
            break;
        at += (size_t)n;
    }
    gpuc__buf_consume(&t->down, at);
    return t->down.length == 0;
}

static bool may_read(const tunnel *t)
{
    return gpuc__iap_relay_room(&t->relay) >= BLOCK &&
           gpuc__iap_relay_unsent(&t->relay) < UNSENT_MAX;
}

/* From the socket to the relay, as far as there is room; true while more may be there. */
static bool read_up(tunnel *t)
{
    char block[BLOCK];
    ssize_t n;

    if (t->up_eof || !may_read(t))
        return false;
    do
        n = read(t->fd, block, sizeof(block));
    while (n < 0 && errno == EINTR);
    if (n < 0 && would_block())
        return false;
    if (n <= 0 || !gpuc__iap_relay_add(&t->relay, block, (size_t)n)) {
        t->up_eof = true;
        return false;
    }
    return true;
}

static void send_up(tunnel *t)
{
    unsigned char message[GPUC__IAP_MESSAGE_MAX];
    size_t n;

    while (gpuc__websocket_queued(t->ws) < QUEUE_LOW) {
        n = gpuc__iap_relay_next(&t->relay, message, false);
        if (!n || !gpuc__websocket_send(t->ws, message, n))
            return;
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct end *end = poll->data;

    (void)status;
    (void)events;
    if (end->tunnel)
        move(end->tunnel);
}

static void watch(tunnel *t)
{
    int events = 0;

    if (!t->up_eof && may_read(t))
        events |= UV_READABLE;
    if (t->down.length)
        events |= UV_WRITABLE;
    if (events == t->end->events)
        return;
    t->end->events = events;
    if (events)
        uv_poll_start(&t->end->poll, events, on_poll);
    else
        uv_poll_stop(&t->end->poll);
}

/* The other end has closed, and all it wrote was passed on, where anything could be. */
static void say_goodbye(tunnel *t)
{
    t->saying_goodbye = true;
    if (t->ws && t->relay.open)
        gpuc__websocket_close(t->ws, 1000);
    else
        end_later(t);
}

/* It is over. */
static void go(tunnel *t)
{
    move_down(t);
    if (t->asking)
        gpuc__gce_auth_cancel(t->provider->auth, t); /* on_token then frees it */
    else
        tunnel_free(t);
}

/* Whether the timer has something to see to. */
static bool is_due(const tunnel *t)
{
    return t->ws && (!t->relay.open || t->relay.received != t->relay.acked) &&
           !uv_is_active((uv_handle_t *)&t->end->timer);
}

static void move(void *data)
{
    tunnel *t = data;

    if (t->over) {
        go(t);
        return;
    }
    if (move_down(t) && t->ws)
        gpuc__websocket_pause(t->ws, false);
    for (int i = 0; i < ROUNDS && read_up(t); i++) {
        if (t->ws)
            send_up(t);
    }
    if (t->ws)
        send_up(t);
    if (is_due(t))
        set_timer(t, on_idle, IDLE_MS);
    if (t->up_eof && !t->saying_goodbye &&
        (!t->relay.sid || !gpuc__iap_relay_unsent(&t->relay)))
        say_goodbye(t);
    if (!t->over)
        watch(t);
}

/* ---- the beginning ---- */

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool is_this_machine(const char *host)
{
    return begins(host, "127.") || begins(host, "localhost:") || begins(host, "[::1]");
}

/* The relay's address: ws and wss are taken for http and https. Plain text goes to this machine
 * only, since the token goes with it. */
static int relay_url(char **out, gpuc_error **err)
{
    const char *url = getenv(URL_VARIABLE), *rest, *slash;
    bool plain, good;

    if (!url || !*url)
        url = URL;
    rest = strstr(url, "://");
    rest = rest ? rest + 3 : "";
    plain = begins(url, "ws://") || begins(url, "http://");
    good = plain ? is_this_machine(rest) : begins(url, "wss://") || begins(url, "https://");
    if (!good || !*rest || strpbrk(url, "?#@ \t\r\n")) {
        gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_PROVIDER,
                        URL_VARIABLE " is no address of an IAP relay");
        gpuc__error_remedy(err, "give it as wss://HOST/v4, or as ws:// on 127.0.0.1; unset it for "
                                "Google's own");
        return GPUC_EINVAL;
    }
    slash = strchr(rest, '/');
    *out = gpuc__asprintf("%s://%s%s", plain ? "http" : "https", rest,
                          !slash      ? "/v4"
                          : slash[1]  ? ""
                                      : "v4");
    return *out ? GPUC_OK : gpuc__error_nomem(err);
}

static int open_http(tunnel *t, gpuc_error **err)
{
    char *url = NULL;
    int rc = relay_url(&url, err);
    gpuc__http_config config = {.base_url = url};

    if (rc == GPUC_OK && t->next) /* what connections have in common is read once */
        t->http = gpuc__http_ref(t->next->http);
    else if (rc == GPUC_OK)
        rc = gpuc__http_new(&t->http, t->provider->context, &config, err);
    gpuc__free(url);
    return rc;
}

static int fill(tunnel *t, const char *machine, int *fd, gpuc_error **err)
{
    uv_loop_t *loop = gpuc__context_loop(t->provider->context);
    struct end *end;
    const char *zone = json_string_value(json_object_get(t->provider->zones, machine));
    int pair[2], rc;

    t->machine = gpuc__strdup(machine);
    t->zone = gpuc__strdup(zone);
    t->instance = gpuc__gce_instance_name(t->provider->spec->name, machine);
    if (!t->machine || !t->instance || (zone && !t->zone))
        return gpuc__error_nomem(err);
    rc = open_http(t, err);
    if (rc < 0)
        return rc;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return gpuc__error_errno(err, errno, "%s: no socket for a tunnel", machine);
    end = gpuc__calloc(1, sizeof(*end));
    if (!end || uv_poll_init(loop, &end->poll, pair[0]) != 0) {
        gpuc__free(end);
        close(pair[0]);
        close(pair[1]);
        return gpuc__error_nomem(err);
    }
    uv_timer_init(loop, &end->timer);
    end->poll.data = end->timer.data = end;
    end->tunnel = t;
    t->end = end;
    t->fd = pair[0];
    *fd = pair[1];
    return GPUC_OK;
}

int gpuc__gce_tunnel(gpuc__provider *provider, const char *machine, int port, int *fd,
                     gpuc_error **err)
{
    tunnel *t = gpuc__calloc(1, sizeof(*t));
    int rc;

    if (!t)
        return gpuc__error_nomem(err);
    provider->refs++;
    t->provider = provider;
    t->port = port;
    t->fd = -1;
    t->task = (gpuc__task){.fn = move, .data = t};
    gpuc__iap_relay_init(&t->relay);
    gpuc__buf_init(&t->down, 2 * GPUC__IAP_RECEIVE_MAX);
    t->next = provider->tunnels;
    t->link = &provider->tunnels;
    if (t->next)
        t->next->link = &t->next;
    provider->tunnels = t;
    rc = fill(t, machine, fd, err);
    if (rc < 0) {
        tunnel_free(t);
        return rc;
    }
    t->find = (gpuc__gce_find){.name = t->instance, .done = on_found, .data = t};
    if (t->zone)
        connect_now(t);
    else
        gpuc__gce_find_begin(provider, &t->find);
    watch(t);
    return GPUC_OK;
}

void gpuc__gce_tunnels_close(gpuc__provider *provider)
{
    tunnel *t = provider->tunnels;

    while (t) {
        tunnel *next = t->next;

        t->over = true;
        if (t->asking)
            gpuc__gce_auth_cancel(provider->auth, t);
        if (!t->asking)
            tunnel_free(t);
        t = next;
    }
}
