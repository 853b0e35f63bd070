/* SPDX-License-Identifier: Apache-2.0 */
/* `down` of a cluster of kind gce (SIMULATED) where others have machines, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/api.h"

#include "cluster/provide.h"
#include "support/gce_provider.h"

static const char text[] =
    "apiVersion: gpucluster/v1\n"
    "name: c1\n"
    "provider: {kind: gce, project: p1, zones: [us-east1-b]}\n"
    "machines:\n"
    "  - {name: master, role: control-plane, machine_type: n1-standard-2}\n"
    "  - {name: gpu, role: worker, machine_type: n1-standard-2, accelerator: {type: nvidia-tesla-t4}}\n";

/* A cluster whose `up` has begun; its uuid. */
static char *begin_cluster(gpuc_context *in)
{
    gpuc_cluster_options options = GPUC_CLUSTER_OPTIONS_INIT;
    gpuc_cluster *cluster = NULL;
    gpuc_spec *of = NULL;
    char *kept, *uuid;

    options.state_dir = api_state;
    ASSERT_OK(gpuc_spec_parse(&of, text, strlen(text), "unit.yaml", NULL));
    ASSERT_OK(gpuc_cluster_open(&cluster, in, of, NULL, &options, NULL));
    ASSERT_OK(gpuc__cluster_open_store(cluster, true, NULL));
    ASSERT_OK(gpuc__store_lock(cluster->store, "test", NULL));
    cluster->locked = true;
    ASSERT_OK(gpuc__identity_load(cluster, true, NULL));
    kept = gpuc_spec_to_json(of);
    ASSERT_OK(gpuc__store_set(cluster->store, NULL, "spec", kept, NULL));
    uuid = gpuc__strdup(cluster->identity.uuid);
    gpuc_free(kept);
    gpuc_cluster_unref(cluster);
    gpuc_spec_unref(of);
    return uuid;
}

static void test_cluster_cloud_down__leaves_a_foreign_machine_alone(void **state)
{
    gpuc_cluster_options options = GPUC_CLUSTER_OPTIONS_INIT;
    gpuc_cluster *cluster = NULL;
    char *uuid;

    gce_begin(0); /* its own provider looks at nothing */
    uuid = begin_cluster(context);
    options.state_dir = api_state;
    gce_add("c1-master", "us-east1-b", "somebody-elses");
    gce_add("c1-gpu", "us-east1-b", uuid);
    ASSERT_OK(gpuc_cluster_open(&cluster, context, NULL, "c1", &options, NULL));
    ASSERT_OK(gpuc_cluster_down(cluster, 0, NULL));
    assert_int_equal(gce_asked("DELETE"), 1);
    assert_int_equal(gce_asked("DELETE " GCE_BASE "zones/us-east1-b/instances/c1-gpu?"), 1);
    assert_non_null(gce_find("c1-master", NULL));
    gpuc_cluster_unref(cluster);
    gpuc__free(uuid);
    gce_finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cluster_cloud_down__leaves_a_foreign_machine_alone,
                                        api_setup, api_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
