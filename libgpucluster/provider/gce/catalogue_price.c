/* SPDX-License-Identifier: Apache-2.0 */
/* Prices and quota metrics of a shape. A number that the table does not have is not guessed. */
#include <string.h>

#include "provider/gce/catalogue_internal.h"

/* [on demand, spot] of a region; negative: not known. */
static double pick(const json_t *by_region, const char *region, bool spot)
{
    const json_t *price = json_array_get(json_object_get(by_region, region), spot ? 1 : 0);

    return json_is_number(price) ? json_number_value(price) : -1;
}

static double machine_price(const gpuc__gce_catalogue *catalogue, const gpuc__gce_shape *shape,
                            const char *region)
{
    json_t *list = json_object_get(gpuc__gce_part(catalogue, "prices"), "machines"), *row;
    size_t i;

    json_array_foreach(list, i, row)
    {
        const char *prefix = gpuc__gce_text(row, "prefix");
        const json_t *memory = json_object_get(row, "gb");
        double vcpu, gb = 0;

        if (!prefix || strncmp(shape->machine_type, prefix, strlen(prefix)) != 0)
            continue;
        /* Custom types cost more than their parts in a predefined one. */
        if (shape->vcpus == 0 || strstr(shape->machine_type, "custom"))
            return -1;
        vcpu = pick(json_object_get(row, "vcpu"), region, shape->spot);
        if (memory)
            gb = pick(memory, region, shape->spot);
        return vcpu < 0 || gb < 0 ? -1 : vcpu * shape->vcpus + gb * shape->memory_gb;
    }
    return -1;
}

static double disk_price(const gpuc__gce_catalogue *catalogue, const gpuc__gce_shape *shape,
                         const char *region)
{
    const json_t *part = gpuc__gce_part(catalogue, "disk_prices");
    const json_t *type = json_object_get(json_object_get(part, "types"), shape->disk_type);
    const json_t *month = json_object_get(type, region);
    double hours = json_number_value(json_object_get(part, "hours"));

    return json_is_number(month) && hours > 0 ? json_number_value(month) * shape->disk_gb / hours
                                              : -1;
}

double gpuc__gce_catalogue_price(const gpuc__gce_catalogue *catalogue, const gpuc__gce_shape *shape,
                                 const char *region, const char **source)
{
    const json_t *gpus = json_object_get(gpuc__gce_part(catalogue, "prices"), "accelerators");
    double machine = machine_price(catalogue, shape, region), gpu = 0;
    double disk = disk_price(catalogue, shape, region);

    if (shape->gpu)
        gpu = pick(json_object_get(gpus, shape->gpu), region, shape->spot);
    if (machine < 0)
        *source = shape->machine_type;
    else if (gpu < 0)
        *source = shape->gpu;
    else if (disk < 0)
        *source = shape->disk_type;
    else
        *source = catalogue->price_source;
    return machine < 0 || gpu < 0 || disk < 0 ? -1 : machine + gpu * shape->gpus + disk;
}

const char *gpuc__gce_catalogue_quota(const gpuc__gce_catalogue *catalogue,
                                      const gpuc__gce_shape *shape, const char **family)
{
    const json_t *row =
        shape->gpu ? gpuc__gce_row(catalogue, "accelerators", "name", shape->gpu) : NULL;

    *family = gpuc__gce_text(row, "family");
    return gpuc__gce_text(row, "quota");
}

const char *gpuc__gce_catalogue_spot_quota(const gpuc__gce_catalogue *catalogue,
                                           const gpuc__gce_shape *shape)
{
    return shape->gpu ? gpuc__gce_text(gpuc__gce_row(catalogue, "accelerators", "name", shape->gpu),
                                       "spot_quota")
                      : NULL;
}

const char *gpuc__gce_catalogue_cpu_quota(const gpuc__gce_catalogue *catalogue,
                                          const gpuc__gce_shape *shape)
{
    return gpuc__gce_text(gpuc__gce_series(catalogue, shape->machine_type), "cpus");
}
