/* SPDX-License-Identifier: Apache-2.0 */
/* Facts of the host that runs the daemon, and the instance options that follow from them. */
#ifndef GPUC__LOCAL_FACTS_H
#define GPUC__LOCAL_FACTS_H
#include <gpucluster.h>
#include <jansson.h>
#include <stdbool.h>

typedef struct gpuc__local_facts {
    int cgroup;    /* 1: v1 or hybrid; 2: unified */
    bool apparmor; /* the kernel has it and it is on */
    bool modules;  /* the kernel loads modules, and there are some for it */
} gpuc__local_facts;

/* root: "" but in tests. */
void gpuc__local_facts_probe(gpuc__local_facts *out, const char *root);
/* The options of container-config.json that fit the facts, as a new JSON object; NULL without
 * memory. */
json_t *gpuc__local_container_config(const gpuc__local_facts *facts);
#endif
