/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the API server: tried again while that may help, answers read as JSON. */
#include "kube/client.h"

#include <stdarg.h>
#include <string.h>

#include "core/context.h"
#include "kube/call.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/error.h"

#define BODY_MAX (8u * 1024 * 1024)
#define ANSWER_MAX (32u * 1024 * 1024)
#define TRY_MAX_MS 30000
#define INTERNAL_ERROR_TRIES 4 /* a 500 is often a broken webhook, which waiting does not mend */
#define PAGE_SIZE 200
#define LIST_MAX 100000

typedef struct send_state {
    char *method, *path, *what; /* what: for errors, without the query */
    char *content_type;
    gpuc__buf body;
    bool has_body, once, text;
    int tries;
} send_state;

int gpuc__kube_new(gpuc__kube **out, gpuc_context *context, gpuc__http *http, gpuc_error **err)
{
    gpuc__kube *kube = gpuc__calloc(1, sizeof(*kube));

    if (!kube)
        return gpuc__error_nomem(err);
    kube->refs = 1;
    kube->context = gpuc_context_ref(context);
    kube->http = gpuc__http_ref(http);
    *out = kube;
    return GPUC_OK;
}

int gpuc__kube_open(gpuc__kube **out, gpuc_context *context, const gpuc__kubeconfig *config,
                    int (*connect)(void *data), void *connect_data, const char *machine,
                    gpuc_error **err)
{
    gpuc__kube_auth *auth = NULL;
    gpuc__http *http = NULL;
    int rc;

    if (config->insecure && !(config->allow & GPUC__KUBECONFIG_INSECURE)) {
        gpuc__error_set(err, GPUC_EUNSUPPORTED, GPUC_DOMAIN_KUBERNETES,
                        "the context \"%s\" asks for insecure-skip-tls-verify, which is not done "
                        "unless the caller allows it",
                        config->context ? config->context : "");
        gpuc__error_remedy(err, "give the cluster's CA as certificate-authority-data");
        return GPUC_EUNSUPPORTED;
    }
    rc = gpuc__kube_auth_new(&auth, context, config, connect, connect_data, machine, err);
    if (rc == GPUC_OK)
        rc = gpuc__kube_auth_pool(&http, auth, config->cert_pem, config->key_pem, err);
    if (rc == GPUC_OK)
        rc = gpuc__kube_new(out, context, http, err);
    if (rc == GPUC_OK)
        (*out)->auth = auth;
    else
        gpuc__kube_auth_free(auth);
    gpuc__http_unref(http);
    return rc;
}

gpuc__kube *gpuc__kube_ref(gpuc__kube *kube)
{
    kube->refs++;
    return kube;
}

void gpuc__kube_unref(gpuc__kube *kube)
{
    gpuc_context *context;

    if (!kube || --kube->refs > 0)
        return;
    context = kube->context;
    gpuc__kube_auth_free(kube->auth);
    gpuc__http_unref(kube->http);
    gpuc__free(kube);
    gpuc_context_unref(context);
}

gpuc_context *gpuc__kube_context(const gpuc__kube *kube)
{
    return kube->context;
}

char *gpuc__kube_path(const char *format, ...)
{
    gpuc__buf out = GPUC__BUF_INIT(64 * 1024);
    va_list args;

    va_start(args, format);
    for (; *format; format++) {
        if (format[0] == '%' && format[1] == 's') {
            char *escaped = gpuc__http_escape(va_arg(args, const char *));

            if (!escaped || !gpuc__buf_puts(&out, escaped))
                out.failed = true;
            gpuc__free(escaped);
            format++;
        } else if (format[0] == '%' && format[1] == '%') {
            gpuc__buf_putc(&out, *++format);
        } else {
            gpuc__buf_putc(&out, *format);
        }
    }
    va_end(args);
    return gpuc__buf_take(&out);
}

static void send_clear(void *state)
{
    send_state *s = state;

    gpuc__free(s->method);
    gpuc__free(s->path);
    gpuc__free(s->what);
    gpuc__free(s->content_type);
    gpuc__buf_clear(&s->body);
}

static void send_try(gpuc__kube_call *call);
static void send_now(gpuc__kube_call *call);

