/* SPDX-License-Identifier: Apache-2.0 */
/* The proof of one machine: checks over what was collected and what the probe computed. Pure: no
 * I/O. Titles, thresholds, sources and remedies are in checks.json. */
#ifndef GPUC__PROOF_H
#define GPUC__PROOF_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdbool.h>

#include "gpu/collect.h"
#include "gpu/probe.h"
#include "gpu/rules.h"
#include "util/buf.h"

/* Texts are the rule's, a GPU's, or in `own`: hundreds of machines with hundreds of checks wait in memory
 * for their report. */
typedef struct gpuc__check {
    const gpuc__rule *rule; /* of the proof's */
    const char *id;         /* the rule's: "gpu.count" */
    const char *gpu; /* uuid, else bus id, or the uuid of a MIG device; NULL: the whole machine */
    const char *observed;  /* of a skipped check: why it was skipped */
    const char *threshold; /* what would have passed */
    const char *remedy;    /* NULL when it passed */
    const char *evidence;  /* at most 1 KiB of what was read; NULL */
    char *own;
    int status; /* GPUC_CHECK_… */
    bool idle;  /* skipped since it does not apply here: it has no say in a verdict */
} gpuc__check;

typedef struct gpuc__proof_gpu {
    int index;                  /* as nvidia-smi counts; -1: it does not list this one */
    char *uuid, *bus, *product; /* NULL: not known */
    double memory_mib;          /* < 0: not known */
    double gbs;                 /* measured by the probe; 0: not */
    char *vbios;                /* NULL: not known */
    char *details; /* all that nvidia-smi says of it, as JSON on one line (gpuc__smi_gpu_put); NULL */
    char *migs;    /* the uuids of its MIG devices, a newline before and behind each; "", NULL: none */
} gpuc__proof_gpu;

typedef struct gpuc__machine_proof {
    char *name;
    bool simulated;
    int64_t started_ms, finished_ms; /* since the epoch; 0: not known */
    char *driver, *cuda, *kernel; /* NULL: not known */
    json_t *topology; /* gpuc__smi_read_topology; NULL: not known */
    gpuc__proof_gpu *gpus;
    size_t gpu_count;
    gpuc__check *checks;
    size_t check_count;
    gpuc__rules *rules;
    gpuc__collect_chain chain; /* for the diagnosis of k8s.alloc; not in the JSON */
} gpuc__machine_proof;

/* Evaluates. expected_gpus: what the spec declares; -1: not declared. collect NULL: the machine
 * could not be looked at; probe NULL: the probe was not run (why: probe_reason, or NULL). k8s.alloc
 * and k8s.pod are added as SKIP "not tried" for gpuc__proof_set. rules NULL: the tables as they are.
 * GPUC_EINVAL, GPUC_ENOMEM. */
int gpuc__proof_evaluate(gpuc__machine_proof **out, const char *machine, int expected_gpus,
                         const gpuc__collect *collect, const gpuc__probe *probe,
                         const char *probe_reason, gpuc__rules *rules, gpuc_error **err);
/* A proof without checks. rules as above. NULL: *err says why. */
gpuc__machine_proof *gpuc__proof_new(const char *machine, gpuc__rules *rules, gpuc_error **err);
/* Adds a check, or replaces the one of that id and gpu, which is a uuid, a bus id or the uuid of a
 * MIG device (NULL: the machine). observed: what was seen; of a skipped check, why it was skipped.
 * threshold and, unless it passed, remedy come from the table when NULL. GPUC_EINVAL for an id not
 * in the table. */
int gpuc__proof_set(gpuc__machine_proof *proof, const char *id, const char *gpu, int status,
                    const char *observed, const char *threshold, const char *remedy,
                    const char *evidence, gpuc_error **err);
const gpuc__check *gpuc__proof_find(const gpuc__machine_proof *proof, const char *id,
                                    const char *gpu);
/* The GPU of that uuid or bus id, or the one of which that is a MIG device; NULL: not listed. */
const gpuc__proof_gpu *gpuc__proof_gpu_of(const gpuc__machine_proof *proof, const char *key);
/* Whether a check is of that GPU or a MIG device of it. */
bool gpuc__proof_is_of(const gpuc__machine_proof *proof, const gpuc__check *check,
                       const gpuc__proof_gpu *gpu);
/* Marks a skipped check as one that does not apply. */
void gpuc__proof_set_idle(gpuc__machine_proof *proof, const char *id, const char *gpu);
/* The worst check; one that does not apply has no say. */
int gpuc__proof_verdict(const gpuc__machine_proof *proof);

/* What the probe is to be pointed at: the uuid of each GPU, "GPU-UUID/INDEX" of each MIG device. Those
 * with running processes are left out, and those whose process list cannot be read but which use
 * memory. New NULL-terminated list of new strings. */
int gpuc__proof_targets(char ***out, size_t *count, const gpuc__collect *collect, gpuc_error **err);
void gpuc__proof_targets_free(char **list);

/* A GPU or MIG device is in use: what takes the whole machine, such as DCGM's tests, must wait. */
bool gpuc__proof_any_busy(const gpuc__collect *collect);

/* The uuids that a pod must leave alone: of GPUs and MIG devices with running processes. As above. */
int gpuc__proof_in_use(char ***out, size_t *count, const gpuc__machine_proof *proof, gpuc_error **err);
/* Judges k8s.pod and k8s.compute by what the probe printed in a pod on the machine (container form).
 * error: why the pod failed, or NULL; all: it was given all GPUs of the machine, in so many containers. */
int gpuc__proof_set_pod(gpuc__machine_proof *proof, const char *log, size_t length, bool all,
                        size_t containers, const gpuc_error *error, gpuc_error **err);

/* What to do with a label. KEEP: something was skipped, or nothing looked at, and nothing failed. */
typedef enum gpuc__label_wish {
    GPUC__LABEL_REMOVE = -1,
    GPUC__LABEL_KEEP = 0,
    GPUC__LABEL_SET = 1
} gpuc__label_wish;
/* gpu=true asks the checks before the compute probe; cuda=true all of them, k8s.pod only with
 * with_pod (false: a wish before the pod has run). */
void gpuc__proof_labels(const gpuc__machine_proof *proof, bool with_pod, gpuc__label_wish *gpu,
                        gpuc__label_wish *cuda);

/* Appends its members as JSON, lines behind the first at that indent; and the member "checks" alone. */
void gpuc__proof_put(gpuc__buf *out, const gpuc__machine_proof *proof, int indent);
void gpuc__proof_put_checks(gpuc__buf *out, const gpuc__machine_proof *proof, int indent);
void gpuc__proof_put_check(gpuc__buf *out, const char *key, const gpuc__machine_proof *proof,
                           const gpuc__check *check);
void gpuc__put_time(gpuc__buf *out, const char *key, int64_t ms); /* 0: null */
/* Back from that JSON. rules as above. GPUC_EPROTO: it is none; GPUC_ENOMEM. */
int gpuc__proof_from_json(gpuc__machine_proof **out, const json_t *object, gpuc__rules *rules,
                          gpuc_error **err);
/* Its array "checks" alone, in addition to those that the proof has. */
int gpuc__proof_read_checks(gpuc__machine_proof *proof, const json_t *array, gpuc_error **err);
/* A bounded copy of what a machine printed, fit for JSON and a terminal. NULL without memory. */
char *gpuc__proof_text(const char *text, size_t max);
void gpuc__proof_free(gpuc__machine_proof *proof);
const char *gpuc__check_status_name(int status); /* "pass" … */
#endif
