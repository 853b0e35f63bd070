/* SPDX-License-Identifier: Apache-2.0 */
/* What nvidia-smi printed, read without a GPU or a cluster. */
#ifndef GPUCLUSTER_GPU_H
#define GPUCLUSTER_GPU_H

#include <gpucluster/types.h>

GPUC_BEGIN_DECLS

/**
 * Reads a saved capture of nvidia-smi of any driver from 375 to 610: -q -x, -q, the plain table, CSV
 * with its header, -L, topo -m, nvlink -s, --version, --help-query-gpu, the texts it prints instead
 * when there is no driver, or several of them one after the other, which are brought together GPU by
 * GPU. The result is {"gpus": [{"index","uuid","bus","product","memory_mib","memory_gbs",
 * "nvidia_smi": {…}}], "form": one of "xml", "query", "table", "csv", "list", "nvlink", "topology", "version", "fields",
 * "failure" or "mixed", "forms": [all of them], "dtd", "driver", "cuda", "time", "attached_gpus",
 * "simulated", "topology": {"devices","links","affinity"}, "fields": [what the driver lists],
 * "query": the argument of --query-gpu that asks for all of it that is read here, "failures":
 * [{"text","exit_code","reason","remedy"}], "warnings": [what was not understood]}. The objects of
 * the GPUs are those of a report. A value that is not there is null, never 0, and "absent" beside it
 * says in which way ("not applicable", "GPU is lost", "unknown" …).
 * @param[out] out     new JSON object (gpuc_free).
 * @param[in]  text    the capture; need not end in NUL. Bytes that are no text become '?'.
 * @param[in]  length  bytes, at most 16 MiB.
 * @param[out] err     NULL or where an error goes.
 * @return GPUC_OK, GPUC_EPROTO (none of these forms), GPUC_ELIMIT (too large), GPUC_EINVAL,
 *         GPUC_ENOMEM.
 * @blocking no
 * @threadsafety any thread
 * @since 0.1
 */
GPUC_API int gpuc_gpu_parse(char **out, const char *text, size_t length, gpuc_error **err);

GPUC_END_DECLS

#endif
