/* SPDX-License-Identifier: Apache-2.0 */
/* The choice of a driver branch: what the table says of each GPU, narrowed to what serves all. */
#include "gpu/driver.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/tables.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/error.h"

/* What all GPUs seen so far allow. */
typedef struct range {
    int first, last; /* branches; last 0: no end */
    int automatic;
    bool open_possible, proprietary_possible;
    int open_from; /* the branch from which open is the better of both; 0: always */
    const char *lowest_last, *highest_first, *only_open, *only_proprietary; /* who says so */
    gpuc__buf names;
    unsigned unknown_id; /* 0: none */
} range;

static int number(const json_t *object, const char *key)
{
    return (int)json_integer_value(json_object_get(object, key));
}

/* Whole names only: "hopper" is not found in "grace-hopper". */
static bool has_name(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = list; *p;) {
        size_t length = strcspn(p, ",");

        if (length == n && strncmp(p, name, n) == 0)
            return true;
        p += length;
        p += strspn(p, ", ");
    }
    return false;
}

static void narrow(range *r, json_t *arch)
{
    const char *name = gpuc__table_text(arch, "name"), *modules = gpuc__table_text(arch, "modules");
    int first = number(arch, "first"), last = number(arch, "last"), best = number(arch, "auto");
    int open_from = number(arch, "open_from");

    if (has_name(gpuc__buf_text(&r->names), name))
        return;
    gpuc__buf_printf(&r->names, "%s%s", r->names.length ? ", " : "", name);
    if (first > r->first) {
        r->first = first;
        r->highest_first = name;
    }
    if (last && (!r->last || last < r->last)) {
        r->last = last;
        r->lowest_last = name;
    }
    if (!r->automatic || best < r->automatic)
        r->automatic = best;
    if (strcmp(modules, "open") == 0) {
        r->proprietary_possible = false;
        r->only_open = name;
    } else if (strcmp(modules, "proprietary") == 0) {
        r->open_possible = false;
        r->only_proprietary = name;
    }
    if (open_from > r->open_from)
        r->open_from = open_from;
}

static int refuse_mixture(const range *r, const char *a, const char *why_a, const char *b,
                          const char *why_b, gpuc_error **err)
{
    int rc = gpuc__error_set(err, GPUC_EUNSUPPORTED, GPUC_DOMAIN_GPU,
                             "no NVIDIA driver serves all GPUs of this machine (%s): %s %s, %s %s",
                             gpuc__buf_text(&r->names), a, why_a, b, why_b);

    gpuc__error_remedy(err, "put GPUs of these generations into different machines");
    return rc;
}

/* 0: auto; -1: none; else a branch. */
static int read_wish(int *out, const char *wish, gpuc_error **err)
{
    int rc;

    if (strcmp(wish, "auto") == 0) {
        *out = 0;
    } else if (strcmp(wish, "none") == 0) {
        *out = -1;
    } else if (strlen(wish) == 3 && strspn(wish, "0123456789") == 3 && wish[0] != '0') {
        *out = (int)strtol(wish, NULL, 10);
    } else {
        rc = gpuc__error_set(err, GPUC_EINVAL, GPUC_DOMAIN_GPU,
                             "gpu.driver is \"%s\"; expected \"auto\", \"none\" or a driver branch "
                             "such as \"580\"",
                             wish);
        gpuc__error_remedy(err, "correct gpu.driver in the spec");
        return rc;
    }
    return GPUC_OK;
}

static int refuse_branch(const range *r, int branch, gpuc_error **err)
{
    int rc = gpuc__error_set(err, GPUC_EUNSUPPORTED, GPUC_DOMAIN_GPU,
                             "driver branch %d does not serve the GPUs of this machine (%s)",
                             branch, gpuc__buf_text(&r->names));

    if (r->last)
        gpuc__error_remedy(err, "set gpu.driver to auto, or to a branch from %d to %d", r->first,
                           r->last);
    else
        gpuc__error_remedy(err, "set gpu.driver to auto, or to branch %d or later", r->first);
    return rc;
}

/* first and last are 0 when no GPU is known: then any branch will do. */
static int choose(gpuc__driver_choice *out, const range *r, int wish, int production,
                  gpuc_error **err)
{
    int branch = wish ? wish : r->automatic ? r->automatic : production;

    if (r->last && r->first > r->last)
        return refuse_mixture(r, r->lowest_last, "ended with an older branch than",
                              r->highest_first, "begins with", err);
    if (!r->open_possible && !r->proprietary_possible)
        return refuse_mixture(r, r->only_open, "needs the open kernel modules",
                              r->only_proprietary, "cannot use them", err);
    if (!wish && branch < r->first)
        branch = r->first;
    if (branch < r->first || (r->last && branch > r->last))
        return refuse_branch(r, branch, err);
    out->branch = branch;
    out->open = r->open_possible && (!r->proprietary_possible || branch >= r->open_from);
    return GPUC_OK;
}

/* The names of the architectures, and what a person should know. */
static int describe(gpuc__driver_choice *out, const range *r, gpuc_error **err)
{
    if (r->unknown_id)
        out->note = gpuc__asprintf("PCI device id %04x is not in this version's table; branch %d "
                                   "is chosen for it without knowing that it serves it",
                                   r->unknown_id, out->branch);
    out->arch = gpuc__strdup(r->names.length ? gpuc__buf_text(&r->names) : "unknown");
    if (r->names.failed || !out->arch || (r->unknown_id && !out->note))
        return gpuc__error_nomem(err);
    return GPUC_OK;
}

int gpuc__driver_choose(gpuc__driver_choice *out, const unsigned *device_ids, size_t count,
                        const char *wish, gpuc_error **err)
{
    gpuc__driver_choice result = {0};
    range r = {.open_possible = true, .proprietary_possible = true,
               .names = GPUC__BUF_INIT(4096)};
    json_t *table = NULL;
    int branch = 0, rc;

    GPUC__CHECK_ARG(err, wish && (device_ids || count == 0));
    rc = read_wish(&branch, wish, err);
    if (rc == GPUC_OK)
        rc = gpuc__table_load(&table, "gpu/driver-branches.json", err);
    if (rc)
        return rc;
    for (size_t i = 0; i < count; i++) {
        json_t *arch = gpuc__driver_arch(table, device_ids[i]);

        if (arch)
            narrow(&r, arch);
        else
            r.unknown_id = device_ids[i];
    }
    result.install = branch >= 0 && count > 0;
    if (result.install)
        rc = choose(&result, &r, branch, number(table, "production"), err);
    if (rc == GPUC_OK)
        rc = describe(&result, &r, err);
    if (rc)
        goto done;
    *out = result;
    memset(&result, 0, sizeof(result));
done:
    gpuc__driver_choice_clear(&result);
    gpuc__buf_clear(&r.names);
    json_decref(table);
    return rc;
}

void gpuc__driver_choice_clear(gpuc__driver_choice *choice)
{
    gpuc__free(choice->arch);
    gpuc__free(choice->note);
    memset(choice, 0, sizeof(*choice));
}
