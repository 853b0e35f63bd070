/* SPDX-License-Identifier: Apache-2.0 */
/* Making and completing operations. */
#ifndef GPUC__OP_H
#define GPUC__OP_H
#include <gpucluster.h>

typedef struct gpuc__op_class {
    const char *kind;                        /* "up", "plan" … for logs */
    void (*cancel)(gpuc_op *op, void *data); /* on the loop, at most once, only while running */
    void (*free)(void *data);                /* when the last reference goes and it is complete */
} gpuc__op_class;

/* A running operation holds a reference on itself until its completion has been delivered, which is
 * at the next turn of the loop; every operation holds its context. On failure `data` stays the
 * caller's. */
int gpuc__op_new(gpuc_op **out, gpuc_context *context, const gpuc__op_class *op_class, void *data,
                 gpuc_error **err);
void *gpuc__op_data(const gpuc_op *op);
gpuc_context *gpuc__op_context(const gpuc_op *op);
/* Completes it, once: error NULL = done; code GPUC_ECANCELLED = cancelled; consumes the error. */
void gpuc__op_complete(gpuc_op *op, gpuc_error *error);
/* Takes back one that nobody has been given, whose start failed: nothing is told of it. */
void gpuc__op_discard(gpuc_op *op);
void gpuc__op_set_progress(gpuc_op *op, int done, int total, int64_t remaining_ms);
void gpuc__op_set_plan(gpuc_op *op, gpuc_plan *plan);       /* takes a reference */
void gpuc__op_set_report(gpuc_op *op, gpuc_report *report); /* takes a reference */
void gpuc__op_set_json(gpuc_op *op, char *json); /* consumed */
/* The blocking form: waits for op, moves its error to err, drops the reference. */
int gpuc__op_finish(gpuc_op *op, gpuc_error **err);
#endif
