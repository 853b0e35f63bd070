/* SPDX-License-Identifier: Apache-2.0 */
/* One request of a refresh, with its repetitions; what a refusal means. */
#include <curl/curl.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "provider/gce/auth_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define NAME_MAX_BYTES 64
#define SKEW_S 300 /* a clock that is further off is worth a word */

void gpuc__gce_request_clear(gpuc__gce_refresh *refresh)
{
    gpuc__http_unref(refresh->http);
    gpuc__free(refresh->url);
    gpuc__free_secret(refresh->body);
    gpuc__gce_headers_free(refresh->headers);
    refresh->http = NULL;
    refresh->url = refresh->body = NULL;
    refresh->headers = NULL;
}

/* first_delay * factor^(attempt - 1), more or less a tenth. */
static int delay_ms(const gpuc__gce_refresh *refresh)
{
    const gpuc__gce_auth *auth = refresh->auth;
    long delay = auth->first_delay_ms, spread;
    unsigned char byte = 128;

    for (int i = 1; i < refresh->attempt; i++)
        delay *= gpuc__gce_auth_number(auth, "retry", "factor");
    spread = delay * gpuc__gce_auth_number(auth, "retry", "jitter_percent") / 100;
    RAND_bytes(&byte, 1);
    return (int)(delay + spread * (byte - 128) / 128);
}

static bool lists_text(const json_t *list, const char *text)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item) {
        if (text && strcmp(json_string_value(item), text) == 0)
            return true;
    }
    return false;
}

static bool is_worth_repeating(const gpuc__gce_refresh *refresh, int status, const char *said)
{
    const json_t *rule = json_object_get(refresh->auth->table, "retry"), *item;
    size_t i;

    json_array_foreach(json_object_get(rule, "statuses"), i, item) {
        if (json_integer_value(item) == status)
            return true;
    }
    return lists_text(json_object_get(rule, "errors"), said);
}

/* A name of an error, not some text: NULL otherwise. */
static const char *name(const json_t *value)
{
    static const char known[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    const char *text = json_string_value(value);
    size_t length = text ? strspn(text, known) : 0;

    return length && length <= NAME_MAX_BYTES && !text[length] ? text : NULL;
}

/* {"error": "x", "error_description": "y"} (RFC 6749) or {"error": {"status": "X", "message": "y"}}
 * (Google's APIs); both borrowed. */
static const char *reason(const json_t *answer, const char **detail)
{
    const json_t *error = json_object_get(answer, "error");

    if (json_is_object(error)) {
        *detail = json_string_value(json_object_get(error, "message"));
        return name(json_object_get(error, "status"));
    }
    *detail = json_string_value(json_object_get(answer, "error_description"));
    return name(error);
}

static const char *remedy_for(const gpuc__gce_refresh *refresh, const char *said)
{
    static const char *const kinds[] = {[GPUC__GCE_SERVICE_ACCOUNT] = "service_account",
                                        [GPUC__GCE_USER] = "authorized_user",
                                        [GPUC__GCE_EXTERNAL] = "external_account",
                                        [GPUC__GCE_METADATA] = "metadata"};
    const json_t *list = json_object_get(refresh->auth->table, "errors"), *item;
    const char *kind = kinds[refresh->auth->credential.kind], *text;
    size_t i;

    json_array_foreach(list, i, item) {
        if (!said || strcmp(json_string_value(json_object_get(item, "error")), said) != 0)
            continue;
        text = json_string_value(json_object_get(item, kind));
        return text ? text : json_string_value(json_object_get(item, "any"));
    }
    return NULL;
}

static char *where(const gpuc__gce_refresh *refresh)
{
    return gpuc__asprintf("%s %.*s", refresh->method, (int)strcspn(refresh->url, "?"),
                          refresh->url);
}

/* How far this machine's clock is ahead of the server's; 0 when that is not known. */
static long skew_s(gpuc__gce_refresh *refresh)
{
    const char *date = gpuc__http_header(gpuc__http_current(refresh->http), "date");
    time_t theirs = date ? curl_getdate(date, NULL) : -1;

    return theirs > 0 ? (long)(gpuc__now_ms() / 1000 - theirs) : 0;
}

static void refused(gpuc__gce_refresh *refresh, int status, const json_t *answer, gpuc_error **err)
{
    const char *detail = NULL, *said = reason(answer, &detail), *remedy = remedy_for(refresh, said);
    bool retryable = status >= 500 || is_worth_repeating(refresh, status, said);
    char *request = where(refresh), clock[96] = "";
    /* Before it is cut: half a secret would not be known. */
    char *clean = detail ? gpuc__context_redact(refresh->auth->context, detail) : NULL;
    long skew = skew_s(refresh);

    if (labs(skew) > SKEW_S)
        snprintf(clock, sizeof(clock), "; this machine's clock is %ld s %s the server's",
                 labs(skew), skew > 0 ? "ahead of" : "behind");
    gpuc__error_set(err, retryable ? GPUC_EHTTP : GPUC_EAUTH, GPUC_DOMAIN_PROVIDER,
                    "%s answered %d%s%s%s%.500s%s", request ? request : "the token endpoint",
                    status, said ? ": " : "", said ? said : "", clean ? ": " : "",
                    clean ? clean : "", clock);
    gpuc__error_native(err, status);
    gpuc__error_retryable(err, retryable);
    if (labs(skew) > SKEW_S)
        gpuc__error_remedy(err, "set this machine's clock (timedatectl set-ntp true), then try "
                                "again");
    else
        gpuc__error_remedy(err, "%s",
                           remedy      ? remedy
                           : retryable ? "the service is busy or in trouble: try again later"
                                       : "check the credentials and the address in their file");
    gpuc__free(clean);
    gpuc__free(request);
}

static void not_metadata(gpuc__gce_refresh *refresh, gpuc_error **err)
{
    gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_PROVIDER,
                    "what answers at %s is not Google's metadata server: its answer has no header "
                    "\"Metadata-Flavor: Google\"", refresh->auth->credential.host);
    gpuc__error_remedy(err, "give credentials: GOOGLE_APPLICATION_CREDENTIALS, or gcloud auth "
                            "application-default login");
}

