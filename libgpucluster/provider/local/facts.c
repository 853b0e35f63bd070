/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon is on this host (its socket is a file), so its kernel and cgroups are read here; the
 * daemon itself tells what LXC could do, not how the host is mounted. */
#include "provider/local/facts.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "util/alloc.h"
#include "util/data.h"

static bool there(const char *root, const char *path)
{
    GPUC__AUTOFREE char *whole = gpuc__asprintf("%s%s", root, path);

    return whole && access(whole, F_OK) == 0;
}

void gpuc__local_facts_probe(gpuc__local_facts *out, const char *root)
{
    GPUC__AUTOFREE char *modules = NULL;
    struct utsname kernel;

    /* Only the root of a unified hierarchy has this file where v1 has a folder per controller. */
    out->cgroup = there(root, "/sys/fs/cgroup/cgroup.controllers") ? 2 : 1;
    out->apparmor = there(root, "/sys/kernel/security/apparmor") ||
                    there(root, "/sys/module/apparmor/parameters/enabled");
    out->modules = false;
    if (uname(&kernel) == 0 && there(root, "/proc/modules")) {
        modules = gpuc__asprintf("/lib/modules/%s/modules.dep", kernel.release);
        out->modules = modules && there(root, modules);
    }
}

static bool fits(const json_t *when, const gpuc__local_facts *facts)
{
    const json_t *cgroup = json_object_get(when, "cgroup");
    const json_t *apparmor = json_object_get(when, "apparmor");
    const json_t *modules = json_object_get(when, "modules");

    return (!cgroup || json_integer_value(cgroup) == facts->cgroup) &&
           (!apparmor || json_is_true(apparmor) == facts->apparmor) &&
           (!modules || json_is_true(modules) == facts->modules);
}

/* Sets a value, or adds a line to those of the key. */
static int apply(json_t *config, const json_t *entry)
{
    const char *key = json_string_value(json_object_get(entry, "key"));
    const char *line = json_string_value(json_object_get(entry, "line"));
    const char *before = json_string_value(json_object_get(config, key));
    GPUC__AUTOFREE char *joined = NULL;

    if (!line)
        return json_object_set(config, key, json_object_get(entry, "value"));
    joined = before ? gpuc__asprintf("%s\n%s", before, line) : gpuc__strdup(line);
    return joined ? json_object_set_new(config, key, json_string(joined)) : -1;
}

json_t *gpuc__local_container_config(const gpuc__local_facts *facts)
{
    const gpuc__data *file = gpuc__data_get("provider/local/container-config.json");
    json_t *table = file ? json_loadb(file->text, file->length, 0, NULL) : NULL;
    json_t *config = table ? json_object() : NULL, *entry;
    size_t i;

    json_array_foreach(json_object_get(table, "entries"), i, entry) {
        if (config && fits(json_object_get(entry, "when"), facts) && apply(config, entry) != 0) {
            json_decref(config);
            config = NULL;
        }
    }
    json_decref(table);
    return config;
}
