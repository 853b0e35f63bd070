/* SPDX-License-Identifier: Apache-2.0 */
/* Lists: all their pages, and of an aggregated one all its zones, in one array. */
#include <string.h>

#include "core/context.h"
#include "provider/gce/call.h"
#include "util/alloc.h"
#include "util/error.h"

#define PAGES_MAX 1000
#define BYTES_MAX (256u * 1024 * 1024) /* of all pages */
#define PAGE_TOKEN_MAX 4096

static void ask_page(gpuc__gce_call *call);

/* True for a place that gave no answer, which must not be taken for one without items. */
static bool is_unreachable(const json_t *part)
{
    const char *code = json_string_value(json_object_get(json_object_get(part, "warning"), "code"));

    return code && strcmp(code, "NO_RESULTS_ON_PAGE") != 0 &&
           (strcmp(code, "UNREACHABLE") == 0 || strcmp(code, "PARTIAL_SUCCESS") == 0);
}

static const char *unreachable(const json_t *answer)
{
    const json_t *items = json_object_get(answer, "items");
    const json_t *places = json_object_get(answer, "unreachables");
    const char *key;
    json_t *part;

    if (json_array_size(places) > 0) {
        key = json_string_value(json_array_get(places, 0));
        return key ? key : "a zone";
    }
    if (is_unreachable(answer))
        return "a zone";
    json_object_foreach((json_t *)items, key, part)
    {
        if (is_unreachable(part))
            return key;
    }
    return NULL;
}

/* What is known of many is held for long: the fields that nobody needs go at once. */
static bool add_list(gpuc__gce_call *call, json_t *list)
{
    json_t *entry;
    size_t i;

    json_array_foreach(list, i, entry) {
        for (const char *const *field = call->without; field && *field; field++)
            json_object_del(entry, *field);
    }
    return json_array_extend(call->items, list) == 0;
}

/* False without memory, or when it is no list. */
static bool add_items(gpuc__gce_call *call, const json_t *items)
{
    const char *key;
    json_t *part;

    if (!items)
        return true;
    if (json_is_array(items))
        return add_list(call, (json_t *)items);
    if (!json_is_object(items) || !call->kind)
        return false;
    json_object_foreach((json_t *)items, key, part)
    {
        json_t *list = json_object_get(part, call->kind);

        if (list && (!json_is_array(list) || !add_list(call, list)))
            return false;
    }
    return true;
}

/* What is wrong with a page; GPUC_OK: nothing. */
static int check_page(const gpuc__gce_call *call, const json_t *answer, const char *next,
                      gpuc_error **err)
{
    const char *place = unreachable(answer);
    int code = GPUC_OK;

    if (place) {
        code = gpuc__error_set(err, GPUC_EHTTP, GPUC_DOMAIN_PROVIDER,
                               "%s did not answer: the list would not be complete", place);
        gpuc__error_retryable(err, true);
        gpuc__error_remedy(err, "see status.cloud.google.com, then run it again");
    } else if (!answer || (next && (strlen(next) > PAGE_TOKEN_MAX ||
                                    (call->page && strcmp(next, call->page) == 0)))) {
        code = gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_PROVIDER,
                               "the answer is no page of a list");
        gpuc__error_remedy(err, "check the endpoint, and any proxy in between; then try again");
    }
    return code;
}

static void take_next(gpuc__gce_call *call, const char *next)
{
    gpuc_error *error = NULL;

    gpuc__free(call->page);
    call->page = gpuc__strdup(next);
    if (!call->page) {
        gpuc__gce_call_nomem(call);
    } else if (++call->pages >= PAGES_MAX || call->bytes > BYTES_MAX) {
        gpuc__error_set(&error, GPUC_ELIMIT, GPUC_DOMAIN_PROVIDER,
                        "the list does not end after %u pages and %zu bytes", call->pages,
                        call->bytes);
        gpuc__error_remedy(&error, "check the endpoint, and any proxy in between");
        gpuc__gce_call_fail(call, GPUC__GCE_SCOPE_FINAL, error);
    } else {
        ask_page(call);
    }
}

static void on_page(gpuc__gce_call *call, json_t *answer)
{
    const char *next = json_string_value(json_object_get(answer, "nextPageToken"));
    gpuc_error *error = NULL;
    json_t *items;

    if (next && !*next)
        next = NULL;
    if (check_page(call, answer, next, &error) != GPUC_OK) {
        gpuc__gce_call_odd(call, error);
    } else if (!add_items(call, json_object_get(answer, "items"))) {
        gpuc__error_set(&error, GPUC_EPROTO, GPUC_DOMAIN_PROVIDER,
                        "the answer's items are no list%s%s", call->kind ? " of " : "",
                        call->kind ? call->kind : "");
        gpuc__error_remedy(&error, "check the endpoint, and any proxy in between");
        gpuc__gce_call_fail(call, GPUC__GCE_SCOPE_FINAL, error);
    } else if (next) {
        take_next(call, next);
    } else {
        items = call->items;
        call->items = NULL;
        gpuc__gce_call_finish(call, items, GPUC__GCE_SCOPE_NONE, NULL);
        json_decref(items);
    }
}

static void ask_page(gpuc__gce_call *call)
{
    char *token = call->page ? gpuc__http_escape(call->page) : NULL;
    char *more =
        gpuc__asprintf("maxResults=500%s%s%s", call->kind ? "&returnPartialSuccess=true" : "",
                       token ? "&pageToken=" : "", token ? token : "");
    char *target = more && (token || !call->page) ? gpuc__gce_call_target(call, more) : NULL;

    gpuc__free(token);
    gpuc__free(more);
    gpuc__gce_call_request(call, call->method, target, true, on_page);
}

gpuc__gce_call *gpuc__gce_list(gpuc__gce_client *client, const gpuc__gce_args *args,
                               const char *kind)
{
    gpuc__gce_call *call = gpuc__gce_call_new(client, args);

    if (!call)
        return NULL;
    call->items = json_array();
    call->without = args->without;
    call->kind = gpuc__strdup(kind);
    if (!call->items || (kind && !call->kind)) {
        gpuc__gce_call_drop(call);
        return NULL;
    }
    gpuc__gce_call_after(call, 0, ask_page);
    return call;
}
