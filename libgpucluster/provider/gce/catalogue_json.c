/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue as one JSON document: the table, with what the API told laid over it. */
#include <string.h>

#include "provider/gce/catalogue_internal.h"
#include "provider/gce/client.h"
#include "util/alloc.h"
#include "util/error.h"

typedef struct view {
    const gpuc__gce_catalogue *catalogue;
    const char *zone;                                        /* NULL: all */
    char *region;                                            /* of zone */
    const json_t *accelerator_types, *machine_types, *zones; /* of the API; NULL: the table alone */
} view;

static const char *text_of(const json_t *item, const char *key)
{
    const char *text = json_string_value(json_object_get(item, key));

    return text ? text : "";
}

/* zones by name of the item: {"nvidia-l4": ["us-east1-b", …]}. */
static json_t *zones_by_name(const view *v, const json_t *items, const char *prefix)
{
    json_t *by_name = json_object(), *item;
    size_t i;

    json_array_foreach(items, i, item)
    {
        const char *name = text_of(item, "name");
        const char *zone = gpuc__gce_link_name(text_of(item, "zone"));
        json_t *list = json_object_get(by_name, name);

        if (strncmp(name, prefix, strlen(prefix)) != 0 || (v->zone && strcmp(zone, v->zone) != 0))
            continue;
        if (!list) {
            list = json_array();
            json_object_set_new(by_name, name, list);
        }
        json_array_append_new(list, json_string(zone));
    }
    return by_name;
}

/* The same of the table. */
static json_t *shipped_zones(const view *v)
{
    json_t *list = json_object_get(gpuc__gce_part(v->catalogue, "zones"), "list"), *row, *zone;
    json_t *by_name = json_object();
    size_t i, k;

    json_array_foreach(list, i, row)
    {
        json_t *zones = json_array();

        json_array_foreach(json_object_get(row, "zones"), k, zone)
        {
            if (!v->zone || strcmp(json_string_value(zone), v->zone) == 0)
                json_array_append(zones, zone);
        }
        if (json_array_size(zones))
            json_object_set(by_name, text_of(row, "accelerator"), zones);
        json_decref(zones);
    }
    return by_name;
}

/* The machine types that carry it. */
static json_t *carriers(const view *v, const char *accelerator)
{
    json_t *list = json_object_get(gpuc__gce_part(v->catalogue, "machine_types"), "list"), *row;
    json_t *names = json_array();
    size_t i;

    json_array_foreach(list, i, row)
    {
        if (strcmp(text_of(row, "accelerator"), accelerator) == 0)
            json_array_append(names, json_object_get(row, "name"));
    }
    return names;
}

static json_t *one_accelerator(const view *v, const json_t *row, const char *name, json_t *zones)
{
    const json_t *prices = json_object_get(gpuc__gce_part(v->catalogue, "prices"), "accelerators");
    json_t *out = row ? json_copy((json_t *)row) : json_pack("{s:s}", "name", name);
    json_t *price = json_object_get(prices, name);

    json_object_set_new(out, "machine_types", carriers(v, name));
    json_object_set(out, "zones", zones);
    if (v->region)
        price = json_object_get(price, v->region);
    if (price)
        json_object_set(out, v->region ? "price_per_hour" : "prices", price);
    return out;
}

/* Those of the table that are somewhere, then those that only the API knows. */
static json_t *accelerators(const view *v, json_t *by_name)
{
    json_t *list = json_object_get(gpuc__gce_part(v->catalogue, "accelerators"), "list"), *row;
    json_t *out = json_array(), *zones;
    const char *name;
    size_t i;

    json_array_foreach(list, i, row)
    {
        zones = json_object_get(by_name, text_of(row, "name"));
        if (zones || (!v->zone && !v->accelerator_types))
            json_array_append_new(out, one_accelerator(v, row, text_of(row, "name"), zones));
    }
    json_object_foreach(by_name, name, zones)
    {
        if (!gpuc__gce_row(v->catalogue, "accelerators", "name", name))
            json_array_append_new(out, one_accelerator(v, NULL, name, zones));
    }
    return out;
}

static void add_price(const view *v, json_t *type)
{
    gpuc__gce_shape shape = {.machine_type = text_of(type, "name"),
                             .disk_type = "pd-balanced",
                             .vcpus = (int)json_integer_value(json_object_get(type, "vcpus")),
                             .memory_gb = json_number_value(json_object_get(type, "memory_gb")),
                             .gpu = json_string_value(json_object_get(type, "accelerator")),
                             .gpus = (int)json_integer_value(json_object_get(type, "gpus"))};
    json_t *pair = json_array();

    for (int spot = 0; spot < 2; spot++) {
        const char *source;
        double price;

        shape.spot = spot;
        price = gpuc__gce_catalogue_price(v->catalogue, &shape, v->region, &source);
        json_array_append_new(pair, price < 0 ? json_null() : json_real(price));
    }
    json_object_set_new(type, "price_per_hour", pair);
}

