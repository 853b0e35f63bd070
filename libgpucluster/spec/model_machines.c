/* SPDX-License-Identifier: Apache-2.0 */
/* The machines of the model: one for each, `count` expanded. */
#include <string.h>

#include "spec/build.h"
#include "util/alloc.h"
#include "util/error.h"

#define MACHINES_MAX 1000

/* One entry of `machines`. */
typedef struct group {
    const gpuc__spec_node *node;
    size_t index;
    gpuc__spec_path path;
} group;

static const gpuc__spec_node *get(const group *g, const char *key)
{
    return gpuc__spec_node_get(g->node, key);
}

static int integer(const gpuc__spec_node *node, int otherwise)
{
    return node ? (int)node->integer : otherwise;
}

/* An error at a key of the group. */
static int fail(const gpuc__build *b, group *g, const char *key, const char *remedy,
                const char *what)
{
    const gpuc__spec_node *node = get(g, key);

    gpuc__spec_path_key(&g->path, key);
    return gpuc__build_fail(b, node ? node : g->node, g->path.text, remedy, "%s", what);
}

/* count, unless the whole becomes too much. */
static int count_machines(const gpuc__build *b, const gpuc__spec_node *list, size_t *total)
{
    size_t n = 0;

    for (size_t i = 0; i < list->count; i++) {
        const gpuc__spec_node *node = list->entries[i].value;
        gpuc__spec_where where = {b->spec->file, node->line, node->column, "machines"};

        n += (size_t)integer(gpuc__spec_node_get(node, "count"), 1);
        if (n > MACHINES_MAX) {
            int rc = gpuc__spec_error(b->err, GPUC_ELIMIT, &where,
                                      "more than %d machines in all; expected at most %d",
                                      MACHINES_MAX, MACHINES_MAX);

            gpuc__error_remedy(b->err, "Lower count, or make a second cluster.");
            return rc;
        }
    }
    *total = n;
    return GPUC_OK;
}

static int build_gpus(const gpuc__build *b, group *g, gpuc__machine_model *m)
{
    const gpuc__spec_node *gpus = get(g, "gpus"), *accelerator = get(g, "accelerator");
    bool devices = gpus && gpus->type == GPUC__SPEC_LIST;
    int rc;

    if (gpus && accelerator)
        return fail(b, g, "gpus", "Keep gpus or accelerator, and remove the other.",
                    "given beside accelerator; expected one of the two");
    if (devices && b->model->provider != GPUC__PROVIDER_LOCAL)
        return fail(b, g, "gpus", "Write the number of GPUs.",
                    "PCI addresses belong to provider local; expected an integer from 0 to 16");
    if (accelerator)
        m->gpus = integer(gpuc__spec_node_get(accelerator, "count"), 1);
    else
        m->gpus = devices ? (int)gpus->count : integer(gpus, 0);
    rc = gpuc__build_text(b, &m->accelerator, gpuc__spec_node_get(accelerator, "type"), NULL);
    if (!rc)
        rc = gpuc__build_list(b, &m->gpu_devices, devices ? gpus : NULL);
    return rc;
}

static int build_image(const gpuc__build *b, group *g, gpuc__machine_model *m)
{
    const gpuc__spec_node *image = get(g, "image");

    if (image && image->type != GPUC__SPEC_STRING && b->model->provider == GPUC__PROVIDER_LOCAL)
        return fail(b, g, "image", "Write the alias that the daemon lists.",
                    "a mapping belongs to provider gce; expected an image alias");
    if (image && image->type == GPUC__SPEC_STRING && b->model->provider == GPUC__PROVIDER_GCE)
        return fail(b, g, "image", "Write {project: …, family: …}.",
                    "an alias belongs to provider local; expected {project, family}");
    if (image && image->type != GPUC__SPEC_STRING)
        return GPUC_OK; /* a cloud's: build_cloud_machine reads it */
    return gpuc__build_text(b, &m->image, image, NULL);
}

static int build_access(const gpuc__build *b, group *g, gpuc__machine_model *m)
{
    const gpuc__spec_node *identity = get(g, "identity");
    size_t back = gpuc__spec_path_key(&g->path, "identity");
    int rc = gpuc__build_path(b, &m->identity, identity, g->path.text, b->model->ssh_identity);

    gpuc__spec_path_back(&g->path, back);
    m->port = integer(get(g, "port"), 22);
    if (!rc)
        rc = gpuc__build_text(b, &m->host, get(g, "host"), NULL);
    if (!rc)
        rc = gpuc__build_text(b, &m->user, get(g, "user"), b->model->ssh_user);
    if (!rc)
        rc = gpuc__build_list(b, &m->host_keys, get(g, "host_key"));
    return rc;
}

static int build_machine(const gpuc__build *b, group *g, gpuc__machine_model *m, int number)
{
    const char *name = gpuc__spec_node_text(g->node, "name", "");
    bool worker = strcmp(gpuc__spec_node_text(g->node, "role", ""), "worker") == 0;
    int rc = GPUC_OK;

    m->role = worker ? GPUC__ROLE_WORKER : GPUC__ROLE_CONTROL_PLANE;
    m->cpus = integer(get(g, "cpus"), 0);
    m->name = number ? gpuc__asprintf("%s-%d", name, number) : gpuc__strdup(name);
    m->group = gpuc__strdup(name);
    if (!m->name || !m->group)
        rc = gpuc__error_nomem(b->err);
    if (!rc)
        rc = build_gpus(b, g, m);
    if (!rc)
        rc = build_image(b, g, m);
    if (!rc)
        rc = build_access(b, g, m);
    if (!rc)
        rc = gpuc__build_text(b, &m->memory, get(g, "memory"), NULL);
    if (!rc)
        rc = gpuc__build_cloud_machine(b, g->node, m);
    return rc;
}

static int build_group(const gpuc__build *b, group *g, size_t *origins)
{
    const gpuc__spec_node *counted = get(g, "count");
    int count = integer(counted, 1);

    for (int i = 1; i <= count; i++) {
        gpuc__machine_model *m = &b->model->machines[b->model->machine_count];
        int rc;

        origins[b->model->machine_count++] = g->index; /* counted first: freed on failure too */
        rc = build_machine(b, g, m, counted ? i : 0);
        if (rc)
            return rc;
    }
    return GPUC_OK;
}

int gpuc__build_machines(const gpuc__build *b)
{
    const gpuc__spec_node *list = gpuc__spec_at(b->spec, "machines");
    size_t *origins = NULL, total = 0;
    int rc = count_machines(b, list, &total);

    if (rc)
        return rc;
    b->model->machines = gpuc__calloc(total, sizeof(*b->model->machines));
    origins = gpuc__calloc(total, sizeof(*origins));
    if (!b->model->machines || !origins)
        rc = gpuc__error_nomem(b->err);
    for (size_t i = 0; !rc && i < list->count; i++) {
        group g = {.node = list->entries[i].value, .index = i};

        gpuc__spec_path_key(&g.path, "machines");
        gpuc__spec_path_index(&g.path, i);
        rc = build_group(b, &g, origins);
    }
    if (!rc)
        rc = gpuc__build_check_machines(b, origins);
    gpuc__free(origins);
    return rc;
}
