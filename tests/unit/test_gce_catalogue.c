/* SPDX-License-Identifier: Apache-2.0 */
/* What machines come to on Compute Engine, and why some cannot be had. */
#include "util_test.h"

#include "provider/gce/gce.h"

static gpuc__gce_catalogue *catalogue;

static int setup(void **state)
{
    return gpuc__gce_catalogue_new(&catalogue, NULL);
}

static int teardown(void **state)
{
    gpuc__gce_catalogue_free(catalogue);
    return 0;
}

static gpuc__machine_model machine(const char *type, const char *accelerator, int gpus)
{
    return (gpuc__machine_model){.name = (char *)"m",
                                 .machine_type = (char *)type,
                                 .accelerator = (char *)accelerator,
                                 .gpus = gpus};
}

static gpuc__gce_shape shape_of(gpuc__machine_model model)
{
    gpuc__gce_shape shape;
    gpuc_error *error = NULL;

    if (gpuc__gce_catalogue_shape(&shape, catalogue, &model, &error))
        fail_msg("%s", gpuc_error_message(error));
    return shape;
}

/* The code, the message and the remedy. */
static void refused(gpuc__machine_model model, int code, const char *message, const char *remedy)
{
    gpuc__gce_shape shape;
    gpuc_error *error = NULL;

    assert_int_equal(gpuc__gce_catalogue_shape(&shape, catalogue, &model, &error), code);
    if (!strstr(gpuc_error_message(error), message))
        fail_msg("\"%s\" is not in \"%s\"", message, gpuc_error_message(error));
    if (!strstr(gpuc_error_remedy(error), remedy))
        fail_msg("\"%s\" is not in \"%s\"", remedy, gpuc_error_remedy(error));
    assert_string_equal(gpuc_error_machine(error), "m");
    gpuc_error_unref(error);
}

static void test_gce_catalogue__attached(void **state)
{
    gpuc__gce_shape s = shape_of(machine("n1-standard-2", "nvidia-tesla-t4", 1));

    assert_string_equal(s.accelerator, "nvidia-tesla-t4");
    assert_int_equal(s.accelerator_count, 1);
    assert_string_equal(s.gpu, "nvidia-tesla-t4");
    assert_int_equal(s.gpus, 1);
    assert_int_equal(s.vcpus, 2);
    assert_true(s.memory_gb == 7.5);
    assert_string_equal(s.image_project, "ubuntu-os-accelerator-images");
    assert_string_equal(s.image_family, "ubuntu-accelerator-2404-amd64-with-nvidia-580");
    assert_int_equal(s.disk_gb, 100);
    assert_string_equal(s.disk_type, "pd-balanced");
    s = shape_of(machine(NULL, "nvidia-tesla-v100", 8));
    assert_string_equal(s.machine_type, "n1-standard-4");
    s = shape_of(machine("n1-custom-12-79872", "nvidia-tesla-v100", 1));
    assert_int_equal(s.vcpus, 12);
}

static void test_gce_catalogue__built_in(void **state)
{
    gpuc__gce_shape s = shape_of(machine("g2-standard-24", NULL, 0));

    assert_null(s.accelerator);
    assert_int_equal(s.accelerator_count, 0);
    assert_string_equal(s.gpu, "nvidia-l4");
    assert_int_equal(s.gpus, 2);
    s = shape_of(machine("g2-standard-24", "nvidia-l4", 2));
    assert_null(s.accelerator);
    s = shape_of(machine(NULL, "nvidia-l4", 1));
    assert_string_equal(s.machine_type, "g2-standard-4");
    s = shape_of(machine(NULL, "nvidia-h100-80gb", 8));
    assert_string_equal(s.machine_type, "a3-highgpu-8g");
    refused(machine("g2-standard-24", "nvidia-l4", 1), GPUC_EINVAL, "carries 2 nvidia-l4",
            "leave accelerator away");
    refused(machine(NULL, "nvidia-l4", 3), GPUC_EUNSUPPORTED, "no machine type carries 3 nvidia-l4",
            "catalog machine-types");
}

