/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine of the spec comes to on Compute Engine, and why it cannot be had. */
#include <string.h>

#include "provider/gce/catalogue_internal.h"
#include "provider/gce/catalogue_type.h"
#include "util/buf.h"
#include "util/error.h"

#define DOMAIN GPUC_DOMAIN_PROVIDER
#define LIST_MAX 1024

/* All retired choices of a machine are told at once: who asks for one often asks for another. */
static int refuse_retired(const gpuc__gce_catalogue *catalogue, const gpuc__machine_model *machine,
                          gpuc_error **err)
{
    bool public_image =
        !machine->image_project || strcmp(machine->image_project, "ubuntu-os-cloud") == 0;
    const struct {
        const char *kind, *key, *name;
    } choices[] = {{"accelerator", "accelerator.type", machine->accelerator},
                   {"image", "image.family", public_image ? machine->image_family : NULL}};
    gpuc__buf what = GPUC__BUF_INIT(LIST_MAX), remedy = GPUC__BUF_INIT(LIST_MAX);
    int rc = GPUC_OK;

    for (size_t i = 0; i < 2; i++) {
        const json_t *row =
            choices[i].name ? gpuc__gce_retired(catalogue, choices[i].kind, choices[i].name) : NULL;

        if (!row)
            continue;
        gpuc__buf_printf(&what, "%s%s cannot be had: %s", what.length ? "; " : "", choices[i].name,
                         gpuc__gce_text(row, "why"));
        gpuc__buf_printf(&remedy, "%s%s to %s", remedy.length ? " and " : "set ", choices[i].key,
                         gpuc__gce_text(row, "instead"));
    }
    if (what.length) {
        rc = gpuc__error_set(err, GPUC_EUNSUPPORTED, DOMAIN, "%s", gpuc__buf_text(&what));
        gpuc__error_remedy(err, "%s, the closest that can be had", gpuc__buf_text(&remedy));
    }
    gpuc__buf_clear(&what);
    gpuc__buf_clear(&remedy);
    return rc;
}

static int find_accelerator(const json_t **row, const gpuc__gce_catalogue *catalogue,
                            const char *name, gpuc_error **err)
{
    const char *near;
    int rc;

    *row = gpuc__gce_row(catalogue, "accelerators", "name", name);
    if (*row)
        return GPUC_OK;
    near = gpuc__gce_near(catalogue, "accelerators", name);
    rc = gpuc__error_set(err, GPUC_ENOTFOUND, DOMAIN,
                         "there is no accelerator %s on Compute Engine", name);
    if (near)
        gpuc__error_remedy(err, "did you mean %s?", near);
    else
        gpuc__error_remedy(err, "choose one that `gpucluster catalog accelerators` lists");
    return rc;
}

/* The first machine type that carries so many of them. */
static const char *type_with(const gpuc__gce_catalogue *catalogue, const char *accelerator,
                             int count)
{
    json_t *list = json_object_get(gpuc__gce_part(catalogue, "machine_types"), "list"), *row;
    size_t i;

    json_array_foreach(list, i, row)
    {
        const char *has = gpuc__gce_text(row, "accelerator");

        if (has && strcmp(has, accelerator) == 0 && !json_object_get(row, "part") &&
            json_integer_value(json_object_get(row, "gpus")) == count)
            return gpuc__gce_text(row, "name");
    }
    return NULL;
}

static int choose_type(gpuc__gce_shape *shape, const gpuc__gce_catalogue *catalogue,
                       const gpuc__machine_model *machine, const json_t *accelerator,
                       gpuc_error **err)
{
    const json_t *defaults = gpuc__gce_part(catalogue, "defaults");
    int rc;

    if (machine->machine_type)
        shape->machine_type = machine->machine_type;
    else if (!accelerator)
        shape->machine_type = gpuc__gce_text(defaults, "cpu_machine_type");
    else if (json_object_get(accelerator, "attach"))
        shape->machine_type = gpuc__gce_text(defaults, "gpu_machine_type");
    else
        shape->machine_type = type_with(catalogue, machine->accelerator, machine->gpus);
    if (shape->machine_type)
        return GPUC_OK;
    rc = gpuc__error_set(err, GPUC_EUNSUPPORTED, DOMAIN, "no machine type carries %d %s",
                         machine->gpus, machine->accelerator);
    gpuc__error_remedy(err,
                       "give a machine_type: `gpucluster catalog machine-types` lists them with "
                       "their GPUs");
    return rc;
}

