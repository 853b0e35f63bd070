/* SPDX-License-Identifier: Apache-2.0 */
/* One curl handle per request: its options, and what comes back through its callbacks. */
#include "transport/http_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/context.h"
#include "util/alloc.h"
#include "util/error.h"

#define HEADERS_MAX 256
#define HEAD_BYTES_MAX (256 * 1024)
#define RESPONSE_MAX_DEFAULT (8u * 1024 * 1024)
#define CONNECT_TIMEOUT_MS 30000L

/* Notes why the transfer ends; returning it from a callback makes curl end it. */
static size_t stop(gpuc__http_request *r, int code, const char *what)
{
    if (!r->error)
        gpuc__error_set(&r->error, code, r->http->domain, "%s: %s", r->where, what);
    return 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *data)
{
    gpuc__http_request *r = data;
    size_t length = size * count;
    long status = 0;

    r->last_byte = gpuc__clock_ms();
    if (r->error)
        return 0;
    curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    if (r->chunk && status >= 200 && status < 300) {
        if (!length || r->chunk(r->data, bytes, length))
            return length;
        return stop(r, GPUC_ECANCELLED, "ended by the receiver");
    }
    if (gpuc__buf_add(&r->body, bytes, length))
        return length;
    if (length <= r->body.max && r->body.length <= r->body.max - length) {
        gpuc__error_nomem(&r->error);
        return 0;
    }
    if (!r->error)
        gpuc__error_set(&r->error, GPUC_ELIMIT, r->http->domain,
                        "%s: the answer is larger than the %zu bytes allowed", r->where,
                        r->body.max);
    return 0;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *data)
{
    gpuc__http_request *r = data;
    size_t length = size * count, kept = length;

    r->last_byte = gpuc__clock_ms();
    if (r->error)
        return 0;
    if (length > 5 && strncasecmp(bytes, "HTTP/", 5) == 0) { /* after a 1xx comes another */
        gpuc__buf_reset(&r->head);
        r->header_count = 0;
        return length;
    }
    while (kept && (bytes[kept - 1] == '\r' || bytes[kept - 1] == '\n'))
        kept--;
    if (!kept)
        return length;
    if (++r->header_count > HEADERS_MAX || r->head.length + kept + 1 > r->head.max)
        return stop(r, GPUC_ELIMIT, "the answer has too many or too long headers");
    if (!gpuc__buf_add(&r->head, bytes, kept) || !gpuc__buf_putc(&r->head, '\0')) {
        gpuc__error_nomem(&r->error);
        return 0;
    }
    return length;
}

static size_t on_read(char *bytes, size_t size, size_t count, void *data)
{
    gpuc__http_request *r = data;
    ssize_t n;

    do {
        n = read(r->file, bytes, size * count);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        r->last_byte = gpuc__clock_ms();
        return (size_t)n;
    }
    gpuc__error_errno(&r->error, errno, "%s: the file being sent cannot be read", r->where);
    return CURL_READFUNC_ABORT;
}

static int on_seek(void *data, curl_off_t offset, int origin)
{
    gpuc__http_request *r = data;

    return lseek(r->file, offset, origin) < 0 ? CURL_SEEKFUNC_FAIL : CURL_SEEKFUNC_OK;
}

static bool add_header(gpuc__http_request *r, const char *line)
{
    struct curl_slist *list = curl_slist_append(r->headers, line);

    if (list)
        r->headers = list;
    return list != NULL;
}

static int set_headers(gpuc__http_request *r, const char *const *headers, gpuc_error **err)
{
    bool ok = add_header(r, "Expect:"), typed = false;

    for (; headers && *headers; headers++) {
        if (strpbrk(*headers, "\r\n") || !strchr(*headers, ':'))
            return gpuc__error_set(err, GPUC_EINVAL, r->http->domain,
                                   "%s: a request header is not one \"Name: value\" line",
                                   r->where);
        typed = typed || strncasecmp(*headers, "Content-Type:", 13) == 0;
        ok = ok && add_header(r, *headers);
    }
    if (!typed) /* curl would call a body a web form */
        ok = ok && add_header(r, "Content-Type:");
    if (r->http->authorization)
        ok = ok && add_header(r, r->http->authorization);
    if (!ok)
        return gpuc__error_nomem(err);
    curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers);
    return GPUC_OK;
}

