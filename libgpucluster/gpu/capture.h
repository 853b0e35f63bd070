/* SPDX-License-Identifier: Apache-2.0 */
/* A saved capture of nvidia-smi, whatever its form: the forms in it are found, read by their readers
 * and brought together GPU by GPU. Pure. */
#ifndef GPUC__CAPTURE_H
#define GPUC__CAPTURE_H
#include <gpucluster.h>
#include <stdbool.h>

#include "gpu/smi_xml.h"

/* As gpuc_gpu_parse, which says what is in the object. *out: gpuc__free. */
int gpuc__capture_parse(char **out, const char *bytes, size_t length, gpuc_error **err);

/* smi_merge.c: adds what `from` knows to `into`, where that does not know it; from is emptied of
 * what moved. false: no memory. */
bool gpuc__smi_merge(gpuc__smi *into, gpuc__smi *from);
#endif
