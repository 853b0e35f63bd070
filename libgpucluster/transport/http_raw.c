/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a connection that curl made and the caller uses. */
#include "transport/http_internal.h"

#include "util/error.h"

int gpuc__http_socket(gpuc__http_request *r)
{
    curl_socket_t socket = CURL_SOCKET_BAD;

    curl_easy_getinfo(r->easy, CURLINFO_ACTIVESOCKET, &socket);
    return socket == CURL_SOCKET_BAD ? -1 : (int)socket;
}

static int outcome(gpuc__http_request *r, CURLcode result, gpuc_error **err)
{
    gpuc_error *error = NULL;
    int code;

    if (result == CURLE_OK)
        return GPUC_OK;
    if (result == CURLE_AGAIN)
        return GPUC__HTTP_AGAIN;
    gpuc__http_error_from(r, result, &error);
    code = gpuc_error_code(error);
    if (err && !*err)
        *err = error;
    else
        gpuc_error_unref(error);
    return code;
}

int gpuc__http_read(size_t *moved, gpuc__http_request *r, void *bytes, size_t length,
                    gpuc_error **err)
{
    size_t n = 0;
    int code = outcome(r, gpuc__http_easy_recv(r->easy, bytes, length, &n), err);

    if (code == GPUC_OK)
        *moved = n;
    return code;
}

int gpuc__http_write(size_t *moved, gpuc__http_request *r, const void *bytes, size_t length,
                     gpuc_error **err)
{
    size_t n = 0;
    int code = outcome(r, gpuc__http_easy_send(r->easy, bytes, length, &n), err);

    if (code == GPUC_OK)
        *moved = n;
    return code;
}
