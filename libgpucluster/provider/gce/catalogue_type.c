/* SPDX-License-Identifier: Apache-2.0 */
/* Machine types, custom ones included, and the disk and image that a machine gets. */
#include "provider/gce/catalogue_type.h"

#include <stdlib.h>
#include <string.h>

#include "util/error.h"

#define DOMAIN GPUC_DOMAIN_PROVIDER

bool gpuc__gce_is_shared_core(const char *machine_type)
{
    return strcmp(machine_type, "f1-micro") == 0 || strcmp(machine_type, "g1-small") == 0;
}

/* "n1-custom-4-8192" or "custom-4-8192", with "-ext" for more memory: 1, and 0 for other names. */
static int read_custom_n1(const char *name, long *vcpus, long *memory_mb, bool *extended)
{
    char *end;

    if (strncmp(name, "n1-", 3) == 0)
        name += 3;
    if (strncmp(name, "custom-", 7) != 0 || strspn(name + 7, "0123456789") == 0)
        return 0;
    *vcpus = strtol(name + 7, &end, 10);
    if (*end != '-' || strspn(end + 1, "0123456789") == 0)
        return 0;
    *memory_mb = strtol(end + 1, &end, 10);
    *extended = strcmp(end, "-ext") == 0;
    return *end == '\0' || *extended;
}

static int find_custom_n1(gpuc__gce_shape *shape, const gpuc__gce_catalogue *catalogue, long vcpus,
                          long memory_mb, bool extended, gpuc_error **err)
{
    const json_t *rules = gpuc__gce_part(catalogue, "custom_n1");
    long most = (long)json_integer_value(json_object_get(rules, "vcpus_max"));
    long step = (long)json_integer_value(json_object_get(rules, "memory_step_mb"));
    double least_gb = json_number_value(json_object_get(rules, "memory_min_gb_per_vcpu"));
    double most_gb = json_number_value(json_object_get(rules, "memory_max_gb_per_vcpu"));
    double per_vcpu = vcpus > 0 ? (double)memory_mb / 1024 / (double)vcpus : 0;
    const char *wrong = NULL;
    int rc;

    if (vcpus < 1 || vcpus > most || (vcpus > 1 && vcpus % 2))
        wrong = "1 or an even number of vCPUs up to 96";
    else if (memory_mb % step)
        wrong = "memory in steps of 256 MB";
    else if (per_vcpu < least_gb || (per_vcpu > most_gb && !extended))
        wrong = "0.9 to 6.5 GB of memory for each vCPU (more with -ext)";
    if (wrong) {
        rc = gpuc__error_set(err, GPUC_EINVAL, DOMAIN,
                             "machine type %s is not possible; expected %s", shape->machine_type,
                             wrong);
        gpuc__error_remedy(err, "correct machine_type: n1-custom-VCPUS-MEGABYTES");
        return rc;
    }
    shape->vcpus = (int)vcpus;
    shape->memory_gb = (double)memory_mb / 1024;
    return GPUC_OK;
}

/* "c9-standard-4": a series that came after the table was made. */
static bool looks_like_type(const char *name)
{
    size_t n = strcspn(name, "-");

    return name[0] >= 'a' && name[0] <= 'z' && name[1] >= '0' && name[1] <= '9' && name[n] == '-' &&
           name[n + 1] && n <= 6 && strlen(name) <= 63 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name);
}

static int find_unlisted(gpuc__gce_shape *shape, const gpuc__gce_catalogue *catalogue,
                         gpuc_error **err)
{
    const json_t *series = gpuc__gce_series(catalogue, shape->machine_type);
    const char *near;
    int rc;

    if (looks_like_type(shape->machine_type) &&
        !json_is_true(json_object_get(series, "complete"))) {
        shape->arm = json_is_true(json_object_get(series, "arm"));
        return GPUC_OK;
    }
    near = gpuc__gce_near(catalogue, "machine_types", shape->machine_type);
    rc = gpuc__error_set(err, GPUC_ENOTFOUND, DOMAIN, "there is no machine type %s",
                         shape->machine_type);
    if (near)
        gpuc__error_remedy(err, "did you mean %s?", near);
    else
        gpuc__error_remedy(err, "choose one that `gpucluster catalog machine-types` lists");
    return rc;
}

int gpuc__gce_type_find(gpuc__gce_shape *shape, const json_t **row,
                        const gpuc__gce_catalogue *catalogue, gpuc_error **err)
{
    long vcpus, memory_mb;
    bool extended;

    *row = gpuc__gce_row(catalogue, "machine_types", "name", shape->machine_type);
    if (*row) {
        shape->vcpus = (int)json_integer_value(json_object_get(*row, "vcpus"));
        shape->memory_gb = json_number_value(json_object_get(*row, "memory_gb"));
        shape->arm = json_is_true(json_object_get(*row, "arm"));
        return GPUC_OK;
    }
    if (read_custom_n1(shape->machine_type, &vcpus, &memory_mb, &extended))
        return find_custom_n1(shape, catalogue, vcpus, memory_mb, extended, err);
    return find_unlisted(shape, catalogue, err);
}