/* Another try, or the end with this error. */
static void send_failed(gpuc__kube_call *call, gpuc_error *error, int status, int retry_after)
{
    send_state *s = call->state;
    int wait = gpuc__call_backoff(s->tries);
    int remaining = gpuc__call_remaining(call);

    if (retry_after > wait)
        wait = retry_after;
    if (!s->once && gpuc_error_retryable(error) && status != 409 && status != 410 &&
        wait < remaining && !(status == 500 && s->tries >= INTERNAL_ERROR_TRIES)) {
        gpuc__log(call->kube->context, GPUC_LOG_DEBUG, "kube", "try %d again in %d ms: %s", s->tries,
                  wait, gpuc_error_message(error));
        gpuc_error_unref(error);
        gpuc__call_after(call, (uint64_t)wait, send_try);
        return;
    }
    if (s->tries > 1)
        gpuc__call_wrap(&error, "given up after %d tries in %.1f s", s->tries,
                        (double)(gpuc__clock_ms() - call->begun) / 1000);
    gpuc__call_finish(call, NULL, error);
}

/* A text as a string; what is no printable ASCII becomes a question mark. */
static json_t *text_of(const char *body, size_t length)
{
    char *copy = gpuc__strndup(body, length);
    json_t *text = NULL;

    for (unsigned char *p = (unsigned char *)copy; p && *p; p++) {
        if ((*p < ' ' && *p != '\n' && *p != '\t') || *p > '~')
            *p = '?';
    }
    if (copy)
        text = json_string(copy);
    gpuc__free(copy);
    return text;
}

static void on_answer(void *data, int status, const char *body, size_t length, gpuc_error *error)
{
    gpuc__kube_call *call = data;
    send_state *s = call->state;
    gpuc__http_request *request = call->request;
    json_t *result = NULL;
    json_error_t problem;

    gpuc__call_warnings(call, s->what);
    if (gpuc__call_was_cancelled(call, error))
        return;
    if (error) {
        send_failed(call, error, 0, -1);
        return;
    }
    if (status == 401 && gpuc__auth_again(call, send_now))
        return;
    if (status >= 400) {
        gpuc__kube_status_error(&error, s->what, status, body, length);
        send_failed(call, error, status,
                    gpuc__kube_retry_after(gpuc__http_header(request, "Retry-After")));
        return;
    }
    result = s->text   ? text_of(body, length)
             : length ? json_loadb(body, length, JSON_DECODE_ANY, &problem)
                      : json_null();
    if (!result && s->text)
        gpuc__error_nomem(&error);
    if (!result && !error) {
        gpuc__error_set(&error, GPUC_EPROTO, GPUC_DOMAIN_KUBERNETES,
                        "%s: the answer is not JSON (%s at byte %d)", s->what, problem.text,
                        problem.position);
        gpuc__error_evidence(&error, body, length < 512 ? length : 512);
        gpuc__error_remedy(&error, "check that this address is a Kubernetes API server and not a "
                                   "proxy or login page");
    }
    gpuc__call_finish(call, result, error);
}

static void send_try(gpuc__kube_call *call)
{
    gpuc__auth_then(call, send_now);
}

static void send_now(gpuc__kube_call *call)
{
    send_state *s = call->state;
    gpuc__buf type = GPUC__BUF_INIT(256);
    const char *headers[] = {s->text ? "Accept: */*" : "Accept: application/json", NULL, NULL};
    int remaining = gpuc__call_remaining(call);
    gpuc_error *error = NULL;

    s->tries++;
    if (s->has_body) {
        gpuc__buf_printf(&type, "Content-Type: %s", s->content_type);
        headers[1] = gpuc__buf_text(&type);
    }
    gpuc__call_request(call, &(gpuc__http_args){
                                 .method = s->method,
                                 .path = s->path,
                                 .headers = headers,
                                 .body = s->has_body ? gpuc__buf_text(&s->body) : NULL,
                                 .body_length = s->body.length,
                                 .response_max = ANSWER_MAX,
                                 .timeout_ms = remaining < 1           ? 1
                                               : remaining < TRY_MAX_MS ? remaining
                                                                        : TRY_MAX_MS,
                                 .done = on_answer,
                                 .data = call});
    gpuc__buf_clear(&type);
    if (!call->request) {
        gpuc__error_nomem(&error);
        gpuc__call_finish(call, NULL, error);
    }
}

