/* SPDX-License-Identifier: Apache-2.0 */
/* A pool of HTTP connections: libcurl's multi_socket interface driven by libuv. */
#include "transport/http_internal.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "core/context.h"
#include "util/alloc.h"
#include "util/error.h"

/* One per socket curl wants watched. */
typedef struct watch {
    uv_poll_t poll;
    gpuc__http *http;
    curl_socket_t socket;
} watch;

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready = CURLE_FAILED_INIT;
static bool curl_raises_sigpipe;

static void curl_start(void)
{
    curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    /* Before 7.88 the OpenSSL backend wrote with write(2), which raises SIGPIPE. */
    curl_raises_sigpipe = curl_version_info(CURLVERSION_NOW)->version_num < 0x075800;
}

/* Keeps SIGPIPE from a host program without touching its handlers. */
typedef struct pipe_guard {
    sigset_t before;
    bool active;
} pipe_guard;

static void pipe_guard_begin(pipe_guard *guard)
{
    sigset_t pipe, pending;

    guard->active = false;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    if (!curl_raises_sigpipe || sigpending(&pending) != 0 || sigismember(&pending, SIGPIPE))
        return;
    guard->active = pthread_sigmask(SIG_BLOCK, &pipe, &guard->before) == 0;
}

static void pipe_guard_end(pipe_guard *guard)
{
    const struct timespec at_once = {0, 0};
    sigset_t pipe;

    if (!guard->active)
        return;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigtimedwait(&pipe, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}

CURLMcode gpuc__http_multi_add(gpuc__http *http, CURL *easy)
{
    pipe_guard guard;
    CURLMcode result;

    pipe_guard_begin(&guard);
    result = curl_multi_add_handle(http->multi, easy);
    pipe_guard_end(&guard);
    return result;
}

void gpuc__http_multi_remove(gpuc__http *http, CURL *easy)
{
    pipe_guard guard;

    pipe_guard_begin(&guard);
    curl_multi_remove_handle(http->multi, easy);
    pipe_guard_end(&guard);
}

CURLcode gpuc__http_easy_send(CURL *easy, const void *bytes, size_t length, size_t *moved)
{
    pipe_guard guard;
    CURLcode result;

    pipe_guard_begin(&guard);
    result = curl_easy_send(easy, bytes, length, moved);
    pipe_guard_end(&guard);
    return result;
}

CURLcode gpuc__http_easy_recv(CURL *easy, void *bytes, size_t length, size_t *moved)
{
    pipe_guard guard;
    CURLcode result;

    pipe_guard_begin(&guard); /* TLS may answer while it reads */
    result = curl_easy_recv(easy, bytes, length, moved);
    pipe_guard_end(&guard);
    return result;
}

/* Lets curl work on one socket, or on its timers, and reports what it finished. */
static void drive(gpuc__http *http, curl_socket_t socket, int events)
{
    pipe_guard guard;
    CURLMsg *message;
    int running, left;

    gpuc__http_ref(http); /* the last request's done may let go of the pool */
    pipe_guard_begin(&guard);
    curl_multi_socket_action(http->multi, socket, events, &running);
    pipe_guard_end(&guard);
    while ((message = curl_multi_info_read(http->multi, &left))) {
        gpuc__http_request *request = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request);
        gpuc__http_request_done(request, message->data.result);
    }
    gpuc__http_unref(http);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    watch *w = poll->data;
    int flags = 0;

    if (status < 0) /* not CURL_CSELECT_ERR: curl is to read what the error is */
        flags = CURL_CSELECT_IN | CURL_CSELECT_OUT;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    drive(w->http, w->socket, flags);
}