/* A type that carries its GPUs: what the spec says of them has to be the same. */
static int fit_built_in(gpuc__gce_shape *shape, const gpuc__machine_model *machine,
                        const json_t *type, gpuc_error **err)
{
    int rc;

    shape->gpu = gpuc__gce_text(type, "accelerator");
    shape->gpus = (int)json_integer_value(json_object_get(type, "gpus"));
    if ((!machine->accelerator || strcmp(machine->accelerator, shape->gpu) == 0) &&
        (machine->gpus == 0 || machine->gpus == shape->gpus))
        return GPUC_OK;
    rc = gpuc__error_set(err, GPUC_EINVAL, DOMAIN, "%s carries %d %s, and the spec wants %d %s",
                         shape->machine_type, shape->gpus, shape->gpu, machine->gpus,
                         machine->accelerator ? machine->accelerator : "GPUs");
    gpuc__error_remedy(err,
                       "leave accelerator away with this machine type, or choose another type");
    return rc;
}

static int refuse_count(const gpuc__gce_shape *shape, const json_t *attach, gpuc_error **err)
{
    gpuc__buf counts = GPUC__BUF_INIT(LIST_MAX);
    json_t *row;
    size_t i;
    int rc;

    json_array_foreach(attach, i, row)
    {
        gpuc__buf_printf(&counts, "%s%d", i ? ", " : "",
                         (int)json_integer_value(json_object_get(row, "count")));
    }
    rc = gpuc__error_set(err, GPUC_EINVAL, DOMAIN,
                         "%d %s cannot be attached to one machine; expected one of %s",
                         shape->accelerator_count, shape->accelerator, gpuc__buf_text(&counts));
    gpuc__error_remedy(err, "correct accelerator.count");
    gpuc__buf_clear(&counts);
    return rc;
}

static int refuse_too_large(const gpuc__gce_shape *shape, const json_t *limit, const char *where,
                            gpuc_error **err)
{
    int vcpus = (int)json_integer_value(json_object_get(limit, "vcpus"));
    double memory = json_number_value(json_object_get(limit, "memory_gb"));
    int rc;

    if (shape->vcpus <= vcpus && shape->memory_gb <= memory)
        return GPUC_OK;
    rc = gpuc__error_set(err, GPUC_EUNSUPPORTED, DOMAIN,
                         "%s has %d vCPUs and %g GB; with %d %s a machine%s may have %d and %g GB "
                         "at most",
                         shape->machine_type, shape->vcpus, shape->memory_gb,
                         shape->accelerator_count, shape->accelerator, where, vcpus, memory);
    gpuc__error_remedy(err, "choose a smaller machine type, or more GPUs for the machine");
    return rc;
}

static int fit_attached(gpuc__gce_shape *shape, const gpuc__gce_catalogue *catalogue,
                        const gpuc__machine_model *machine, const json_t *accelerator,
                        gpuc_error **err)
{
    const json_t *series = gpuc__gce_series(catalogue, shape->machine_type);
    const json_t *attach = json_object_get(accelerator, "attach");
    const char *carrier =
        attach ? "n1-standard-4" : type_with(catalogue, machine->accelerator, machine->gpus);
    json_t *row;
    size_t i;
    int rc;

    shape->gpu = shape->accelerator = machine->accelerator;
    shape->gpus = shape->accelerator_count = machine->gpus;
    if (!attach || !json_is_true(json_object_get(series, "gpu")) || shape->vcpus == 0 ||
        gpuc__gce_is_shared_core(shape->machine_type)) {
        rc = gpuc__error_set(err, GPUC_EUNSUPPORTED, DOMAIN, "%s cannot be attached to %s",
                             shape->accelerator, shape->machine_type);
        if (attach)
            gpuc__error_remedy(err, "choose an N1 machine type (%s)", carrier);
        else
            gpuc__error_remedy(err, "it comes with machine types of its own%s%s",
                               carrier ? ": " : "", carrier ? carrier : "");
        return rc;
    }
    json_array_foreach(attach, i, row)
    {
        if (json_integer_value(json_object_get(row, "count")) == shape->accelerator_count)
            return refuse_too_large(shape, row, "", err);
    }
    return refuse_count(shape, attach, err);
}