static void test_gce_catalogue__without_gpu(void **state)
{
    gpuc__gce_shape s = shape_of(machine(NULL, NULL, 0));

    assert_string_equal(s.machine_type, "e2-standard-4");
    assert_string_equal(s.image_family, "ubuntu-2404-lts-amd64");
    assert_string_equal(s.image_project, "ubuntu-os-cloud");
    assert_int_equal(s.disk_gb, 50);
    assert_null(s.gpu);
    s = shape_of(machine("t2a-standard-4", NULL, 0));
    assert_true(s.arm);
    assert_string_equal(s.image_family, "ubuntu-2404-lts-arm64");
    assert_int_equal(s.vcpus, 0);
    s = shape_of(machine("c9x-standard-4", NULL, 0)); /* a series of tomorrow: the API knows */
    assert_int_equal(s.vcpus, 0);
    refused(machine("n1-standard-2", NULL, 1), GPUC_EINVAL, "carries no GPU", "accelerator: {type");
}

/* The request of the article, word for word. */
static void test_gce_catalogue__retired(void **state)
{
    gpuc__machine_model m = machine("n1-standard-2", "nvidia-tesla-k80", 1);

    m.image_family = (char *)"ubuntu-1604-lts";
    m.image_project = (char *)"ubuntu-os-cloud";
    refused(m, GPUC_EUNSUPPORTED,
            "nvidia-tesla-k80 cannot be had: Google ended its support on "
            "2024-05-01; ubuntu-1604-lts cannot be had",
            "set accelerator.type to nvidia-tesla-t4 and image.family to ubuntu-2404-lts-amd64");
    m.accelerator = (char *)"nvidia-tesla-t4";
    refused(m, GPUC_EUNSUPPORTED, "ubuntu-1604-lts cannot be had",
            "set image.family to ubuntu-2404-lts-amd64");
    m.image_family = (char *)"ubuntu-2204-lts-amd64";
    refused(m, GPUC_EUNSUPPORTED, "no -amd64", "ubuntu-2204-lts");
    m.image_project = (char *)"my-images"; /* not Ubuntu's own: theirs to name */
    shape_of(m);
}

static void test_gce_catalogue__n1_limits(void **state)
{
    gpuc__gce_shape s;
    gpuc_error *error = NULL;

    refused(machine("n1-standard-64", "nvidia-tesla-t4", 1), GPUC_EUNSUPPORTED,
            "may have 48 and 312 GB", "smaller machine type");
    refused(machine("n1-highmem-16", "nvidia-tesla-v100", 1), GPUC_EUNSUPPORTED,
            "may have 12 and 78 GB", "more GPUs");
    refused(machine("n1-standard-4", "nvidia-tesla-t4", 3), GPUC_EINVAL, "expected one of 1, 2, 4",
            "accelerator.count");
    refused(machine("e2-standard-4", "nvidia-tesla-t4", 1), GPUC_EUNSUPPORTED,
            "cannot be attached to e2-standard-4", "N1");
    refused(machine("g1-small", "nvidia-tesla-t4", 1), GPUC_EUNSUPPORTED, "g1-small", "N1");
    refused(machine("n1-standard-4", "nvidia-l4", 1), GPUC_EUNSUPPORTED, "cannot be attached",
            "g2-standard-4");
    s = shape_of(machine("n1-standard-96", "nvidia-tesla-p100", 4));
    assert_int_equal(gpuc__gce_catalogue_fits_zone(catalogue, &s, "us-central1-c", NULL), GPUC_OK);
    assert_int_equal(gpuc__gce_catalogue_fits_zone(catalogue, &s, "us-east1-c", &error),
                     GPUC_EUNSUPPORTED);
    assert_non_null(strstr(gpuc_error_message(error), "64 and 208 GB"));
    gpuc_error_unref(error);
}

