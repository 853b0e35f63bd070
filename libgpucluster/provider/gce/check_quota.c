/* SPDX-License-Identifier: Apache-2.0 */
/* Quotas for the whole request: of the project, of each region, by GPU family. What is there
 * already counts as used, and is not asked for again. */
#include <stdlib.h>
#include <string.h>

#include "gpu/tables.h"
#include "provider/gce/check.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"
#include "util/number.h"

#define DOMAIN GPUC_DOMAIN_PROVIDER
#define TEXT_MAX 4096

/* The quota of that name in [{"metric","limit","usage"}], or NULL. */
static const json_t *find_quota(const json_t *quotas, const char *metric)
{
    json_t *quota;
    size_t i;

    json_array_foreach(quotas, i, quota)
    {
        const char *name = json_string_value(json_object_get(quota, "metric"));

        if (name && metric && strcmp(name, metric) == 0)
            return quota;
    }
    return NULL;
}

static double value_of(const json_t *quota, const char *key)
{
    return json_number_value(json_object_get(quota, key));
}

/* A quota for spot that is not granted (limit 0) leaves its use to the usual one. */
static const char *metric_for(const json_t *quotas, const char *spot_metric, const char *metric)
{
    return value_of(find_quota(quotas, spot_metric), "limit") > 0 ? spot_metric : metric;
}

/* needs: {"METRIC": number} */
static int need(json_t *needs, const char *metric, double amount, gpuc_error **err)
{
    double so_far;

    if (!metric || amount <= 0)
        return GPUC_OK;
    so_far = json_number_value(json_object_get(needs, metric));
    return json_object_set_new(needs, metric, json_real(so_far + amount)) ? gpuc__error_nomem(err)
                                                                          : GPUC_OK;
}

static bool is_there(const gpuc__gce_wish *wish, const json_t *facts, size_t machine)
{
    char *name = gpuc__gce_instance_name(wish->spec->name, wish->spec->machines[machine].name);
    json_t *instance;
    bool found = false;
    size_t i;

    json_array_foreach(json_object_get(facts, "instances"), i, instance)
    {
        if (name && strcmp(gpuc__table_text(instance, "name"), name) == 0)
            found = true;
    }
    gpuc__free(name);
    return found;
}

static const char *cpu_metric(const gpuc__gce_wish *wish, const gpuc__gce_shape *shape,
                              const json_t *quotas)
{
    const char *metric = gpuc__gce_catalogue_cpu_quota(wish->catalogue, shape);

    if (shape->spot)
        metric = metric_for(quotas, "PREEMPTIBLE_CPUS", metric);
    return metric && find_quota(quotas, metric) ? metric : "CPUS";
}

static int need_machine(const gpuc__gce_wish *wish, size_t machine, const json_t *quotas,
                        json_t *regional, json_t *families, gpuc_error **err)
{
    const gpuc__gce_shape *shape = &wish->shapes[machine];
    const char *family, *gpus = gpuc__gce_catalogue_quota(wish->catalogue, shape, &family);
    const char *spot = gpuc__gce_catalogue_spot_quota(wish->catalogue, shape);
    bool slow_disk = strcmp(shape->disk_type, "pd-standard") == 0;
    int rc;

    if (shape->spot && spot)
        gpus = metric_for(quotas, spot, gpus);
    rc = need(regional, gpus, shape->gpus, err);
    if (!rc && !gpus)
        rc = need(families, family, shape->gpus, err);
    if (!rc)
        rc = need(regional, cpu_metric(wish, shape, quotas), shape->vcpus, err);
    if (!rc && strncmp(shape->disk_type, "pd-", 3) == 0)
        rc = need(regional, slow_disk ? "DISKS_TOTAL_GB" : "SSD_TOTAL_GB", shape->disk_gb, err);
    if (!rc && wish->spec->external_ip)
        rc = need(regional, "IN_USE_ADDRESSES", 1, err);
    return rc ? rc : need(regional, "INSTANCES", 1, err);
}

/* Compares; what is short goes into `shortfalls` as text, everything into described.quotas. */
static int compare(gpuc__gce_wish *wish, const json_t *quotas, json_t *needs, const char *where,
                   gpuc__buf *shortfalls, gpuc_error **err)
{
    json_t *told = json_object_get(wish->described, "quotas"), *amount;
    const char *metric;
    int rc = GPUC_OK;

    json_object_foreach(needs, metric, amount)
    {
        const json_t *quota = find_quota(quotas, metric);
        double limit = value_of(quota, "limit"), usage = value_of(quota, "usage");
        double wanted = json_number_value(amount);
        json_t *row;

        if (!quota && strstr(metric, "PUS")) {
            rc = gpuc__gce_wish_note(wish, err, "quota %s of %s is not known", metric, where);
        } else if (quota) {
            row = json_pack("{s:s, s:s, s:f, s:f, s:f}", "metric", metric, "where", where, "limit",
                            limit, "usage", usage, "needed", wanted);
            if (!row || json_array_append_new(told, row))
                rc = gpuc__error_nomem(err);
            if (usage + wanted > limit)
                gpuc__buf_printf(shortfalls,
                                 "%s%s of %s is %g, of which %g are in use, and %g "
                                 "more are needed",
                                 shortfalls->length ? "; " : "", metric, where, limit, usage,
                                 wanted);
        }
        if (rc)
            return rc;
    }
    return rc;
}

