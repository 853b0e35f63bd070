/* SPDX-License-Identifier: Apache-2.0 */
/* The limits that a spec sets for the proof's checks. */
#include <string.h>

#include "gpu/limits.h"
#include "gpu/tables.h"
#include "spec/build.h"
#include "util/error.h"

/* Says at the node what the table says of the name. */
static int check_name(const gpuc__build *b, json_t *table, const gpuc__spec_entry *entry,
                      const char *id, const char *name) /* name NULL: the check as a whole */
{
    gpuc_error *why = NULL;
    gpuc__spec_path path = {.length = 0};
    gpuc__spec_node at = {.line = entry->line, .column = entry->column};
    int rc = name ? gpuc__limits_value_check(table, id, name, entry->value->number, &why)
                  : gpuc__limits_name_check(table, id, NULL, &why);

    if (rc == GPUC_EINVAL) {
        const char *message = gpuc_error_message(why), *said;

        gpuc__spec_path_key(&path, "checks");
        gpuc__spec_path_key(&path, id);
        if (name)
            gpuc__spec_path_key(&path, name);
        said = strstr(message, ": expected "); /* of a limit, whose name the path has */
        rc = gpuc__build_fail(b, &at, path.text, gpuc_error_remedy(why), "%s",
                              said ? said + 2 : message);
    } else if (rc) {
        rc = gpuc__error_nomem(b->err);
    }
    gpuc_error_unref(why);
    return rc;
}

static int add_limits(const gpuc__build *b, json_t *table, const gpuc__spec_entry *check)
{
    json_t *limits = json_object();
    int rc = json_object_set_new(b->model->checks, check->key, limits) < 0
                 ? gpuc__error_nomem(b->err)
                 : GPUC_OK;

    for (size_t i = 0; !rc && i < check->value->count; i++) {
        const gpuc__spec_entry *limit = &check->value->entries[i];

        rc = check_name(b, table, limit, check->key, limit->key);
        if (!rc && json_object_set_new(limits, limit->key, json_real(limit->value->number)) < 0)
            rc = gpuc__error_nomem(b->err);
    }
    return rc;
}

int gpuc__build_checks(const gpuc__build *b)
{
    const gpuc__spec_node *checks = gpuc__spec_at(b->spec, "checks");
    json_t *table = NULL;
    int rc = GPUC_OK;

    b->model->checks = json_object();
    if (!b->model->checks)
        return gpuc__error_nomem(b->err);
    if (checks && checks->count)
        rc = gpuc__table_load(&table, "gpu/checks.json", b->err);
    for (size_t i = 0; !rc && checks && i < checks->count; i++) {
        const gpuc__spec_entry *check = &checks->entries[i];

        rc = check_name(b, table, check, check->key, NULL);
        if (!rc && check->value->type == GPUC__SPEC_MAP)
            rc = add_limits(b, table, check);
        else if (!rc && json_object_set_new(b->model->checks, check->key, json_string("off")) < 0)
            rc = gpuc__error_nomem(b->err);
    }
    json_decref(table);
    return rc;
}
