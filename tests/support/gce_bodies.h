/* SPDX-License-Identifier: Apache-2.0 */
/* Intents of which gcloud's requests were recorded (tests/data/gce), and the library's bodies for
 * them. */
#ifndef TEST_GCE_BODIES_H
#define TEST_GCE_BODIES_H
#include "unit/util_test.h"

#include "provider/gce/body.h"
#include "provider/gce/shared.h"

static char cluster[] = "demo", project[] = "my-project", uuid[] = "u-1", user[] = "ubuntu";
static char key[] = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDfake ubuntu", region[] = "us-east1";
static char machine_name[] = "kubernetes-worker-gpu-1", none[] = "none", reservation[] = "my-res";
static char network[] = "default", team[] = "team=ml", demo[] = "libgpucluster=demo";
static char of_bulk[] = "cluster=demo";
static char *labels[] = {NULL, NULL};
static gpuc__spec_model spec;
static gpuc__provider provider;
static gpuc__machine_model machine;
static gpuc__gce_shape shape;

/* ---- what is asked for: each begins with the article's machine ---- */

static void article(void)
{
    labels[0] = NULL;
    spec = (gpuc__spec_model){.name = cluster, .provider_project = project, .region = region,
                              .labels = labels, .external_ip = true, .network = network,
                              .project_ssh_key = true, .machines = &machine, .machine_count = 1};
    provider = (gpuc__provider){.spec = &spec, .uuid = uuid, .public_key = key, .project = project};
    machine = (gpuc__machine_model){.name = machine_name, .user = user, .role = GPUC__ROLE_WORKER};
    shape = (gpuc__gce_shape){.machine_type = "n1-standard-2", .accelerator = "nvidia-tesla-k80",
                              .accelerator_count = 1, .gpu = "nvidia-tesla-k80", .gpus = 1,
                              .image_project = "ubuntu-os-cloud", .image_family = "ubuntu-1604-lts",
                              .disk_gb = 100, .disk_type = "pd-balanced"};
}

static void live(void)
{
    article();
    spec.project_ssh_key = false;
    labels[0] = demo;
    shape.accelerator = shape.gpu = "nvidia-tesla-t4";
    shape.image_project = "ubuntu-os-accelerator-images";
    shape.image_family = "ubuntu-accelerator-2404-amd64-with-nvidia-580";
}

static void many(void)
{
    live();
    labels[0] = NULL;
    shape.image_project = "ubuntu-os-cloud";
    shape.image_family = "ubuntu-2404-lts-amd64";
}

static void many_in_a_region(void)
{
    many();
    labels[0] = of_bulk;
}

static void spot(void)
{
    article();
    shape.spot = true;
}

static void ttl(void)
{
    article();
    spec.ttl_s = 7200;
}

static void no_address(void)
{
    article();
    spec.external_ip = false;
}

static void subnet(void)
{
    article();
    spec.subnetwork = network;
}

static void no_service_account(void)
{
    article();
    spec.service_account = none;
}

static void shielded(void)
{
    article();
    machine.secure_boot = true;
}

static void reserved(void)
{
    article();
    machine.reservation = reservation;
}

static void labelled(void)
{
    article();
    labels[0] = team;
}

static void own_gpus(void)
{
    article();
    shape.machine_type = "g2-standard-4";
    shape.accelerator = NULL;
    shape.gpu = "nvidia-l4";
}

/* ---- our bodies ---- */

static json_t *insert(void)
{
    return gpuc__gce_body_instance(&provider, &machine, &shape, "us-east1-d");
}

static json_t *bulk_zone(void)
{
    static const char *const names[] = {"demo-gpu-1", "demo-gpu-2", "demo-gpu-3", NULL};

    return gpuc__gce_body_bulk(&provider, &machine, &shape, names, "us-east1-d", NULL);
}

static json_t *bulk_region(void)
{
    static const char *const names[] = {"pa", "pb", "pc", NULL};
    static const char *const denied[] = {"us-east1-b", NULL};

    return gpuc__gce_body_bulk(&provider, &machine, &shape, names, NULL, denied);
}

static json_t *firewall(void)
{
    char *from[] = {(char *)"203.0.113.0/24", NULL};
    gpuc__expose_model expose = {.port = 6443, .from = from};

    return gpuc__gce_body_firewall(&provider, &expose);
}

static json_t *common_metadata(void)
{
    json_t *now = json_pack("{s:{s:s}}", "commonInstanceMetadata", "fingerprint", "e7RONi2DXYY=");
    json_t *lines = gpuc__gce_key_lines(&provider), *body = NULL;

    assert_int_equal(gpuc__gce_key_plan(&body, now, lines, uuid, NULL), GPUC_OK);
    json_decref(lines);
    json_decref(now);
    return body;
}

static const struct {
    const char *file, *flags, *request;
    void (*intent)(void);
    json_t *(*body)(void);
} cases[] = {
    {"insert-article.json", NULL, "insert", article, insert},
    {"insert-t4.json", NULL, "insert", live, insert},
    {"insert-article.json", "spot", "insert", spot, insert},
    {"insert-article.json", "disk", "insert", article, insert},
    {"insert-article.json", "ttl", "insert", ttl, insert},
    {"insert-article.json", "no-address", "insert", no_address, insert},
    {"insert-article.json", "subnet", "insert", subnet, insert},
    {"insert-article.json", "no-service-account", "insert", no_service_account, insert},
    {"insert-article.json", "shielded", "insert", shielded, insert},
    {"insert-article.json", "reservation", "insert", reserved, insert},
    {"insert-article.json", "labels", "insert", labelled, insert},
    {"insert-article.json", "own-gpus", "insert", own_gpus, insert},
    {"bulk-zone.json", NULL, "bulkInsert", many, bulk_zone},
    {"bulk-region.json", NULL, "bulkInsert", many_in_a_region, bulk_region},
    {"firewall.json", NULL, "firewalls.insert", article, firewall},
    {"common-metadata.json", NULL, "setCommonInstanceMetadata", article, common_metadata},
};
#define CASES (sizeof(cases) / sizeof(cases[0]))
#endif