int gpuc__gce_catalogue_fits_zone(const gpuc__gce_catalogue *catalogue,
                                  const gpuc__gce_shape *shape, const char *zone, gpuc_error **err)
{
    json_t *list = json_object_get(gpuc__gce_part(catalogue, "attach_exceptions"), "list");
    json_t *row, *name;
    size_t i, k;

    json_array_foreach(list, i, row)
    {
        const char *accelerator = gpuc__gce_text(row, "accelerator");

        if (!shape->accelerator || !accelerator || strcmp(shape->accelerator, accelerator) != 0 ||
            json_integer_value(json_object_get(row, "count")) != shape->accelerator_count)
            continue;
        json_array_foreach(json_object_get(row, "zones"), k, name)
        {
            if (strcmp(json_string_value(name), zone) == 0)
                return refuse_too_large(shape, row, " of this zone", err);
        }
    }
    return GPUC_OK;
}

static int fit_gpus(gpuc__gce_shape *shape, const gpuc__gce_catalogue *catalogue,
                    const gpuc__machine_model *machine, const json_t *type,
                    const json_t *accelerator, gpuc_error **err)
{
    int rc;

    if (type && json_object_get(type, "accelerator"))
        return fit_built_in(shape, machine, type, err);
    if (accelerator)
        return fit_attached(shape, catalogue, machine, accelerator, err);
    if (machine->gpus == 0)
        return GPUC_OK;
    rc = gpuc__error_set(err, GPUC_EINVAL, DOMAIN, "gpus is %d, and %s carries no GPU",
                         machine->gpus, shape->machine_type);
    gpuc__error_remedy(err, "write accelerator: {type: …, count: %d} in place of gpus",
                       machine->gpus);
    return rc;
}

/* How it is asked for against how it can be had. */
static int fit_provisioning(const gpuc__gce_shape *shape, const gpuc__machine_model *machine,
                            const json_t *type, gpuc_error **err)
{
    const char *way = machine->reservation ? "reservation" : machine->spot ? "spot" : "standard";
    gpuc__buf ways = GPUC__BUF_INIT(LIST_MAX);
    json_t *obtain = json_object_get(type, "obtain"), *one;
    size_t i;
    int rc;

    if (machine->reservation && machine->spot) {
        rc = gpuc__error_set(err, GPUC_EINVAL, DOMAIN, "spot and reservation %s exclude each other",
                             machine->reservation);
        gpuc__error_remedy(err, "remove one of them");
        return rc;
    }
    json_array_foreach(obtain, i, one)
    {
        const char *text = json_string_value(one);

        if (strcmp(text, way) == 0)
            break;
        gpuc__buf_printf(&ways, "%s%s", i ? " or " : "", text);
    }
    rc = GPUC_OK;
    if (i < json_array_size(obtain) || !obtain)
        goto done;
    rc = gpuc__error_set(err, GPUC_EUNSUPPORTED, DOMAIN, "%s can be had as %s only, not as %s",
                         shape->machine_type, gpuc__buf_text(&ways), way);
    gpuc__error_remedy(err, "set %s on the machine, or choose another machine type",
                       strstr(gpuc__buf_text(&ways), "spot") ? "spot: true" : "reservation");
done:
    gpuc__buf_clear(&ways);
    return rc;
}

static int shape_machine(gpuc__gce_shape *out, const gpuc__gce_catalogue *catalogue,
                         const gpuc__machine_model *machine, gpuc_error **err)
{
    gpuc__gce_shape shape = {.spot = machine->spot};
    const json_t *accelerator = NULL, *type = NULL;
    int rc = refuse_retired(catalogue, machine, err);

    if (!rc && machine->accelerator)
        rc = find_accelerator(&accelerator, catalogue, machine->accelerator, err);
    if (!rc)
        rc = choose_type(&shape, catalogue, machine, accelerator, err);
    if (!rc)
        rc = gpuc__gce_type_find(&shape, &type, catalogue, err);
    if (!rc)
        rc = fit_gpus(&shape, catalogue, machine, type, accelerator, err);
    if (!rc)
        rc = fit_provisioning(&shape, machine, type, err);
    if (!rc)
        rc = gpuc__gce_type_disk(&shape, catalogue, machine, err);
    if (!rc)
        rc = gpuc__gce_type_image(&shape, catalogue, machine, err);
    if (!rc)
        *out = shape;
    return rc;
}

int gpuc__gce_catalogue_shape(gpuc__gce_shape *out, const gpuc__gce_catalogue *catalogue,
                              const gpuc__machine_model *machine, gpuc_error **err)
{
    int rc = shape_machine(out, catalogue, machine, err);

    if (rc)
        gpuc__error_at(err, machine->name, NULL);
    return rc;
}
