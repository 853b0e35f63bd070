/* SPDX-License-Identifier: Apache-2.0 */
/* What the files share that see to firewall rules and the key in project metadata: plans that are
 * pure functions, and the work that carries them out, one mutation after the other. */
#ifndef GPUC__GCE_SHARED_H
#define GPUC__GCE_SHARED_H
#include "core/context.h"
#include "provider/gce/gce.h"

/* ---- firewall.c: pure ---- */
/* SSH comes through IAP. */
bool gpuc__gce_needs_iap(const gpuc__spec_model *spec);
/* The rules that the spec asks for: new array of bodies; NULL without memory. */
json_t *gpuc__gce_rules_wanted(const gpuc__provider *provider);
/* Whether the rule carries the cluster's mark. */
bool gpuc__gce_rule_is_ours(const json_t *rule, const char *uuid);
/* What leads from the project's rules to the wanted ones: new array of {"method","name","body"}, in
 * which a PATCH has only what differs. A foreign rule of a wanted name is GPUC_EEXIST. */
int gpuc__gce_rules_plan(json_t **out, const json_t *there, const json_t *wanted, const char *uuid,
                         gpuc_error **err);

/* ---- project_key.c: pure ---- */
/* The lines for our key: new array, one for each user of the machines, empty without a key; NULL
 * without memory. */
json_t *gpuc__gce_key_lines(const gpuc__provider *provider);
/* The body of setCommonInstanceMetadata after which the project has those lines of ours and no other
 * of ours; *out NULL: it is so already. Everything else is as it was, byte for byte. */
int gpuc__gce_key_plan(json_t **out, const json_t *project, const json_t *lines, const char *uuid,
                       gpuc_error **err);

/* ---- shared.c and its parts ---- */
typedef enum gpuc__gce_shared_mode {
    GPUC__GCE_SHARED_LOOK,
    GPUC__GCE_SHARED_MAKE,
    GPUC__GCE_SHARED_DROP
} gpuc__gce_shared_mode;

/* A mutation that was begun and whose end is not known. */
typedef struct gpuc__gce_shared_record {
    char id[37];          /* the request id; "": there is none */
    const char *method;   /* of a firewall rule: "POST", "PATCH", "DELETE"; NULL: of the metadata */
    char *name;           /* of the rule */
    json_t *body;         /* of the rule; NULL for DELETE */
    char *fingerprint;    /* of the metadata: others' items may be secret and are not kept, but while
                           * this is the project's, the body can be made again */
    bool drop;            /* of the metadata: taking the key away */
    int64_t at;           /* when it was committed, wall clock; 0: not known */
} gpuc__gce_shared_record;

typedef struct gpuc__gce_shared {
    struct gpuc__gce_shared *next, **link;
    gpuc__provider *provider;
    gpuc__gce_shared_mode mode;
    gpuc__there_fn there_done;
    gpuc__provider_fn done;
    void *data;
    gpuc__task task;
    void (*then)(struct gpuc__gce_shared *work); /* what the task does next */
    bool cancelled, asking; /* asking: for a token, which tells the project */
    gpuc__gce_call *call;
    gpuc__gce_shared_record record;
    json_t *plan;           /* of the firewall, what is left of it */
    size_t at;
    int rounds, conflicts;
    bool open;              /* look: an earlier run's mutation has no known end */
    bool missing;           /* look: something is to be done */
    char *detail;
} gpuc__gce_shared;

void gpuc__gce_shared_end(gpuc__gce_shared *work, gpuc_error *error); /* consumes it */
void gpuc__gce_shared_then(gpuc__gce_shared *work, void (*fn)(gpuc__gce_shared *work));
/* The call under way: `call` NULL ends the work for want of memory. */
void gpuc__gce_shared_wait(gpuc__gce_shared *work, gpuc__gce_call *call);
/* At the beginning of a call's done: true when the work has ended for a cancel (error consumed). */
bool gpuc__gce_shared_stopped(gpuc__gce_shared *work, gpuc_error **error);

/* shared_journal.c: the record is on the disk when it returns. */
int gpuc__gce_shared_load(gpuc__gce_shared *work, gpuc_error **err);
int gpuc__gce_shared_keep(gpuc__gce_shared *work, gpuc_error **err); /* gives it an id */
int gpuc__gce_shared_forget(gpuc__gce_shared *work, gpuc_error **err);
void gpuc__gce_shared_record_clear(gpuc__gce_shared_record *record);
/* Whether this cluster has put its key into the project's metadata. */
int gpuc__gce_shared_had_key(gpuc__gce_shared *work, bool *had, gpuc_error **err);
int gpuc__gce_shared_set_key(gpuc__gce_shared *work, bool has, gpuc_error **err);

/* shared_rules.c: the rules; then the key. shared_key.c: the key; then the end. */
void gpuc__gce_shared_rules(gpuc__gce_shared *work);
void gpuc__gce_shared_send_rule(gpuc__gce_shared *work); /* as the record says */
void gpuc__gce_shared_key(gpuc__gce_shared *work);
#endif
