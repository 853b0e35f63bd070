/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of requests: what the spec says, and what is the library's own. test_gce_body_gcloud.c has them
 * beside gcloud's. */
#include "unit/util_test.h"

#include "provider/gce/body.h"
#include "util/alloc.h"

static char cluster[] = "demo", project[] = "my-project", uuid[] = "u-1", user[] = "ubuntu";
static char key[] = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDfake ubuntu", region[] = "us-east1";
static char machine_name[] = "kubernetes-worker-gpu-1", none[] = "none", reservation[] = "my-res";
static char label[] = "team=ml", *labels[] = {label, NULL}, *no_labels[] = {NULL};
static char network[] = "default", subnet[] = "sub1", shared_network[] = "projects/h/global/networks/n";
static gpuc__spec_model spec;
static gpuc__provider provider;
static gpuc__machine_model machine;
static gpuc__gce_shape shape;

static int set_up(void **state)
{
    spec = (gpuc__spec_model){.name = cluster, .provider_project = project, .region = region,
                              .labels = no_labels, .external_ip = true, .network = network};
    provider = (gpuc__provider){.spec = &spec, .uuid = uuid, .public_key = key, .project = project};
    machine = (gpuc__machine_model){.name = machine_name, .user = user, .role = GPUC__ROLE_WORKER};
    shape = (gpuc__gce_shape){.machine_type = "n1-standard-2", .accelerator = "nvidia-tesla-t4",
                              .accelerator_count = 1, .gpu = "nvidia-tesla-t4", .gpus = 1,
                              .image_project = "ubuntu-os-accelerator-images",
                              .image_family = "ubuntu-accelerator-2404-amd64-with-nvidia-580",
                              .disk_gb = 100, .disk_type = "pd-balanced"};
    return 0;
}

static json_t *at(json_t *body, const char *path)
{
    char part[64];

    while (*path) {
        size_t n = strcspn(path, "/");

        snprintf(part, sizeof(part), "%.*s", (int)n, path);
        body = json_is_array(body) ? json_array_get(body, (size_t)strtoul(part, NULL, 10))
                                   : json_object_get(body, part);
        path += n + (path[n] == '/');
    }
    return body;
}

static void assert_at(json_t *body, const char *path, const char *text)
{
    char *found = json_dumps(at(body, path), JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);

    if (text)
        assert_string_equal(found ? found : "(nothing)", text);
    else
        assert_null(at(body, path));
    free(found);
}

static json_t *insert(void)
{
    json_t *body = gpuc__gce_body_instance(&provider, &machine, &shape, "us-east1-d");

    assert_non_null(body);
    return body;
}

static void test_gce_body__labels_and_tags_find_it_again(void **state)
{
    json_t *body;

    spec.labels = labels;
    body = insert();
    assert_at(body, "labels", "{\"gpucluster\":\"u-1\",\"gpucluster-machine\":\"kubernetes-worker-gpu-1\","
                              "\"gpucluster-name\":\"demo\",\"team\":\"ml\"}");
    assert_true(json_equal(at(body, "labels"), at(body, "disks/0/initializeParams/labels")));
    assert_at(body, "tags/items", "[\"gpucluster-machine-u-1\",\"gpucluster-worker-u-1\"]");
    json_decref(body);
}

static void test_gce_body__spot_and_ttl_end_by_deletion(void **state)
{
    json_t *body;

    shape.spot = true;
    spec.ttl_s = 7200;
    body = insert();
    assert_at(body, "scheduling",
              "{\"automaticRestart\":false,\"instanceTerminationAction\":\"DELETE\","
              "\"maxRunDuration\":{\"seconds\":\"7200\"},\"onHostMaintenance\":\"TERMINATE\","
              "\"preemptible\":true,\"provisioningModel\":\"SPOT\"}");
    json_decref(body);
    shape.spot = false;
    body = insert();
    assert_at(body, "scheduling",
              "{\"automaticRestart\":true,\"instanceTerminationAction\":\"DELETE\","
              "\"maxRunDuration\":{\"seconds\":\"7200\"},\"onHostMaintenance\":\"TERMINATE\"}");
    json_decref(body);
}

