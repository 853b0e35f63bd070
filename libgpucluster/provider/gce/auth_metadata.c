/* SPDX-License-Identifier: Apache-2.0 */
/* The metadata server of a Compute Engine instance: a token of the instance's service account, and
 * the project that the instance belongs to. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "provider/gce/auth_internal.h"
#include "util/alloc.h"
#include "util/error.h"

#define REMEDY_NONE                                                                                \
    "run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to a "       \
    "service account's key file"

/* Whether the machine says that it is Google's. */
static bool is_google(const gpuc__gce_auth *auth)
{
    const char *prefix = gpuc__gce_auth_text(auth, "metadata", "product_prefix");
    char name[64] = "";
    int fd = open(gpuc__gce_auth_text(auth, "metadata", "product_file"), O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);

    if (fd >= 0)
        close(fd);
    return n > 0 && strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool is_named(void)
{
    const char *host = getenv("GCE_METADATA_HOST"), *address = getenv("GCE_METADATA_IP");

    return (host && *host) || (address && *address);
}

static void get(gpuc__gce_refresh *refresh, const char *path,
                void (*then)(gpuc__gce_refresh *, const json_t *, const char *))
{
    const gpuc__gce_auth *auth = refresh->auth;

    gpuc__gce_request(refresh, "GET",
                      gpuc__asprintf("http://%s%s", auth->credential.host,
                                     gpuc__gce_auth_text(auth, "metadata", path)),
                      NULL, gpuc__gce_headers("Metadata-Flavor: Google", NULL), then);
}

static void on_project(gpuc__gce_refresh *refresh, const json_t *answer, const char *text)
{
    static const char known[] = "abcdefghijklmnopqrstuvwxyz0123456789-.:";
    size_t length = strspn(text, known);

    if (length && length < 128 && !text[length + strspn(text + length, "\r\n")])
        refresh->auth->project = gpuc__strndup(text, length);
    gpuc__gce_refresh_end(refresh, NULL);
}

/* The token is there: the project can be given in the spec. */
static void no_project(gpuc__gce_refresh *refresh, int status, gpuc_error *error)
{
    if (refresh->cancelled) {
        gpuc__gce_refresh_end(refresh, error);
        return;
    }
    gpuc__log(refresh->auth->context, GPUC_LOG_WARN, "gce", "the project is not known: %s",
              gpuc_error_message(error));
    gpuc_error_unref(error);
    gpuc__gce_refresh_end(refresh, NULL);
}

static void on_token(gpuc__gce_refresh *refresh, const json_t *answer, const char *text)
{
    if (!gpuc__gce_exchange_keep(refresh, answer))
        return;
    if (refresh->auth->project) {
        gpuc__gce_refresh_end(refresh, NULL);
        return;
    }
    refresh->failed = no_project;
    get(refresh, "project_path", on_project);
}

static void no_token(gpuc__gce_refresh *refresh, int status, gpuc_error *error)
{
    const gpuc__gce_credential *c = &refresh->auth->credential;
    int code = gpuc_error_code(error);
    bool silent = code == GPUC_ENETWORK || code == GPUC_ETIMEDOUT || code == GPUC_EPROTO;

    if (silent && !is_named() && !is_google(refresh->auth)) {
        gpuc__error_wrap(&error, GPUC_EAUTH, GPUC_DOMAIN_PROVIDER,
                         "no credentials for Google: no variable names any, no application default "
                         "credentials are there, and no metadata server answers at %s", c->host);
        gpuc__error_retryable(&error, false);
        gpuc__error_remedy(&error, "%s", REMEDY_NONE);
    } else if (status == 404) {
        gpuc__error_wrap(&error, GPUC_EAUTH, GPUC_DOMAIN_PROVIDER,
                         "this instance has no service account");
        gpuc__error_remedy(&error, "give it one (gcloud compute instances set-service-account), or "
                                   REMEDY_NONE);
    }
    gpuc__gce_refresh_end(refresh, error);
}

void gpuc__gce_metadata_begin(gpuc__gce_refresh *refresh)
{
    const gpuc__gce_auth *auth = refresh->auth;
    bool there = is_named() || is_google(auth);

    refresh->direct = true; /* on the link: no proxy reaches it */
    refresh->timeout_ms = (int)gpuc__gce_auth_number(auth, "metadata", "timeout_ms");
    refresh->attempts = (int)gpuc__gce_auth_number(auth, "metadata",
                                                   there ? "attempts" : "attempts_elsewhere");
    refresh->failed = no_token;
    get(refresh, "token_path", on_token);
}
