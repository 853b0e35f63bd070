/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's own commands that would do the same, for `plan --shell`. */
#include <string.h>

#include "provider/local/local.h"
#include "util/alloc.h"
#include "util/quote.h"

static void add_option(gpuc__buf *out, const char *key, const char *value)
{
    char *whole = gpuc__asprintf("%s=%s", key, value);

    gpuc__buf_puts(out, " \\\n    -c ");
    gpuc__quote_shell(out, whole ? whole : "");
    out->failed = out->failed || !whole;
    gpuc__free(whole);
}

static void add_config(gpuc__buf *out, const gpuc__provider *provider,
                       const gpuc__machine_model *machine)
{
    gpuc__local_facts facts;
    const char *key;
    json_t *config, *value;
    char cpus[16];

    gpuc__local_facts_probe(&facts, "");
    config = gpuc__local_container_config(&facts);
    json_object_foreach(config, key, value) {
        add_option(out, key, json_string_value(value));
    }
    json_decref(config);
    snprintf(cpus, sizeof(cpus), "%d", machine->cpus);
    if (machine->cpus > 0)
        add_option(out, "limits.cpu", cpus);
    if (machine->memory)
        add_option(out, "limits.memory", machine->memory);
    add_option(out, GPUC__LOCAL_LABEL "cluster", provider->uuid);
    add_option(out, GPUC__LOCAL_LABEL "machine", machine->name);
    add_option(out, GPUC__LOCAL_LABEL "user", machine->user);
    add_option(out, GPUC__LOCAL_LABEL "stage", "ready");
}

static void add_make(gpuc__buf *out, const gpuc__provider *provider,
                     const gpuc__machine_model *machine, const char *name)
{
    const char *program = gpuc__local_program(provider);
    const char *image = gpuc__local_image(provider, machine);

    gpuc__buf_printf(out, "%s init ", program);
    gpuc__quote_shell(out, image ? image : "IMAGE");
    gpuc__buf_printf(out, " %s", name);
    add_config(out, provider, machine);
    for (int i = 0; machine->gpu_devices && machine->gpu_devices[i]; i++) {
        gpuc__buf_printf(out, "\n%s config device add %s gpu%d gpu pci=", program, name, i);
        gpuc__quote_shell(out, machine->gpu_devices[i]);
    }
    gpuc__buf_printf(out,
                     "\nssh-keygen -q -t ed25519 -N '' -f ssh_host_ed25519_key\n"
                     "%s file push --mode 0600 ssh_host_ed25519_key %s/etc/ssh/\n"
                     "%s file push --mode 0644 ssh_host_ed25519_key.pub %s/etc/ssh/\n",
                     program, name, program, name);
    if (provider->public_key) {
        gpuc__buf_puts(out, "echo ");
        gpuc__quote_shell(out, provider->public_key);
        gpuc__buf_printf(out, " | %s file push -p --mode 0600 --uid 1000 --gid 1000 - %s", program,
                         name);
        gpuc__buf_printf(out, "/home/%s/.ssh/authorized_keys\n", machine->user);
    }
    gpuc__buf_printf(out, "%s start %s\n%s exec %s -- hostname %s\n", program, name, program, name,
                     machine->name);
}

char *gpuc__local_shell(gpuc__provider *provider, const gpuc__machine_model *machine, bool destroy)
{
    gpuc__buf out = GPUC__BUF_INIT(64 * 1024);
    char *name = gpuc__local_instance_name(provider->spec->name, machine->name);

    if (!name)
        return NULL;
    if (destroy)
        gpuc__buf_printf(&out, "%s delete --force %s\n", gpuc__local_program(provider), name);
    else
        add_make(&out, provider, machine, name);
    gpuc__free(name);
    return gpuc__buf_take(&out);
}
