/* SPDX-License-Identifier: Apache-2.0 */
/* The table of Compute Engine: reading it, and finding rows in it. */
#include <string.h>

#include "gpu/tables.h"
#include "provider/gce/catalogue_internal.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/suggest.h"

const json_t *gpuc__gce_part(const gpuc__gce_catalogue *catalogue, const char *part)
{
    return json_object_get(catalogue->root, part);
}

const char *gpuc__gce_text(const json_t *row, const char *key)
{
    return json_string_value(json_object_get(row, key));
}

const json_t *gpuc__gce_row(const gpuc__gce_catalogue *catalogue, const char *part, const char *key,
                            const char *value)
{
    json_t *list = json_object_get(gpuc__gce_part(catalogue, part), "list"), *row;
    size_t i;

    json_array_foreach(list, i, row)
    {
        const char *text = gpuc__gce_text(row, key);

        if (text && value && strcmp(text, value) == 0)
            return row;
    }
    return NULL;
}

const json_t *gpuc__gce_retired(const gpuc__gce_catalogue *catalogue, const char *kind,
                                const char *name)
{
    const json_t *row = gpuc__gce_row(catalogue, "retired", "name", name);
    const char *is = row ? gpuc__gce_text(row, "kind") : NULL;

    return is && strcmp(is, kind) == 0 ? row : NULL;
}

const json_t *gpuc__gce_series(const gpuc__gce_catalogue *catalogue, const char *machine_type)
{
    char name[16];
    size_t n = strcspn(machine_type, "-");

    /* "custom-2-8192" is the old name of "n1-custom-2-8192"; the shared cores are N1 as well. */
    if ((n == 6 && strncmp(machine_type, "custom", n) == 0) ||
        strcmp(machine_type, "f1-micro") == 0 || strcmp(machine_type, "g1-small") == 0)
        return gpuc__gce_row(catalogue, "series", "name", "n1");
    if (n == 0 || n >= sizeof(name))
        return NULL;
    memcpy(name, machine_type, n);
    name[n] = '\0';
    return gpuc__gce_row(catalogue, "series", "name", name);
}

const char *gpuc__gce_near(const gpuc__gce_catalogue *catalogue, const char *part, const char *name)
{
    gpuc__suggest suggest = gpuc__suggest_for(name);
    json_t *list = json_object_get(gpuc__gce_part(catalogue, part), "list"), *row;
    size_t i;

    json_array_foreach(list, i, row)
    {
        const char *known = gpuc__gce_text(row, "name");

        known = known ? known : gpuc__gce_text(row, "family");
        if (known)
            gpuc__suggest_try(&suggest, known);
    }
    return suggest.best;
}

const json_t *gpuc__gce_catalogue_zones(const gpuc__gce_catalogue *catalogue,
                                        const char *accelerator)
{
    return json_object_get(gpuc__gce_row(catalogue, "zones", "accelerator", accelerator), "zones");
}

bool gpuc__gce_is_zone(const char *name)
{
    const char *dash = strrchr(name, '-');

    return dash && dash > name && dash[1] && memchr(name, '-', (size_t)(dash - name)) &&
           strlen(name) <= 63 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name);
}

char *gpuc__gce_region_of(const char *zone)
{
    return gpuc__gce_is_zone(zone) ? gpuc__strndup(zone, (size_t)(strrchr(zone, '-') - zone))
                                   : NULL;
}

int gpuc__gce_catalogue_new(gpuc__gce_catalogue **out, gpuc_error **err)
{
    gpuc__gce_catalogue *catalogue = gpuc__calloc(1, sizeof(*catalogue));
    const json_t *prices, *disks;
    int rc;

    if (!catalogue)
        return gpuc__error_nomem(err);
    rc = gpuc__table_load(&catalogue->root, "provider/gce/catalogue.json", err);
    if (rc)
        goto fail;
    prices = gpuc__gce_part(catalogue, "prices");
    disks = gpuc__gce_part(catalogue, "disk_prices");
    catalogue->price_source =
        gpuc__asprintf("%s, %s; of disks: %s, %s", gpuc__table_text(prices, "source"),
                       gpuc__table_text(prices, "date"), gpuc__table_text(disks, "source"),
                       gpuc__table_text(disks, "date"));
    if (!catalogue->price_source) {
        rc = gpuc__error_nomem(err);
        goto fail;
    }
    *out = catalogue;
    return GPUC_OK;
fail:
    gpuc__gce_catalogue_free(catalogue);
    return rc;
}

void gpuc__gce_catalogue_free(gpuc__gce_catalogue *catalogue)
{
    if (!catalogue)
        return;
    json_decref(catalogue->root);
    gpuc__free(catalogue->price_source);
    gpuc__free(catalogue);
}
