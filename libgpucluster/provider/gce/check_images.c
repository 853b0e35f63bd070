/* SPDX-License-Identifier: Apache-2.0 */
/* Images that the families stand for now, and what the account may do. */
#include <stdlib.h>
#include <string.h>

#include "gpu/tables.h"
#include "provider/gce/check.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

#define DOMAIN GPUC_DOMAIN_PROVIDER
#define TEXT_MAX 2048

/* int64 values travel as text. */
static long long number_of(const json_t *item, const char *key)
{
    const json_t *value = json_object_get(item, key);

    return json_is_string(value) ? strtoll(json_string_value(value), NULL, 10)
                                 : json_integer_value(value);
}

static int check_image(const gpuc__gce_shape *shape, const json_t *image, gpuc_error **err)
{
    const char *arch = json_string_value(json_object_get(image, "architecture"));
    long long gb = number_of(image, "diskSizeGb");

    if (arch && *arch && strcmp(arch, "ARCHITECTURE_UNSPECIFIED") != 0 &&
        (strcmp(arch, "ARM64") == 0) != shape->arm) {
        gpuc__error_set(err, GPUC_EINVAL, DOMAIN, "image %s/%s is for %s, and %s is not",
                        shape->image_project, shape->image_family, arch, shape->machine_type);
        gpuc__error_remedy(err, "set image.family to one for the processor of the machine type");
        return GPUC_EINVAL;
    }
    if (gb > shape->disk_gb) {
        gpuc__error_set(err, GPUC_EINVAL, DOMAIN,
                        "image %s/%s needs a disk of %lld GB, and the machine gets one of %d GB",
                        shape->image_project, shape->image_family, gb, shape->disk_gb);
        gpuc__error_remedy(err, "set disk.size_gb to %lld or more", gb);
        return GPUC_EINVAL;
    }
    return GPUC_OK;
}

/* Once for each family: what it stands for today is part of the plan. */
static int record_image(gpuc__gce_wish *wish, const gpuc__gce_shape *shape, const json_t *image,
                        gpuc_error **err)
{
    json_t *images = json_object_get(wish->described, "images"), *one;
    const char *name = json_string_value(json_object_get(image, "name"));
    size_t i;

    json_array_foreach(images, i, one)
    {
        if (strcmp(gpuc__table_text(one, "family"), shape->image_family) == 0 &&
            strcmp(gpuc__table_text(one, "project"), shape->image_project) == 0)
            return GPUC_OK;
    }
    one = json_pack("{s:s, s:s, s:s?}", "project", shape->image_project, "family",
                    shape->image_family, "name", name);
    return one && json_array_append_new(images, one) == 0 ? GPUC_OK : gpuc__error_nomem(err);
}

int gpuc__gce_facts_images(gpuc__gce_wish *wish, const json_t *facts, gpuc_error **err)
{
    int rc = GPUC_OK;

    for (size_t i = 0; !rc && i < wish->spec->machine_count; i++) {
        const gpuc__gce_shape *shape = &wish->shapes[i];
        char *key = gpuc__asprintf("%s/%s", shape->image_project, shape->image_family);
        const json_t *image = key ? json_object_get(json_object_get(facts, "images"), key) : NULL;

        if (!key)
            return gpuc__error_nomem(err);
        gpuc__free(key);
        rc = check_image(shape, image, err);
        if (!rc)
            rc = record_image(wish, shape, image, err);
        else
            gpuc__error_at(err, wish->spec->machines[i].name, NULL);
    }
    return rc;
}

/* Whether a permission's `when` concerns the spec. */
static bool concerns(const gpuc__spec_model *spec, const char *when)
{
    const char *account = spec->service_account;

    if (strcmp(when, "always") == 0)
        return true;
    if (strcmp(when, "expose") == 0)
        return spec->expose_count > 0 || !spec->external_ip;
    if (strcmp(when, "project_key") == 0)
        return spec->project_ssh_key;
    if (strcmp(when, "external_ip") == 0)
        return spec->external_ip;
    if (strcmp(when, "iap") == 0)
        return !spec->external_ip;
    return strcmp(when, "service_account") == 0 && account && strcmp(account, "none") != 0;
}

int gpuc__gce_permissions(json_t **out, const gpuc__spec_model *spec, gpuc_error **err)
{
    json_t *table = NULL, *names = json_array(), *row;
    size_t i;
    int rc = names ? gpuc__table_load(&table, "provider/gce/permissions.json", err)
                   : gpuc__error_nomem(err);

    json_array_foreach(json_object_get(table, "list"), i, row)
    {
        if (!rc && concerns(spec, gpuc__table_text(row, "when")) &&
            json_array_append(names, json_object_get(row, "name")))
            rc = gpuc__error_nomem(err);
    }
    if (rc)
        json_decref(names);
    else
        *out = names;
    json_decref(table);
    return rc;
}

static bool granted(const json_t *list, const char *name)
{
    json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        const char *text = json_string_value(one);

        if (text && strcmp(text, name) == 0)
            return true;
    }
    return false;
}

int gpuc__gce_facts_permissions(gpuc__gce_wish *wish, const json_t *facts, gpuc_error **err)
{
    const json_t *answer = json_object_get(facts, "permissions");
    const json_t *has = json_object_get(answer, "permissions");
    gpuc__buf missing = GPUC__BUF_INIT(TEXT_MAX), elsewhere = GPUC__BUF_INIT(TEXT_MAX);
    json_t *table = NULL, *row;
    size_t i;
    int rc = answer ? gpuc__table_load(&table, "provider/gce/permissions.json", err) : GPUC_OK;

    json_array_foreach(json_object_get(table, "list"), i, row)
    {
        const char *name = gpuc__table_text(row, "name");
        gpuc__buf *to = json_is_true(json_object_get(row, "elsewhere")) ? &elsewhere : &missing;

        if (concerns(wish->spec, gpuc__table_text(row, "when")) && !granted(has, name))
            gpuc__buf_printf(to, "%s%s", to->length ? ", " : "", name);
    }
    if (!rc && missing.length) {
        rc = gpuc__error_set(err, GPUC_EPERM, DOMAIN,
                             "the account lacks permissions on project %s: "
                             "%s",
                             wish->project, gpuc__buf_text(&missing));
        gpuc__error_remedy(err, "grant it roles that have them, for example "
                                "roles/compute.instanceAdmin.v1, and roles/compute.securityAdmin "
                                "for firewall rules");
    } else if (!rc && elsewhere.length) {
        rc = gpuc__gce_wish_note(wish, err,
                                 "not granted on the project (it may be on a resource of "
                                 "it): %s",
                                 gpuc__buf_text(&elsewhere));
    }
    gpuc__buf_clear(&missing);
    gpuc__buf_clear(&elsewhere);
    json_decref(table);
    return rc;
}
