/* SPDX-License-Identifier: Apache-2.0 */
/* The table of nvidia-smi's elements: which paths hold which field, and how its text is read. */
#ifndef GPUC__SMI_FIELDS_H
#define GPUC__SMI_FIELDS_H
#include "gpu/smi_xml.h"

typedef enum gpuc__smi_kind {
    GPUC__SMI_KIND_TEXT,
    GPUC__SMI_KIND_COUNT, /* a bare number */
    GPUC__SMI_KIND_MIB,
    GPUC__SMI_KIND_CELSIUS
} gpuc__smi_kind;

typedef struct gpuc__smi_field_desc {
    const char *name; /* in JSON */
    gpuc__smi_kind kind;
} gpuc__smi_field_desc;

typedef struct gpuc__smi_path {
    const char *path; /* below nvidia_smi_log, or below gpu, joined with '/' */
    int field;
} gpuc__smi_path;

extern const gpuc__smi_field_desc gpuc__smi_log_fields[GPUC__SMI_LOG_FIELDS];
extern const gpuc__smi_field_desc gpuc__smi_gpu_fields[GPUC__SMI_GPU_FIELDS];

/* The field that the path below the log, or below a GPU, holds; -1: none we read. */
int gpuc__smi_log_field_of(const char *path);
int gpuc__smi_gpu_field_of(const char *path);

/* What a text means when it stands where a value should; KNOWN when it is an ordinary text. */
gpuc__smi_state gpuc__smi_classify(const char *text);
/* Reads an element's text, trimmed in place, as a value of that kind. */
void gpuc__smi_value_read(gpuc__smi_value *value, gpuc__smi_kind kind, const char *text);
#endif
