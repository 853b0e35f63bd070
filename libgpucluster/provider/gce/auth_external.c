/* SPDX-License-Identifier: Apache-2.0 */
/* Workload identity: the token of another identity provider, from a file or an address. Programs
 * and the signatures of other clouds are refused. */
#include <string.h>

#include "provider/gce/auth_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define HEADERS_MAX 32
#define REMEDY_TOKEN                                                                               \
    "have something else put the provider's token into a file, and name that in "                  \
    "credential_source.file; or hand over an access token: CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"

/* Sources that Google's own clients know. */
static const struct {
    const char *field, *what;
} refused[] = {
    {"executable", "names a program to run, which this library does not do"},
    {"environment_id", "asks for a request signed for another cloud, which is not supported here"},
    {"certificate", "asks for a client certificate, which is not supported here"},
};

static int read_format(gpuc__gce_credential *c, const json_t *source, gpuc_error **err)
{
    const json_t *format = json_object_get(source, "format");
    const char *type = json_string_value(json_object_get(format, "type"));

    if (!format || !type || strcmp(type, "text") == 0)
        return GPUC_OK;
    if (strcmp(type, "json") != 0)
        return gpuc__gce_bad_field(c, GPUC_EINVAL, "credential_source.format.type",
                                   "is neither \"text\" nor \"json\"", NULL, err);
    return gpuc__gce_take_text(&c->subject_field, c, format, "subject_token_field_name", true, err);
}

static int read_headers(gpuc__gce_credential *c, json_t *headers, gpuc_error **err)
{
    size_t n = 0, count = json_object_size(headers);
    const char *name;
    json_t *value;

    if (count > HEADERS_MAX)
        return gpuc__gce_bad_field(c, GPUC_ELIMIT, "credential_source.headers",
                                   "has more than 32 headers", NULL, err);
    c->subject_headers = gpuc__calloc(count + 1, sizeof(*c->subject_headers));
    if (!c->subject_headers)
        return gpuc__error_nomem(err);
    json_object_foreach(headers, name, value) {
        const char *text = json_string_value(value);

        if (!text || strpbrk(text, "\r\n") || strpbrk(name, ": \t\r\n"))
            return gpuc__gce_bad_field(c, GPUC_EINVAL, "credential_source.headers",
                                       "holds what is no header", NULL, err);
        c->subject_headers[n] = gpuc__asprintf("%s: %s", name, text);
        if (!c->subject_headers[n++])
            return gpuc__error_nomem(err);
    }
    return GPUC_OK;
}

/* Only a GET is sent there, so plain http is fine: providers answer at link-local addresses. */
static bool is_address(const char *url)
{
    const char *host = strncmp(url, "http://", 7) == 0    ? url + 7
                       : strncmp(url, "https://", 8) == 0 ? url + 8
                                                          : NULL;

    for (const unsigned char *p = (const unsigned char *)url; *p; p++) {
        if (*p <= ' ' || *p >= 0x7f)
            return false;
    }
    return host && strcspn(host, "/?") > 0;
}

int gpuc__gce_source_read(gpuc__gce_credential *c, const json_t *file, gpuc_error **err)
{
    const json_t *source = json_object_get(file, "credential_source");
    int rc;

    if (!json_is_object(source))
        return gpuc__gce_bad_field(c, GPUC_EINVAL, "credential_source", "is missing or no object",
                                   NULL, err);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (json_object_get(source, refused[i].field))
            return gpuc__gce_bad_field(c, GPUC_EUNSUPPORTED, "credential_source", refused[i].what,
                                       REMEDY_TOKEN, err);
    }
    rc = gpuc__gce_take_text(&c->subject_file, c, source, "file", false, err);
    if (rc == GPUC_OK)
        rc = gpuc__gce_take_text(&c->subject_url, c, source, "url", false, err);
    if (rc == GPUC_OK && !c->subject_file == !c->subject_url)
        rc = gpuc__gce_bad_field(c, GPUC_EINVAL, "credential_source",
                                 "must name either a file or a url", NULL, err);
    if (rc == GPUC_OK && c->subject_url && !is_address(c->subject_url))
        rc = gpuc__gce_bad_field(c, GPUC_EINVAL, "credential_source.url",
                                 "is not an address of http or https", NULL, err);
    if (rc == GPUC_OK)
        rc = read_headers(c, json_object_get(source, "headers"), err);
    return rc == GPUC_OK ? read_format(c, source, err) : rc;
}

static void no_subject(gpuc__gce_refresh *refresh, const char *what)
{
    const gpuc__gce_credential *c = &refresh->auth->credential;
    const char *from = c->subject_file ? c->subject_file : c->subject_url;
    gpuc_error *error = NULL;

    gpuc__error_set(&error, GPUC_EAUTH, GPUC_DOMAIN_PROVIDER,
                    "%s (%s): what %.*s gives %s \"%s\"", c->path, c->origin,
                    (int)strcspn(from, "?"), from, what, c->subject_field ? c->subject_field : "");
    gpuc__error_remedy(&error, "check the identity provider, and credential_source.format in the "
                               "file");
    gpuc__gce_refresh_end(refresh, error);
}

static void take_subject(gpuc__gce_refresh *refresh, const char *text)
{
    const gpuc__gce_credential *c = &refresh->auth->credential;
    const char *token = text, *start;
    json_t *object = NULL;
    size_t length;
    char *word;

    if (c->subject_field) {
        object = json_loads(text, 0, NULL);
        token = json_string_value(json_object_get(object, c->subject_field));
    }
    length = token ? gpuc__gce_one_word(token, &start) : 0;
    word = length ? gpuc__strndup(start, length) : NULL;
    if (word)
        gpuc__gce_exchange_subject(refresh, word);
    else
        no_subject(refresh, c->subject_field ? "is no JSON object with a token as" : "is no token");
    gpuc__free_secret(word);
    gpuc__gce_json_wipe(object);
    json_decref(object);
}

static void on_subject(gpuc__gce_refresh *refresh, const json_t *answer, const char *text)
{
    take_subject(refresh, text);
}

static char **copy_headers(char *const *from)
{
    size_t count = 0;
    char **copy;

    while (from[count])
        count++;
    copy = gpuc__calloc(count + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = gpuc__strdup(from[i]);
        if (!copy[i]) {
            gpuc__gce_headers_free(copy);
            copy = NULL;
        }
    }
    return copy;
}

void gpuc__gce_external_begin(gpuc__gce_refresh *refresh)
{
    const gpuc__gce_credential *c = &refresh->auth->credential;
    gpuc_error *error = NULL;
    char *text = NULL;

    if (c->subject_url) {
        gpuc__gce_refresh_times(refresh);
        gpuc__gce_request(refresh, "GET", gpuc__strdup(c->subject_url), NULL,
                          copy_headers(c->subject_headers), on_subject);
        return;
    }
    if (gpuc__gce_read_file(&text, c->subject_file, NULL, &error) != GPUC_OK) {
        gpuc__error_wrap(&error, gpuc_error_code(error), GPUC_DOMAIN_PROVIDER,
                         "%s (%s) names a token file that cannot be used", c->path, c->origin);
        gpuc__gce_refresh_end(refresh, error);
    } else {
        take_subject(refresh, text);
    }
    gpuc__free_secret(text);
}
