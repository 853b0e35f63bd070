/* SPDX-License-Identifier: Apache-2.0 */
/* The token endpoints: what each kind of credential sends there, and what comes of it (RFC 6749,
 * 7523, 8693). */
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "provider/gce/auth_internal.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define FORM_MAX (1024 * 1024)
#define LIFETIME_MAX_S (24 * 3600)
#define HOUR_S 3600 /* what Google gives, where the answer does not tell */

/* Names and values in turn, up to a NULL name, as a web form: a new secret string; NULL without
 * memory. A NULL value leaves its name out. */
static char *form(const char *const *fields)
{
    gpuc__buf out = GPUC__BUF_INIT(FORM_MAX);

    out.secret = true;
    for (size_t i = 0; fields[i]; i += 2) {
        char *value = fields[i + 1] ? gpuc__http_escape(fields[i + 1]) : NULL;

        if (value)
            gpuc__buf_printf(&out, "%s%s=%s", out.length ? "&" : "", fields[i], value);
        else if (fields[i + 1])
            out.failed = true;
        gpuc__free_secret(value);
    }
    return gpuc__buf_take(&out);
}

char **gpuc__gce_headers(const char *first, char *second)
{
    char **headers = gpuc__calloc(3, sizeof(*headers));

    if (headers) {
        headers[0] = gpuc__strdup(first);
        headers[1] = second;
    }
    if (!headers || !headers[0]) {
        gpuc__free(headers);
        gpuc__free_secret(second);
        return NULL;
    }
    return headers;
}

void gpuc__gce_refresh_times(gpuc__gce_refresh *refresh)
{
    const gpuc__gce_auth *auth = refresh->auth;

    refresh->timeout_ms = (int)gpuc__gce_auth_number(auth, NULL, "request_timeout_ms");
    refresh->attempts = (int)gpuc__gce_auth_number(auth, "retry", "attempts");
}

static void bad_answer(gpuc__gce_refresh *refresh, const char *what)
{
    gpuc_error *error = NULL;

    gpuc__error_set(&error, GPUC_EPROTO, GPUC_DOMAIN_PROVIDER, "the answer of %.*s %s",
                    (int)strcspn(refresh->url, "?"), refresh->url, what);
    gpuc__error_remedy(&error, "check that the address leads to a token endpoint");
    gpuc__gce_refresh_end(refresh, error);
}

const char *gpuc__gce_scope_of(const gpuc__gce_auth *auth)
{
    bool acts = auth->credential.impersonation_url != NULL;

    /* Who acts for a service account needs no more than that. */
    return gpuc__gce_auth_text(auth, NULL, acts ? "impersonation_scope" : "scope");
}

/* Keeps the token of the answer; false when the refresh has ended because of it. */
static bool keep(gpuc__gce_refresh *refresh, const json_t *answer, const char *field)
{
    const char *text = json_string_value(json_object_get(answer, field)), *start = NULL;
    gpuc_error *error = NULL;

    if (!text || !*text || gpuc__gce_one_word(text, &start) != strlen(text)) {
        bad_answer(refresh, "holds no access token");
        return false;
    }
    gpuc__free_secret(refresh->token);
    refresh->token = gpuc__strdup(text);
    if (refresh->token)
        return true;
    gpuc__error_nomem(&error);
    gpuc__gce_refresh_end(refresh, error);
    return false;
}

/* Milliseconds until "2026-11-24T03:00:00Z" (RFC 3339, UTC); -1 when it is no time. */
static int64_t left_until(const char *text)
{
    struct tm t = {0};

    if (!text || sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &t.tm_year, &t.tm_mon, &t.tm_mday,
                        &t.tm_hour, &t.tm_min, &t.tm_sec) != 6)
        return -1;
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    return 1000 * (int64_t)timegm(&t) - gpuc__now_ms();
}

static long impersonation_s(const gpuc__gce_auth *auth)
{
    long asked = auth->credential.impersonation_s;

    return asked >= 600 && asked <= 43200 ? asked
                                          : gpuc__gce_auth_number(auth, NULL,
                                                                  "impersonation_seconds");
}

static void on_impersonated(gpuc__gce_refresh *refresh, const json_t *answer, const char *text)
{
    int64_t asked = 1000 * (int64_t)impersonation_s(refresh->auth);
    int64_t left = left_until(json_string_value(json_object_get(answer, "expireTime")));

    if (!keep(refresh, answer, "accessToken"))
        return;
    /* A time that cannot be comes of this machine's clock: what was asked for holds then. */
    refresh->left_ms = left > 0 && left < asked ? left : asked;
    gpuc__gce_refresh_end(refresh, NULL);
}

static int add_text(const char *text, size_t length, void *data)
{
    return gpuc__buf_add(data, text, length) ? 0 : -1;
}

