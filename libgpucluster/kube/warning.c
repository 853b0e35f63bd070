/* SPDX-License-Identifier: Apache-2.0 */
/* Warnings of the API server, shown to the person once each: as a log line and as an event. */
#include "kube/warning.h"

#include <string.h>

#include "core/context.h"
#include "kube/call.h"

#define TEXT_MAX 1024
#define HEADERS_MAX 64
#define MISCELLANEOUS 299 /* the only code that API servers use */

static const char *skip(const char *at, const char *chars)
{
    return at + strspn(at, chars);
}

/* A quoted string; text may be NULL. NULL when there is none or it does not end. */
static const char *quoted(const char *at, char *text, size_t size)
{
    size_t n = 0;

    if (*at++ != '"')
        return NULL;
    for (; *at && *at != '"'; at++) {
        if (*at == '\\' && !*++at)
            return NULL;
        if (text && n + 1 < size)
            text[n++] = (unsigned char)*at < 0x20 || *at == 0x7f ? ' ' : *at;
    }
    if (text)
        text[n] = '\0';
    return *at == '"' ? at + 1 : NULL;
}

bool gpuc__warning_next(const char **at, int *code, char *text, size_t size)
{
    const char *p = skip(*at, " \t,"), *end;
    size_t agent;

    if (strspn(p, "0123456789") != 3 || p[3] != ' ')
        return false;
    agent = strcspn(p + 4, " \t,\"");
    if (!agent || p[4 + agent] != ' ')
        return false;
    end = quoted(skip(p + 4 + agent, " \t"), text, size);
    if (!end)
        return false;
    if (*skip(end, " \t") == '"') { /* its date */
        end = quoted(skip(end, " \t"), NULL, 0);
        if (!end)
            return false;
    }
    if (*skip(end, " \t") != ',' && *skip(end, " \t") != '\0')
        return false;
    *code = (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
    *at = end;
    return true;
}

/* Whether this has not been told yet; the oldest are forgotten. */
static bool is_new(gpuc__kube *kube, const char *text)
{
    const size_t room = sizeof(kube->warnings) / sizeof(kube->warnings[0]);
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    for (size_t i = 0; i < kube->warning_count && i < room; i++) {
        if (kube->warnings[i] == hash)
            return false;
    }
    kube->warnings[kube->warning_count++ % room] = hash;
    return true;
}

static void tell(gpuc__kube *kube, const char *what, const char *text)
{
    if (!*text || !is_new(kube, text))
        return;
    gpuc__log(kube->context, GPUC_LOG_WARN, "kube", "%s: the API server warns: %s", what, text);
    gpuc__context_emit(kube->context,
                       gpuc__event_new(GPUC_EVENT_NOTICE, NULL, NULL,
                                       "the API server warns: %s (%s)", text, what));
}

void gpuc__call_warnings(gpuc__kube_call *call, const char *what)
{
    const char *value;
    char text[TEXT_MAX];
    int code;

    for (size_t i = 0; i < HEADERS_MAX && call->request &&
                       (value = gpuc__http_header_at(call->request, "Warning", i));
         i++) {
        while (gpuc__warning_next(&value, &code, text, sizeof(text))) {
            if (code == MISCELLANEOUS)
                tell(call->kube, what, text);
        }
        if (*skip(value, " \t,"))
            gpuc__log(call->kube->context, GPUC_LOG_DEBUG, "kube",
                      "%s: a Warning header that is none: %.200s", what, value);
    }
}
