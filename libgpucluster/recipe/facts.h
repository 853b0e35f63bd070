/* SPDX-License-Identifier: Apache-2.0 */
/* What sh/facts.sh found out about a machine. */
#ifndef GPUC__FACTS_H
#define GPUC__FACTS_H
#include <gpucluster.h>
#include <stdbool.h>

#define GPUC__FACTS_GPUS 64

typedef struct gpuc__facts {
    char os[64];          /* "debian-12" */
    char arch[32];        /* "amd64" */
    char kernel[128];
    char virt[64];        /* "kvm", "lxc", "none" */
    char boot_id[64];
    char hostname[256];
    char product_uuid[64], machine_id[64];
    char address[64];     /* source of its default route; "" when it has none */
    char owner[128];      /* id of the cluster it belongs to, and its name; "" */
    char nvidia_smi[256]; /* path; "" */
    char nvidia_loaded[64]; /* version of the loaded driver; "" */
    char secure_boot[8];  /* "on", "off", "none" */
    int cgroup;           /* 1 or 2; 0 unknown, as in the other numbers */
    int systemd;
    int cpus;
    long long memory_kib, disk_free_kib, time;
    bool container, cap_sys_resource, swap, simulated;
    unsigned gpu_devices[GPUC__FACTS_GPUS]; /* PCI device ids: 0x1eb8 */
    size_t gpu_count;
} gpuc__facts;

/* Reads "key=value" lines; unknown keys are passed over. GPUC_EPROTO: no facts in it, or a value that
 * cannot be. *out is written on success only. */
int gpuc__facts_parse(gpuc__facts *out, const char *text, size_t length, gpuc_error **err);
#endif
