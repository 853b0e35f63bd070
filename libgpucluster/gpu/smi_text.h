/* SPDX-License-Identifier: Apache-2.0 */
/* Readers of nvidia-smi's texts other than XML. Each takes lines from where the place is, fills a
 * record, and leaves the place at the first line that is not its own. A missing value is unknown. */
#ifndef GPUC__SMI_TEXT_H
#define GPUC__SMI_TEXT_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdbool.h>

#include "gpu/smi_xml.h"

#define GPUC__SMI_LINES_MAX (512u * 1024)
#define GPUC__SMI_WARNINGS_MAX 64
#define GPUC__SMI_COLUMNS_MAX 1024
#define GPUC__SMI_TOPOLOGY_MAX 128 /* devices */

typedef struct gpuc__smi_text {
    char **line; /* without their ends; no control characters, UTF-8 */
    size_t count, at;
    char *bytes;      /* where the lines are */
    json_t *warnings; /* what was not understood */
    bool no_memory;
} gpuc__smi_text;

/* Copies and cleans. GPUC_ELIMIT, GPUC_ENOMEM. */
int gpuc__smi_text_init(gpuc__smi_text *text, const char *bytes, size_t length, gpuc_error **err);
void gpuc__smi_text_clear(gpuc__smi_text *text);
/* Adds to the warnings, up to GPUC__SMI_WARNINGS_MAX. */
void gpuc__smi_warn(gpuc__smi_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The current line, NULL at the end. */
const char *gpuc__smi_line(const gpuc__smi_text *text);
/* Copies without the white space around. */
void gpuc__smi_trim(char *out, size_t size, const char *from, size_t length);
/* Takes a value of a GPU, and notes when it says that the GPU is not well. */
void gpuc__smi_take(gpuc__smi_gpu *gpu, gpuc__smi_gpu_field field, const char *text);
/* The GPU that nvidia-smi counts by that number; NULL: there is none. */
gpuc__smi_gpu *gpuc__smi_gpu_at(const gpuc__smi *smi, long index);
/* A number of digits alone; -1: it is none. */
long gpuc__smi_count(const char *text);

/* Whether a form begins at the current line, and its reader. */
bool gpuc__smi_is_query(const gpuc__smi_text *text); /* nvidia-smi -q: smi_query.c */
void gpuc__smi_read_query(gpuc__smi *smi, gpuc__smi_text *text);
bool gpuc__smi_is_table(const gpuc__smi_text *text); /* nvidia-smi: smi_table.c */
void gpuc__smi_read_table(gpuc__smi *smi, gpuc__smi_text *text);
bool gpuc__smi_is_csv(const gpuc__smi_text *text); /* --query-gpu, --query-compute-apps: smi_csv.c */
void gpuc__smi_read_csv(gpuc__smi *smi, gpuc__smi_text *text);
bool gpuc__smi_is_list(const gpuc__smi_text *text); /* -L and nvlink -s: smi_list.c */
/* *links: it was nvlink -s. */
void gpuc__smi_read_list(gpuc__smi *smi, gpuc__smi_text *text, bool *links);
bool gpuc__smi_is_version(const gpuc__smi_text *text); /* --version: smi_list.c */
void gpuc__smi_read_version(gpuc__smi *smi, gpuc__smi_text *text);
bool gpuc__smi_is_topology(const gpuc__smi_text *text); /* topo -m: smi_topology.c */
/* {"devices":[…],"links":[{"from","to","link"}],"affinity":[{"device","cpus","numa"}]}, new. */
json_t *gpuc__smi_read_topology(gpuc__smi_text *text);
/* The first of these in what a machine printed; NULL: there is none. GPUC_ELIMIT, GPUC_ENOMEM. */
int gpuc__smi_topology_parse(json_t **out, const char *bytes, size_t length, gpuc_error **err);
bool gpuc__smi_is_help(const gpuc__smi_text *text); /* --help-query-gpu: smi_csv.c */
/* ["timestamp", "name", "gpu_name", …] with aliases, new; empty when it is the help of another
 * query. */
json_t *gpuc__smi_read_help(gpuc__smi_text *text);

/* The argument of --query-gpu= for all fields that are read here and that the driver lists: names
 * from gpuc__smi_read_help. One unknown name would fail the whole query. Nothing when it lists none.
 */
void gpuc__smi_columns_to_ask(gpuc__buf *out, const json_t *listed);
#endif
