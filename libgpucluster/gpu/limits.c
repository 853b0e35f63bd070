/* SPDX-License-Identifier: Apache-2.0 */
#include "gpu/limits.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/tables.h"
#include "util/buf.h"
#include "util/error.h"
#include "util/number.h"
#include "util/suggest.h"

#define TEXT_MAX_BYTES 1024
#define LIMIT_MAX 1e12

static json_t *row_of(json_t *table, const char *id)
{
    return gpuc__table_find_text(table, "checks", "id", id);
}

/* The name nearest to text: among the checks, or among the limits of one; NULL. */
static const char *nearest(json_t *table, json_t *row, const char *text)
{
    gpuc__suggest near = gpuc__suggest_for(text);
    const char *key;
    json_t *value;
    size_t i;

    if (row) {
        json_object_foreach(json_object_get(row, "limits"), key, value)
            gpuc__suggest_try(&near, key);
    } else {
        json_array_foreach(json_object_get(table, "checks"), i, value)
            gpuc__suggest_try(&near, gpuc__table_text(value, "id"));
    }
    return near.best;
}

static void list_limits(gpuc__buf *out, json_t *row)
{
    const char *key;
    json_t *value;

    json_object_foreach(json_object_get(row, "limits"), key, value)
        gpuc__buf_printf(out, "%s%s", out->length ? ", " : "", key);
    if (!out->length)
        gpuc__buf_puts(out, "no limits: it is either on or \"off\"");
}

int gpuc__limits_name_check(json_t *table, const char *id, const char *name, gpuc_error **err)
{
    json_t *row = row_of(table, id);
    gpuc__buf has = GPUC__BUF_INIT(TEXT_MAX_BYTES);
    const char *near;
    int rc;

    if (row && (!name || json_object_get(json_object_get(row, "limits"), name)))
        return GPUC_OK;
    near = nearest(table, row, row ? name : id);
    if (row) {
        list_limits(&has, row);
        rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_GPU,
                             "no limit \"%.60s\" of %s%s%s%s; it has %s", name, id,
                             near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "",
                             gpuc__buf_text(&has));
    } else {
        rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_GPU, "no check \"%.60s\"%s%s%s", id,
                             near ? " (did you mean \"" : "", near ? near : "",
                             near ? "\"?)" : "");
    }
    gpuc__error_remedy(err, "docs/checks.md lists the checks and their limits");
    gpuc__buf_clear(&has);
    return rc;
}

static int refuse_value(const char *id, const char *name, const char *wanted, gpuc_error **err)
{
    int rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_GPU, "%s%s%s: expected %s", id,
                             name ? "." : "", name ? name : "", wanted);

    gpuc__error_remedy(err, "docs/checks.md lists the checks and their limits");
    return rc;
}

/* A limit that is one of few whole numbers says up to which: "whole". */
static int check_number(json_t *table, const char *id, const char *name, double number,
                        gpuc_error **err)
{
    json_t *most = json_object_get(json_object_get(row_of(table, id), "whole"), name);
    char wanted[60];

    if (most && !(number >= 0 && number <= json_number_value(most) && number == floor(number))) {
        snprintf(wanted, sizeof(wanted), "a whole number from 0 to %.0f", json_number_value(most));
        return refuse_value(id, name, wanted, err);
    }
    if (!(number >= 0 && number <= LIMIT_MAX))
        return refuse_value(id, name, "a number from 0 to 1e12", err);
    return GPUC_OK;
}

int gpuc__limits_value_check(json_t *table, const char *id, const char *name, double number,
                             gpuc_error **err)
{
    int rc = gpuc__limits_name_check(table, id, name, err);

    return rc ? rc : check_number(table, id, name, number, err);
}

static int apply_limits(json_t *table, const char *id, json_t *wanted, gpuc_error **err)
{
    json_t *row = row_of(table, id), *value, *limits = json_object_get(row, "limits");
    const char *name;

    json_object_foreach(wanted, name, value) {
        int rc = gpuc__limits_value_check(table, id, name,
                                          json_is_number(value) ? json_number_value(value) : -1, err);

        if (rc)
            return rc;
        if (json_object_set(limits, name, value) < 0)
            return gpuc__error_nomem(err);
    }
    return json_object_set_new(row, "overridden", json_true()) < 0 ? gpuc__error_nomem(err)
                                                                   : GPUC_OK;
}

