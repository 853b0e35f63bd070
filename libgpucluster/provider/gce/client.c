/* SPDX-License-Identifier: Apache-2.0 */
/* The client: one endpoint, one pool of connections, one source of tokens. */
#include <stdlib.h>
#include <string.h>

#include "core/context.h"
#include "provider/gce/call.h"
#include "util/alloc.h"
#include "util/error.h"

#define GOOGLE "https://compute.googleapis.com/compute/v1/"
#define ENDPOINT_VARIABLE "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE"

/* The host of a plain http address is this machine. */
static bool is_loopback(const char *host)
{
    size_t length = strcspn(host, ":/");

    if (strncmp(host, "[::1]", 5) == 0)
        return host[5] == ':' || host[5] == '/';
    if (length == 9 && strncmp(host, "localhost", 9) == 0)
        return true;
    return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == length;
}

static int check_endpoint(const char *endpoint, const char *from, gpuc_error **err)
{
    bool plain = strncmp(endpoint, "http://", 7) == 0;

    if (!plain && strncmp(endpoint, "https://", 8) != 0) {
        gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_PROVIDER,
                        "%s is no address of the Compute Engine API: it begins neither with "
                        "https:// nor with http://",
                        from);
    } else if (strpbrk(endpoint, "?#@ \t\r\n")) {
        gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_PROVIDER,
                        "%s is no address of the Compute Engine API: it has a user's name, a query "
                        "or a space in it",
                        from);
    } else if (plain && !is_loopback(endpoint + 7)) {
        gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_PROVIDER,
                        "%s asks for plain http to another machine, which would carry the access "
                        "token in the clear",
                        from);
    } else {
        return GPUC_OK;
    }
    gpuc__error_remedy(err,
                       "give %s as https://HOST/compute/v1/, or as http:// on 127.0.0.1; unset "
                       "it for Google's own",
                       from);
    return GPUC_EINVAL;
}

static int open_http(gpuc__gce_client *client, gpuc_error **err)
{
    gpuc__http_config config = {.base_url = client->endpoint, .domain = GPUC_DOMAIN_PROVIDER,
                                 .direct = strncmp(client->endpoint, "http:", 5) == 0};

    return gpuc__http_new(&client->http, client->context, &config, err);
}

int gpuc__gce_client_new(gpuc__gce_client **out, gpuc_context *context, gpuc__gce_auth *auth,
                         const char *endpoint, gpuc_error **err)
{
    const char *from = endpoint ? "the endpoint" : ENDPOINT_VARIABLE;
    gpuc__gce_client *client;
    int code;

    if (!endpoint)
        endpoint = getenv(ENDPOINT_VARIABLE);
    if (!endpoint || !*endpoint)
        endpoint = GOOGLE;
    code = check_endpoint(endpoint, from, err);
    if (code != GPUC_OK)
        return code;
    client = gpuc__calloc(1, sizeof(*client));
    if (!client)
        return gpuc__error_nomem(err);
    client->refs = 1;
    client->ms_per_s = 1000;
    client->context = gpuc_context_ref(context);
    client->auth = gpuc__gce_auth_ref(auth);
    client->endpoint =
        gpuc__asprintf("%s%s", endpoint, endpoint[strlen(endpoint) - 1] == '/' ? "" : "/");
    code = client->endpoint ? open_http(client, err) : gpuc__error_nomem(err);
    if (code == GPUC_OK)
        *out = client;
    else
        gpuc__gce_client_unref(client);
    return code;
}

gpuc__gce_client *gpuc__gce_client_ref(gpuc__gce_client *client)
{
    client->refs++;
    return client;
}

void gpuc__gce_client_unref(gpuc__gce_client *client)
{
    if (!client || --client->refs > 0)
        return;
    gpuc__http_unref(client->http);
    gpuc__gce_auth_unref(client->auth);
    gpuc__free(client->endpoint);
    gpuc_context_unref(client->context);
    gpuc__free(client);
}

const char *gpuc__gce_client_endpoint(const gpuc__gce_client *client)
{
    return client->endpoint;
}

uint64_t gpuc__gce_client_requests(const gpuc__gce_client *client)
{
    return client->requests;
}

void gpuc__gce_client_scale_time(gpuc__gce_client *client, uint32_t ms_per_s)
{
    client->ms_per_s = ms_per_s;
}