static void impersonate(gpuc__gce_refresh *refresh)
{
    const gpuc__gce_auth *auth = refresh->auth;
    json_t *delegates = auth->credential.delegates;
    char seconds[32], *bearer, **headers;
    gpuc__buf text = GPUC__BUF_INIT(FORM_MAX);
    json_t *body;
    gpuc_error *error = NULL;

    if (gpuc__gce_refresh_hide(refresh, refresh->token, &error) != GPUC_OK) {
        gpuc__gce_refresh_end(refresh, error);
        return;
    }
    snprintf(seconds, sizeof(seconds), "%lds", impersonation_s(auth));
    body = json_pack("{s[s] ss}", "scope", gpuc__gce_auth_text(auth, NULL, "scope"), "lifetime",
                     seconds);
    if (delegates)
        json_object_set(body, "delegates", delegates);
    if (!body || json_dump_callback(body, add_text, &text, JSON_COMPACT) != 0)
        text.failed = true;
    json_decref(body);
    bearer = gpuc__asprintf("Authorization: Bearer %s", refresh->token);
    headers = bearer ? gpuc__gce_headers("Content-Type: application/json", bearer) : NULL;
    gpuc__gce_request(refresh, "POST", gpuc__strdup(auth->credential.impersonation_url),
                      gpuc__buf_take(&text), headers, on_impersonated);
}

bool gpuc__gce_exchange_keep(gpuc__gce_refresh *refresh, const json_t *answer)
{
    const json_t *lifetime = json_object_get(answer, "expires_in");
    json_int_t seconds = json_is_integer(lifetime) ? json_integer_value(lifetime) : HOUR_S;

    if (!keep(refresh, answer, "access_token"))
        return false;
    if (seconds <= 0 || seconds > LIFETIME_MAX_S) {
        bad_answer(refresh, "gives the token a lifetime that cannot be");
        return false;
    }
    refresh->left_ms = 1000 * seconds;
    return true;
}

static void on_token(gpuc__gce_refresh *refresh, const json_t *answer, const char *text)
{
    if (!gpuc__gce_exchange_keep(refresh, answer))
        return;
    if (refresh->auth->credential.impersonation_url)
        impersonate(refresh);
    else
        gpuc__gce_refresh_end(refresh, NULL);
}

/* HTTP Basic, for clients that have a secret: a new secret string; NULL without memory. */
static char *basic(const gpuc__gce_credential *c)
{
    char *plain = gpuc__asprintf("%s:%s", c->client_id, c->client_secret ? c->client_secret : "");
    size_t length = plain ? strlen(plain) : 0;
    char *encoded = plain ? gpuc__malloc(4 * ((length + 2) / 3) + 1) : NULL, *header = NULL;

    if (encoded) {
        EVP_EncodeBlock((unsigned char *)encoded, (unsigned char *)plain, (int)length);
        header = gpuc__asprintf("Authorization: Basic %s", encoded);
    }
    gpuc__free_secret(plain);
    gpuc__free_secret(encoded);
    return header;
}

static void ask(gpuc__gce_refresh *refresh, const char *const *fields)
{
    const gpuc__gce_credential *c = &refresh->auth->credential;
    bool named = c->kind == GPUC__GCE_EXTERNAL && c->client_id;
    char *authorization = named ? basic(c) : NULL, **headers = NULL;

    if (authorization || !named)
        headers = gpuc__gce_headers("Content-Type: application/x-www-form-urlencoded",
                                    authorization);
    gpuc__gce_refresh_times(refresh);
    gpuc__gce_request(refresh, "POST", gpuc__strdup(c->token_uri), form(fields), headers, on_token);
}

static void ask_signed(gpuc__gce_refresh *refresh)
{
    char *assertion = NULL;
    gpuc_error *error = NULL;
    int rc = gpuc__gce_jwt(&assertion, refresh->auth, gpuc__now_ms() / 1000, &error);

    if (rc == GPUC_OK)
        rc = gpuc__gce_refresh_hide(refresh, assertion, &error);
    if (rc == GPUC_OK)
        ask(refresh,
            (const char *[]){"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer",
                             "assertion", assertion, NULL});
    else
        gpuc__gce_refresh_end(refresh, error);
    gpuc__free_secret(assertion);
}

void gpuc__gce_exchange_begin(gpuc__gce_refresh *refresh)
{
    const gpuc__gce_credential *c = &refresh->auth->credential;

    if (c->kind == GPUC__GCE_SERVICE_ACCOUNT)
        ask_signed(refresh);
    else
        ask(refresh,
            (const char *[]){"grant_type", "refresh_token", "client_id", c->client_id,
                             "client_secret", c->client_secret, "refresh_token", c->refresh_token,
                             NULL});
}

void gpuc__gce_exchange_subject(gpuc__gce_refresh *refresh, const char *subject)
{
    const gpuc__gce_auth *auth = refresh->auth;
    const gpuc__gce_credential *c = &auth->credential;
    char *options = NULL, *project;
    gpuc_error *error = NULL;

    if (gpuc__gce_refresh_hide(refresh, subject, &error) != GPUC_OK) {
        gpuc__gce_refresh_end(refresh, error);
        return;
    }
    project = c->user_project;
    if (project && !c->client_id && !strpbrk(project, "\"\\"))
        options = gpuc__asprintf("{\"userProject\":\"%s\"}", project);
    ask(refresh,
        (const char *[]){"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange",
                         "audience", c->audience, "scope", gpuc__gce_scope_of(auth),
                         "requested_token_type", "urn:ietf:params:oauth:token-type:access_token",
                         "subject_token", subject, "subject_token_type", c->subject_type, "options",
                         options, NULL});
    gpuc__free(options);
}