static void test_gce_catalogue__unknown_names(void **state)
{
    refused(machine("n1-standard-2", "nvidia-tesla-t5", 1), GPUC_ENOTFOUND, "no accelerator",
            "did you mean nvidia-tesla-t4?");
    refused(machine("n1-standard-2", "radeon", 1), GPUC_ENOTFOUND, "no accelerator radeon",
            "gpucluster catalog accelerators");
    refused(machine("n1-standart-2", NULL, 0), GPUC_ENOTFOUND, "n1-standart-2",
            "did you mean n1-standard-2?");
    refused(machine("../../projects", NULL, 0), GPUC_ENOTFOUND, "no machine type", "catalog");
    refused(machine("n1-custom-3-4096", NULL, 0), GPUC_EINVAL, "even number", "n1-custom");
    refused(machine("custom-2-4097", NULL, 0), GPUC_EINVAL, "steps of 256 MB", "n1-custom");
    refused(machine("n1-custom-2-65536", NULL, 0), GPUC_EINVAL, "0.9 to 6.5 GB", "n1-custom");
    assert_int_equal(shape_of(machine("n1-custom-2-65536-ext", NULL, 0)).vcpus, 2);
}

static void test_gce_catalogue__how_it_is_had(void **state)
{
    gpuc__machine_model m = machine("a3-highgpu-1g", NULL, 0);

    refused(m, GPUC_EUNSUPPORTED, "can be had as spot only, not as standard", "spot: true");
    m.spot = true;
    assert_true(shape_of(m).spot);
    m.reservation = (char *)"mine";
    refused(m, GPUC_EINVAL, "spot and reservation mine exclude each other", "remove one");
    m = machine("a4x-highgpu-4g", NULL, 0);
    refused(m, GPUC_EUNSUPPORTED, "as reservation only", "reservation");
    m.reservation = (char *)"mine";
    assert_string_equal(shape_of(m).image_family, "ubuntu-accelerator-2404-arm64-with-nvidia-580");
    refused(machine("a4-highgpu-8g", NULL, 0), GPUC_EUNSUPPORTED, "as spot or reservation only",
            "spot: true");
}

static void test_gce_catalogue__disk_and_image(void **state)
{
    gpuc__machine_model m = machine("g2-standard-4", NULL, 0);

    m.disk_type = (char *)"pd-standard";
    refused(m, GPUC_EUNSUPPORTED, "does not boot from a disk of type pd-standard", "pd-balanced");
    m.disk_type = NULL;
    m.disk_gb = 5;
    refused(m, GPUC_EINVAL, "5 GB; expected 10 to 65536", "disk.size_gb");
    m.disk_gb = 200;
    assert_int_equal(shape_of(m).disk_gb, 200);
    m.image_family = (char *)"ubuntu-2404-lts-arm64";
    refused(m, GPUC_EINVAL, "is for Arm", "ubuntu-accelerator-2404-amd64");
    m.image_family = (char *)"my-family";
    refused(m, GPUC_EINVAL, "which project has the image family my-family", "image.project");
    m.image_project = (char *)"my-images";
    assert_string_equal(shape_of(m).image_project, "my-images");
}

static void price_is(gpuc__machine_model m, const char *region, double from, double to,
                     const char *of)
{
    const char *source = NULL;
    gpuc__gce_shape s = shape_of(m);
    double price = gpuc__gce_catalogue_price(catalogue, &s, region, &source);

    if (price < from || price > to)
        fail_msg("%s in %s is %f", s.machine_type, region, price);
    assert_non_null(strstr(source, of));
}

static void test_gce_catalogue__price(void **state)
{
    gpuc__machine_model spot = machine("n1-standard-2", "nvidia-tesla-t4", 1);

    spot.spot = true;
    /* 2 x 0.031611 + 7.5 x 0.004237 + 0.35 + 100 x 0.1 / 730 */
    price_is(machine("n1-standard-2", "nvidia-tesla-t4", 1), "us-east1", 0.4586, 0.4588,
             "2024-11-07");
    price_is(spot, "us-east1", 0.20, 0.23, "SkyPilot");
    price_is(machine("g2-standard-4", NULL, 0), "us-central1", 0.7205, 0.7206, "SkyPilot");
    price_is(machine("n1-standard-2", "nvidia-tesla-t4", 1), "mars-north1", -1, -1,
             "n1-standard-2");
    price_is(machine("n1-standard-2", "nvidia-tesla-p4", 1), "us-east1", -1, -1, "nvidia-tesla-p4");
    price_is(machine("n1-custom-2-4096", NULL, 0), "us-east1", -1, -1, "n1-custom");
    price_is(machine("a3-megagpu-8g", NULL, 0), "us-central1", -1, -1, "a3-megagpu-8g");
}