/* What the API tells of a type, in the table's words. */
static json_t *live_type(const json_t *item)
{
    const json_t *gpu = json_array_get(json_object_get(item, "accelerators"), 0);
    json_t *type = json_pack("{s:s, s:I, s:f}", "name", text_of(item, "name"), "vcpus",
                             json_integer_value(json_object_get(item, "guestCpus")), "memory_gb",
                             json_number_value(json_object_get(item, "memoryMb")) / 1024);

    if (gpu) {
        json_object_set_new(type, "accelerator", json_string(text_of(gpu, "guestAcceleratorType")));
        json_object_set(type, "gpus", json_object_get(gpu, "guestAcceleratorCount"));
    }
    if (strcmp(text_of(item, "architecture"), "ARM64") == 0)
        json_object_set_new(type, "arm", json_true());
    return type;
}

/* A type without a GPU is said to be nowhere by nobody: only those with one are asked for by name.
 */
static json_t *machine_types(const view *v, json_t *by_name, json_t *gpu_zones)
{
    json_t *list = json_object_get(gpuc__gce_part(v->catalogue, "machine_types"), "list"), *row;
    json_t *out = json_array();
    size_t i;

    json_array_foreach(list, i, row)
    {
        json_t *zones = json_object_get(by_name, text_of(row, "name")), *type;
        const char *gpu = text_of(row, "accelerator");

        if (!v->machine_types)
            zones = json_object_get(gpu_zones, gpu);
        if (!zones && v->zone && (v->machine_types || *gpu))
            continue;
        type = json_copy(row);
        if (zones && !v->zone)
            json_object_set(type, "zones", zones);
        if (v->region)
            add_price(v, type);
        json_array_append_new(out, type);
    }
    json_array_foreach(v->machine_types, i, row)
    {
        if (v->zone &&
            !gpuc__gce_row(v->catalogue, "machine_types", "name", text_of(row, "name"))) {
            json_t *type = live_type(row);

            add_price(v, type);
            json_array_append_new(out, type);
        }
    }
    return out;
}

static void add_zone(const view *v, json_t *out, const char *name, const char *status,
                     json_t *gpu_zones)
{
    json_t *here = json_array(), *zones, *zone;
    char *region = gpuc__gce_region_of(name);
    const char *gpu;
    size_t i;

    json_object_foreach(gpu_zones, gpu, zones)
    {
        json_array_foreach(zones, i, zone)
        {
            if (strcmp(json_string_value(zone), name) == 0)
                json_array_append_new(here, json_string(gpu));
        }
    }
    if (!v->zone || strcmp(v->zone, name) == 0)
        json_array_append_new(out, json_pack("{s:s, s:s?, s:s*, s:O}", "name", name, "region",
                                             region, "status", status, "accelerators", here));
    json_decref(here);
    gpuc__free(region);
}

static json_t *zone_list(const view *v, json_t *gpu_zones)
{
    json_t *out = json_array(), *seen = json_object(), *zones, *zone;
    const char *gpu;
    size_t i;

    json_array_foreach(v->zones, i, zone)
    {
        add_zone(v, out, text_of(zone, "name"), json_string_value(json_object_get(zone, "status")),
                 gpu_zones);
    }
    json_object_foreach(v->zones ? NULL : gpu_zones, gpu, zones)
    {
        json_array_foreach(zones, i, zone)
        {
            if (json_object_get(seen, json_string_value(zone)))
                continue;
            json_object_set_new(seen, json_string_value(zone), json_true());
            add_zone(v, out, json_string_value(zone), NULL, gpu_zones);
        }
    }
    json_decref(seen);
    return out;
}

/* Where each part of the table is from. */
static json_t *parts(const view *v)
{
    json_t *out = json_array(), *part;
    const char *name;

    json_object_foreach(v->catalogue->root, name, part)
    {
        if (json_object_get(part, "source"))
            json_array_append_new(out, json_pack("{s:s, s:O, s:O}", "part", name, "source",
                                                 json_object_get(part, "source"), "date",
                                                 json_object_get(part, "date")));
    }
    return out;
}

int gpuc__gce_catalogue_json(json_t **out, const gpuc__gce_catalogue *catalogue, const char *zone,
                             const json_t *live, gpuc_error **err)
{
    view v = {.catalogue = catalogue,
              .zone = zone,
              .region = zone ? gpuc__gce_region_of(zone) : NULL,
              .accelerator_types = json_object_get(live, "accelerator_types"),
              .machine_types = json_object_get(live, "machine_types"),
              .zones = json_object_get(live, "zones")};
    json_t *gpu_zones =
        v.accelerator_types ? zones_by_name(&v, v.accelerator_types, "nvidia-") : shipped_zones(&v);
    json_t *type_zones = zones_by_name(&v, v.machine_types, "");
    json_t *all = json_pack(
        "{s:b, s:s*, s:o, s:o, s:o, s:O, s:O, s:o}", "live", live != NULL, "zone", zone,
        "accelerators", accelerators(&v, gpu_zones), "machine_types",
        machine_types(&v, type_zones, gpu_zones), "zones", zone_list(&v, gpu_zones), "images",
        json_object_get(gpuc__gce_part(catalogue, "images"), "list"), "retired",
        json_object_get(gpuc__gce_part(catalogue, "retired"), "list"), "parts", parts(&v));

    json_decref(gpu_zones);
    json_decref(type_zones);
    gpuc__free(v.region);
    if (!all)
        return gpuc__error_nomem(err);
    *out = all;
    return GPUC_OK;
}