static bool has_prefix(const json_t *row, const char *name)
{
    const char *prefix = gpuc__gce_text(row, "prefix");

    return prefix && strncmp(name, prefix, strlen(prefix)) == 0;
}

static int refuse_disk(const gpuc__gce_shape *shape, const char *instead, gpuc_error **err)
{
    int rc =
        gpuc__error_set(err, GPUC_EUNSUPPORTED, DOMAIN, "%s does not boot from a disk of type %s",
                        shape->machine_type, shape->disk_type);

    gpuc__error_remedy(err, "set disk.type to %s", instead);
    return rc;
}

int gpuc__gce_type_disk(gpuc__gce_shape *shape, const gpuc__gce_catalogue *catalogue,
                        const gpuc__machine_model *machine, gpuc_error **err)
{
    const json_t *disks = gpuc__gce_part(catalogue, "disks");
    int least = (int)json_integer_value(json_object_get(disks, "min_gb"));
    int most = (int)json_integer_value(json_object_get(disks, "max_gb"));
    const char *only = NULL;
    json_t *row;
    size_t i;
    int rc;

    json_array_foreach(json_object_get(disks, "only"), i, row)
    {
        if (has_prefix(row, shape->machine_type))
            only = gpuc__gce_text(row, "type");
    }
    shape->disk_type = machine->disk_type ? machine->disk_type
                       : only             ? only
                                          : gpuc__gce_text(disks, "default_type");
    shape->disk_gb = machine->disk_gb;
    if (shape->disk_gb == 0)
        shape->disk_gb = (int)json_integer_value(
            json_object_get(disks, shape->gpu ? "gpu_default_gb" : "default_gb"));
    if (shape->disk_gb < least || shape->disk_gb > most) {
        rc = gpuc__error_set(err, GPUC_EINVAL, DOMAIN, "a boot disk of %d GB; expected %d to %d GB",
                             shape->disk_gb, least, most);
        gpuc__error_remedy(err, "correct disk.size_gb");
        return rc;
    }
    if (only && strcmp(shape->disk_type, only) != 0)
        return refuse_disk(shape, only, err);
    json_array_foreach(json_object_get(disks, "refusals"), i, row)
    {
        if (has_prefix(row, shape->machine_type) &&
            strcmp(gpuc__gce_text(row, "type"), shape->disk_type) == 0)
            return refuse_disk(shape, gpuc__gce_text(row, "instead"), err);
    }
    return GPUC_OK;
}

static const char *default_family(const gpuc__gce_shape *shape,
                                  const gpuc__gce_catalogue *catalogue)
{
    const json_t *defaults = json_object_get(gpuc__gce_part(catalogue, "images"), "defaults");

    return gpuc__gce_text(defaults, shape->gpu   ? shape->arm ? "gpu_arm" : "gpu"
                                    : shape->arm ? "cpu_arm"
                                                 : "cpu");
}

int gpuc__gce_type_image(gpuc__gce_shape *shape, const gpuc__gce_catalogue *catalogue,
                         const gpuc__machine_model *machine, gpuc_error **err)
{
    const json_t *row;
    const char *project, *near;
    int rc;

    shape->image_family =
        machine->image_family ? machine->image_family : default_family(shape, catalogue);
    row = gpuc__gce_row(catalogue, "images", "family", shape->image_family);
    project = gpuc__gce_text(row, "project");
    shape->image_project = machine->image_project ? machine->image_project : project;
    if (!shape->image_project) {
        near = gpuc__gce_near(catalogue, "images", shape->image_family);
        rc = gpuc__error_set(err, GPUC_EINVAL, DOMAIN,
                             "which project has the image family %s is not known",
                             shape->image_family);
        if (near)
            gpuc__error_remedy(err, "did you mean %s? Else name image.project", near);
        else
            gpuc__error_remedy(err, "name image.project beside image.family");
        return rc;
    }
    /* A family of that name in another project is another image. */
    if (!project || strcmp(project, shape->image_project) != 0 ||
        json_is_true(json_object_get(row, "arm")) == shape->arm)
        return GPUC_OK;
    rc = gpuc__error_set(err, GPUC_EINVAL, DOMAIN, "image %s is for %s, and %s is %s",
                         shape->image_family, shape->arm ? "x86-64" : "Arm", shape->machine_type,
                         shape->arm ? "Arm" : "x86-64");
    gpuc__error_remedy(err, "set image.family to %s", default_family(shape, catalogue));
    return rc;
}
