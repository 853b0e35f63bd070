/* SPDX-License-Identifier: Apache-2.0 */
/* Zones, and what they have: accelerators and machine types; the nearest zones that have what the
 * named ones lack. */
#include <string.h>

#include "provider/gce/check.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define DOMAIN GPUC_DOMAIN_PROVIDER
#define NEAR_MAX 6
#define TEXT_MAX 2048

static const char *text_of(const json_t *item, const char *key)
{
    const char *text = json_string_value(json_object_get(item, key));

    return text ? text : "";
}

static json_t *named(const json_t *items, const char *name)
{
    json_t *item;
    size_t i;

    json_array_foreach(items, i, item)
    {
        if (strcmp(text_of(item, "name"), name) == 0)
            return item;
    }
    return NULL;
}

/* The item of that name in that zone, or NULL. */
static json_t *in_zone(const json_t *items, const char *name, const char *zone)
{
    json_t *item;
    size_t i;

    json_array_foreach(items, i, item)
    {
        if (strcmp(text_of(item, "name"), name) == 0 &&
            strcmp(gpuc__gce_link_name(text_of(item, "zone")), zone) == 0)
            return item;
    }
    return NULL;
}

/* Letters that two zones have in common from the start: more is nearer. */
static size_t common(const char *one, const char *other)
{
    size_t n = 0;

    while (one[n] && one[n] == other[n])
        n++;
    return n;
}

/* "us-east1-b, us-east1-c": the zones that have it, the nearest to `zone` first. */
static void list_near(gpuc__buf *out, const json_t *items, const char *name, const char *zone)
{
    size_t told = 0, limit = strlen(zone) + 1;

    for (size_t near = limit; near-- > 0 && told < NEAR_MAX;) {
        json_t *item;
        size_t i;

        json_array_foreach(items, i, item)
        {
            const char *where = gpuc__gce_link_name(text_of(item, "zone"));

            if (told < NEAR_MAX && strcmp(text_of(item, "name"), name) == 0 &&
                common(where, zone) == near)
                gpuc__buf_printf(out, "%s%s", told++ ? ", " : "", where);
        }
    }
}

static void join(gpuc__buf *out, const json_t *names)
{
    json_t *name;
    size_t i;

    json_array_foreach(names, i, name)
    {
        gpuc__buf_printf(out, "%s%s", i ? ", " : "", json_string_value(name));
    }
}

static int refuse_zone(const gpuc__gce_wish *wish, const json_t *zones, const char *name,
                       gpuc_error **err)
{
    char *region = gpuc__gce_region_of(name);
    gpuc__buf others = GPUC__BUF_INIT(TEXT_MAX);
    json_t *zone;
    size_t i;

    json_array_foreach(zones, i, zone)
    {
        if (region && strcmp(gpuc__gce_link_name(text_of(zone, "region")), region) == 0)
            gpuc__buf_printf(&others, "%s%s", others.length ? ", " : "", text_of(zone, "name"));
    }
    gpuc__error_set(err, GPUC_ENOTFOUND, DOMAIN,
                    "there is no zone %s, or it is not open to project %s", name, wish->project);
    if (others.length)
        gpuc__error_remedy(err, "zones of region %s: %s", region, gpuc__buf_text(&others));
    else
        gpuc__error_remedy(err, "correct provider.zones: `gpucluster catalog zones` lists them");
    gpuc__buf_clear(&others);
    gpuc__free(region);
    return GPUC_ENOTFOUND;
}

/* Of a region alone: its zones that are up. */
static int fill_zones(gpuc__gce_wish *wish, const json_t *zones, gpuc_error **err)
{
    const char *region = json_string_value(json_array_get(wish->regions, 0));
    json_t *zone;
    size_t i;

    json_array_foreach(zones, i, zone)
    {
        if (strcmp(gpuc__gce_link_name(text_of(zone, "region")), region) == 0 &&
            strcmp(text_of(zone, "status"), "DOWN") != 0 &&
            json_array_append_new(wish->zones, json_string(text_of(zone, "name"))))
            return gpuc__error_nomem(err);
    }
    if (json_array_size(wish->zones))
        return GPUC_OK;
    gpuc__error_set(err, GPUC_ENOTFOUND, DOMAIN,
                    "there is no region %s, or none of its zones is open to project %s", region,
                    wish->project);
    gpuc__error_remedy(err, "correct provider.region: `gpucluster catalog zones` lists them");
    return GPUC_ENOTFOUND;
}

static int check_zones(gpuc__gce_wish *wish, const json_t *zones, gpuc_error **err)
{
    json_t *name;
    size_t i;
    int rc;

    if (json_array_size(wish->zones) == 0)
        return fill_zones(wish, zones, err);
    json_array_foreach(wish->zones, i, name)
    {
        const json_t *zone = named(zones, json_string_value(name));

        if (!zone)
            return refuse_zone(wish, zones, json_string_value(name), err);
        if (strcmp(text_of(zone, "status"), "DOWN") == 0) {
            rc = gpuc__gce_wish_note(wish, err, "zone %s is down now", json_string_value(name));
            if (rc)
                return rc;
        }
    }
    return GPUC_OK;
}

