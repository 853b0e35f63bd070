/* SPDX-License-Identifier: Apache-2.0 */
/* A spec's file: its bytes, bounded, and the folder that relative paths start from. */
#ifndef GPUC__SPEC_LOAD_H
#define GPUC__SPEC_LOAD_H
#include <gpucluster.h>

#include "util/buf.h"

int gpuc__spec_load(gpuc__buf *text, char **folder, const char *path, gpuc_error **err);
/* The current directory: where paths start that come from no file. New string. */
int gpuc__spec_here(char **folder, gpuc_error **err);
#endif
