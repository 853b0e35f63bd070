/* SPDX-License-Identifier: Apache-2.0 */
/* What a server must answer before a connection is a WebSocket. */
#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "transport/websocket.h"
#include "util/error.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455, section 1.3 */
#define SHA1_SIZE 20
#define REASON_MAX 1024 /* of a refusal, waited for */
#define TOLD_MAX 4000   /* of it, the beginning: of longer evidence the end is kept */

bool gpuc__ws_accept(char out[GPUC__WS_ACCEPT_SIZE], const char *key)
{
    char text[128];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    int length = snprintf(text, sizeof(text), "%s" GUID, key);

    if (length < 0 || (size_t)length >= sizeof(text) ||
        !EVP_Digest(text, (size_t)length, digest, &size, EVP_sha1(), NULL) || size != SHA1_SIZE)
        return false;
    EVP_EncodeBlock((unsigned char *)out, digest, SHA1_SIZE);
    return true;
}

/* The value of a header up to the line's end; NULL when it is not there. What may follow the head's empty
 * line is no part of it. */
static const char *header(const char *head, const char *name, size_t *length)
{
    size_t n = strlen(name);

    for (const char *line = strstr(head, "\r\n"); line && strncmp(line, "\r\n\r\n", 4) != 0;
         line = strstr(line + 2, "\r\n")) {
        const char *value;

        if (strncasecmp(line + 2, name, n) != 0 || line[2 + n] != ':')
            continue;
        value = line + 3 + n + strspn(line + 3 + n, " \t");
        *length = strcspn(value, "\r\n");
        while (*length && (value[*length - 1] == ' ' || value[*length - 1] == '\t'))
            --*length;
        return value;
    }
    return NULL;
}

static bool header_is(const char *head, const char *name, const char *wanted)
{
    size_t length = 0;
    const char *value = header(head, name, &length);

    return value && length == strlen(wanted) && strncmp(value, wanted, length) == 0;
}

/* One of the comma-separated words of the header, whatever its case. */
static bool header_has(const char *head, const char *name, const char *word)
{
    size_t length = 0, n = strlen(word);
    const char *value = header(head, name, &length), *end = value ? value + length : NULL;

    while (value && value < end) {
        size_t part = strcspn(value, ",\r\n"), kept;

        kept = part;
        while (kept && isspace((unsigned char)value[kept - 1]))
            kept--;
        if (kept == n && strncasecmp(value, word, n) == 0)
            return true;
        value += part;
        value += strspn(value, ", \t");
    }
    return false;
}

static int refuse(int status, const char *where, const char *rest, size_t rest_length,
                  gpuc_error **err)
{
    int code = status == 401                    ? GPUC_EAUTH
               : status == 403                  ? GPUC_EPERM
               : status == 404                  ? GPUC_ENOTFOUND
               : status >= 400 && status <= 599 ? GPUC_EHTTP
                                                : GPUC_EPROTO;

    gpuc__error_set(err, code, GPUC_DOMAIN_HTTP, "%s: the server answered %d instead of opening a "
                                                 "WebSocket",
                    where, status);
    gpuc__error_native(err, status);
    gpuc__error_evidence(err, rest, rest_length < TOLD_MAX ? rest_length : TOLD_MAX);
    gpuc__error_retryable(err, status == 429 || status >= 500);
    return code;
}

bool gpuc__ws_answer_is_cut(const char *head, size_t rest_length)
{
    size_t length = 0;
    const char *said = header(head, "Content-Length", &length);
    int status = 0;

    return rest_length < REASON_MAX && said && sscanf(head, "HTTP/1.%*1d %3d", &status) == 1 &&
           status >= 400 && isdigit((unsigned char)*said) && strtoul(said, NULL, 10) > rest_length;
}

int gpuc__ws_check_answer(const char *head, const char *accept, const char *subprotocol,
                          const char *where, const char *rest, size_t rest_length,
                          gpuc_error **err)
{
    const char *wrong = NULL;
    int status = 0, minor;

    if (sscanf(head, "HTTP/1.%1d %3d", &minor, &status) != 2 || status < 100)
        wrong = "is not one of HTTP/1.1";
    else if (status != 101)
        return refuse(status, where, rest, rest_length, err);
    else if (!header_has(head, "Upgrade", "websocket") ||
             !header_has(head, "Connection", "upgrade"))
        wrong = "does not change to the WebSocket protocol";
    else if (!header_is(head, "Sec-WebSocket-Accept", accept))
        wrong = "does not belong to this request";
    else if (subprotocol && !header_is(head, "Sec-WebSocket-Protocol", subprotocol))
        wrong = "does not agree to the protocol asked for";
    if (!wrong)
        return GPUC_OK;
    gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_HTTP, "%s: the server's answer %s", where, wrong);
    gpuc__error_evidence(err, head, strlen(head));
    gpuc__error_remedy(err, "check that the address leads to the right kind of server, and that no "
                            "proxy changes what passes");
    return GPUC_EPROTO;
}