/* The limit of a family in a region; negative: not known. */
static double family_limit(const json_t *answer, const char *family, const char *region)
{
    json_t *infos = json_object_get(answer, "dimensionsInfos"), *info;
    size_t i;

    json_array_foreach(infos, i, info)
    {
        const json_t *dimensions = json_object_get(info, "dimensions");
        const char *value = gpuc__table_text(json_object_get(info, "details"), "value");

        if (strcmp(gpuc__table_text(dimensions, "gpu_family"), family) == 0 &&
            strcmp(gpuc__table_text(dimensions, "region"), region) == 0 && *value)
            return *value == '-' ? 1e15 : gpuc__strtod(value, NULL); /* -1: no limit */
    }
    return -1;
}

static int compare_families(gpuc__gce_wish *wish, const json_t *answer, json_t *needs,
                            const char *region, gpuc__buf *shortfalls, gpuc_error **err)
{
    json_t *amount;
    const char *family;
    int rc = GPUC_OK;

    json_object_foreach(needs, family, amount)
    {
        double limit = family_limit(answer, family, region), wanted = json_number_value(amount);

        if (limit < 0)
            rc = gpuc__gce_wish_note(wish, err,
                                     "the quota of GPU family %s in %s is not known: the "
                                     "Cloud Quotas API did not tell it",
                                     family, region);
        else if (wanted > limit)
            gpuc__buf_printf(shortfalls,
                             "%sGPUS_PER_GPU_FAMILY of %s in %s is %g, and %g are needed",
                             shortfalls->length ? "; " : "", family, region, limit, wanted);
        else
            rc = gpuc__gce_wish_note(wish, err,
                                     "the quota of GPU family %s in %s is %g; how much of "
                                     "it is in use is not known",
                                     family, region, limit);
        if (rc)
            return rc;
    }
    return rc;
}

static int region_quotas(gpuc__gce_wish *wish, const json_t *facts, const char *region,
                         gpuc__buf *shortfalls, gpuc_error **err)
{
    const json_t *answer = json_object_get(json_object_get(facts, "regions"), region);
    const json_t *quotas = json_object_get(answer, "quotas");
    json_t *needs = json_object(), *families = json_object();
    int rc = needs && families ? GPUC_OK : gpuc__error_nomem(err);

    for (size_t i = 0; !rc && i < wish->spec->machine_count; i++) {
        if (!is_there(wish, facts, i))
            rc = need_machine(wish, i, quotas, needs, families, err);
    }
    if (!rc)
        rc = compare(wish, quotas, needs, region, shortfalls, err);
    if (!rc)
        rc = compare_families(wish, json_object_get(facts, "families"), families, region,
                              shortfalls, err);
    json_decref(needs);
    json_decref(families);
    return rc;
}

static int global_quotas(gpuc__gce_wish *wish, const json_t *facts, gpuc__buf *shortfalls,
                         gpuc_error **err)
{
    const json_t *quotas = json_object_get(json_object_get(facts, "project"), "quotas");
    json_t *needs = json_object();
    int rc = needs ? GPUC_OK : gpuc__error_nomem(err);

    for (size_t i = 0; !rc && i < wish->spec->machine_count; i++) {
        const gpuc__gce_shape *shape = &wish->shapes[i];
        const char *family = NULL;

        if (is_there(wish, facts, i))
            continue;
        /* Families without a metric of their own do not count in the global one; whether spot does
         * is not documented: that is left to the API. */
        if (!shape->spot && gpuc__gce_catalogue_quota(wish->catalogue, shape, &family))
            rc = need(needs, "GPUS_ALL_REGIONS", shape->gpus, err);
        if (!rc)
            rc = need(needs, "CPUS_ALL_REGIONS", shape->vcpus, err);
    }
    if (!rc)
        rc = compare(wish, quotas, needs, "the project", shortfalls, err);
    json_decref(needs);
    return rc;
}

static int refuse(const gpuc__gce_wish *wish, const gpuc__buf *shortfalls, gpuc_error **err)
{
    gpuc__error_set(err, GPUC_ELIMIT, DOMAIN, "quotas of project %s do not allow it: %s",
                    wish->project, gpuc__buf_text(shortfalls));
    gpuc__error_remedy(err,
                       "ask for more at https://console.cloud.google.com/iam-admin/quotas"
                       "?project=%s, name zones of another region, or ask for fewer machines",
                       wish->project);
    return GPUC_ELIMIT;
}

int gpuc__gce_facts_quotas(gpuc__gce_wish *wish, const json_t *facts, gpuc_error **err)
{
    gpuc__buf first = GPUC__BUF_INIT(TEXT_MAX), one = GPUC__BUF_INIT(TEXT_MAX);
    bool possible = false;
    json_t *region;
    size_t i;
    int rc = json_object_set_new(wish->described, "quotas", json_array()) ? gpuc__error_nomem(err)
                                                                          : GPUC_OK;

    if (!rc)
        rc = global_quotas(wish, facts, &one, err);
    if (!rc && one.length)
        rc = refuse(wish, &one, err);
    if (rc)
        goto done;
    json_array_foreach(wish->regions, i, region)
    {
        gpuc__buf_reset(&one);
        rc = region_quotas(wish, facts, json_string_value(region), &one, err);
        if (!rc && one.length && i + 1 < json_array_size(wish->regions))
            rc = gpuc__gce_wish_note(wish, err, "%s cannot take it all: %s",
                                     json_string_value(region), gpuc__buf_text(&one));
        if (rc)
            goto done;
        possible = possible || one.length == 0;
        if (i == 0)
            gpuc__buf_puts(&first, gpuc__buf_text(&one));
    }
    if (!possible)
        rc = refuse(wish, &first, err);
done:
    gpuc__buf_clear(&first);
    gpuc__buf_clear(&one);
    return rc;
}
