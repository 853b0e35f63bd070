/* SPDX-License-Identifier: Apache-2.0 */
/* A spec for Compute Engine as tests of the pre-flight change it, and what an API that has all of
 * it would answer (SIMULATED). */
#ifndef TEST_GCE_WISH_H
#define TEST_GCE_WISH_H
#include "provider/gce/check.h"

static char wish_cluster[] = "k8s", wish_project[] = "my-project", wish_network[] = "default";
static char wish_zone_1[] = "us-east1-d", wish_zone_2[] = "us-east1-c";
static char wish_type[] = "n1-standard-2", wish_gpu[] = "nvidia-tesla-t4";
static char wish_master[] = "master", wish_worker_1[] = "gpu-1", wish_worker_2[] = "gpu-2";
static char wish_account[] = "default";
static char *wish_zones[] = {wish_zone_1, wish_zone_2, NULL}, *wish_labels[] = {NULL};
static gpuc__machine_model wish_machines[3];

/* One control plane and two machines with a T4 each. */
static inline gpuc__spec_model wish_spec(void)
{
    wish_machines[0] = (gpuc__machine_model){.name = wish_master, .machine_type = wish_type,
                                             .role = GPUC__ROLE_CONTROL_PLANE};
    wish_machines[1] = (gpuc__machine_model){.name = wish_worker_1, .machine_type = wish_type,
                                             .role = GPUC__ROLE_WORKER, .accelerator = wish_gpu,
                                             .gpus = 1};
    wish_machines[2] = wish_machines[1];
    wish_machines[2].name = wish_worker_2;
    return (gpuc__spec_model){.name = wish_cluster, .provider = GPUC__PROVIDER_GCE,
                              .provider_project = wish_project, .zones = wish_zones,
                              .labels = wish_labels, .max_price = -1, .network = wish_network,
                              .external_ip = true, .service_account = wish_account,
                              .machines = wish_machines, .machine_count = 3};
}

#define WISH_LINK "https://www.googleapis.com/compute/v1/projects/my-project/"
#define WISH_ZONE(name)                                                                            \
    "{\"name\":\"" name "\",\"status\":\"UP\",\"region\":\"" WISH_LINK "regions/us-east1\","       \
    "\"selfLink\":\"" WISH_LINK "zones/" name "\"}"
#define WISH_ITEM(kind, name, where)                                                               \
    "{\"name\":\"" name "\",\"zone\":\"" WISH_LINK "zones/" where "\",\"selfLink\":\"" WISH_LINK   \
    "zones/" where "/" kind "/" name "\"}"
#define WISH_ZONES                                                                                 \
    "[" WISH_ZONE("us-east1-b") "," WISH_ZONE("us-east1-c") "," WISH_ZONE("us-east1-d") "]"
#define WISH_ACCELERATORS                                                                          \
    "[" WISH_ITEM("acceleratorTypes", "nvidia-tesla-t4", "us-east1-d") ","                         \
    WISH_ITEM("acceleratorTypes", "nvidia-tesla-t4", "us-east1-c") ","                             \
    WISH_ITEM("acceleratorTypes", "nvidia-tesla-v100", "us-west1-b") ","                           \
    WISH_ITEM("acceleratorTypes", "nvidia-tesla-v100", "us-east1-b") "]"
#define WISH_TYPES                                                                                 \
    "[" WISH_ITEM("machineTypes", "n1-standard-2", "us-east1-d") ","                               \
    WISH_ITEM("machineTypes", "n1-standard-2", "us-east1-c") "]"
#define WISH_QUOTA(metric, limit, usage)                                                           \
    "{\"metric\":\"" metric "\",\"limit\":" limit ",\"usage\":" usage "}"
#define WISH_PROJECT                                                                               \
    "{\"name\":\"my-project\",\"selfLink\":\"" WISH_LINK "\",\"quotas\":["                         \
    WISH_QUOTA("GPUS_ALL_REGIONS", "4.0", "0.0") "," WISH_QUOTA("CPUS_ALL_REGIONS", "32.0", "0.0") \
    "]}"
#define WISH_REGION                                                                                \
    "{\"name\":\"us-east1\",\"selfLink\":\"" WISH_LINK "regions/us-east1\",\"quotas\":["           \
    WISH_QUOTA("NVIDIA_T4_GPUS", "4.0", "1.0") "," WISH_QUOTA("CPUS", "24.0", "2.0") ","           \
    WISH_QUOTA("PREEMPTIBLE_NVIDIA_T4_GPUS", "1.0", "0.0") ","                                     \
    WISH_QUOTA("SSD_TOTAL_GB", "500.0", "0.0") "," WISH_QUOTA("INSTANCES", "24.0", "0.0") ","      \
    WISH_QUOTA("IN_USE_ADDRESSES", "8.0", "0.0") "]}"
#define WISH_IMAGE(name)                                                                           \
    "{\"name\":\"" name "\",\"diskSizeGb\":\"10\",\"architecture\":\"X86_64\"}"

/* New; everything that wish_spec needs is there. */
static inline json_t *wish_facts(void)
{
    return json_loads(
        "{\"project\":" WISH_PROJECT ",\"zones\":" WISH_ZONES ",\"acceleratorTypes\":"
        WISH_ACCELERATORS ",\"machineTypes\":" WISH_TYPES ",\"regions\":{\"us-east1\":" WISH_REGION
        "},\"instances\":[],\"images\":{"
        "\"ubuntu-os-cloud/ubuntu-2404-lts-amd64\":" WISH_IMAGE("ubuntu-2404-noble-amd64-v1") ","
        "\"ubuntu-os-accelerator-images/ubuntu-accelerator-2404-amd64-with-nvidia-580\":"
        WISH_IMAGE("ubuntu-accelerator-v1") "}}",
        0, NULL);
}
#endif
