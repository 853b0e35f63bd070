/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials of one API server. Calls that need some while a plugin runs wait for the same run,
 * each as a child call of its own, which can be cancelled; the last to leave ends the run. */
#include "kube/auth.h"

#include <string.h>

#include "core/context.h"
#include "kube/call.h"
#include "kube/kubeconfig_internal.h"
#include "kube/plugin.h"
#include "util/alloc.h"
#include "util/error.h"

#define PLUGIN_MS 60000
#define EARLY_MS 10000   /* credentials that end so soon are had anew first */
#define FILE_MS 60000    /* a token's file is looked at again after so long */
#define TOKEN_MAX (1024 * 1024)

typedef struct waiter {
    gpuc__kube_auth *auth;
    gpuc__kube_call *call;
    struct waiter *next, **link; /* link NULL: no longer waiting */
} waiter;

struct gpuc__kube_auth {
    gpuc_context *context; /* borrowed: the API server's */
    gpuc__kubeconfig config;
    int (*connect)(void *data);
    void *connect_data;
    char *machine;
    char *authorization; /* header, or NULL */
    char *secret;        /* what of it must not be shown, registered with the context */
    char **impersonation; /* headers; NULL: none */
    bool by_plugin;
    bool stands;         /* the plugin's credentials can be used */
    int64_t expires_ms;  /* of them; 0: not known */
    uint64_t file_read;  /* gpuc__clock_ms */
    unsigned serial;     /* of the credentials */
    gpuc__plugin *plugin; /* while it runs */
    waiter *waiting;
};

/* ---- headers ---- */

/* New text becomes what is sent and what is kept out of sight. */
static int set_authorization(gpuc__kube_auth *auth, const char *scheme, const char *secret,
                             gpuc_error **err)
{
    char *header = gpuc__asprintf("Authorization: %s %s", scheme, secret);
    char *copy = gpuc__strdup(secret);
    int rc = header && copy ? gpuc__context_add_secret(auth->context, secret, err)
                            : gpuc__error_nomem(err);

    if (rc != GPUC_OK) {
        gpuc__free_secret(header);
        gpuc__free_secret(copy);
        return rc;
    }
    if (auth->secret)
        gpuc__context_drop_secret(auth->context, auth->secret);
    gpuc__free_secret(auth->secret);
    gpuc__free_secret(auth->authorization);
    auth->secret = copy;
    auth->authorization = header;
    auth->serial++;
    return GPUC_OK;
}

static int set_basic(gpuc__kube_auth *auth, gpuc_error **err)
{
    const char *password = auth->config.password ? auth->config.password : "";
    char *pair = gpuc__asprintf("%s:%s", auth->config.username, password);
    char *base64 = pair ? gpuc__kubeconfig_base64(pair) : NULL;
    int rc = base64 ? set_authorization(auth, "Basic", base64, err) : gpuc__error_nomem(err);

    if (rc == GPUC_OK && *password)
        rc = gpuc__context_add_secret(auth->context, password, err);
    gpuc__free_secret(base64);
    gpuc__free_secret(pair);
    return rc;
}

/* A key as the end of a header's name: other bytes than a name may have are percent-encoded. */
static char *header_key(const char *key)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "!#$&'*+-.^_`|~";
    gpuc__buf out = GPUC__BUF_INIT(64 * 1024);

    for (; *key; key++) {
        if (strchr(plain, *key))
            gpuc__buf_putc(&out, *key);
        else
            gpuc__buf_printf(&out, "%%%02X", (unsigned char)*key);
    }
    return gpuc__buf_take(&out);
}

static bool add_header(char **headers, size_t *n, const char *name, const char *value)
{
    headers[*n] = gpuc__asprintf("%s: %s", name, value);
    return headers[(*n)++] != NULL;
}

static size_t length_of(char **list)
{
    size_t n = 0;

    while (list && list[n])
        n++;
    return n;
}

