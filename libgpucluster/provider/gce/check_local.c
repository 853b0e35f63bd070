/* SPDX-License-Identifier: Apache-2.0 */
/* What can be refused without a request. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "provider/gce/check.h"
#include "util/alloc.h"
#include "util/error.h"

#define DOMAIN GPUC_DOMAIN_PROVIDER
#define NAME_MAX_LENGTH 63
#define TTL_MIN_S 30
#define TTL_MAX_S (120 * 24 * 3600)
#define LABELS_MAX 60 /* of 64; the library has some of its own */

static int refuse(gpuc_error **err, int code, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static int refuse(gpuc_error **err, int code, const char *remedy, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    gpuc__error_set(err, code, DOMAIN, "%s", text);
    gpuc__error_remedy(err, "%s", remedy);
    return code;
}

int gpuc__gce_wish_note(gpuc__gce_wish *wish, gpuc_error **err, const char *format, ...)
{
    json_t *notes = json_object_get(wish->described, "notes");
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return json_array_append_new(notes, json_string(text)) ? gpuc__error_nomem(err) : GPUC_OK;
}

static bool fits(const char *text, const char *allowed)
{
    return strlen(text) <= NAME_MAX_LENGTH && strspn(text, allowed) == strlen(text);
}

/* "key=value" */
static int check_label(const char *label, gpuc_error **err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    const char *equals = strchr(label, '=');
    char key[NAME_MAX_LENGTH + 2] = "";
    size_t n = equals ? (size_t)(equals - label) : strlen(label);

    if (n < sizeof(key))
        memcpy(key, label, n);
    if (!equals || n == 0 || n >= sizeof(key) || key[0] < 'a' || key[0] > 'z' ||
        !fits(key, allowed) || !fits(equals + 1, allowed))
        return refuse(err, GPUC_EINVAL, "correct provider.labels",
                      "the label %.80s is not possible; expected a key and a value of at most 63 "
                      "lower-case letters, digits, _ and -, the key beginning with a letter",
                      label);
    if (strncmp(key, GPUC__GCE_LABEL, strlen(GPUC__GCE_LABEL)) == 0)
        return refuse(err, GPUC_EINVAL, "choose another key",
                      "the label %s is one of the library's own: all that begin with %s are", key,
                      GPUC__GCE_LABEL);
    return GPUC_OK;
}

static int check_labels(const gpuc__spec_model *spec, gpuc_error **err)
{
    size_t n = 0;
    int rc = GPUC_OK;

    for (; !rc && spec->labels && spec->labels[n]; n++)
        rc = check_label(spec->labels[n], err);
    return rc || n <= LABELS_MAX ? rc
                                 : refuse(err, GPUC_ELIMIT, "remove some of provider.labels",
                                          "%zu labels; expected at most %d", n, LABELS_MAX);
}

static int check_names(const gpuc__spec_model *spec, gpuc_error **err)
{
    if (strlen(spec->name) > NAME_MAX_LENGTH)
        return refuse(err, GPUC_EINVAL, "give the cluster a shorter name",
                      "the cluster's name has %zu characters; expected at most %d",
                      strlen(spec->name), NAME_MAX_LENGTH);
    for (size_t i = 0; i < spec->machine_count; i++) {
        const char *name = spec->machines[i].name;

        if (strlen(name) > NAME_MAX_LENGTH) {
            refuse(err, GPUC_EINVAL, "give the machine a shorter name",
                   "the name of machine %.80s has %zu characters; expected at most %d", name,
                   strlen(name), NAME_MAX_LENGTH);
            gpuc__error_at(err, name, NULL);
            return GPUC_EINVAL;
        }
    }
    return GPUC_OK;
}

static int add_name(json_t *list, const char *name, gpuc_error **err)
{
    json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        if (strcmp(json_string_value(one), name) == 0)
            return GPUC_OK;
    }
    return json_array_append_new(list, json_string(name)) ? gpuc__error_nomem(err) : GPUC_OK;
}

/* Zones and regions in the order in which they will be tried. */
static int read_places(gpuc__gce_wish *wish, gpuc_error **err)
{
    const gpuc__spec_model *spec = wish->spec;
    int rc = GPUC_OK;

    for (size_t i = 0; !rc && spec->zones && spec->zones[i]; i++) {
        char *region = gpuc__gce_region_of(spec->zones[i]);

        if (!region && gpuc__gce_is_zone(spec->zones[i]))
            rc = gpuc__error_nomem(err);
        else if (!region)
            rc = refuse(err, GPUC_EINVAL, "correct provider.zones: for example us-east1-d",
                        "%.80s is not the name of a zone", spec->zones[i]);
        else if (spec->region && strcmp(region, spec->region) != 0)
            rc = refuse(err, GPUC_EINVAL, "remove provider.region, or the zones of other regions",
                        "zone %s is not in region %s", spec->zones[i], spec->region);
        if (!rc)
            rc = add_name(wish->regions, region, err);
        if (!rc)
            rc = add_name(wish->zones, spec->zones[i], err);
        gpuc__free(region);
    }
    if (!rc && json_array_size(wish->regions) == 0)
        rc = spec->region ? add_name(wish->regions, spec->region, err)
                          : refuse(err, GPUC_EINVAL, "set provider.zones or provider.region",
                                   "neither zones nor a region is given for provider gce");
    return rc;
}

