/* SPDX-License-Identifier: Apache-2.0 */
/* What a spec says of a cloud: places, labels, limits, the network, and ports opened in its
 * firewall. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "spec/build.h"
#include "util/alloc.h"
#include "util/error.h"

#define LABELS_MAX 60 /* of the cloud's 64; the others are the library's */
#define RESERVED_LABEL "gpucluster"
#define TTL_MAX_S (120 * 86400)
#define DISK_GB_MAX 65536

static size_t region_length(const char *zone)
{
    return (size_t)(strrchr(zone, '-') - zone); /* the schema's pattern has one */
}

static bool same_region(const char *a, const char *b)
{
    return region_length(a) == region_length(b) && strncmp(a, b, region_length(a)) == 0;
}

static int fail_at(const gpuc__build *b, const gpuc__spec_node *list, const char *list_path, size_t i,
                   const char *remedy, const char *what)
{
    gpuc__spec_path path = {.length = 0};

    gpuc__spec_path_key(&path, list_path);
    gpuc__spec_path_index(&path, i);
    return gpuc__build_fail(b, list->entries[i].value, path.text, remedy, "%s", what);
}

static int check_zones(const gpuc__build *b, const gpuc__spec_node *zones)
{
    const gpuc__spec_model *m = b->model;

    for (size_t i = 0; m->zones[i]; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(m->zones[i], m->zones[k]) == 0)
                return fail_at(b, zones, "provider.zones", i, "Remove one of the two.",
                               "the same zone a second time; expected each zone once");
        }
        if (m->subnetwork && !same_region(m->zones[i], m->zones[0]))
            return fail_at(b, zones, "provider.zones", i,
                           "Keep the zones of one region, or leave provider.subnetwork out.",
                           "a second region, and provider.subnetwork is of one region; expected "
                           "zones of one region");
    }
    return GPUC_OK;
}

static int build_places(const gpuc__build *b, const gpuc__spec_node *provider)
{
    const gpuc__spec_node *zones = gpuc__spec_node_get(provider, "zones");
    const gpuc__spec_node *region = gpuc__spec_node_get(provider, "region");
    gpuc__spec_model *m = b->model;
    int rc = gpuc__build_list(b, &m->zones, zones);

    if (!rc)
        rc = gpuc__build_text(b, &m->region, region, NULL);
    if (rc || m->provider != GPUC__PROVIDER_GCE)
        return rc;
    if (zones && region)
        return gpuc__build_fail(b, region, "provider.region",
                                "Keep provider.zones or provider.region, and remove the other.",
                                "given beside provider.zones; expected one of the two");
    if (!zones && !region)
        return gpuc__build_fail(b, provider, "provider.zones",
                                "Add provider.zones, or provider.region for any of its zones.",
                                "missing, and provider.region is not given; expected where to make "
                                "the machines (provider gce)");
    return check_zones(b, zones);
}

static int build_labels(const gpuc__build *b, const gpuc__spec_node *labels)
{
    size_t count = labels ? labels->count : 0;
    gpuc__spec_model *m = b->model;

    m->labels = gpuc__calloc(count + 1, sizeof(*m->labels));
    if (!m->labels)
        return gpuc__error_nomem(b->err);
    if (count > LABELS_MAX)
        return gpuc__build_fail(b, labels, "provider.labels", "Remove some.",
                                "%zu labels; expected at most %d", count, LABELS_MAX);
    for (size_t i = 0; i < count; i++) {
        const gpuc__spec_entry *entry = &labels->entries[i];

        if (strncmp(entry->key, RESERVED_LABEL, strlen(RESERVED_LABEL)) == 0)
            return gpuc__build_fail(b, entry->value, "provider.labels", "Choose another name.",
                                    "labels that begin with \"" RESERVED_LABEL "\" are the library's "
                                    "own; expected another name");
        m->labels[i] = gpuc__asprintf("%s=%s", entry->key, entry->value->text);
        if (!m->labels[i])
            return gpuc__error_nomem(b->err);
    }
    return GPUC_OK;
}

static int build_limits(const gpuc__build *b, const gpuc__spec_node *provider)
{
    const gpuc__spec_node *ttl = gpuc__spec_node_get(provider, "ttl");
    const gpuc__spec_node *price = gpuc__spec_node_get(provider, "max_price_per_hour");
    gpuc__spec_model *m = b->model;
    long long number;
    char unit;

    m->max_price = price ? price->number : -1;
    if (!ttl)
        return GPUC_OK;
    unit = ttl->text[strlen(ttl->text) - 1];
    number = strlen(ttl->text) > 8 ? TTL_MAX_S : strtoll(ttl->text, NULL, 10);
    m->ttl_s = number * (unit == 'd' ? 86400 : unit == 'h' ? 3600 : 60);
    if (m->ttl_s > TTL_MAX_S)
        return gpuc__build_fail(b, ttl, "provider.ttl", "Shorten it, or leave it out for no limit.",
                                "\"%s\" is longer than the cloud allows; expected at most 120d",
                                ttl->text);
    return GPUC_OK;
}

/* Whether the network is one of either family whose host bits are zero. */
static bool is_network(const char *text)
{
    const char *slash = strchr(text, '/'); /* the schema's pattern has one */
    unsigned char bytes[sizeof(struct in6_addr)];
    int family = strchr(text, ':') ? AF_INET6 : AF_INET, bits = family == AF_INET ? 32 : 128;
    char address[INET6_ADDRSTRLEN] = "";
    long prefix = strtol(slash + 1, NULL, 10);

    if ((size_t)(slash - text) < sizeof(address))
        memcpy(address, text, (size_t)(slash - text));
    if (inet_pton(family, address, bytes) != 1 || strlen(slash + 1) > 3 || prefix > bits)
        return false;
    for (int i = (int)prefix; i < bits; i++) {
        if (bytes[i / 8] & (0x80 >> i % 8))
            return false;
    }
    return true;
}