static bool add_extra(char **headers, size_t *n, const char *extra_key, const char *value)
{
    char *key = header_key(extra_key);
    char *name = key ? gpuc__asprintf("Impersonate-Extra-%s", key) : NULL;
    bool ok = name && add_header(headers, n, name, value);

    gpuc__free(name);
    gpuc__free(key);
    return ok;
}

static int set_impersonation(gpuc__kube_auth *auth, gpuc_error **err)
{
    const gpuc__kubeconfig *c = &auth->config;
    size_t groups = length_of(c->as_groups), extra = length_of(c->as_extra), n = 0;
    bool ok;

    if (!c->as)
        return GPUC_OK;
    auth->impersonation = gpuc__calloc(groups + extra / 2 + 3, sizeof(char *));
    if (!auth->impersonation)
        return gpuc__error_nomem(err);
    ok = add_header(auth->impersonation, &n, "Impersonate-User", c->as);
    if (ok && c->as_uid)
        ok = add_header(auth->impersonation, &n, "Impersonate-Uid", c->as_uid);
    for (size_t i = 0; ok && i < groups; i++)
        ok = add_header(auth->impersonation, &n, "Impersonate-Group", c->as_groups[i]);
    for (size_t i = 0; ok && i + 1 < extra; i += 2)
        ok = add_extra(auth->impersonation, &n, c->as_extra[i], c->as_extra[i + 1]);
    return ok ? GPUC_OK : gpuc__error_nomem(err);
}

/* The headers of a request with those given: ends with NULL, borrows its strings. */
static const char **all_headers(const gpuc__kube_auth *auth, const char *const *headers)
{
    size_t n = 0, more = 0;
    const char **all;

    while (headers && headers[n])
        n++;
    while (auth && auth->impersonation && auth->impersonation[more])
        more++;
    all = gpuc__calloc(n + more + 2, sizeof(*all));
    if (!all)
        return NULL;
    for (size_t i = 0; i < n; i++)
        all[i] = headers[i];
    for (size_t i = 0; i < more; i++)
        all[n++] = auth->impersonation[i];
    if (auth && auth->authorization)
        all[n] = auth->authorization;
    return all;
}

/* ---- making one ---- */

int gpuc__kube_auth_pool(gpuc__http **out, const gpuc__kube_auth *auth, const char *cert_pem,
                         const char *key_pem, gpuc_error **err)
{
    const gpuc__kubeconfig *c = &auth->config;
    char *proxy = NULL;
    int rc;

    /* kubectl has a SOCKS proxy look the name up; curl's word for that is socks5h. */
    if (c->proxy_url && strncmp(c->proxy_url, "socks5://", 9) == 0)
        proxy = gpuc__asprintf("socks5h://%s", c->proxy_url + 9);
    else
        proxy = gpuc__strdup(c->proxy_url);
    if (c->proxy_url && !proxy)
        return gpuc__error_nomem(err);
    rc = gpuc__http_new(out, auth->context,
                        &(gpuc__http_config){.base_url = c->server,
                                             .connect = auth->connect,
                                             .connect_data = auth->connect_data,
                                             .ca_pem = c->ca_pem,
                                             .cert_pem = cert_pem,
                                             .key_pem = key_pem,
                                             .tls_server_name = c->tls_server_name,
                                             .proxy_url = proxy,
                                             .any_certificate = c->insecure,
                                             .machine = auth->machine,
                                             .domain = GPUC_DOMAIN_KUBERNETES},
                        err);
    gpuc__free_secret(proxy);
    return rc;
}