int gpuc__limits_apply(json_t *table, const json_t *overrides, gpuc_error **err)
{
    const char *id;
    json_t *wanted;
    int rc = GPUC_OK;

    json_object_foreach((json_t *)overrides, id, wanted) {
        rc = gpuc__limits_name_check(table, id, NULL, err);
        if (!rc && json_is_object(wanted))
            rc = apply_limits(table, id, wanted, err);
        else if (!rc && json_is_string(wanted) && strcmp(json_string_value(wanted), "off") == 0)
            rc = json_object_set_new(row_of(table, id), "off", json_true()) < 0
                     ? gpuc__error_nomem(err)
                     : GPUC_OK;
        else if (!rc)
            rc = refuse_value(id, NULL, "\"off\", or limits with their numbers", err);
        if (rc)
            break;
    }
    return rc;
}

/* The whole text is one number that is not negative. */
static bool read_number(double *out, const char *text)
{
    char *end;

    errno = 0;
    *out = gpuc__strtod(text, &end);
    return end != text && !*end && !errno && isfinite(*out) && *out >= 0 && *out <= LIMIT_MAX;
}

static int set_limit(json_t *table, json_t *overrides, const char *id, const char *name, const char *value,
                     gpuc_error **err)
{
    json_t *limits = json_object_get(overrides, id);
    double number;
    int rc = gpuc__limits_value_check(table, id, name, read_number(&number, value) ? number : -1, err);

    if (rc)
        return rc;
    if (!json_is_object(limits)) {
        limits = json_object();
        if (json_object_set_new(overrides, id, limits) < 0)
            return gpuc__error_nomem(err);
    }
    return json_object_set_new(limits, name, json_real(number)) < 0 ? gpuc__error_nomem(err)
                                                                    : GPUC_OK;
}

static int set_whole(json_t *overrides, const char *id, const char *value, gpuc_error **err)
{
    if (strcmp(value, "on") == 0) {
        json_object_del(overrides, id);
        return GPUC_OK;
    }
    if (strcmp(value, "off") != 0)
        return refuse_value(id, NULL, "\"off\" or \"on\"; a number belongs to one of its limits", err);
    return json_object_set_new(overrides, id, json_string("off")) < 0 ? gpuc__error_nomem(err)
                                                                      : GPUC_OK;
}

int gpuc__limits_set(json_t *overrides, const char *id, const char *value, gpuc_error **err)
{
    const char *dot = strrchr(id, '.');
    json_t *table = NULL;
    char check[64] = "";
    int rc = gpuc__table_load(&table, "gpu/checks.json", err);

    if (rc)
        return rc;
    if (dot && (size_t)(dot - id) < sizeof(check))
        memcpy(check, id, (size_t)(dot - id));
    if (row_of(table, id)) {
        rc = set_whole(overrides, id, value, err);
    } else if (*check && row_of(table, check)) {
        rc = set_limit(table, overrides, check, dot + 1, value, err);
    } else {
        rc = gpuc__limits_name_check(table, id, NULL, err);
    }
    json_decref(table);
    return rc;
}

char *gpuc__limits_text(json_t *row)
{
    json_t *limits = json_object_get(row, "limits");
    const char *text = gpuc__table_text(row, "threshold");
    gpuc__buf out = GPUC__BUF_INIT(TEXT_MAX_BYTES);

    while (*text) {
        size_t plain = strcspn(text, "{"), length = strcspn(text + plain, "}");
        char name[64] = "";
        json_t *value = NULL;

        gpuc__buf_add(&out, text, plain);
        text += plain;
        if (*text == '{' && text[length] == '}' && length - 1 < sizeof(name)) {
            memcpy(name, text + 1, length - 1);
            value = json_object_get(limits, name);
        }
        if (value) {
            gpuc__buf_printf(&out, "%.10g", json_number_value(value));
            text += length + 1;
        } else if (*text) {
            gpuc__buf_putc(&out, *text++);
        }
    }
    if (json_is_true(json_object_get(row, "overridden")))
        gpuc__buf_puts(&out, " (limits set by the user)");
    return gpuc__buf_take(&out);
}
