/* SPDX-License-Identifier: Apache-2.0 */
/* Reader of `nvidia-smi -q -x`: bytes in, typed values out. Any DTD version; elements are looked up
 * by the paths in smi_fields.c, and one that is missing is unknown, never 0. */
#ifndef GPUC__SMI_XML_H
#define GPUC__SMI_XML_H
#include <gpucluster.h>
#include <stdbool.h>

#include "gpu/smi_field_list.h"
#include "util/buf.h"

#define GPUC__SMI_INPUT_MAX (16u * 1024 * 1024)
#define GPUC__SMI_DEPTH_MAX 32
#define GPUC__SMI_GPUS_MAX 256
#define GPUC__SMI_PROCESSES_MAX 1024 /* per GPU; more are counted, not kept */
#define GPUC__SMI_MIGS_MAX 64 /* per GPU; more are counted, not kept */
#define GPUC__SMI_LINKS_MAX 36
#define GPUC__SMI_TEXT_MAX 128       /* bytes of an element's text kept in a value */
#define GPUC__BUS_ID_SIZE 20         /* "0000:0a:00.0" and room for a wide domain */

typedef enum gpuc__smi_state {
    GPUC__SMI_UNKNOWN = 0, /* the element is not there, or its text cannot be understood */
    GPUC__SMI_KNOWN,
    GPUC__SMI_NOT_APPLICABLE,
    GPUC__SMI_NOT_SUPPORTED, /* also "deprecated" */
    GPUC__SMI_NO_PERMISSION,
    GPUC__SMI_LOST, /* from here on the GPU is not well */
    GPUC__SMI_REQUIRES_RESET,
    GPUC__SMI_ERR,
    GPUC__SMI_UNKNOWN_ERROR
} gpuc__smi_state;

typedef struct gpuc__smi_value {
    gpuc__smi_state state;
    bool has_number; /* number is meant; only with KNOWN */
    double number;   /* in the field's unit */
    char text[GPUC__SMI_TEXT_MAX]; /* as printed, trimmed; "" when the element is missing */
} gpuc__smi_value;

/* The fields, GPUC__SMI_UUID and so on, are listed in smi_field_list.h. */
#define GPUC__SMI_ENUM(id, name, kind) id,
typedef enum gpuc__smi_log_field {
    GPUC__SMI_LOG_LIST(GPUC__SMI_ENUM) GPUC__SMI_LOG_FIELDS
} gpuc__smi_log_field;
typedef enum gpuc__smi_gpu_field {
    GPUC__SMI_GPU_LIST(GPUC__SMI_ENUM) GPUC__SMI_GPU_FIELDS
} gpuc__smi_gpu_field;
typedef enum gpuc__smi_mig_field {
    GPUC__SMI_MIG_LIST(GPUC__SMI_ENUM) GPUC__SMI_MIG_FIELDS
} gpuc__smi_mig_field;
#undef GPUC__SMI_ENUM

typedef struct gpuc__smi_process {
    long pid;      /* -1: not known */
    char type[8];  /* "C", "G", "C+G"; "" not known */
    char name[256];
    long gpu_instance, compute_instance; /* of a MIG device; -1: none, or not known */
    gpuc__smi_value memory; /* MiB */
} gpuc__smi_process;

typedef struct gpuc__smi_mig {
    gpuc__smi_value field[GPUC__SMI_MIG_FIELDS];
} gpuc__smi_mig;

typedef struct gpuc__smi_nvlink {
    bool known;                              /* the GPU stood in `nvidia-smi nvlink -s` */
    size_t count;                            /* links listed */
    bool active[GPUC__SMI_LINKS_MAX];
    float gbs[GPUC__SMI_LINKS_MAX];          /* GB/s each way; 0 when not active */
    char note[GPUC__SMI_TEXT_MAX];           /* why none is listed */
} gpuc__smi_nvlink;