static void attempt(gpuc__gce_refresh *refresh);

/* Whether it will be sent again: a failure that passes, and attempts are left. */
static bool repeat(gpuc__gce_refresh *refresh, int status, const json_t *answer,
                   const gpuc_error *error)
{
    const char *detail = NULL;
    bool again = error ? gpuc_error_retryable(error)
                       : is_worth_repeating(refresh, status, reason(answer, &detail));

    if (!again || refresh->cancelled || refresh->attempt >= refresh->attempts)
        return false;
    gpuc__log(refresh->auth->context, GPUC_LOG_INFO, "gce",
              "no access token yet, attempt %d of %d: %s (%d)", refresh->attempt, refresh->attempts,
              error ? gpuc_error_message(error) : "refused", status);
    gpuc__gce_refresh_later(refresh, delay_ms(refresh), attempt);
    return true;
}

static void check_answer(gpuc__gce_refresh *refresh, int status, const json_t *answer,
                         gpuc_error **err)
{
    const char *flavor = gpuc__http_header(gpuc__http_current(refresh->http), "metadata-flavor");

    if (refresh->direct && (!flavor || strcmp(flavor, "Google") != 0))
        not_metadata(refresh, err);
    else if (status < 200 || status > 299)
        refused(refresh, status, answer, err);
}

static void on_done(void *data, int status, const char *body, size_t length, gpuc_error *error)
{
    gpuc__gce_refresh *refresh = data;
    json_t *answer = error ? NULL : json_loadb(body, length, 0, NULL);

    refresh->request = NULL;
    if (repeat(refresh, status, answer, error)) {
        gpuc_error_unref(error);
        gpuc__gce_json_wipe(answer);
        json_decref(answer);
        return;
    }
    if (!error)
        check_answer(refresh, status, answer, &error);
    if (error && refresh->failed)
        refresh->failed(refresh, status, error);
    else if (error)
        gpuc__gce_refresh_end(refresh, error);
    else
        refresh->then(refresh, answer, body);
    gpuc__gce_json_wipe(answer);
    json_decref(answer);
}

static void attempt(gpuc__gce_refresh *refresh)
{
    const char *path = strstr(refresh->url, "://") + 3;
    gpuc__http_args args = {.method = refresh->method,
                            .headers = (const char *const *)refresh->headers,
                            .body = refresh->body,
                            .body_length = refresh->body ? strlen(refresh->body) : 0,
                            .timeout_ms = refresh->timeout_ms,
                            .secret = true,
                            .done = on_done,
                            .data = refresh};
    gpuc_error *error = NULL;

    path += strcspn(path, "/?");
    args.path = *path ? path : "/";
    args.response_max = (size_t)gpuc__gce_auth_number(refresh->auth, NULL, "answer_max");
    refresh->attempt++;
    refresh->request = gpuc__http_send(refresh->http, &args);
    if (!refresh->request) {
        gpuc__error_nomem(&error);
        gpuc__gce_refresh_end(refresh, error);
    }
}

static int open_pool(gpuc__gce_refresh *refresh, gpuc_error **err)
{
    const char *host = refresh->url ? strstr(refresh->url, "://") : NULL;
    size_t length = host ? (size_t)(host - refresh->url) + 3 + strcspn(host + 3, "/?") : 0;
    char *base = host ? gpuc__strndup(refresh->url, length) : NULL;
    gpuc__http_config config = {.base_url = base, .direct = refresh->direct,
                                .domain = GPUC_DOMAIN_PROVIDER};
    int rc = base ? gpuc__http_new(&refresh->http, refresh->auth->context, &config, err)
                  : gpuc__error_nomem(err);

    gpuc__free(base);
    return rc;
}

void gpuc__gce_request(gpuc__gce_refresh *refresh, const char *method, char *url, char *body,
                       char **headers,
                       void (*then)(gpuc__gce_refresh *, const json_t *, const char *))
{
    gpuc_error *error = NULL;

    gpuc__gce_request_clear(refresh);
    refresh->method = method;
    refresh->url = url;
    refresh->body = body;
    refresh->headers = headers;
    refresh->then = then;
    refresh->attempt = 0;
    if (!headers || (!body && strcmp(method, "POST") == 0))
        gpuc__error_nomem(&error);
    else
        open_pool(refresh, &error);
    if (error)
        gpuc__gce_refresh_end(refresh, error);
    else
        attempt(refresh);
}