static int build_expose(const gpuc__build *b, const gpuc__spec_node *list, size_t i)
{
    const gpuc__spec_node *entry = list->entries[i].value;
    const gpuc__spec_node *from = gpuc__spec_node_get(entry, "from");
    gpuc__expose_model *expose = &b->model->exposes[b->model->expose_count++];
    int rc;

    expose->port = (int)gpuc__spec_node_get(entry, "port")->integer;
    rc = gpuc__build_list(b, &expose->from, from);
    for (size_t k = 0; !rc && k + 1 < b->model->expose_count; k++) {
        if (b->model->exposes[k].port == expose->port)
            rc = fail_at(b, list, "expose", i, "Put all networks into one entry.",
                         "the same port a second time; expected each port once");
    }
    for (size_t k = 0; !rc && expose->from[k]; k++) {
        if (!is_network(expose->from[k]))
            rc = fail_at(b, list, "expose", i, "Write the network's own address and its prefix.",
                         "from has an entry that is no network; expected networks such as "
                         "203.0.113.0/24, with no bits after the prefix");
    }
    return rc;
}

static int build_exposes(const gpuc__build *b)
{
    const gpuc__spec_node *list = gpuc__spec_at(b->spec, "expose");
    int rc = GPUC_OK;

    if (!list || !list->count)
        return GPUC_OK;
    b->model->exposes = gpuc__calloc(list->count, sizeof(*b->model->exposes));
    if (!b->model->exposes)
        return gpuc__error_nomem(b->err);
    for (size_t i = 0; !rc && i < list->count; i++)
        rc = build_expose(b, list, i);
    return rc;
}

/* Instances are called CLUSTER-MACHINE, and a name begins with a letter there. */
static int check_cluster_name(const gpuc__build *b)
{
    if (b->model->provider != GPUC__PROVIDER_GCE || isalpha((unsigned char)b->model->name[0]))
        return GPUC_OK;
    return gpuc__build_fail(b, gpuc__spec_at(b->spec, "name"), "name", "Choose another name.",
                            "\"%s\" begins with a digit; expected a letter first (provider gce)",
                            b->model->name);
}

int gpuc__build_cloud(const gpuc__build *b)
{
    const gpuc__spec_node *provider = gpuc__spec_at(b->spec, "provider");
    const gpuc__spec_node *external = gpuc__spec_node_get(provider, "external_ip");
    gpuc__spec_model *m = b->model;
    int rc = check_cluster_name(b);

    m->external_ip = !external || gpuc__build_true(external);
    m->project_ssh_key = gpuc__build_true(gpuc__spec_at(b->spec, "ssh.project_key"));
    if (!rc)
        rc = gpuc__build_text(b, &m->network, gpuc__spec_node_get(provider, "network"), "default");
    if (!rc)
        rc = gpuc__build_text(b, &m->subnetwork, gpuc__spec_node_get(provider, "subnetwork"), NULL);
    if (!rc)
        rc = gpuc__build_text(b, &m->service_account,
                              gpuc__spec_node_get(provider, "service_account"), "default");
    if (!rc)
        rc = build_places(b, provider);
    if (!rc)
        rc = build_labels(b, gpuc__spec_node_get(provider, "labels"));
    if (!rc)
        rc = build_limits(b, provider);
    return rc ? rc : build_exposes(b);
}

/* "100GB" in GB; -1: more than any disk has. */
static int disk_gb(const gpuc__spec_node *size)
{
    const char *text = size ? size->text : "0";
    long long number = strlen(text) > 10 ? DISK_GB_MAX + 1 : strtoll(text, NULL, 10);

    if (strstr(text, "TB"))
        number *= 1024;
    return number > DISK_GB_MAX ? -1 : (int)number;
}

int gpuc__build_cloud_machine(const gpuc__build *b, const gpuc__spec_node *node,
                              gpuc__machine_model *machine)
{
    const gpuc__spec_node *image = gpuc__spec_node_get(node, "image");
    const gpuc__spec_node *disk = gpuc__spec_node_get(node, "disk");
    const gpuc__spec_node *spot = gpuc__spec_node_get(node, "spot");
    int rc = gpuc__build_text(b, &machine->machine_type, gpuc__spec_node_get(node, "machine_type"),
                              NULL);

    machine->spot = gpuc__build_true(spot ? spot : gpuc__spec_at(b->spec, "provider.spot"));
    machine->secure_boot = gpuc__build_true(gpuc__spec_node_get(node, "secure_boot"));
    machine->disk_gb = disk_gb(gpuc__spec_node_get(disk, "size"));
    if (!rc)
        rc = gpuc__build_text(b, &machine->disk_type, gpuc__spec_node_get(disk, "type"), NULL);
    if (!rc)
        rc = gpuc__build_text(b, &machine->reservation, gpuc__spec_node_get(node, "reservation"),
                              NULL);
    if (!rc)
        rc = gpuc__build_text(b, &machine->image_project, gpuc__spec_node_get(image, "project"),
                              NULL);
    return rc ? rc : gpuc__build_text(b, &machine->image_family,
                                      gpuc__spec_node_get(image, "family"), NULL);
}
