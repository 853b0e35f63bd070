/* SPDX-License-Identifier: Apache-2.0 */
/* Errors from the API server's Status objects. */
#include "kube/status.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "util/error.h"

#define RETRY_AFTER_MAX_S 300

static const struct {
    int status;
    const char *reason; /* NULL: any */
    int code;
    bool retryable;
    const char *remedy;
} meanings[] = {
    {400, NULL, GPUC_EHTTP, false, "the request is not one this server takes; its version may be "
                                   "too old or too new for it"},
    {401, NULL, GPUC_EAUTH, false, "the client certificate or token is not accepted, or no longer: "
                                   "make the kubeconfig anew"},
    {403, NULL, GPUC_EPERM, false, "give this user the right by a Role or ClusterRole, or use "
                                   "another user"},
    {404, NULL, GPUC_ENOTFOUND, false, "check the name and namespace, and that it was not deleted "
                                       "meanwhile"},
    {408, NULL, GPUC_EHTTP, true, "try again"},
    {409, "AlreadyExists", GPUC_EEXIST, false, "delete the object that is there, or choose another "
                                               "name"},
    {409, NULL, GPUC_EHTTP, true, "the object was changed by someone else meanwhile: try again"},
    {410, NULL, GPUC_EHTTP, true, "list again"},
    {422, NULL, GPUC_EHTTP, false, "correct the fields that the message names"},
    {429, NULL, GPUC_EHTTP, true, "the server asks for fewer requests, or a PodDisruptionBudget "
                                  "holds the pod: try again later"},
};

json_t *gpuc__json_at(const json_t *object, ...)
{
    const json_t *at = object;
    const char *key;
    va_list keys;

    va_start(keys, object);
    while (at && (key = va_arg(keys, const char *)))
        at = json_object_get(at, key);
    va_end(keys);
    return (json_t *)at;
}

const char *gpuc__json_text(const json_t *object, ...)
{
    const json_t *at = object;
    const char *key;
    va_list keys;

    va_start(keys, object);
    while (at && (key = va_arg(keys, const char *)))
        at = json_object_get(at, key);
    va_end(keys);
    return json_string_value(at);
}

int gpuc__kube_retry_after(const char *value)
{
    int seconds = 0;

    if (!value || *value < '0' || *value > '9')
        return -1;
    for (; *value >= '0' && *value <= '9'; value++) {
        seconds = seconds * 10 + (*value - '0');
        if (seconds > RETRY_AFTER_MAX_S)
            return RETRY_AFTER_MAX_S * 1000;
    }
    return *value ? -1 : seconds * 1000;
}

/* The first line of an answer that is no Status, made printable. */
static void first_line(char *out, size_t size, const char *body, size_t length)
{
    size_t n = 0;

    for (; n + 1 < size && n < length && body[n] != '\n' && body[n] != '\r'; n++)
        out[n] = (unsigned char)body[n] >= 0x20 && (unsigned char)body[n] < 0x7f ? body[n] : '?';
    out[n] = '\0';
}

int gpuc__kube_status_error(gpuc_error **err, const char *what, int status, const char *body,
                            size_t length)
{
    json_t *root = json_loadb(body, length, JSON_DISABLE_EOF_CHECK, NULL);
    const char *reason = gpuc__json_text(root, "reason", NULL);
    const char *message = gpuc__json_text(root, "message", NULL);
    const char *remedy = "look at the API server's own log on the control plane";
    bool retryable = status >= 500 && status != 501;
    int code = GPUC_EHTTP;
    char line[256];

    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (meanings[i].status != status ||
            (meanings[i].reason && (!reason || strcmp(meanings[i].reason, reason) != 0)))
            continue;
        code = meanings[i].code;
        retryable = meanings[i].retryable;
        remedy = meanings[i].remedy;
        break;
    }
    first_line(line, sizeof(line), body, length);
    gpuc__error_set(err, code, GPUC_DOMAIN_KUBERNETES,
                    "%s: the API server answered %d%s%s: %.1000s", what, status, reason ? " " : "",
                    reason ? reason : "", message ? message : *line ? line : "no reason given");
    gpuc__error_native(err, status);
    gpuc__error_retryable(err, retryable);
    gpuc__error_evidence(err, body, length);
    gpuc__error_remedy(err, "%s", remedy);
    json_decref(root);
    return code;
}
