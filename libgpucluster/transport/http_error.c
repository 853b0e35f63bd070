/* SPDX-License-Identifier: Apache-2.0 */
/* What it means that a transfer failed: our codes, and what to do about each. */
#include "transport/http_internal.h"

#include <errno.h>
#include <string.h>

#include "util/error.h"

#define REMEDY_REACH "check that the server runs and that no firewall is in between; then try again"
#define REMEDY_AGAIN "the connection was lost on the way; try again"
#define REMEDY_TRUST                                                                               \
    "the server's certificate does not come from the expected authority or is for another name: "  \
    "check that the address leads to the right server, and the certificate authority given for it"
#define REMEDY_CLIENT "check the client certificate and key in the configuration"
#define REMEDY_PROXY "check the proxy that was given (proxy-url) or the proxy variables (https_proxy)"
#define REMEDY_PROTO "check that the address leads to the right kind of server"

/* libcurl 7.88, curl/curl.h. */
static const struct {
    CURLcode result;
    int code;
    bool tls;
    const char *remedy;
} classes[] = {
    {CURLE_COULDNT_RESOLVE_HOST, GPUC_ENETWORK, false,
     "check the host's name and this machine's name service"},
    {CURLE_COULDNT_RESOLVE_PROXY, GPUC_ENETWORK, false, REMEDY_PROXY},
    {CURLE_PROXY, GPUC_ENETWORK, false, REMEDY_PROXY},
    {CURLE_COULDNT_CONNECT, GPUC_ENETWORK, false, REMEDY_REACH},
    {CURLE_OPERATION_TIMEDOUT, GPUC_ETIMEDOUT, false, REMEDY_REACH},
    {CURLE_SEND_ERROR, GPUC_ENETWORK, false, REMEDY_AGAIN},
    {CURLE_RECV_ERROR, GPUC_ENETWORK, false, REMEDY_AGAIN},
    {CURLE_GOT_NOTHING, GPUC_ENETWORK, false, REMEDY_AGAIN},
    {CURLE_PARTIAL_FILE, GPUC_ENETWORK, false, REMEDY_AGAIN},
    {CURLE_SEND_FAIL_REWIND, GPUC_ENETWORK, false, REMEDY_AGAIN},
    {CURLE_HTTP2, GPUC_ENETWORK, false, REMEDY_AGAIN},
    {CURLE_HTTP2_STREAM, GPUC_ENETWORK, false, REMEDY_AGAIN},
    {CURLE_PEER_FAILED_VERIFICATION, GPUC_EAUTH, true, REMEDY_TRUST},
    {CURLE_SSL_ISSUER_ERROR, GPUC_EAUTH, true, REMEDY_TRUST},
    {CURLE_SSL_INVALIDCERTSTATUS, GPUC_EAUTH, true, REMEDY_TRUST},
    {CURLE_SSL_CACERT_BADFILE, GPUC_EINVAL, true,
     "the certificate authority given cannot be read as PEM"},
    {CURLE_SSL_CERTPROBLEM, GPUC_EINVAL, true, REMEDY_CLIENT},
    {CURLE_SSL_CONNECT_ERROR, GPUC_EPROTO, true, REMEDY_CLIENT},
    {CURLE_WEIRD_SERVER_REPLY, GPUC_EPROTO, false, REMEDY_PROTO},
    {CURLE_UNSUPPORTED_PROTOCOL, GPUC_EPROTO, false, REMEDY_PROTO},
    {CURLE_BAD_CONTENT_ENCODING, GPUC_EPROTO, false, REMEDY_PROTO},
    {CURLE_URL_MALFORMAT, GPUC_EINVAL, false, "check the server's address"},
};

/* A local socket tells more than "could not connect". */
static bool socket_error(gpuc__http_request *r, gpuc_error **err)
{
    long number = 0;

    if (!r->http->unix_socket)
        return false;
    curl_easy_getinfo(r->easy, CURLINFO_OS_ERRNO, &number);
    if (number != ENOENT && number != EACCES && number != EPERM)
        return false;
    gpuc__error_errno(err, (int)number, "%s: cannot connect to the socket %s", r->where,
                      r->http->unix_socket);
    return true;
}

/* A handshake that the network ended is worth another try, one that the peer refused is not. */
static bool handshake_lost(gpuc__http_request *r, CURLcode result)
{
    return result == CURLE_SSL_CONNECT_ERROR &&
           (strstr(r->message, "SSL_ERROR_SYSCALL") || strstr(r->message, "unexpected eof") ||
            strstr(r->message, "reset"));
}

/* With TLS 1.3 a refused client certificate shows only when the answer is read. */
static bool client_refused(gpuc__http_request *r)
{
    return strstr(r->message, "alert") &&
           (strstr(r->message, "certificate") || strstr(r->message, "unknown ca"));
}

void gpuc__http_error_from(gpuc__http_request *r, CURLcode result, gpuc_error **err)
{
    const char *said = r->message[0] ? r->message : curl_easy_strerror(result);
    const char *remedy = "this is a defect of the library; please report it";
    int code = GPUC_EINTERNAL, domain = r->http->domain;

    if (result == CURLE_OUT_OF_MEMORY) {
        gpuc__error_nomem(err);
        return;
    }
    if (result == CURLE_COULDNT_CONNECT && socket_error(r, err))
        return;
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (classes[i].result == result) {
            code = classes[i].code;
            domain = classes[i].tls ? GPUC_DOMAIN_TLS : domain;
            remedy = classes[i].remedy;
        }
    }
    if (client_refused(r)) {
        code = GPUC_EAUTH;
        domain = GPUC_DOMAIN_TLS;
        remedy = REMEDY_CLIENT;
    } else if (handshake_lost(r, result)) {
        code = GPUC_ENETWORK;
        remedy = REMEDY_AGAIN;
    }
    gpuc__error_set(err, code, domain, "%s: %s", r->where, said);
    gpuc__error_native(err, result);
    gpuc__error_remedy(err, "%s", remedy);
}
