/* SPDX-License-Identifier: Apache-2.0 */
/* A look at one machine's GPUs over its SSH connection, in two round trips: what nvidia-smi and the
 * system say of them, and the compute probe; judged into a proof. It writes nothing on the machine. */
#ifndef GPUC__LOOK_H
#define GPUC__LOOK_H
#include <gpucluster.h>

#include "gpu/proof.h"
#include "recipe/remote.h"

typedef struct gpuc__look gpuc__look; /* valid until its done has returned */

typedef struct gpuc__look_args {
    gpuc__remote *remote; /* the machine; referenced */
    const char *name;     /* of the machine in its proof; copied */
    int expected_gpus;    /* -1: not declared */
    gpuc__rules *rules;   /* referenced; NULL: the tables as they are */
    void (*progress)(void *data, const char *what); /* may be NULL */
    /* Once, later. The proof is the receiver's, NULL with an error (consumed). */
    void (*done)(void *data, gpuc__machine_proof *proof, gpuc_error *error);
    void *data;
} gpuc__look_args;

int gpuc__look_start(gpuc__look **out, const gpuc__look_args *args, gpuc_error **err);
void gpuc__look_cancel(gpuc__look *look); /* ends it with GPUC_ECANCELLED */

/* For a look by another way: a mark that the machine cannot guess: 32 hex digits. */
int gpuc__look_nonce(char *out, size_t bytes, gpuc_error **err);
#endif