int gpuc__kube_auth_new(gpuc__kube_auth **out, gpuc_context *context,
                        const gpuc__kubeconfig *config, int (*connect)(void *data),
                        void *connect_data, const char *machine, gpuc_error **err)
{
    gpuc__kube_auth *auth = gpuc__calloc(1, sizeof(*auth));
    const gpuc__kubeconfig *c;
    int rc;

    if (!auth)
        return gpuc__error_nomem(err);
    auth->context = context;
    auth->connect = connect;
    auth->connect_data = connect_data;
    auth->machine = gpuc__strdup(machine);
    auth->file_read = gpuc__clock_ms();
    rc = machine && !auth->machine ? gpuc__error_nomem(err)
                                   : gpuc__kubeconfig_copy(&auth->config, config, err);
    c = &auth->config;
    if (rc == GPUC_OK && c->token)
        rc = set_authorization(auth, "Bearer", c->token, err);
    else if (rc == GPUC_OK && c->username)
        rc = set_basic(auth, err);
    if (rc == GPUC_OK)
        rc = set_impersonation(auth, err);
    if (rc != GPUC_OK) {
        gpuc__kube_auth_free(auth);
        return rc;
    }
    /* What the file itself gives goes first, as in kubectl. */
    auth->by_plugin = c->exec.command && !auth->authorization && !c->cert_pem;
    *out = auth;
    return GPUC_OK;
}

void gpuc__kube_auth_free(gpuc__kube_auth *auth)
{
    if (!auth)
        return;
    gpuc__plugin_drop(auth->plugin);
    gpuc__free_secret(auth->secret); /* stays out of sight: it may be good for long yet */
    gpuc__free_secret(auth->authorization);
    gpuc__kubeconfig_free_list(auth->impersonation);
    gpuc__kubeconfig_clear(&auth->config);
    gpuc__free(auth->machine);
    gpuc__free(auth);
}

/* ---- the file of a token ---- */

/* A file that cannot be read now leaves the old token in use. */
static void read_token(gpuc__kube_auth *auth)
{
    gpuc_error *error = NULL;
    char *token = NULL;
    size_t length;

    auth->file_read = gpuc__clock_ms();
    if (gpuc__kubeconfig_read_file(&token, &length, auth->config.token_file, TOKEN_MAX, &error) ==
        GPUC_OK) {
        token[strcspn(token, "\r\n")] = '\0';
        if (*token && (!auth->secret || strcmp(token, auth->secret) != 0))
            (void)set_authorization(auth, "Bearer", token, &error);
    }
    if (error)
        gpuc__log(auth->context, GPUC_LOG_WARN, "kube", "the token stays as it was: %s",
                  gpuc_error_message(error));
    gpuc_error_unref(error);
    gpuc__free_secret(token);
}

/* ---- waiting for a plugin ---- */

static void leave(waiter *w)
{
    if (!w->link)
        return;
    *w->link = w->next;
    if (w->next)
        w->next->link = w->link;
    w->link = NULL;
}

/* Of the child call: it ends, told or cancelled. */
static void waiter_clear(void *state)
{
    waiter *w = state;
    gpuc__kube_auth *auth = w->auth;

    leave(w);
    if (!auth->waiting && auth->plugin) {
        gpuc__plugin_drop(auth->plugin); /* nobody wants it any more */
        auth->plugin = NULL;
    }
}

/* Takes over what the plugin gave. */
static int adopt(gpuc__kube *kube, gpuc__credential *credential, gpuc_error **err)
{
    gpuc__kube_auth *auth = kube->auth;
    gpuc__http *http = NULL;
    int rc = GPUC_OK;

    if (credential->cert_pem)
        rc = gpuc__kube_auth_pool(&http, auth, credential->cert_pem, credential->key_pem, err);
    if (rc == GPUC_OK && credential->token)
        rc = set_authorization(auth, "Bearer", credential->token, err);
    if (rc == GPUC_OK && http) { /* requests under way keep the old pool */
        gpuc__http_unref(kube->http);
        kube->http = http;
        http = NULL;
        auth->serial++;
    }
    gpuc__http_unref(http);
    if (rc != GPUC_OK)
        return rc;
    auth->expires_ms = credential->expires_ms;
    auth->stands = true;
    return GPUC_OK;
}

