/* SPDX-License-Identifier: Apache-2.0 */
/* The table of nvidia-smi's elements: which paths hold which field, and how its text is read. */
#ifndef GPUC__SMI_FIELDS_H
#define GPUC__SMI_FIELDS_H
#include "gpu/smi_xml.h"

typedef enum gpuc__smi_kind {
    GPUC__SMI_KIND_TEXT,
    GPUC__SMI_KIND_COUNT, /* a bare number */
    GPUC__SMI_KIND_MIB,
    GPUC__SMI_KIND_CELSIUS,
    GPUC__SMI_KIND_PERCENT,
    GPUC__SMI_KIND_WATT,
    GPUC__SMI_KIND_MHZ,
    GPUC__SMI_KIND_LANES, /* "16x" or 16 */
    GPUC__SMI_KIND_BANKS, /* "640 bank(s)" */
    GPUC__SMI_KIND_HEX    /* a mask */
} gpuc__smi_kind;

typedef struct gpuc__smi_field_desc {
    const char *name; /* in JSON */
    gpuc__smi_kind kind;
} gpuc__smi_field_desc;

typedef struct gpuc__smi_path {
    const char *path; /* elements joined with '/', or a column */
    int field;
} gpuc__smi_path;

/* smi_names.c */
typedef enum gpuc__smi_table {
    GPUC__SMI_LOG_PATHS, /* below nvidia_smi_log */
    GPUC__SMI_GPU_PATHS, /* below gpu */
    GPUC__SMI_MIG_PATHS, /* below mig_device */
    GPUC__SMI_LOG_COLUMNS,
    GPUC__SMI_GPU_COLUMNS,
    GPUC__SMI_TABLES
} gpuc__smi_table;

extern const gpuc__smi_field_desc gpuc__smi_log_fields[GPUC__SMI_LOG_FIELDS];
extern const gpuc__smi_field_desc gpuc__smi_gpu_fields[GPUC__SMI_GPU_FIELDS];
extern const gpuc__smi_field_desc gpuc__smi_mig_fields[GPUC__SMI_MIG_FIELDS];

/* The field of that name; -1: none we read. */
int gpuc__smi_field_of(gpuc__smi_table table, const char *path);
/* The rows of a table, sorted by path. */
const gpuc__smi_path *gpuc__smi_names(gpuc__smi_table table, size_t *count);
/* The rows that are still possible on the way down a document, narrowed element by element. */
typedef struct gpuc__smi_rows {
    unsigned short low, high; /* equal: none, and none below */
    unsigned short length;    /* bytes of their paths that the way has taken, with the '/' */
} gpuc__smi_rows;
gpuc__smi_rows gpuc__smi_rows_all(gpuc__smi_table table);
gpuc__smi_rows gpuc__smi_rows_enter(gpuc__smi_table table, gpuc__smi_rows from, const char *name,
                                    size_t length);
/* The field whose path ends here; -1: none. */
int gpuc__smi_rows_field(gpuc__smi_table table, gpuc__smi_rows rows);
/* A text stands where elements should: gives that state to the unknown values of all below path. */
void gpuc__smi_fields_below(gpuc__smi_value *values, gpuc__smi_table table, const char *path,
                            gpuc__smi_state state);

/* What a text means when it stands where a value should; KNOWN when it is an ordinary text. */
gpuc__smi_state gpuc__smi_classify(const char *text);
/* false: it cannot be one of those texts, as is quickly seen of most. */
bool gpuc__smi_may_be_word(const char *text);
/* Reads an element's text, trimmed in place, as a value of that kind. */
void gpuc__smi_value_read(gpuc__smi_value *value, gpuc__smi_kind kind, const char *text);
/* The same for a field that several names may give: what is known or sick already stays. */
void gpuc__smi_value_take(gpuc__smi_value *value, gpuc__smi_kind kind, const char *text);
#endif
