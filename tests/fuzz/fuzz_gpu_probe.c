/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what the compute probe printed: none of its GPUs has passed without both counts of
 * wrong words at zero, and what a pod says is judged. */
#include <gpucluster.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const char *bytes, size_t size)
{
    gpuc__machine_proof *proof = NULL;

    if (gpuc__proof_evaluate(&proof, "m", 1, NULL, NULL, NULL, NULL, NULL) != GPUC_OK)
        abort();
    if (gpuc__proof_set_pod(proof, bytes, size, true, 1, NULL, NULL) != GPUC_OK ||
        !gpuc__proof_find(proof, "k8s.compute", NULL))
        abort();
    gpuc__proof_free(proof);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1); /* a pod's log is kept with a NUL behind it */
    gpuc__probe *probe = NULL;
    gpuc_error *err = NULL;

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (gpuc__probe_parse(&probe, 0, text, size, text, size, &err) == GPUC_OK) {
        for (size_t i = 0; i < probe->gpu_count; i++) {
            const gpuc__probe_gpu *g = &probe->gpus[i];

            if (g->status == GPUC_CHECK_PASS && (g->mismatches || g->host_mismatches))
                abort();
            if (g->gbs < 0 || g->theoretical_gbs < 0 || strlen(g->device) >= sizeof(g->device))
                abort();
        }
        gpuc__probe_free(probe);
        judge(text, size);
    } else if (!err) {
        abort();
    }
    gpuc_error_unref(err);
    free(text);
    return 0;
}
