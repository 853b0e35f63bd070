/* SPDX-License-Identifier: Apache-2.0 */
/* The Kubernetes API over HTTP: requests that are tried again, lists, watches, server-side apply.
 * Everything asynchronous here is a call: it ends exactly once through its done function, on the
 * loop, never inside the function that starts or cancels it. A start returns NULL without memory,
 * and done is then not called. */
#ifndef GPUC__KUBE_CLIENT_H
#define GPUC__KUBE_CLIENT_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdbool.h>

#include "kube/kubeconfig.h"
#include "transport/http.h"

typedef struct gpuc__kube gpuc__kube;           /* an API server */
typedef struct gpuc__kube_call gpuc__kube_call; /* valid until its done has returned */

/* result is borrowed (json_incref keeps it), NULL on failure; error is consumed, NULL on success. */
typedef void (*gpuc__kube_done_fn)(void *data, json_t *result, gpuc_error *error);

int gpuc__kube_new(gpuc__kube **out, gpuc_context *context, gpuc__http *http, gpuc_error **err);
/* A pool of connections from a kubeconfig (resolved) and the API server on it. connect, when not
 * NULL, gives the connections (an SSH tunnel); machine is named in errors, may be NULL. */
int gpuc__kube_open(gpuc__kube **out, gpuc_context *context, const gpuc__kubeconfig *config,
                    int (*connect)(void *data), void *connect_data, const char *machine,
                    gpuc_error **err);
gpuc__kube *gpuc__kube_ref(gpuc__kube *kube);
void gpuc__kube_unref(gpuc__kube *kube); /* calls under way keep it */
gpuc_context *gpuc__kube_context(const gpuc__kube *kube);

/* The call ends soon after with GPUC_ECANCELLED, unless it has ended already. */
void gpuc__kube_cancel(gpuc__kube_call *call);

typedef struct gpuc__kube_args {
    const char *method;
    const char *path;         /* with its query, percent-encoded: gpuc__kube_path makes one */
    const json_t *body;       /* NULL: none */
    const char *content_type; /* NULL: application/json */
    int deadline_ms;          /* for all tries together; 0: 60 s */
    bool once;                /* no second try after a lost connection, 429 or 5xx */
    bool text;                /* the answer is no JSON: the result is its text, as a string */
    gpuc__kube_done_fn done;
    void *data;
} gpuc__kube_args;

/* Errors are those of kube/status.h. The result is the answer's JSON. */
gpuc__kube_call *gpuc__kube_send(gpuc__kube *kube, const gpuc__kube_args *args);

/* All pages of a list: result is {"items": […], "resourceVersion": "…"}. query: "a=b&c=d",
 * percent-encoded, or NULL. More than 100000 items are GPUC_ELIMIT. */
gpuc__kube_call *gpuc__kube_list(gpuc__kube *kube, const char *path, const char *query,
                                 int deadline_ms, gpuc__kube_done_fn done, void *data);

/* Completes after so many milliseconds. */
gpuc__kube_call *gpuc__kube_delay(gpuc__kube *kube, int ms, gpuc__kube_done_fn done, void *data);

typedef struct gpuc__kube_watch_args {
    const char *path, *query; /* as for gpuc__kube_list */
    int deadline_ms;          /* required: GPUC_ETIMEDOUT when it passes */
    /* type: "LISTED" for each object of the first list and of each later one (after 410), then
     * "SYNCED" with object NULL; then "ADDED", "MODIFIED", "DELETED" as they come. An object that is
     * missing between two SYNCED has been deleted. Return false to end the watch without an error. */
    bool (*event)(void *data, const char *type, json_t *object);
    gpuc__kube_done_fn done; /* result always NULL */
    void *data;
} gpuc__kube_watch_args;

gpuc__kube_call *gpuc__kube_watch(gpuc__kube *kube, const gpuc__kube_watch_args *args);

/* Server-side apply of an object or an array of objects, in their order, as field manager
 * "gpucluster", taking over fields of others. result: the array of answers. */
gpuc__kube_call *gpuc__kube_apply(gpuc__kube *kube, const json_t *objects, int deadline_ms,
                                  gpuc__kube_done_fn done, void *data);

/* The path of an object, from its apiVersion, kind, metadata.namespace and name: new string.
 * GPUC_EUNSUPPORTED for a kind that kube/kinds.json does not list. */
int gpuc__kube_object_path(char **out, const json_t *object, gpuc_error **err);

bool gpuc__kube_is_namespaced(const json_t *object); /* false also for a kind that is not listed */

/* printf with %s of segments percent-encoded: gpuc__kube_path("/api/v1/nodes/%s", name, NULL). Only
 * %s and %%; the arguments end with NULL. New string; NULL without memory. */
char *gpuc__kube_path(const char *format, ...) __attribute__((sentinel));
#endif
