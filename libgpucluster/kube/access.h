/* SPDX-License-Identifier: Apache-2.0 */
/* What we may do on an API server, asked beforehand: SelfSubjectAccessReview. */
#ifndef GPUC__KUBE_ACCESS_H
#define GPUC__KUBE_ACCESS_H
#include "kube/client.h"

typedef struct gpuc__access {
    const char *verb, *group, *resource; /* "create", "batch", "jobs"; resource "pods/log" */
    bool namespaced;                     /* in the namespace; else in the whole cluster */
    bool optional;                       /* without it less is known, but it goes on */
} gpuc__access;

/* Asks for each, in order. result: {"needed": [text…], "optional": [text…]}, those that are refused:
 * "create jobs.batch in the namespace \"default\"". A server that does not answer such questions is
 * taken to allow everything: what it refuses is then seen later. */
gpuc__kube_call *gpuc__access_review(gpuc__kube *kube, const gpuc__access *wanted, size_t count,
                                     const char *namespace_, int deadline_ms,
                                     gpuc__kube_done_fn done, void *data);
#endif
