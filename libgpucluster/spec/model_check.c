/* SPDX-License-Identifier: Apache-2.0 */
/* What the machines of a spec must be to each other and to their provider. */
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "spec/build.h"
#include "util/alloc.h"
#include "util/error.h"

#define INSTANCE_NAME_MAX 63
#define DISK_GB_MIN 10 /* no smaller disk boots any image */

typedef struct check {
    const gpuc__build *build;
    const size_t *origins; /* machine -> entry of `machines` */
    json_t *names, *endpoints, *devices; /* seen: what -> line of the first */
} check;

static const gpuc__spec_node *origin(const check *c, size_t machine)
{
    return gpuc__spec_at(c->build->spec, "machines")->entries[c->origins[machine]].value;
}

/* An error at a key of the entry that the machine comes from. */
static int fail(const check *c, size_t machine, const char *key, const char *remedy,
                const char *what)
{
    const gpuc__spec_node *node = origin(c, machine);
    const gpuc__spec_node *value = gpuc__spec_node_get(node, key);
    gpuc__spec_path path = {.length = 0};

    gpuc__spec_path_key(&path, "machines");
    gpuc__spec_path_index(&path, c->origins[machine]);
    gpuc__spec_path_key(&path, key);
    return gpuc__build_fail(c->build, value ? value : node, path.text, remedy, "%s", what);
}

/* Remembers `what`; an error when another machine has it. */
static int unique(const check *c, json_t *seen, size_t machine, const char *key, const char *what,
                  const char *label)
{
    const json_t *first = json_object_get(seen, what);
    GPUC__AUTOFREE char *text = NULL;
    json_int_t line = json_integer_value(first);

    if (!first) {
        const gpuc__spec_node *node = gpuc__spec_node_get(origin(c, machine), key);

        if (json_object_set_new(seen, what, json_integer(node ? node->line : 0)))
            return gpuc__error_nomem(c->build->err);
        return GPUC_OK;
    }
    if (line)
        text = gpuc__asprintf("%s \"%s\" a second time, the first is at line %d; expected one of "
                              "its own for every machine", label, what, (int)line);
    else
        text = gpuc__asprintf("%s \"%s\" a second time; expected one of its own for every machine",
                              label, what);
    if (!text)
        return gpuc__error_nomem(c->build->err);
    return fail(c, machine, key, "Change one of the two.", text);
}

static int check_name(const check *c, size_t i)
{
    const gpuc__spec_model *m = c->build->model;
    const char *name = m->machines[i].name;
    GPUC__AUTOFREE char *text = NULL;
    size_t length = strlen(m->name) + 1 + strlen(name);

    if (length <= INSTANCE_NAME_MAX)
        return unique(c, c->names, i, "name", name, "the name");
    text = gpuc__asprintf("\"%s-%s\" has %zu characters; expected cluster and machine name to have "
                          "at most %d together", m->name, name, length, INSTANCE_NAME_MAX);
    if (!text)
        return gpuc__error_nomem(c->build->err);
    return fail(c, i, "name", "Shorten the machine's or the cluster's name.", text);
}

static bool is_ipv4_like(const char *host)
{
    return strspn(host, "0123456789.") == strlen(host);
}

static int check_host(const check *c, size_t i)
{
    const char *host = c->build->model->machines[i].host;
    const char *remedy = "Give the host's name or address alone; the port has a key of its own, "
                         "port.";
    char plain[INET6_ADDRSTRLEN] = "";
    unsigned char address[sizeof(struct in6_addr)];
    size_t length = strcspn(host, "%");

    if (!strchr(host, ':')) {
        if (strchr(host, '%') || (is_ipv4_like(host) && inet_pton(AF_INET, host, address) != 1))
            return fail(c, i, "host", remedy, "not a legal address; expected a host name or an IP "
                                              "address");
        return GPUC_OK;
    }
    if (length < sizeof(plain))
        memcpy(plain, host, length);
    if (inet_pton(AF_INET6, plain, address) != 1)
        return fail(c, i, "host", remedy, "not an IPv6 address, and a port does not belong here; "
                                          "expected a host name or an IP address");
    return GPUC_OK;
}