typedef struct gpuc__smi_gpu {
    char bus[GPUC__BUS_ID_SIZE]; /* normalised; "" when not given or not understood */
    gpuc__smi_value field[GPUC__SMI_GPU_FIELDS];
    gpuc__smi_process *processes;
    size_t process_count;  /* kept */
    size_t process_total;  /* seen */
    bool processes_known;  /* the list was there and was not a sentinel */
    size_t mig_devices;    /* seen */
    gpuc__smi_mig *migs;   /* the first GPUC__SMI_MIGS_MAX of them */
    size_t mig_count;
    long index;            /* as nvidia-smi counts; -1: not known */
    gpuc__smi_nvlink nvlink;
    gpuc__smi_state sick;  /* the first LOST … UNKNOWN_ERROR seen in any element, or UNKNOWN */
    char sick_element[64]; /* its name */
    size_t sick_count;
} gpuc__smi_gpu;

typedef struct gpuc__smi {
    gpuc__smi_value field[GPUC__SMI_LOG_FIELDS];
    gpuc__smi_gpu *gpus;
    size_t gpu_count;
    bool simulated; /* a comment of the document says SIMULATED */
} gpuc__smi;

/* Reads one document; text before and after it is ignored. GPUC_EPROTO (not such a document, or
 * cut; says the line), GPUC_ELIMIT (a bound above), GPUC_ENOMEM. */
int gpuc__smi_parse(gpuc__smi **out, const char *bytes, size_t length, gpuc_error **err);
/* The same, but of a document that is cut or broken gives what came before; *damage then says where. */
int gpuc__smi_parse_damaged(gpuc__smi **out, gpuc_error **damage, const char *bytes, size_t length,
                            gpuc_error **err);
void gpuc__smi_free(gpuc__smi *smi);
/* For the readers. Pointers hold until the next call on the same list; NULL without memory. */
gpuc__smi_gpu *gpuc__smi_add_gpu(gpuc__smi *smi);
bool gpuc__smi_add_process(gpuc__smi_gpu *gpu, const gpuc__smi_process *process);
/* Beyond GPUC__SMI_MIGS_MAX it is counted only, and *out is NULL. false: no memory. */
bool gpuc__smi_add_mig(gpuc__smi_gpu *gpu, gpuc__smi_mig **out);
/* Any value of a GPU may say that the GPU is not well: counts it, and keeps the first. */
void gpuc__smi_note_sickness(gpuc__smi_gpu *gpu, const char *element, const char *text);

/* Of the ECC counters the sum of the known parts, or the total where that is larger; a sick part
 * wins, then a known one, then "not applicable"; UNKNOWN when there is none at all. Which parts are
 * there depends on the family of the GPU and on the driver. */
gpuc__smi_value gpuc__smi_ecc_uncorrected(const gpuc__smi_gpu *gpu); /* volatile */
gpuc__smi_value gpuc__smi_ecc_corrected(const gpuc__smi_gpu *gpu);   /* volatile */
gpuc__smi_value gpuc__smi_ecc_uncorrected_aggregate(const gpuc__smi_gpu *gpu);
gpuc__smi_value gpuc__smi_ecc_corrected_aggregate(const gpuc__smi_gpu *gpu);
/* NVML's mask of clock event reasons that are active, from the mask itself or from the reasons. */
gpuc__smi_value gpuc__smi_throttle_mask(const gpuc__smi_gpu *gpu);
/* uuid, else bus id, else "": what checks name a GPU by; borrowed. */
const char *gpuc__smi_gpu_key(const gpuc__smi_gpu *gpu);
bool gpuc__smi_state_sick(gpuc__smi_state state);
const char *gpuc__smi_state_name(gpuc__smi_state state);

/* Lower case, 4-digit domain (more only when it does not fit), function 0 when there is none:
 * "00000000:0A:00.0" and "0:A:0" give "0000:0a:00.0". false: not a bus id; out is then "". */
bool gpuc__bus_id_normalise(char out[GPUC__BUS_ID_SIZE], const char *text);

/* Appends it as JSON on one line; migs: the GPU's, or the same with more known of them. Values not
 * known are null and named with their state below "absent". */
void gpuc__smi_gpu_put(gpuc__buf *out, const char *key, const gpuc__smi_gpu *gpu,
                       const gpuc__smi_mig *migs);
#endif
