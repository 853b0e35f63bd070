/* SPDX-License-Identifier: Apache-2.0 */
#include "gpu/rules.h"

#include <stdlib.h>
#include <string.h>

#include "gpu/limits.h"
#include "gpu/tables.h"
#include "util/alloc.h"
#include "util/error.h"

static int compare(const void *left, const void *right)
{
    const gpuc__rule *const *a = left, *const *b = right;

    return strcmp((*a)->id, (*b)->id);
}

/* The rows as they are looked up by each result of each GPU. */
static int index_rows(gpuc__rules *rules, gpuc_error **err)
{
    json_t *rows = json_object_get(rules->checks, "checks"), *row;
    size_t i, count = json_array_size(rows);

    rules->list = gpuc__calloc(count + 1, sizeof(*rules->list));
    rules->by_id = gpuc__calloc(count + 1, sizeof(*rules->by_id));
    if (!rules->list || !rules->by_id)
        return gpuc__error_nomem(err);
    json_array_foreach(rows, i, row) {
        gpuc__rule *rule = &rules->list[i];

        *rule = (gpuc__rule){.id = gpuc__table_text(row, "id"),
                             .title = gpuc__table_text(row, "title"),
                             .source = gpuc__table_text(row, "source"),
                             .remedy = gpuc__table_text(row, "remedy"),
                             .needs = gpuc__table_text(row, "needs"),
                             .threshold = gpuc__limits_text(row),
                             .off = json_is_true(json_object_get(row, "off")),
                             .row = row};
        rules->by_id[rules->count++] = rule;
        if (!rule->threshold)
            return gpuc__error_nomem(err);
    }
    qsort(rules->by_id, rules->count, sizeof(*rules->by_id), compare);
    return GPUC_OK;
}

int gpuc__rules_new(gpuc__rules **out, const json_t *limits, gpuc_error **err)
{
    gpuc__rules *rules = gpuc__calloc(1, sizeof(*rules));
    int rc;

    if (!rules)
        return gpuc__error_nomem(err);
    atomic_init(&rules->refs, 1);
    rc = gpuc__table_load(&rules->checks, "gpu/checks.json", err);
    if (rc == GPUC_OK)
        rc = gpuc__table_load(&rules->branches, "gpu/driver-branches.json", err);
    if (rc == GPUC_OK)
        rc = gpuc__table_load(&rules->xids, "gpu/xid.json", err);
    if (rc == GPUC_OK)
        rc = gpuc__limits_apply(rules->checks, limits, err);
    if (rc == GPUC_OK)
        rc = index_rows(rules, err);
    if (rc < 0)
        gpuc__rules_unref(rules);
    else
        *out = rules;
    return rc;
}

int gpuc__rules_take(gpuc__rules **out, gpuc__rules *given, gpuc_error **err)
{
    if (!given)
        return gpuc__rules_new(out, NULL, err);
    atomic_fetch_add(&given->refs, 1);
    *out = given;
    return GPUC_OK;
}

void gpuc__rules_unref(gpuc__rules *rules)
{
    if (!rules || atomic_fetch_sub(&rules->refs, 1) != 1)
        return;
    for (size_t i = 0; i < rules->count; i++)
        gpuc__free(rules->list[i].threshold);
    gpuc__free(rules->list);
    gpuc__free(rules->by_id);
    json_decref(rules->checks);
    json_decref(rules->branches);
    json_decref(rules->xids);
    gpuc__free(rules);
}

const gpuc__rule *gpuc__rules_find(const gpuc__rules *rules, const char *id)
{
    const gpuc__rule key = {.id = id}, *wanted = &key, **found;

    found = bsearch(&wanted, rules->by_id, rules->count, sizeof(*rules->by_id), compare);
    return found ? *found : NULL;
}

double gpuc__rules_limit(const gpuc__rules *rules, const char *id, const char *name)
{
    const gpuc__rule *rule = gpuc__rules_find(rules, id);

    return rule ? json_number_value(json_object_get(json_object_get(rule->row, "limits"), name)) : 0;
}