static void on_timer(uv_timer_t *timer)
{
    drive(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void on_watch_closed(uv_handle_t *handle)
{
    watch *w = handle->data;
    gpuc__http *http = w->http;

    gpuc__free(w);
    gpuc__http_handle_closed(http);
}

static watch *watch_new(gpuc__http *http, curl_socket_t socket)
{
    watch *w = gpuc__calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    if (uv_poll_init(gpuc__context_loop(http->context), &w->poll, socket) != 0) {
        gpuc__free(w);
        return NULL;
    }
    w->poll.data = w;
    w->http = http;
    w->socket = socket;
    http->handles++;
    curl_multi_assign(http->multi, socket, w);
    return w;
}

/* The socket of this request cannot be watched: it ends soon. (curl is not told: after -1 from
 * on_socket it gives up all transfers, and 7.88 crashes when one of them has no connection yet.) */
static void end_unwatched(gpuc__http_request *request)
{
    if (!request || request->finished)
        return;
    gpuc__error_nomem(&request->error);
    gpuc__http_cancel(request);
}

/* curl: watch this socket for these events. */
static int on_socket(CURL *easy, curl_socket_t socket, int what, void *data, void *assigned)
{
    gpuc__http *http = data;
    watch *w = assigned;
    gpuc__http_request *request = NULL;
    int events = 0;

    if (what == CURL_POLL_REMOVE) {
        if (w) {
            curl_multi_assign(http->multi, socket, NULL);
            uv_close((uv_handle_t *)&w->poll, on_watch_closed);
        }
        return 0;
    }
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &request);
    if (request && request->stand_in == socket)
        gpuc__http_connection_ready(request);
    if (!w)
        w = watch_new(http, socket);
    if (what & CURL_POLL_IN)
        events |= UV_READABLE;
    if (what & CURL_POLL_OUT)
        events |= UV_WRITABLE;
    if (!w || uv_poll_start(&w->poll, events, on_poll) != 0)
        end_unwatched(request);
    return 0;
}

static int on_timeout_wanted(CURLM *multi, long timeout_ms, void *data)
{
    gpuc__http *http = data;

    if (timeout_ms < 0)
        return uv_timer_stop(&http->timer);
    uv_update_time(gpuc__context_loop(http->context));
    return uv_timer_start(&http->timer, on_timer, (uint64_t)timeout_ms, 0);
}

/* Only plain http and https addresses, without a user's name. */
static bool url_is_fit(CURLU *url, const char *text)
{
    char *scheme = NULL, *user = NULL;
    bool fit = url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
               curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
               curl_url_get(url, CURLUPART_USER, &user, 0) != CURLUE_OK &&
               (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);

    curl_free(scheme);
    curl_free(user);
    return fit;
}

/* Where the connection goes, when that is not where the URL's host leads. */
static bool set_connect_to(gpuc__http *http, const gpuc__http_config *config, CURLU *url)
{
    char *host = NULL, *port = NULL, *to = NULL;

    if (!config->connect && !config->tls_server_name)
        return true;
    if (curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
        /* with connections of the caller the address is not used, but must not be looked up */
        to = gpuc__asprintf("::%s:%s", config->connect ? "127.0.0.1" : host, port);
    http->connect_to = to ? curl_slist_append(NULL, to) : NULL;
    gpuc__free(to);
    curl_free(host);
    curl_free(port);
    return http->connect_to != NULL;
}

static char *dup_without_slash(const char *url)
{
    size_t length = url ? strlen(url) : 0;

    return url ? gpuc__strndup(url, length && url[length - 1] == '/' ? length - 1 : length) : NULL;
}

/* With a name to check in the certificate, the URL has that name; the connection goes elsewhere. */
static int set_base(gpuc__http *http, const gpuc__http_config *config, gpuc_error **err)
{
    CURLU *url = curl_url();
    char *whole = NULL;
    int code = GPUC_OK;

    if (!url_is_fit(url, config->base_url)) {
        code = gpuc__error_set(err, GPUC_EINVAL, http->domain,
                               "the address of a server cannot be used");
        gpuc__error_remedy(err, "give it as http://HOST:PORT or https://HOST:PORT, without user");
        goto done;
    }
    http->base_url = dup_without_slash(config->base_url);
    if (!set_connect_to(http, config, url) ||
        (config->tls_server_name &&
         curl_url_set(url, CURLUPART_HOST, config->tls_server_name, 0) != CURLUE_OK) ||
        curl_url_get(url, CURLUPART_URL, &whole, 0) != CURLUE_OK) {
        code = gpuc__error_nomem(err);
        goto done;
    }
    http->request_base = dup_without_slash(whole);
    if (!http->base_url || !http->request_base)
        code = gpuc__error_nomem(err);
done:
    curl_free(whole);
    curl_url_cleanup(url);
    return code;
}

static int set_token(gpuc__http *http, const char *token, gpuc_error **err)
{
    int code;

    if (!token)
        return GPUC_OK;
    if (strpbrk(token, "\r\n"))
        return gpuc__error_set(err, GPUC_EINVAL, http->domain,
                               "the bearer token for %s holds a line break", http->base_url);
    code = gpuc__context_add_secret(http->context, token, err);
    if (code != GPUC_OK)
        return code;
    http->authorization = gpuc__asprintf("Authorization: Bearer %s", token);
    return http->authorization ? GPUC_OK : gpuc__error_nomem(err);
}

static bool copy(char **to, const char *from)
{
    *to = gpuc__strdup(from);
    return *to || !from;
}

static int configure(gpuc__http *http, const gpuc__http_config *config, gpuc_error **err)
{
    int code = set_base(http, config, err);

    if (code == GPUC_OK)
        code = set_token(http, config->bearer_token, err);
    if (code != GPUC_OK)
        return code;
    if (!copy(&http->unix_socket, config->unix_socket) || !copy(&http->ca_pem, config->ca_pem) ||
        !copy(&http->cert_pem, config->cert_pem) || !copy(&http->key_pem, config->key_pem) ||
        !copy(&http->machine, config->machine) || !copy(&http->proxy_url, config->proxy_url))
        return gpuc__error_nomem(err);
    http->any_certificate = config->any_certificate;
    http->connect = config->connect;
    http->connect_data = config->connect_data;
    http->multi = curl_multi_init();
    if (!http->multi)
        return gpuc__error_nomem(err);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timeout_wanted);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    return GPUC_OK;
}

/* Runs in the last close callback, which may be part of the context's own end. */
static void http_free(gpuc__http *http)
{
    gpuc__free(http->base_url);
    gpuc__free(http->request_base);
    gpuc__free(http->unix_socket);
    gpuc__free(http->ca_pem);
    gpuc__free(http->cert_pem);
    gpuc__free_secret(http->key_pem);
    gpuc__free_secret(http->authorization);
    gpuc__free(http->machine);
    gpuc__free_secret(http->proxy_url);
    curl_slist_free_all(http->connect_to);
    gpuc__free(http);
}

void gpuc__http_handle_closed(gpuc__http *http)
{
    if (--http->handles == 0)
        http_free(http);
}

static void on_timer_closed(uv_handle_t *handle)
{
    gpuc__http_handle_closed(handle->data);
}

int gpuc__http_new(gpuc__http **out, gpuc_context *context, const gpuc__http_config *config,
                   gpuc_error **err)
{
    gpuc__http *http;
    int code;

    pthread_once(&curl_once, curl_start);
    if (curl_ready != CURLE_OK)
        return gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_HTTP, "libcurl cannot start: %s",
                               curl_easy_strerror(curl_ready));
    http = gpuc__calloc(1, sizeof(*http));
    if (!http)
        return gpuc__error_nomem(err);
    http->refs = 1;
    http->context = gpuc_context_ref(context);
    http->direct = config->direct;
    http->domain = config->domain ? config->domain : GPUC_DOMAIN_HTTP;
    uv_timer_init(gpuc__context_loop(context), &http->timer);
    http->timer.data = http;
    http->handles = 1;
    code = configure(http, config, err);
    if (code != GPUC_OK) {
        gpuc__error_at(err, config->machine, NULL);
        gpuc__http_unref(http);
        return code;
    }
    *out = http;
    return GPUC_OK;
}

gpuc__http *gpuc__http_ref(gpuc__http *http)
{
    http->refs++;
    return http;
}

void gpuc__http_unref(gpuc__http *http)
{
    gpuc_context *context;
    pipe_guard guard;

    if (!http || --http->refs > 0)
        return;
    pipe_guard_begin(&guard);
    curl_multi_cleanup(http->multi); /* closes the pooled connections and their watches */
    pipe_guard_end(&guard);
    http->multi = NULL;
    context = http->context;
    uv_close((uv_handle_t *)&http->timer, on_timer_closed);
    /* Not in the close callback: nobody may run the loop any more, and then this is what does. */
    gpuc_context_unref(context);
}

gpuc__http_request *gpuc__http_current(gpuc__http *http)
{
    return http->current;
}

char *gpuc__http_escape(const char *text)
{
    gpuc__buf out = GPUC__BUF_INIT(1024 * 1024);

    out.secret = true; /* it may be one */
    gpuc__buf_add(&out, "", 0);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= '0' && *p <= '9') || strchr("-._~", *p);

        if (plain)
            gpuc__buf_putc(&out, (char)*p);
        else
            gpuc__buf_printf(&out, "%%%02X", *p);
    }
    return gpuc__buf_take(&out);
}
