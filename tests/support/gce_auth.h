/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials in files and variables of a test's own, a token endpoint on loopback, and who waits
 * for a token: what the tests of Google credentials share. */
#ifndef TEST_GCE_AUTH_H
#define TEST_GCE_AUTH_H
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include "provider/gce/auth_internal.h"
#include "support/http_server.h"
#include "util/alloc.h"
#include "unit/util_test.h"

#define SEEN_MAX 32
#define LOG_MAX 65536

typedef struct reply {
    int status;
    const char *body, *headers; /* headers: each with its line's end */
} reply;

static gpuc_context *context;
static http_server server;
static http_server_request seen[SEEN_MAX];
static atomic_int seen_count;
static reply (*respond)(const http_server_request *r, int n); /* n: requests before this one */
static char folder[64], lines[LOG_MAX];
static EVP_PKEY *key; /* one for all tests of a program */

static const char *const variables[] = {
    "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "CLOUDSDK_AUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_TOKEN_HOST",
    "GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT",
    "CLOUDSDK_CORE_PROJECT", "GOOGLE_CLOUD_QUOTA_PROJECT", "GCE_METADATA_HOST", "GCE_METADATA_IP",
    "NO_GCE_CHECK", "CLOUDSDK_ACTIVE_CONFIG_NAME",
    "CLOUDSDK_CORE_CHECK_GCE_METADATA", "http_proxy", "HTTP_PROXY"};

static inline void serve(http_server *s, int fd)
{
    http_server_request r;
    char head[1024];

    while (http_server_read(fd, &r)) {
        int n = seen_count++;
        reply answer = respond(&r, n);

        if (n < SEEN_MAX)
            seen[n] = r;
        else
            free(r.body);
        if (!answer.status) /* hangs up */
            return;
        snprintf(head, sizeof(head), "HTTP/1.1 %d Status\r\n%sContent-Length: %zu\r\n\r\n",
                 answer.status, answer.headers ? answer.headers : "", strlen(answer.body));
        http_server_puts(fd, head);
        http_server_puts(fd, answer.body);
    }
    free(r.body);
}

static inline void keep_line(gpuc_context *c, int level, const char *category, const char *message,
                             void *userdata)
{
    size_t used = strlen(lines);

    snprintf(lines + used, sizeof(lines) - used, "%d %s %s\n", level, category, message);
}

static inline char *path_of(const char *name)
{
    static char path[4][128];
    static int next;
    char *p = path[next++ % 4];

    snprintf(p, sizeof(path[0]), "%s/%s", folder, name);
    return p;
}

