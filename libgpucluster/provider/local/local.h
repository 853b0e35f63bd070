/* SPDX-License-Identifier: Apache-2.0 */
/* The provider `local`: system containers of an Incus or LXD daemon, through its REST API. Shared
 * by the files of this folder only.
 *
 * Each call of the provider is a task: a chain of requests, each naming the function that takes its
 * answer. A task ends once, on the loop; it is cancelled and timed out between any two of them. */
#ifndef GPUC__LOCAL_H
#define GPUC__LOCAL_H
#include <jansson.h>

#include "provider/local/facts.h"
#include "provider/provider.h"
#include "transport/http.h"
#include "util/buf.h"

#define GPUC__LOCAL_LABEL "user.gpucluster."

typedef struct gpuc__local_task gpuc__local_task;

typedef struct gpuc__local_answer {
    int status;           /* HTTP; 0: there was none */
    json_t *metadata;     /* borrowed; of the finished operation where there was one */
    const char *body;     /* raw, for files; borrowed */
    size_t length;
} gpuc__local_answer;

/* error is consumed: pass it to gpuc__local_end, or unref it. answer is valid during the call. */
typedef void (*gpuc__local_next)(gpuc__local_task *task, const gpuc__local_answer *answer,
                                 gpuc_error *error);

struct gpuc__provider {
    int refs; /* the owner's and one for each task */
    gpuc_context *context;
    const gpuc__spec_model *spec;
    char *uuid, *public_key;
    gpuc__http *http;   /* NULL until the daemon was reached */
    char *socket;
    bool incus;         /* else LXD */
    bool trusted;       /* the daemon was asked and said so */
    int request_ms;     /* how long one answer may take; tests have less patience */
    gpuc__local_task *tasks;
};

struct gpuc__local_task {
    gpuc__provider *provider;
    gpuc__local_task *next, **link;
    char *machine, *instance; /* NULL for list and check */
    const gpuc__machine_model *model;
    char *attempt;
    const char *doing;        /* "starting it", for the error when a deadline passes */
    uint64_t deadline;
    bool cancelled;
    struct wake *wake;        /* the timer, which outlives the task by its closing */
    gpuc__http_request *request;
    gpuc__local_next on_answer;
    void (*on_wake)(gpuc__local_task *task);
    char *operation;          /* being waited for */

    gpuc__machine_fn machine_done;
    gpuc__provider_fn provider_done;
    gpuc__names_fn names_done;
    gpuc__left_fn left_done;
    void *data;

    /* what look and create learn */
    gpuc__machine_info info;
    char **nics;
    size_t key_index, key_count;
    int looks;                /* without an address */
    bool wait;                /* create: until there is an address and a host key */
    void (*then)(gpuc__local_task *task); /* where a shared part leads */
    /* create only */
    int tries;
    size_t image_index;
    size_t file_index;
    long uid, gid;
    char *home, *private_key, *public_key;
    gpuc_error *failure;      /* kept while evidence is fetched */
    json_t *left;             /* left.c: what was found, or the one to remove */
};

/* task.c */
gpuc__local_task *gpuc__local_begin(gpuc__provider *provider, const gpuc__local_task *as,
                                    const char *machine, int limit_ms,
                                    void (*first)(gpuc__local_task *task));
/* error NULL: what the task learnt is the result. */
void gpuc__local_end(gpuc__local_task *task, gpuc_error *error);
void gpuc__local_end_names(gpuc__local_task *task, const char *const *names);
void gpuc__local_later(gpuc__local_task *task, int ms, void (*fn)(gpuc__local_task *task));
void gpuc__local_cancel(gpuc__provider *provider, const void *data);
void gpuc__local_unref(gpuc__provider *provider);

/* daemon.c: path is consumed, NULL means no memory; the project is added to it. body is consumed,
 * NULL for none. An answer that names an operation is waited for. Any status of 400 and above, and
 * a failed operation, comes as an error. */
void gpuc__local_call(gpuc__local_task *task, const char *method, char *path, json_t *body,
                      gpuc__local_next next);
/* The same with raw bytes both ways: the files API. */
void gpuc__local_call_raw(gpuc__local_task *task, const char *method, char *path,
                          const char *const *headers, const char *body, size_t length,
                          gpuc__local_next next);

/* open.c: finds the daemon, asks who it is and whether it trusts us; then task->then. */
void gpuc__local_open(gpuc__local_task *task);
char *gpuc__local_find_socket(const gpuc__spec_model *spec);
const char *gpuc__local_program(const gpuc__provider *provider); /* "incus" or "lxc" */
const char *gpuc__local_daemon(const gpuc__provider *provider);  /* "Incus" or "LXD" */

/* name.c: CLUSTER-MACHINE as one DNS label; a name too long ends in a digest. New string. */
char *gpuc__local_instance_name(const char *cluster, const char *machine);

/* image.c: checks that the image is there, and that machines get a disk and a network; then `then`.
 * The image of a model: its own or the provider's; NULL: none. */
const char *gpuc__local_image(const gpuc__provider *provider, const gpuc__machine_model *model);
void gpuc__local_check_image(gpuc__local_task *task, const char *alias,
                             void (*then)(gpuc__local_task *task));
void gpuc__local_check_profile(gpuc__local_task *task, void (*then)(gpuc__local_task *task));

/* look.c */
bool gpuc__local_is_ours(const gpuc__local_task *task, const json_t *instance);
const char *gpuc__local_label(const json_t *instance, const char *name); /* borrowed, or NULL */
void gpuc__local_look(gpuc__local_task *task); /* ends the task */

/* list.c */
void gpuc__local_list(gpuc__local_task *task);  /* ends the task */
void gpuc__local_check(gpuc__local_task *task); /* ends the task */
void gpuc__local_set_foreign(const gpuc__local_task *task, const char *instance, gpuc_error **err);

/* left.c: instances of any cluster. */
void gpuc__local_find_left(gpuc__provider *provider, gpuc__left_fn done, void *data);
void gpuc__local_remove_left(gpuc__provider *provider, const json_t *entry, gpuc__provider_fn done,
                             void *data);

/* remove.c: settle waits for operations of the daemon that concern the instance: those of a caller
 * that was killed. */
void gpuc__local_settle(gpuc__local_task *task, void (*then)(gpuc__local_task *task));
void gpuc__local_remove(gpuc__local_task *task, const json_t *instance,
                        void (*then)(gpuc__local_task *task));
void gpuc__local_destroy(gpuc__local_task *task); /* ends the task */

/* create.c */
void gpuc__local_create(gpuc__local_task *task); /* ends the task */

/* prepare.c: keys pushed before the first start; the host's name after it. */
void gpuc__local_prepare(gpuc__local_task *task, void (*then)(gpuc__local_task *task));
void gpuc__local_set_name(gpuc__local_task *task, void (*then)(gpuc__local_task *task));

/* shell.c: the commands that do the same by hand: new string. */
char *gpuc__local_shell(gpuc__provider *provider, const gpuc__machine_model *machine, bool destroy);
#endif