static void test_gce_body__every_gpu_machine_ends_at_maintenance(void **state)
{
    json_t *body;

    shape.accelerator = NULL; /* a type that carries its own, as g2 */
    shape.gpu = "nvidia-l4";
    shape.machine_type = "g2-standard-4";
    body = insert();
    assert_at(body, "guestAccelerators", NULL);
    assert_at(body, "scheduling/onHostMaintenance", "\"TERMINATE\"");
    json_decref(body);
    shape.gpu = NULL;
    body = insert();
    assert_at(body, "scheduling", "{\"automaticRestart\":true}");
    json_decref(body);
}

static void test_gce_body__the_key_is_on_the_machine_or_in_the_project(void **state)
{
    json_t *body = insert();

    assert_at(body, "metadata/items/0", "{\"key\":\"block-project-ssh-keys\",\"value\":\"TRUE\"}");
    assert_at(body, "metadata/items/1", "{\"key\":\"enable-guest-attributes\",\"value\":\"TRUE\"}");
    assert_at(body, "metadata/items/2", "{\"key\":\"enable-oslogin\",\"value\":\"FALSE\"}");
    assert_at(body, "metadata/items/3/value",
              "\"ubuntu:ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDfake ubuntu\"");
    json_decref(body);
    spec.project_ssh_key = true;
    body = insert();
    assert_at(body, "metadata/items/0", "{\"key\":\"block-project-ssh-keys\",\"value\":\"FALSE\"}");
    assert_at(body, "metadata/items/3", NULL);
    json_decref(body);
}

static void test_gce_body__the_rest_of_the_spec(void **state)
{
    json_t *body;

    spec.external_ip = false;
    spec.subnetwork = subnet;
    spec.service_account = none;
    machine.reservation = reservation;
    machine.secure_boot = true;
    body = insert();
    assert_at(body, "networkInterfaces/0/accessConfigs", NULL);
    assert_at(body, "networkInterfaces/0/subnetwork",
              "\"https://compute.googleapis.com/compute/v1/projects/my-project/regions/us-east1/"
              "subnetworks/sub1\"");
    assert_at(body, "serviceAccounts", NULL);
    assert_at(body, "shieldedInstanceConfig", "{\"enableSecureBoot\":true}");
    assert_at(body, "reservationAffinity",
              "{\"consumeReservationType\":\"SPECIFIC_RESERVATION\",\"key\":"
              "\"compute.googleapis.com/reservation-name\",\"values\":[\"my-res\"]}");
    json_decref(body);
    spec.network = shared_network;
    body = insert();
    assert_at(body, "networkInterfaces/0/network", "\"projects/h/global/networks/n\"");
    json_decref(body);
}

static void test_gce_body__a_rule_is_closed_to_all_but_those_named(void **state)
{
    char *from[] = {(char *)"203.0.113.0/24", NULL};
    gpuc__expose_model expose = {.port = 6443, .from = from};
    json_t *body = gpuc__gce_body_firewall(&provider, &expose);

    assert_at(body, "allowed", "[{\"IPProtocol\":\"tcp\",\"ports\":[\"6443\"]}]");
    assert_at(body, "sourceRanges", "[\"203.0.113.0/24\"]");
    assert_at(body, "targetTags", "[\"gpucluster-control-plane-u-1\"]");
    assert_at(body, "direction", "\"INGRESS\"");
    assert_int_equal(strncmp(json_string_value(at(body, "description")), "gpucluster=u-1 ", 15), 0);
    json_decref(body);
    body = gpuc__gce_body_firewall_iap(&provider);
    assert_at(body, "sourceRanges", "[\"35.235.240.0/20\"]");
    assert_at(body, "targetTags", "[\"gpucluster-machine-u-1\"]");
    json_decref(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_gce_body__labels_and_tags_find_it_again, set_up),
        cmocka_unit_test_setup(test_gce_body__spot_and_ttl_end_by_deletion, set_up),
        cmocka_unit_test_setup(test_gce_body__every_gpu_machine_ends_at_maintenance, set_up),
        cmocka_unit_test_setup(test_gce_body__the_key_is_on_the_machine_or_in_the_project, set_up),
        cmocka_unit_test_setup(test_gce_body__the_rest_of_the_spec, set_up),
        cmocka_unit_test_setup(test_gce_body__a_rule_is_closed_to_all_but_those_named, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
