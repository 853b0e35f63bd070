/* SPDX-License-Identifier: Apache-2.0 */
/* The gcloud commands that `plan --shell` shows, run by a shell with a gcloud that writes its arguments
 * down. */
#include "unit/util_test.h"

#include "provider/gce/gce.h"
#include "support/run_program.h"
#include "util/alloc.h"

static char cluster[] = "demo", project[] = "my-project", uuid[] = "u-1", user[] = "ubuntu";
static char key[] = "ssh-ed25519 AAAA it's $HOME; me", region[] = "us-east1", zone[] = "us-east1-d";
static char machine_name[] = "gpu-1", type[] = "n1-standard-2", gpu[] = "nvidia-tesla-t4";
static char label[] = "team=ml", *labels[] = {label, NULL}, *zones[] = {zone, NULL}, *no_zones[] = {NULL};
static char none[] = "none", reservation[] = "my-res", subnet[] = "sub1";
static gpuc__spec_model spec;
static gpuc__provider provider;
static gpuc__machine_model machine;
static run_result result;

static int set_up(void **state)
{
    spec = (gpuc__spec_model){.name = cluster, .provider_project = project, .region = region,
                              .zones = zones, .labels = labels, .external_ip = true};
    provider = (gpuc__provider){.spec = &spec, .uuid = uuid, .public_key = key, .project = project};
    machine = (gpuc__machine_model){.name = machine_name, .user = user, .role = GPUC__ROLE_WORKER,
                                    .machine_type = type, .accelerator = gpu, .gpus = 1};
    return gpuc__gce_catalogue_new(&provider.catalogue, NULL);
}

static int tear_down(void **state)
{
    gpuc__gce_catalogue_free(provider.catalogue);
    return 0;
}

/* One argument of gcloud a line. */
static const char *run(bool destroy)
{
    char *text = gpuc__gce_shell(&provider, &machine, destroy), *script;

    assert_non_null(text);
    script = gpuc__asprintf("gcloud() { if [ \"$3\" = list ]; then echo us-east1-d; "
                            "printf '%%s\\n' \"$@\" >&2; else printf '%%s\\n' \"$@\"; fi; }\n%s",
                            text);
    run_program(&result, "sh -eu", script);
    gpuc__free(script);
    gpuc__free(text);
    assert_int_equal(result.status, 0);
    return result.out;
}

static void assert_argument(const char *out, const char *argument, bool there)
{
    char line[600];
    const char *at;

    snprintf(line, sizeof(line), "\n%s\n", argument);
    at = strstr(out, line);
    if ((at != NULL) != there)
        print_error("%s: %s\n", argument, out);
    assert_int_equal(at != NULL, there);
}

static void test_gce_shell__creates_what_the_spec_says(void **state)
{
    const char *out = run(false);

    assert_int_equal(strncmp(out, "compute\ninstances\ncreate\ndemo-gpu-1\n--zone=us-east1-d\n", 52), 0);
    assert_argument(out, "--project=my-project", true);
    assert_argument(out, "--machine-type=n1-standard-2", true);
    assert_argument(out, "--accelerator=type=nvidia-tesla-t4,count=1", true);
    assert_argument(out, "--maintenance-policy=TERMINATE", true);
    assert_argument(out, "--tags=gpucluster-machine-u-1,gpucluster-worker-u-1", true);
    assert_argument(out,
                    "--metadata=^;;^block-project-ssh-keys=TRUE;;enable-guest-attributes=TRUE;;"
                    "enable-oslogin=FALSE;;ssh-keys=ubuntu:ssh-ed25519 AAAA it's $HOME; me", true);
    assert_argument(out, "--labels=gpucluster=u-1,gpucluster-name=demo,gpucluster-machine=gpu-1,team=ml",
                    true);
    assert_argument(out, "add-labels", true); /* of the boot disk */
    assert_argument(out, "--no-address", false);
    assert_argument(out, "--provisioning-model=SPOT", false);
}

static void test_gce_shell__says_what_is_asked_for_besides(void **state)
{
    const char *out;

    spec.external_ip = false;
    spec.subnetwork = subnet;
    spec.service_account = none;
    spec.ttl_s = 7200;
    spec.project_ssh_key = true;
    machine.spot = true;
    machine.secure_boot = true;
    out = run(false);
    assert_argument(out, "--no-address", true);
    assert_argument(out, "--subnet=sub1", true);
    assert_argument(out, "--no-service-account", true);
    assert_argument(out, "--no-scopes", true);
    assert_argument(out, "--max-run-duration=7200s", true);
    assert_argument(out, "--provisioning-model=SPOT", true);
    assert_argument(out, "--instance-termination-action=DELETE", true);
    assert_argument(out, "--shielded-secure-boot", true);
    assert_null(strstr(out, "ssh-keys=ubuntu"));
    machine.spot = false;
    machine.reservation = reservation;
    out = run(false);
    assert_argument(out, "--reservation-affinity=specific", true);
    assert_argument(out, "--reservation=my-res", true);
}

static void test_gce_shell__any_zone_of_the_region_is_bulk(void **state)
{
    const char *out;

    spec.zones = no_zones;
    out = run(false);
    assert_int_equal(strncmp(out, "compute\ninstances\nbulk\ncreate\n", 30), 0);
    assert_argument(out, "--predefined-names=demo-gpu-1", true);
    assert_argument(out, "--region=us-east1", true);
}

static void test_gce_shell__deletes_where_it_is(void **state)
{
    const char *out = run(true);

    assert_string_equal(out, "compute\ninstances\ndelete\n--quiet\ndemo-gpu-1\n--project=my-project\n"
                             "--zone=us-east1-d\n");
    assert_argument(result.err, "--filter=name=demo-gpu-1 AND labels.gpucluster=u-1", true);
}

static void test_gce_shell__says_when_it_cannot_be_made(void **state)
{
    static char wrong[] = "nvidia-tesla-k80";

    machine.accelerator = wrong;
    assert_string_equal(run(false), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_gce_shell__creates_what_the_spec_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gce_shell__says_what_is_asked_for_besides, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_gce_shell__any_zone_of_the_region_is_bulk, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_gce_shell__deletes_where_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gce_shell__says_when_it_cannot_be_made, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