static void test_gce_catalogue__quota(void **state)
{
    gpuc__gce_shape s = shape_of(machine("n1-standard-2", "nvidia-tesla-t4", 1));
    const char *family = "";

    assert_string_equal(gpuc__gce_catalogue_quota(catalogue, &s, &family), "NVIDIA_T4_GPUS");
    assert_null(family);
    assert_string_equal(gpuc__gce_catalogue_spot_quota(catalogue, &s),
                        "PREEMPTIBLE_NVIDIA_T4_GPUS");
    assert_string_equal(gpuc__gce_catalogue_cpu_quota(catalogue, &s), "CPUS");
    s = shape_of(machine("a3-highgpu-8g", NULL, 0));
    assert_null(gpuc__gce_catalogue_quota(catalogue, &s, &family));
    assert_string_equal(family, "NVIDIA_H100");
    assert_string_equal(gpuc__gce_catalogue_spot_quota(catalogue, &s),
                        "PREEMPTIBLE_NVIDIA_H100_GPUS");
    s = shape_of(machine(NULL, NULL, 0));
    assert_null(gpuc__gce_catalogue_quota(catalogue, &s, &family));
    assert_null(family);
    assert_null(gpuc__gce_catalogue_spot_quota(catalogue, &s));
}

static void region_is(const char *zone, const char *region)
{
    char *text = gpuc__gce_region_of(zone);

    if (region)
        assert_string_equal(text, region);
    else
        assert_null(text);
    gpuc_free(text);
}

static void test_gce_catalogue__regions(void **state)
{
    region_is("us-east1-d", "us-east1");
    region_is("us-south1-ai1b", "us-south1");
    region_is("us-east1", NULL);
    region_is("nonsense", NULL);
    region_is("us-east1-", NULL);
    assert_true(json_array_size(gpuc__gce_catalogue_zones(catalogue, "nvidia-tesla-t4")) > 40);
    assert_null(gpuc__gce_catalogue_zones(catalogue, "nvidia-tesla-k80"));
}

/* GPUs that a type carries are counted where the spec does not; what cannot be stays as it is. */
static void test_gce_catalogue__settles(void **state)
{
    gpuc__machine_model machines[] = {machine("g2-standard-24", NULL, 0),
                                      machine("n1-standard-2", NULL, 0),
                                      machine("n1-standard-2", "nvidia-tesla-t4", 2),
                                      machine("a3-highgpu-1g", NULL, 0),
                                      machine("nonsense", NULL, 0),
                                      machine(NULL, NULL, 0)};
    gpuc__spec_model model = {.machines = machines, .machine_count = 6};
    int expected[] = {2, 0, 2, 0, 0, 0};

    machines[3].spot = false; /* not to be had so: check refuses it */
    assert_int_equal(gpuc__gce_settle(&model, NULL), GPUC_OK);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(machines[i].gpus, expected[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gce_catalogue__attached),
        cmocka_unit_test(test_gce_catalogue__built_in),
        cmocka_unit_test(test_gce_catalogue__without_gpu),
        cmocka_unit_test(test_gce_catalogue__retired),
        cmocka_unit_test(test_gce_catalogue__n1_limits),
        cmocka_unit_test(test_gce_catalogue__unknown_names),
        cmocka_unit_test(test_gce_catalogue__how_it_is_had),
        cmocka_unit_test(test_gce_catalogue__disk_and_image),
        cmocka_unit_test(test_gce_catalogue__price),
        cmocka_unit_test(test_gce_catalogue__quota),
        cmocka_unit_test(test_gce_catalogue__regions),
        cmocka_unit_test(test_gce_catalogue__settles),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