gpuc__kube_call *gpuc__kube_send(gpuc__kube *kube, const gpuc__kube_args *args)
{
    gpuc__kube_call *call = gpuc__call_new(kube, args->deadline_ms, sizeof(send_state), send_clear,
                                           args->done, args->data);
    send_state *s = call ? call->state : NULL;

    if (!call)
        return NULL;
    gpuc__buf_init(&s->body, BODY_MAX);
    s->method = gpuc__strdup(args->method);
    s->path = gpuc__strdup(args->path);
    s->what = args->path ? gpuc__asprintf("%s %.*s", args->method,
                                          (int)strcspn(args->path, "?"), args->path)
                         : NULL;
    s->content_type = gpuc__strdup(args->content_type ? args->content_type : "application/json");
    s->once = args->once;
    s->text = args->text;
    s->has_body = args->body != NULL;
    if (!s->method || !s->path || !s->what || !s->content_type ||
        (args->body && !gpuc__json_dump(&s->body, args->body))) {
        gpuc__call_drop(call);
        return NULL;
    }
    gpuc__call_after(call, 0, send_try);
    return call;
}

/* ---- lists ---- */

typedef struct list_state {
    char *path, *query;
    json_t *items;
    int restarts;
} list_state;

static void list_clear(void *state)
{
    list_state *s = state;

    gpuc__free(s->path);
    gpuc__free(s->query);
    json_decref(s->items);
}

static void list_page(gpuc__kube_call *call, const char *token);

static void list_first(gpuc__kube_call *call)
{
    list_state *s = call->state;

    json_array_clear(s->items);
    list_page(call, NULL);
}

static void on_page(void *data, json_t *result, gpuc_error *error)
{
    gpuc__kube_call *call = data;
    list_state *s = call->state;
    const char *token = gpuc__json_text(result, "metadata", "continue", NULL);
    const char *version = gpuc__json_text(result, "metadata", "resourceVersion", NULL);
    json_t *items = json_object_get(result, "items");

    if (error && gpuc_error_native_code(error) == 410 && s->restarts < 2 && !call->cancelled) {
        gpuc_error_unref(error); /* the continue token is too old: from the start */
        call->child = NULL;
        s->restarts++;
        list_first(call);
        return;
    }
    if (gpuc__call_ended(call, error))
        return;
    if (!json_is_array(items) && !json_is_null(items)) {
        gpuc__error_set(&error, GPUC_EPROTO, GPUC_DOMAIN_KUBERNETES,
                        "GET %s: the answer is no list", s->path);
        gpuc__call_finish(call, NULL, error);
        return;
    }
    if (items && json_is_array(items))
        json_array_extend(s->items, items);
    if (json_array_size(s->items) > LIST_MAX) {
        gpuc__error_set(&error, GPUC_ELIMIT, GPUC_DOMAIN_KUBERNETES,
                        "GET %s: more than %d objects", s->path, LIST_MAX);
        gpuc__call_finish(call, NULL, error);
        return;
    }
    if (token && *token) {
        list_page(call, token);
        return;
    }
    result = json_pack("{s:O, s:s}", "items", s->items, "resourceVersion", version ? version : "0");
    if (!result)
        gpuc__error_nomem(&error);
    gpuc__call_finish(call, result, error);
}

static void list_page(gpuc__kube_call *call, const char *token)
{
    list_state *s = call->state;
    char *escaped = token ? gpuc__http_escape(token) : NULL;
    /* Pages that were too old twice come too slowly: then all at once, as kubectl does. */
    char *path = gpuc__asprintf("%s?limit=%d%s%s%s%s", s->path, s->restarts < 2 ? PAGE_SIZE : 0,
                                s->query ? "&" : "", s->query ? s->query : "",
                                token ? "&continue=" : "", escaped ? escaped : "");
    gpuc__kube_call *child = NULL;

    if (path && (escaped || !token))
        child = gpuc__kube_send(call->kube,
                                &(gpuc__kube_args){.method = "GET",
                                                   .path = path,
                                                   .deadline_ms = gpuc__call_remaining(call) + 1,
                                                   .done = on_page,
                                                   .data = call});
    gpuc__free(escaped);
    gpuc__free(path);
    gpuc__call_wait(call, child);
}

gpuc__kube_call *gpuc__kube_list(gpuc__kube *kube, const char *path, const char *query,
                                 int deadline_ms, gpuc__kube_done_fn done, void *data)
{
    gpuc__kube_call *call =
        gpuc__call_new(kube, deadline_ms, sizeof(list_state), list_clear, done, data);
    list_state *s = call ? call->state : NULL;

    if (!call)
        return NULL;
    s->path = gpuc__strdup(path);
    s->query = gpuc__strdup(query);
    s->items = json_array();
    if (!s->path || (query && !s->query) || !s->items) {
        gpuc__call_drop(call);
        return NULL;
    }
    gpuc__call_after(call, 0, list_first);
    return call;
}
