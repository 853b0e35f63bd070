/* SPDX-License-Identifier: Apache-2.0 */
/* The spec's handle: from a text or a file, and back to JSON. */
#include <string.h>

#include "spec/handle.h"
#include "spec/load.h"
#include "spec/model.h"
#include "spec/read.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

static gpuc_spec *spec_new(const char *file, gpuc_error **err)
{
    gpuc_spec *spec = gpuc__calloc(1, sizeof(*spec));

    if (!spec) {
        gpuc__error_nomem(err);
        return NULL;
    }
    atomic_init(&spec->refs, 1);
    spec->file = gpuc__strdup(file);
    if ((file && !spec->file) || gpuc__schema_new(&spec->schema, err)) {
        gpuc__error_nomem(err);
        return gpuc_spec_unref(spec);
    }
    return spec;
}

static int parse(gpuc_spec **out, const char *text, size_t length, const char *file,
                 const char *folder, gpuc_error **err)
{
    gpuc__spec_where where = {.file = file};
    gpuc_spec *spec = spec_new(file, err);
    int rc = spec ? GPUC_OK : GPUC_ENOMEM;

    if (!rc) {
        spec->folder = gpuc__strdup(folder);
        rc = spec->folder ? GPUC_OK : gpuc__error_nomem(err);
    }
    if (!rc)
        rc = gpuc__spec_read(&spec->root, text, length, &where, err);
    if (!rc)
        rc = gpuc__schema_check(spec->schema, gpuc__schema_root(spec->schema), spec->root, &where,
                                err);
    if (rc)
        gpuc_spec_unref(spec);
    else
        *out = spec;
    return rc;
}

int gpuc_spec_parse(gpuc_spec **out, const char *text, size_t length, const char *filename,
                    gpuc_error **err)
{
    char *folder = NULL;
    int rc;

    GPUC__CHECK_ARG(err, out);
    GPUC__CHECK_ARG(err, text || !length);
    rc = gpuc__spec_here(&folder, err);
    if (!rc)
        rc = parse(out, text ? text : "", length, filename ? filename : "spec", folder, err);
    gpuc__free(folder);
    return rc;
}

int gpuc_spec_load(gpuc_spec **out, const char *path, gpuc_error **err)
{
    gpuc__buf text = GPUC__BUF_INIT(GPUC__SPEC_MAX_BYTES);
    char *folder = NULL;
    int rc;

    GPUC__CHECK_ARG(err, out);
    GPUC__CHECK_ARG(err, path);
    rc = gpuc__spec_load(&text, &folder, path, err);
    if (!rc)
        rc = parse(out, gpuc__buf_text(&text), text.length, path, folder, err);
    gpuc__buf_clear(&text);
    gpuc__free(folder);
    return rc;
}

static bool add_text(gpuc__spec_node *map, const char *key, const char *text)
{
    return gpuc__spec_node_add(map, key, 0, 0,
                               gpuc__spec_node_scalar(text, strlen(text), false, 0, 0));
}

int gpuc_spec_new(gpuc_spec **out, const char *name, gpuc_error **err)
{
    gpuc__spec_where where = {.path = "name"};
    gpuc_spec *spec;
    int rc = GPUC_OK;

    GPUC__CHECK_ARG(err, out);
    GPUC__CHECK_ARG(err, name);
    spec = spec_new(NULL, err);
    if (!spec)
        return GPUC_ENOMEM;
    rc = gpuc__spec_here(&spec->folder, err);
    spec->root = gpuc__spec_node_new(GPUC__SPEC_MAP, 0, 0);
    if (!rc && (!spec->root || !add_text(spec->root, "apiVersion", "gpucluster/v1") ||
                !add_text(spec->root, "name", name)))
        rc = gpuc__error_nomem(err);
    if (!rc)
        rc = gpuc__schema_check(spec->schema,
                                gpuc__schema_key(gpuc__schema_root(spec->schema), "name"),
                                gpuc__spec_node_get(spec->root, "name"), &where, err);
    if (rc)
        gpuc_spec_unref(spec);
    else
        *out = spec;
    return rc;
}

int gpuc_spec_validate(const gpuc_spec *spec, gpuc_error **err)
{
    gpuc__spec_model *model = NULL;
    int rc;

    GPUC__CHECK_ARG(err, spec);
    rc = gpuc__spec_model_new(&model, spec, err);
    if (!rc)
        gpuc__spec_model_free(model);
    return rc;
}

const char *gpuc_spec_name(const gpuc_spec *spec)
{
    return gpuc__spec_node_text(spec->root, "name", "");
}

const char *gpuc_spec_schema(void)
{
    return gpuc__schema_text();
}

gpuc_spec *gpuc_spec_ref(gpuc_spec *spec)
{
    atomic_fetch_add(&spec->refs, 1);
    return spec;
}

gpuc_spec *gpuc_spec_unref(gpuc_spec *spec)
{
    if (spec && atomic_fetch_sub(&spec->refs, 1) == 1) {
        gpuc__schema_free(spec->schema);
        gpuc__spec_node_free(spec->root);
        gpuc__free(spec->file);
        gpuc__free(spec->folder);
        gpuc__free(spec);
    }
    return NULL;
}

gpuc_machine_spec *gpuc_machine_spec_ref(gpuc_machine_spec *machine)
{
    atomic_fetch_add(&machine->refs, 1);
    return machine;
}

gpuc_machine_spec *gpuc_machine_spec_unref(gpuc_machine_spec *machine)
{
    if (machine && atomic_fetch_sub(&machine->refs, 1) == 1) {
        gpuc_spec_unref(machine->spec);
        gpuc__free(machine);
    }
    return NULL;
}

gpuc__spec_node *gpuc__spec_at(const gpuc_spec *spec, const char *path)
{
    gpuc__spec_node *node = spec->root;

    while (node && *path) {
        size_t length = strcspn(path, ".");
        char key[64];

        if (length >= sizeof(key))
            return NULL;
        memcpy(key, path, length);
        key[length] = '\0';
        node = gpuc__spec_node_get(node, key);
        path += length + (path[length] == '.');
    }
    return node;
}