/* What is of one region or zone binds the whole. */
static int check_places(const gpuc__gce_wish *wish, gpuc_error **err)
{
    const gpuc__spec_model *spec = wish->spec;

    if (spec->subnetwork && json_array_size(wish->regions) > 1)
        return refuse(err, GPUC_EINVAL, "keep the zones of the subnetwork's region only",
                      "subnetwork %s is of one region, and the zones are of %zu: %s and %s",
                      spec->subnetwork, json_array_size(wish->regions),
                      json_string_value(json_array_get(wish->regions, 0)),
                      json_string_value(json_array_get(wish->regions, 1)));
    for (size_t i = 0; i < spec->machine_count; i++) {
        if (spec->machines[i].reservation && json_array_size(wish->zones) != 1) {
            refuse(err, GPUC_EINVAL, "name the reservation's zone alone in provider.zones",
                   "reservation %s is of one zone, and %zu are given",
                   spec->machines[i].reservation, json_array_size(wish->zones));
            gpuc__error_at(err, spec->machines[i].name, NULL);
            return GPUC_EINVAL;
        }
    }
    return GPUC_OK;
}

/* A shape that no zone takes; one zone that does is enough. */
static int check_zone_limits(const gpuc__gce_wish *wish, size_t machine, gpuc_error **err)
{
    json_t *zone;
    size_t i;
    int rc = GPUC_OK;

    json_array_foreach(wish->zones, i, zone)
    {
        gpuc_error *error = NULL;

        rc = gpuc__gce_catalogue_fits_zone(wish->catalogue, &wish->shapes[machine],
                                           json_string_value(zone), &error);
        if (!rc)
            return GPUC_OK;
        if (i + 1 == json_array_size(wish->zones)) {
            gpuc__error_at(&error, wish->spec->machines[machine].name, NULL);
            if (err)
                *err = error;
            else
                gpuc_error_unref(error);
        } else {
            gpuc_error_unref(error);
        }
    }
    return rc;
}

static int check_ttl(const gpuc__spec_model *spec, gpuc_error **err)
{
    if (spec->ttl_s == 0 || (spec->ttl_s >= TTL_MIN_S && spec->ttl_s <= TTL_MAX_S))
        return GPUC_OK;
    return refuse(err, GPUC_EINVAL, "correct provider.ttl: for example 8h",
                  "ttl is %lld seconds; Compute Engine takes 30 seconds to 120 days",
                  (long long)spec->ttl_s);
}

static int prepare(gpuc__gce_wish *wish, gpuc_error **err)
{
    size_t count = wish->spec->machine_count;

    wish->shapes = gpuc__calloc(count ? count : 1, sizeof(*wish->shapes));
    wish->regions = json_array();
    wish->zones = json_array();
    wish->described = json_pack("{s:[], s:[]}", "notes", "images");
    return wish->shapes && wish->regions && wish->zones && wish->described ? GPUC_OK
                                                                           : gpuc__error_nomem(err);
}

int gpuc__gce_wish_init(gpuc__gce_wish *wish, const gpuc__spec_model *spec,
                        const gpuc__gce_catalogue *catalogue, gpuc_error **err)
{
    int rc;

    *wish = (gpuc__gce_wish){.spec = spec, .catalogue = catalogue};
    rc = prepare(wish, err);
    if (!rc)
        rc = check_names(spec, err);
    if (!rc)
        rc = check_labels(spec, err);
    if (!rc)
        rc = check_ttl(spec, err);
    /* Retired choices come before the places: who asks for them needs to hear of them first. */
    for (size_t i = 0; !rc && i < spec->machine_count; i++)
        rc = gpuc__gce_catalogue_shape(&wish->shapes[i], catalogue, &spec->machines[i], err);
    if (!rc)
        rc = read_places(wish, err);
    if (!rc)
        rc = check_places(wish, err);
    for (size_t i = 0; !rc && i < spec->machine_count; i++)
        rc = check_zone_limits(wish, i, err);
    if (!rc)
        rc = gpuc__gce_wish_price(wish, err);
    return rc;
}

void gpuc__gce_wish_clear(gpuc__gce_wish *wish)
{
    gpuc__free(wish->shapes);
    json_decref(wish->regions);
    json_decref(wish->zones);
    json_decref(wish->described);
    memset(wish, 0, sizeof(*wish));
}