static int check_endpoint(const check *c, size_t i)
{
    const gpuc__machine_model *m = &c->build->model->machines[i];
    GPUC__AUTOFREE char *endpoint = gpuc__asprintf("%s port %d", m->host, m->port);

    if (!endpoint)
        return gpuc__error_nomem(c->build->err);
    for (char *p = endpoint; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return unique(c, c->endpoints, i, "host", endpoint, "the host");
}

static int check_ssh(const check *c, size_t i)
{
    const gpuc__spec_model *model = c->build->model;
    const gpuc__machine_model *m = &model->machines[i];
    const gpuc__spec_node *count = gpuc__spec_node_get(origin(c, i), "count");
    int rc;

    if (!m->host)
        return fail(c, i, "host", "Add host: the machine's name or address.",
                    "missing; expected a host name or an IP address (provider ssh)");
    if (count && count->integer > 1)
        return fail(c, i, "count", "List the machines one by one, each with its host.",
                    "several machines with one host; expected no count with provider ssh");
    if (!*m->user)
        return fail(c, i, "user", "Add ssh.user, or user to this machine.",
                    "missing, and ssh.user is not given; expected a login user (provider ssh)");
    if (!m->identity && !model->ssh_agent)
        return fail(c, i, "identity",
                    "Add ssh.identity (a private key file), ssh.agent: true, or identity to this "
                    "machine.",
                    "missing, and neither ssh.identity nor ssh.agent is given; expected a way to "
                    "log in (provider ssh)");
    rc = check_host(c, i);
    return rc ? rc : check_endpoint(c, i);
}

static int check_cloud(const check *c, size_t i)
{
    const gpuc__machine_model *m = &c->build->model->machines[i];

    if (!m->machine_type)
        return fail(c, i, "machine_type", "Add machine_type, such as n1-standard-2.",
                    "missing; expected a machine type (provider gce)");
    if (m->gpus && !m->accelerator)
        return fail(c, i, "accelerator",
                    "Add type, such as nvidia-tesla-t4; or leave accelerator out where the machine "
                    "type carries its GPUs.",
                    "its type is missing; expected {type, count} (provider gce)");
    if (m->disk_gb < 0 || (m->disk_gb && m->disk_gb < DISK_GB_MIN))
        return fail(c, i, "disk", "Correct the size.",
                    "its size is none a boot disk can have; expected 10GB to 64TB");
    return GPUC_OK;
}

static int check_devices(const check *c, size_t i)
{
    const gpuc__machine_model *m = &c->build->model->machines[i];

    for (size_t k = 0; m->gpu_devices[k]; k++) {
        GPUC__AUTOFREE char *device = gpuc__strdup(m->gpu_devices[k]);
        int rc;

        if (!device)
            return gpuc__error_nomem(c->build->err);
        for (char *p = device; *p; p++)
            *p = (char)tolower((unsigned char)*p);
        rc = unique(c, c->devices, i, "gpus", device, "the GPU");
        if (rc)
            return rc;
    }
    return GPUC_OK;
}

static int check_roles(const check *c)
{
    const gpuc__spec_model *m = c->build->model;

    for (size_t i = 0; i < m->machine_count; i++) {
        if (m->machines[i].role == GPUC__ROLE_CONTROL_PLANE)
            return GPUC_OK;
    }
    return gpuc__build_fail(c->build, gpuc__spec_at(c->build->spec, "machines"), "machines",
                            "Give one machine role: control-plane.",
                            "workers without a control plane; expected at least one machine with "
                            "role \"control-plane\"");
}

int gpuc__build_check_machines(const gpuc__build *build, const size_t *origins)
{
    check c = {build, origins, json_object(), json_object(), json_object()};
    const gpuc__spec_model *m = build->model;
    int rc = c.names && c.endpoints && c.devices ? check_roles(&c) : gpuc__error_nomem(build->err);

    for (size_t i = 0; !rc && i < m->machine_count; i++) {
        rc = check_name(&c, i);
        if (!rc && m->provider == GPUC__PROVIDER_SSH)
            rc = check_ssh(&c, i);
        if (!rc && m->provider == GPUC__PROVIDER_GCE)
            rc = check_cloud(&c, i);
        if (!rc)
            rc = check_devices(&c, i);
    }
    json_decref(c.names);
    json_decref(c.endpoints);
    json_decref(c.devices);
    return rc;
}
