/* SPDX-License-Identifier: Apache-2.0 */
/* Reader of a kernel log: what it says about GPUs since the machine started. Which messages are meant
 * is in xid.json; what they mean for the proof is decided in checks_log.c. */
#ifndef GPUC__KLOG_H
#define GPUC__KLOG_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdbool.h>

#include "gpu/smi_xml.h"

#define GPUC__KLOG_INPUT_MAX (1024u * 1024)
#define GPUC__KLOG_EVENTS_MAX 256

/* Equal messages about one address are one event. */
typedef struct gpuc__klog_event {
    int xid;                      /* 0: a message of xid.json's list */
    char message[24];             /* its id there; "" for an Xid */
    char bus[GPUC__BUS_ID_SIZE];  /* the address named first; "": none */
    char other[GPUC__BUS_ID_SIZE]; /* the address named last, where that is another; "" */
    bool nonfatal;                /* an NVLink 5 message that says so of itself */
    unsigned count;
    char first[40], last[40];     /* times as the log has them; "" when it has none */
    char line[240];               /* the first, without its time */
} gpuc__klog_event;

typedef struct gpuc__klog {
    gpuc__klog_event *events; /* in the order of their first messages */
    size_t count;
    size_t more; /* messages beyond GPUC__KLOG_EVENTS_MAX different ones */
} gpuc__klog;

/* Reads lines of journalctl -o short-iso, of dmesg with either kind of time, and of kern.log. What
 * comes before a line that tells of the kernel's start belongs to an earlier boot and is dropped.
 * table: xid.json. GPUC_ELIMIT, GPUC_ENOMEM. */
int gpuc__klog_parse(gpuc__klog **out, json_t *table, const char *bytes, size_t length,
                     gpuc_error **err);
void gpuc__klog_free(gpuc__klog *log);
#endif
