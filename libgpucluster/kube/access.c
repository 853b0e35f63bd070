/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/access.h"

#include <string.h>

#include "kube/call.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/error.h"

typedef struct review {
    const gpuc__access *wanted; /* the caller's; a table that stays */
    size_t count, next;
    char *namespace_;
    json_t *refused;
} review;

static void review_clear(void *state)
{
    review *r = state;

    gpuc__free(r->namespace_);
    json_decref(r->refused);
}

static void ask(gpuc__kube_call *call);

/* "create jobs.batch in the namespace "default"" */
static json_t *describe(const review *r, const gpuc__access *a)
{
    return json_sprintf("%s %s%s%s %s%s%s", a->verb, a->resource, a->group[0] ? "." : "", a->group,
                        a->namespaced ? "in the namespace \"" : "in the whole cluster",
                        a->namespaced ? r->namespace_ : "", a->namespaced ? "\"" : "");
}

static void on_answer(void *data, json_t *result, gpuc_error *error)
{
    gpuc__kube_call *call = data;
    review *r = call->state;
    const gpuc__access *a = &r->wanted[r->next++];
    bool unanswered = error && (gpuc_error_code(error) == GPUC_EPERM ||
                                gpuc_error_code(error) == GPUC_ENOTFOUND);

    if (unanswered)
        error = gpuc_error_unref(error);
    if (gpuc__call_ended(call, error))
        return;
    if (!unanswered && !json_is_true(gpuc__json_at(result, "status", "allowed", NULL)))
        json_array_append_new(json_object_get(r->refused, a->optional ? "optional" : "needed"),
                              describe(r, a));
    ask(call);
}

static json_t *question(const review *r, const gpuc__access *a)
{
    const char *slash = strchr(a->resource, '/');
    json_t *attributes =
        json_pack("{s:s, s:s, s:s%}", "verb", a->verb, "group", a->group, "resource", a->resource,
                  slash ? (size_t)(slash - a->resource) : strlen(a->resource));

    if (slash)
        json_object_set_new(attributes, "subresource", json_string(slash + 1));
    if (a->namespaced)
        json_object_set_new(attributes, "namespace", json_string(r->namespace_));
    return json_pack("{s:s, s:s, s:{s:o}}", "apiVersion", "authorization.k8s.io/v1", "kind",
                     "SelfSubjectAccessReview", "spec", "resourceAttributes", attributes);
}

static void ask(gpuc__kube_call *call)
{
    const review *r = call->state;
    json_t *body;

    if (r->next == r->count) {
        gpuc__call_finish(call, json_incref(r->refused), NULL);
        return;
    }
    body = question(r, &r->wanted[r->next]);
    gpuc__call_wait(call, body ? gpuc__kube_send(
                                     call->kube,
                                     &(gpuc__kube_args){
                                         .method = "POST",
                                         .path = "/apis/authorization.k8s.io/v1/"
                                                 "selfsubjectaccessreviews",
                                         .body = body,
                                         .deadline_ms = gpuc__call_remaining(call),
                                         .done = on_answer,
                                         .data = call})
                               : NULL);
    json_decref(body);
}

gpuc__kube_call *gpuc__access_review(gpuc__kube *kube, const gpuc__access *wanted, size_t count,
                                     const char *namespace_, int deadline_ms,
                                     gpuc__kube_done_fn done, void *data)
{
    gpuc__kube_call *call =
        gpuc__call_new(kube, deadline_ms, sizeof(review), review_clear, done, data);
    review *r = call ? call->state : NULL;

    if (!call)
        return NULL;
    r->wanted = wanted;
    r->count = count;
    r->namespace_ = gpuc__strdup(namespace_);
    r->refused = json_pack("{s:[], s:[]}", "needed", "optional");
    if (!r->namespace_ || !r->refused) {
        gpuc__call_drop(call);
        return NULL;
    }
    gpuc__call_after(call, 0, ask);
    return call;
}