/* A file of the test's folder, readable by its owner only; its path. */
static inline char *put(const char *name, const char *text)
{
    char *path = path_of(name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    fclose(f);
    assert_int_equal(chmod(path, 0600), 0);
    return path;
}

/* The environment names nothing, and says that there is no metadata server. */
static inline void begin(reply (*with)(const http_server_request *r, int n))
{
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        unsetenv(variables[i]);
    snprintf(folder, sizeof(folder), "/tmp/gpuc-test-auth-XXXXXX");
    assert_non_null(mkdtemp(folder));
    setenv("HOME", folder, 1);
    setenv("NO_GCE_CHECK", "true", 1);
    lines[0] = '\0';
    seen_count = 0;
    respond = with;
    assert_int_equal(gpuc_context_new(&context, NULL), GPUC_OK);
    gpuc_context_set_log(context, keep_line, GPUC_LOG_DEBUG, NULL, NULL);
    http_server_start(&server, NULL, serve, NULL);
}

/* The requests so far. */
static inline void forget(void)
{
    for (int i = 0; i < SEEN_MAX; i++) {
        free(seen[i].body);
        seen[i].body = NULL;
    }
    seen_count = 0;
}

static inline void finish(void)
{
    char command[128];

    for (int i = 0; i < 3; i++)
        gpuc_context_process(context, NULL);
    assert_null(strstr(lines, "ya29."));
    assert_null(strstr(lines, "PRIVATE KEY"));
    assert_null(strstr(lines, "1//refresh"));
    gpuc_context_unref(context);
    http_server_stop(&server);
    forget();
    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    assert_int_equal(system(command), 0); /* the test's own temporary folder */
}

/* One who waits. */
typedef struct wait {
    int done, code;
    char token[128], text[4096]; /* text: message, causes and remedy of an error */
    bool retryable;
} wait;

static inline void on_token(void *data, const char *token, gpuc_error *error)
{
    wait *w = data;
    const gpuc_error *e;

    w->done++;
    w->token[0] = w->text[0] = '\0';
    w->code = error ? gpuc_error_code(error) : GPUC_OK;
    w->retryable = error && gpuc_error_retryable(error);
    assert_true(!token == !!error);
    snprintf(w->token, sizeof(w->token), "%s", token ? token : "");
    for (e = error; e; e = gpuc_error_cause(e)) {
        size_t used = strlen(w->text);

        snprintf(w->text + used, sizeof(w->text) - used, "%s\n", gpuc_error_message(e));
    }
    if (error && gpuc_error_remedy(error)) {
        size_t used = strlen(w->text);

        snprintf(w->text + used, sizeof(w->text) - used, "-> %s", gpuc_error_remedy(error));
    }
    gpuc_error_unref(error);
}

static inline void until(const wait *w, int count)
{
    uint64_t end = gpuc__clock_ms() + 30000;

    while (w->done < count && gpuc__clock_ms() < end)
        assert_int_equal(gpuc_context_run(context, 100, NULL), GPUC_OK);
    assert_int_equal(w->done, count);
}

/* Time-outs and pauses for tests. */
static inline void hurry(gpuc__gce_auth *auth)
{
    json_t *metadata = json_object_get(auth->table, "metadata");

    json_integer_set(json_object_get(auth->table, "request_timeout_ms"), 300);
    json_integer_set(json_object_get(metadata, "timeout_ms"), 300);
    auth->first_delay_ms = 10;
}

static inline gpuc__gce_auth *open_auth(void)
{
    gpuc__gce_auth *auth = NULL;
    gpuc_error *err = NULL;

    if (gpuc__gce_auth_new(&auth, context, &err) != GPUC_OK)
        fail_msg("%s", gpuc_error_message(err));
    auth->first_delay_ms = 10;
    return auth;
}

/* Asks once and waits. */
static inline wait ask(gpuc__gce_auth *auth)
{
    wait w = {0};

    gpuc__gce_auth_token(auth, on_token, &w);
    assert_int_equal(w.done, 0);
    until(&w, 1);
    return w;
}

/* The test's key as JSON text: line ends are \n. */
static inline char *key_text(void)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem = NULL, *text, *out;
    long length;

    if (!key)
        key = EVP_RSA_gen(2048);
    assert_non_null(key);
    assert_true(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
    length = BIO_get_mem_data(bio, &pem);
    out = text = calloc(2, (size_t)length + 1);
    for (long i = 0; i < length; i++) {
        if (pem[i] == '\n')
            *out++ = '\\';
        *out++ = pem[i] == '\n' ? 'n' : pem[i];
    }
    BIO_free(bio);
    return text;
}

/* A service account's key file, whose tokens come from the test's server; more: fields, each after
 * a comma. */
static inline char *put_account(const char *more)
{
    char *pem = key_text(), *text = NULL, *path;

    assert_true(asprintf(&text,
                         "{\"type\": \"service_account\", \"project_id\": \"sa-project\","
                         "\"private_key_id\": \"0123abcd\", \"private_key\": \"%s\","
                         "\"client_email\": \"robot@sa-project.iam.gserviceaccount.com\","
                         "\"token_uri\": \"%s/token\"%s}",
                         pem, server.url, more) > 0);
    path = put("account.json", text);
    free(text);
    free(pem);
    setenv("GOOGLE_APPLICATION_CREDENTIALS", path, 1);
    return path;
}

static inline char *put_user(void)
{
    char *text = NULL, *path;

    assert_true(asprintf(&text,
                         "{\"type\": \"authorized_user\", \"client_id\": \"c.apps\","
                         "\"client_secret\": \"d-secret&=\", \"refresh_token\": \"1//refresh\","
                         "\"quota_project_id\": \"payer\", \"token_uri\": \"%s/token\"}",
                         server.url) > 0);
    path = put("user.json", text);
    free(text);
    setenv("GOOGLE_APPLICATION_CREDENTIALS", path, 1);
    return path;
}
#endif