/* What none of the zones has. */
static int refuse_lack(const gpuc__gce_wish *wish, const json_t *items, const char *what,
                       const char *name, gpuc_error **err)
{
    const char *first = json_string_value(json_array_get(wish->zones, 0));
    gpuc__buf zones = GPUC__BUF_INIT(TEXT_MAX), near = GPUC__BUF_INIT(TEXT_MAX);

    join(&zones, wish->zones);
    list_near(&near, items, name, first);
    gpuc__error_set(err, GPUC_ENOTFOUND, DOMAIN, "%s has no %s %s", gpuc__buf_text(&zones), what,
                    name);
    if (near.length)
        gpuc__error_remedy(err, "the nearest zones that have it: %s", gpuc__buf_text(&near));
    else
        gpuc__error_remedy(err, "no zone open to the project has it; see `gpucluster catalog`");
    gpuc__buf_clear(&zones);
    gpuc__buf_clear(&near);
    return GPUC_ENOTFOUND;
}

/* Every zone is looked at, so that the plan tells which of them cannot. */
static int check_kind(gpuc__gce_wish *wish, const json_t *items, const char *what, const char *name,
                      gpuc_error **err)
{
    gpuc__buf lacking = GPUC__BUF_INIT(TEXT_MAX);
    size_t i, have = 0;
    json_t *zone, *item;
    int rc = GPUC_OK;

    json_array_foreach(wish->zones, i, zone)
    {
        item = in_zone(items, name, json_string_value(zone));
        have += item != NULL;
        if (!item)
            gpuc__buf_printf(&lacking, "%s%s", lacking.length ? ", " : "", json_string_value(zone));
        else if (json_object_get(item, "deprecated"))
            rc = gpuc__gce_wish_note(wish, err, "%s %s is deprecated in %s (%s)", what, name,
                                     json_string_value(zone),
                                     text_of(json_object_get(item, "deprecated"), "state"));
        if (rc)
            break;
    }
    if (!rc && have == 0)
        rc = refuse_lack(wish, items, what, name, err);
    else if (!rc && lacking.length)
        rc = gpuc__gce_wish_note(wish, err, "%s %s is not in %s", what, name,
                                 gpuc__buf_text(&lacking));
    gpuc__buf_clear(&lacking);
    return rc;
}

static bool is_custom(const char *machine_type)
{
    return strstr(machine_type, "custom-") != NULL;
}

/* A zone that has both, machine type and GPU, and lets them be together. */
static bool has_zone(const gpuc__gce_wish *wish, const json_t *facts, const gpuc__gce_shape *shape)
{
    json_t *zone;
    size_t i;

    json_array_foreach(wish->zones, i, zone)
    {
        const char *name = json_string_value(zone);

        if ((is_custom(shape->machine_type) ||
             in_zone(json_object_get(facts, "machineTypes"), shape->machine_type, name)) &&
            (!shape->gpu ||
             in_zone(json_object_get(facts, "acceleratorTypes"), shape->gpu, name)) &&
            gpuc__gce_catalogue_fits_zone(wish->catalogue, shape, name, NULL) == GPUC_OK)
            return true;
    }
    return false;
}

/* Types that the table does not have get their size from the API. */
static void learn_size(const json_t *facts, gpuc__gce_shape *shape)
{
    const json_t *type = named(json_object_get(facts, "machineTypes"), shape->machine_type);

    if (shape->vcpus == 0 && type) {
        shape->vcpus = (int)json_integer_value(json_object_get(type, "guestCpus"));
        shape->memory_gb = json_number_value(json_object_get(type, "memoryMb")) / 1024;
    }
}

static bool told_before(const gpuc__gce_wish *wish, size_t machine)
{
    const gpuc__gce_shape *shape = &wish->shapes[machine];

    for (size_t i = 0; i < machine; i++) {
        const gpuc__gce_shape *other = &wish->shapes[i];

        if (strcmp(other->machine_type, shape->machine_type) == 0 &&
            strcmp(other->gpu ? other->gpu : "", shape->gpu ? shape->gpu : "") == 0 &&
            other->gpus == shape->gpus)
            return true;
    }
    return false;
}

static int check_machine(gpuc__gce_wish *wish, const json_t *facts, size_t machine,
                         gpuc_error **err)
{
    gpuc__gce_shape *shape = &wish->shapes[machine];
    int rc = GPUC_OK;

    learn_size(facts, shape);
    if (told_before(wish, machine))
        return GPUC_OK;
    if (shape->gpu)
        rc = check_kind(wish, json_object_get(facts, "acceleratorTypes"), "accelerator", shape->gpu,
                        err);
    if (!rc && !is_custom(shape->machine_type))
        rc = check_kind(wish, json_object_get(facts, "machineTypes"), "machine type",
                        shape->machine_type, err);
    if (!rc && !has_zone(wish, facts, shape)) {
        rc = gpuc__error_set(err, GPUC_ENOTFOUND, DOMAIN, "none of the zones has both %s and %s",
                             shape->machine_type, shape->gpu);
        gpuc__error_remedy(err, "name more zones: `gpucluster catalog accelerators` lists where "
                                "each is");
    }
    if (rc)
        gpuc__error_at(err, wish->spec->machines[machine].name, NULL);
    return rc;
}

int gpuc__gce_facts_places(gpuc__gce_wish *wish, const json_t *facts, gpuc_error **err)
{
    int rc = check_zones(wish, json_object_get(facts, "zones"), err);

    for (size_t i = 0; !rc && i < wish->spec->machine_count; i++)
        rc = check_machine(wish, facts, i, err);
    if (!rc && json_object_set(wish->described, "zones", wish->zones))
        rc = gpuc__error_nomem(err);
    return rc;
}