static int open_file(gpuc__http_request *r, const char *path, gpuc_error **err)
{
    struct stat about;

    r->file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (r->file < 0 || fstat(r->file, &about) != 0)
        return gpuc__error_errno(err, errno, "%s: cannot read %s, which is to be sent", r->where,
                                 path);
    if (!S_ISREG(about.st_mode))
        return gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_SYSTEM,
                               "%s: %s is to be sent but is no plain file", r->where, path);
    r->file_size = about.st_size;
    curl_easy_setopt(r->easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(r->easy, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(r->easy, CURLOPT_READDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(r->easy, CURLOPT_SEEKDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->file_size);
    return GPUC_OK;
}

static int set_body(gpuc__http_request *r, const gpuc__http_args *args, gpuc_error **err)
{
    bool sends = args->body || strcmp(args->method, "POST") == 0 ||
                 strcmp(args->method, "PUT") == 0 || strcmp(args->method, "PATCH") == 0;
    size_t length = args->body ? args->body_length : 0;
    int code = GPUC_OK;

    if (args->body_file) {
        code = open_file(r, args->body_file, err);
    } else if (sends) {
        r->send_body = gpuc__malloc(length);
        if (!r->send_body)
            return gpuc__error_nomem(err);
        r->send_length = length;
        if (length)
            memcpy(r->send_body, args->body, length);
        curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
        curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, r->send_body);
    } else if (strcmp(args->method, "HEAD") == 0) {
        curl_easy_setopt(r->easy, CURLOPT_NOBODY, 1L);
    }
    curl_easy_setopt(r->easy, CURLOPT_CUSTOMREQUEST, args->method);
    return code;
}

static CURLcode set_blob(CURL *easy, CURLoption option, const char *pem)
{
    struct curl_blob blob = {(void *)pem, pem ? strlen(pem) : 0, CURL_BLOB_NOCOPY};

    return pem ? curl_easy_setopt(easy, option, &blob) : CURLE_OK;
}

static CURLcode set_connection(gpuc__http_request *r)
{
    gpuc__http *http = r->http;
    CURL *easy = r->easy;
    CURLcode result = CURLE_OK;
    bool tls = strncmp(http->request_base, "https:", 6) == 0;

    if (http->unix_socket)
        result |= curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, http->unix_socket);
    if (http->connect)
        gpuc__http_connection_set(r);
    if (http->connect || http->unix_socket || http->direct)
        result |= curl_easy_setopt(easy, CURLOPT_PROXY, "");
    else if (http->proxy_url)
        result |= curl_easy_setopt(easy, CURLOPT_PROXY, http->proxy_url) |
                  curl_easy_setopt(easy, CURLOPT_NOPROXY, ""); /* whatever the environment says */
    if (http->connect_to)
        result |= curl_easy_setopt(easy, CURLOPT_CONNECT_TO, http->connect_to);
    if (tls) {
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
        curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L); /* share a connection that can be shared */
        curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    }
    if (http->any_certificate) {
        result |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        result |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (http->ca_pem) /* this authority only: the system's directory would still be asked */
        result |= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    result |= set_blob(easy, CURLOPT_CAINFO_BLOB, http->ca_pem);
    result |= set_blob(easy, CURLOPT_SSLCERT_BLOB, http->cert_pem);
    result |= set_blob(easy, CURLOPT_SSLKEY_BLOB, http->key_pem);
    return result;
}

static CURLcode set_common(gpuc__http_request *r, const gpuc__http_args *args)
{
    char *url = gpuc__asprintf("%s%s", r->http->request_base, args->path);
    CURLcode result = url ? CURLE_OK : CURLE_OUT_OF_MEMORY;

    if (url)
        result |= curl_easy_setopt(r->easy, CURLOPT_URL, url);
    gpuc__free(url);
    curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r);
    curl_easy_setopt(r->easy, CURLOPT_ERRORBUFFER, r->message);
    curl_easy_setopt(r->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(r->easy, CURLOPT_NOPROGRESS, 1L);
    curl_easy_setopt(r->easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(r->easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(r->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(r->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(r->easy, CURLOPT_HEADERDATA, r);
    if (args->once)
        curl_easy_setopt(r->easy, CURLOPT_FRESH_CONNECT, 1L);
    if (args->compressed)
        result |= curl_easy_setopt(r->easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    return result | set_connection(r);
}

/* A path with a space or a control byte would end the request line. */
static bool path_is_clean(const char *path)
{
    for (const unsigned char *p = (const unsigned char *)path; *p; p++) {
        if (*p <= ' ' || *p == 0x7f)
            return false;
    }
    return path[0] == '/';
}

int gpuc__http_easy_new(gpuc__http_request *r, const gpuc__http_args *args, gpuc_error **err)
{
    int path_length = (int)strcspn(args->path, "?");
    int code;

    gpuc__buf_init(&r->body, args->response_max ? args->response_max : RESPONSE_MAX_DEFAULT);
    r->body.secret = r->secret;
    gpuc__buf_init(&r->head, HEAD_BYTES_MAX);
    r->where =
        gpuc__asprintf("%s %s%.*s", args->method, r->http->base_url, path_length, args->path);
    if (!r->where)
        return gpuc__error_nomem(err);
    if (!path_is_clean(args->path))
        return gpuc__error_set(err, GPUC_EINVAL, r->http->domain,
                               "a request's path is not clean: it must begin with / and hold no "
                               "space or control byte");
    r->easy = curl_easy_init();
    if (!r->easy || set_common(r, args) != CURLE_OK)
        return gpuc__error_nomem(err);
    if (args->connected) { /* a protocol of the caller's own, which is none of HTTP/2 */
        curl_easy_setopt(r->easy, CURLOPT_CONNECT_ONLY, 1L);
        curl_easy_setopt(r->easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
        curl_easy_setopt(r->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
        curl_easy_setopt(r->easy, CURLOPT_PIPEWAIT, 0L);
    }
    code = set_headers(r, args->headers, err);
    return code == GPUC_OK ? set_body(r, args, err) : code;
}