static void on_plugin(void *data, gpuc__credential *credential, gpuc_error *error)
{
    gpuc__kube *kube = gpuc__kube_ref(data);
    gpuc__kube_auth *auth = kube->auth;
    waiter *waiting = auth->waiting;

    auth->plugin = NULL;
    auth->waiting = NULL;
    if (waiting)
        waiting->link = &waiting;
    if (credential)
        (void)adopt(kube, credential, &error);
    while (waiting) {
        waiter *w = waiting;

        leave(w);
        gpuc__call_finish(w->call, NULL, error ? gpuc_error_ref(error) : NULL);
    }
    gpuc_error_unref(error);
    gpuc__kube_unref(kube);
}

static void on_wait_too_long(gpuc__kube_call *call)
{
    gpuc_error *error = NULL;

    gpuc__error_set(&error, GPUC_ETIMEDOUT, GPUC_DOMAIN_KUBERNETES,
                    "the deadline has passed while a credential plugin ran");
    gpuc__call_finish(call, NULL, error);
}

static void on_credentials(void *data, json_t *result, gpuc_error *error)
{
    gpuc__kube_call *call = data;

    (void)result;
    if (!gpuc__call_ended(call, error))
        call->then(call);
}

/* A child of the call that ends when the plugin's run, begun where none is under way, has. */
static gpuc__kube_call *wait_for_plugin(gpuc__kube_call *parent)
{
    gpuc__kube *kube = parent->kube;
    gpuc__kube_auth *auth = kube->auth;
    gpuc__kube_call *call =
        gpuc__call_new(kube, 0, sizeof(waiter), waiter_clear, on_credentials, parent);
    waiter *w = call ? call->state : NULL;

    if (!call)
        return NULL;
    w->auth = auth;
    w->call = call;
    if (!auth->plugin) {
        auth->stands = false;
        auth->plugin = gpuc__plugin_run(kube->context, &auth->config, PLUGIN_MS, on_plugin, kube);
    }
    if (!auth->plugin) {
        gpuc__call_drop(call);
        return NULL;
    }
    w->next = auth->waiting;
    if (w->next)
        w->next->link = &w->next;
    w->link = &auth->waiting;
    auth->waiting = w;
    gpuc__call_after(call, (uint64_t)gpuc__call_remaining(parent), on_wait_too_long);
    return call;
}

/* ---- what calls ask ---- */

static bool ready(gpuc__kube_auth *auth)
{
    if (!auth->by_plugin) {
        if (auth->config.token_file && gpuc__clock_ms() - auth->file_read > FILE_MS)
            read_token(auth);
        return true;
    }
    return auth->stands && !auth->plugin &&
           (!auth->expires_ms || gpuc__now_ms() < auth->expires_ms - EARLY_MS);
}

void gpuc__auth_then(gpuc__kube_call *call, void (*fn)(gpuc__kube_call *call))
{
    if (!call->kube->auth || ready(call->kube->auth)) {
        fn(call);
        return;
    }
    call->then = fn;
    gpuc__call_wait(call, wait_for_plugin(call));
}

bool gpuc__auth_again(gpuc__kube_call *call, void (*fn)(gpuc__kube_call *call))
{
    gpuc__kube_auth *auth = call->kube->auth;

    if (!auth || call->refused || !(auth->by_plugin || auth->config.token_file))
        return false;
    call->refused = true;
    if (call->credential == auth->serial) { /* else others had them renewed meanwhile */
        if (auth->by_plugin)
            auth->stands = false;
        else
            read_token(auth);
        if (!auth->by_plugin && call->credential == auth->serial)
            return false;
    }
    gpuc__auth_then(call, fn);
    return true;
}

void gpuc__call_request(gpuc__kube_call *call, const gpuc__http_args *args)
{
    gpuc__kube *kube = call->kube;
    gpuc__http_args with = *args;
    const char **headers = all_headers(kube->auth, args->headers);

    call->request = NULL;
    if (!headers)
        return;
    with.headers = headers;
    call->credential = kube->auth ? kube->auth->serial : 0;
    call->request = gpuc__http_send(kube->http, &with);
    gpuc__free(headers);
}
