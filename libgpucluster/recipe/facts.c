/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what sh/facts.sh printed. */
#include "recipe/facts.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"

enum { MAX_FACTS = 64 * 1024 };

typedef enum kind { TEXT, INT, LONG, BOOL } kind;

#define FIELD(name) offsetof(gpuc__facts, name), sizeof(((gpuc__facts *)0)->name)

static const struct fact {
    const char *key;
    kind kind;
    size_t offset, size;
} facts[] = {
    {"os", TEXT, FIELD(os)},
    {"arch", TEXT, FIELD(arch)},
    {"kernel", TEXT, FIELD(kernel)},
    {"virt", TEXT, FIELD(virt)},
    {"boot_id", TEXT, FIELD(boot_id)},
    {"hostname", TEXT, FIELD(hostname)},
    {"product_uuid", TEXT, FIELD(product_uuid)},
    {"machine_id", TEXT, FIELD(machine_id)},
    {"address", TEXT, FIELD(address)},
    {"owner", TEXT, FIELD(owner)},
    {"nvidia_smi", TEXT, FIELD(nvidia_smi)},
    {"nvidia_loaded", TEXT, FIELD(nvidia_loaded)},
    {"secure_boot", TEXT, FIELD(secure_boot)},
    {"cgroup", INT, FIELD(cgroup)},
    {"systemd", INT, FIELD(systemd)},
    {"cpus", INT, FIELD(cpus)},
    {"memory_kib", LONG, FIELD(memory_kib)},
    {"disk_free_kib", LONG, FIELD(disk_free_kib)},
    {"time", LONG, FIELD(time)},
    {"container", BOOL, FIELD(container)},
    {"cap_sys_resource", BOOL, FIELD(cap_sys_resource)},
    {"swap", BOOL, FIELD(swap)},
    {"simulated", BOOL, FIELD(simulated)},
};

static int bad(gpuc_error **err, const char *key, const char *value)
{
    return gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_MACHINE,
                           "the machine says %.32s=%.64s, which cannot be", key, value);
}

static int read_number(long long *out, const char *key, const char *value, gpuc_error **err)
{
    char *end = NULL;
    if (!*value) { /* not known on this machine */
        *out = 0;
        return GPUC_OK;
    }
    errno = 0;
    long long n = strtoll(value, &end, 10);
    if (errno || *end || n < 0)
        return bad(err, key, value);
    *out = n;
    return GPUC_OK;
}

/* "0000:00:04.0 10de:1eb8 0000:00:05.0 10de:1eb8": line ends became spaces. */
static int read_gpus(gpuc__facts *into, const char *value, gpuc_error **err)
{
    const char *at = value;
    while ((at = strstr(at, " 10de:"))) {
        char *end = NULL;
        at += 6;
        unsigned long id = strtoul(at, &end, 16);
        if (end != at + 4 || into->gpu_count == GPUC__FACTS_GPUS)
            return bad(err, "gpu_devices", value);
        into->gpu_devices[into->gpu_count++] = (unsigned)id;
        at = end;
    }
    return GPUC_OK;
}

static int read_fact(gpuc__facts *into, const char *key, const char *value, gpuc_error **err)
{
    long long n = 0;
    if (strcmp(key, "gpu_devices") == 0)
        return read_gpus(into, value, err);
    for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++) {
        const struct fact *f = &facts[i];
        char *field = (char *)into + f->offset;
        if (strcmp(key, f->key) != 0)
            continue;
        if (f->kind == TEXT) {
            if (strlen(value) >= f->size)
                return bad(err, key, value);
            memcpy(field, value, strlen(value) + 1);
            return GPUC_OK;
        }
        int rc = read_number(&n, key, value, err);
        if (rc != GPUC_OK)
            return rc;
        if ((f->kind == BOOL && n > 1) || (f->kind == INT && n > 1000000000))
            return bad(err, key, value);
        if (f->kind == BOOL)
            *(bool *)(void *)field = n == 1;
        else if (f->kind == INT)
            *(int *)(void *)field = (int)n;
        else
            *(long long *)(void *)field = n;
        return GPUC_OK;
    }
    return GPUC_OK;
}

int gpuc__facts_parse(gpuc__facts *out, const char *text, size_t length, gpuc_error **err)
{
    gpuc__facts found;
    char line[4096];
    memset(&found, 0, sizeof(found));
    if (length > MAX_FACTS)
        return gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_MACHINE,
                               "the machine's facts are %zu bytes long", length);
    for (size_t start = 0; start < length;) {
        const char *end = memchr(text + start, '\n', length - start);
        size_t n = end ? (size_t)(end - text) - start : length - start;
        if (n >= sizeof(line) || memchr(text + start, 0, n))
            return bad(err, "a line", "too long or binary");
        memcpy(line, text + start, n);
        line[n] = 0;
        start += n + 1;
        char *equals = strchr(line, '=');
        if (!equals)
            continue;
        *equals = 0;
        int rc = read_fact(&found, line, equals + 1, err);
        if (rc != GPUC_OK)
            return rc;
    }
    if (!found.os[0] || !found.boot_id[0])
        return gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_MACHINE,
                               "the machine did not say its os and boot id");
    *out = found;
    return GPUC_OK;
}
