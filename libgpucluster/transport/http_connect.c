/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that the caller made, such as an SSH tunnel.
 *
 * curl is told that the socket is connected (CURL_SOCKOPT_ALREADY_CONNECTED), but 7.88 connects it
 * all the same and fails (curl issue 10626, mended in 8.0). There it is given a datagram socket,
 * whose connect does nothing, and the caller's descriptor takes its number before the first byte:
 * when TLS is set up, before a plain request, or when the socket is to be watched. */
#include "transport/http_internal.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static bool must_swap(void)
{
    unsigned int version = curl_version_info(CURLVERSION_NOW)->version_num;

    return version >= 0x075800 && version < 0x080000;
}

static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    gpuc__http_request *r = data;
    int fd = r->http->connect(r->http->connect_data);

    if (fd < 0)
        return CURL_SOCKET_BAD;
    if (!must_swap())
        return fd;
    gpuc__http_connection_drop(r);
    r->connection = fd;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    r->stand_in = socket(address->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return r->stand_in < 0 ? CURL_SOCKET_BAD : r->stand_in;
}

void gpuc__http_connection_ready(gpuc__http_request *r)
{
    if (r->connection < 0)
        return;
    dup3(r->connection, r->stand_in, O_CLOEXEC);
    gpuc__http_connection_drop(r);
}

void gpuc__http_connection_drop(gpuc__http_request *r)
{
    if (r->connection >= 0)
        close(r->connection);
    r->connection = -1;
}

static int is_connected(void *data, curl_socket_t socket, curlsocktype purpose)
{
    return CURL_SOCKOPT_ALREADY_CONNECTED;
}

static CURLcode before_tls(CURL *easy, void *ssl_context, void *data)
{
    gpuc__http_connection_ready(data);
    return CURLE_OK;
}

static int before_request(void *data, char *address, char *local, int port, int local_port)
{
    gpuc__http_connection_ready(data);
    return CURL_PREREQFUNC_OK;
}

void gpuc__http_connection_set(gpuc__http_request *r)
{
    curl_easy_setopt(r->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(r->easy, CURLOPT_OPENSOCKETDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_SOCKOPTFUNCTION, is_connected);
    curl_easy_setopt(r->easy, CURLOPT_SSL_CTX_FUNCTION, before_tls);
    curl_easy_setopt(r->easy, CURLOPT_SSL_CTX_DATA, r);
    curl_easy_setopt(r->easy, CURLOPT_PREREQFUNCTION, before_request);
    curl_easy_setopt(r->easy, CURLOPT_PREREQDATA, r);
}
