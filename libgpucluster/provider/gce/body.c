/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of requests that make instances and rules, as gcloud writes them. */
#include "provider/gce/body.h"

#include <inttypes.h>
#include <string.h>

#include "util/alloc.h"

#define GOOGLE "https://compute.googleapis.com/compute/v1/"
#define SCOPE "https://www.googleapis.com/auth/"
#define IAP_RANGE "35.235.240.0/20" /* where its tunnels come from */

static const char *const scopes[] = {"devstorage.read_only",
                                     "logging.write",
                                     "monitoring.write",
                                     "pubsub",
                                     "service.management.readonly",
                                     "servicecontrol",
                                     "trace.append"};

/* Adds value, consumed; a value that could not be made marks the body as failed. */
static void put(json_t *object, const char *key, json_t *value, bool *failed)
{
    if (json_object_set_new(object, key, value) != 0)
        *failed = true;
}

/* An int64, which travels as a string. */
static json_t *long_text(int64_t number)
{
    return json_sprintf("%" PRId64, number);
}

/* The URL of something in the project, as gcloud builds it from its endpoint. */
static json_t *url(const gpuc__provider *provider, const char *project, const char *rest)
{
    const char *base = provider->client ? gpuc__gce_client_endpoint(provider->client) : GOOGLE;
    const char *own = provider->project ? provider->project : provider->spec->provider_project;

    return json_sprintf("%sprojects/%s/%s", base, project ? project : own ? own : "PROJECT", rest);
}

static json_t *place_url(const gpuc__provider *provider, const char *kind, const char *place,
                         const char *what, const char *name)
{
    char *rest = gpuc__asprintf("%s/%s/%s/%s", kind, place, what, name);
    json_t *text = rest ? url(provider, NULL, rest) : NULL;

    gpuc__free(rest);
    return text;
}

static json_t *network_url(const gpuc__provider *provider)
{
    const char *network = provider->spec->network ? provider->spec->network : "default";
    char *rest;
    json_t *text;

    if (strchr(network, '/')) /* of another project, or a URL */
        return json_string(network);
    rest = gpuc__asprintf("global/networks/%s", network);
    text = rest ? url(provider, NULL, rest) : NULL;
    gpuc__free(rest);
    return text;
}

static json_t *image_url(const gpuc__provider *provider, const gpuc__gce_shape *shape, bool bulk)
{
    char *rest = gpuc__asprintf("%s/%s", bulk ? "global/images/family" : "zones/-/imageFamilyViews",
                                shape->image_family);
    json_t *text = rest ? url(provider, shape->image_project, rest) : NULL;

    gpuc__free(rest);
    return text;
}

/* machine NULL: what all machines of a kind share. */
static json_t *labels_of(const gpuc__provider *provider, const char *machine, bool *failed)
{
    const gpuc__spec_model *spec = provider->spec;
    json_t *labels = json_object();

    for (char **l = spec->labels; l && *l; l++) {
        const char *equals = strchr(*l, '=');
        char *key = gpuc__strndup(*l, equals ? (size_t)(equals - *l) : strlen(*l));

        if (key)
            put(labels, key, json_string(equals ? equals + 1 : ""), failed);
        *failed = *failed || !key;
        gpuc__free(key);
    }
    put(labels, GPUC__GCE_LABEL, json_string(provider->uuid), failed);
    put(labels, GPUC__GCE_LABEL_NAME, json_string(spec->name), failed);
    if (machine)
        put(labels, GPUC__GCE_LABEL_MACHINE, json_string(machine), failed);
    return labels;
}

static json_t *disk_of(const gpuc__provider *provider, const char *machine,
                       const gpuc__gce_shape *shape, const char *zone, bool *failed)
{
    json_t *params = json_object(), *disk;

    if (shape->disk_gb > 0)
        put(params, "diskSizeGb", long_text(shape->disk_gb), failed);
    if (shape->disk_type)
        put(params, "diskType",
            zone ? place_url(provider, "zones", zone, "diskTypes", shape->disk_type)
                 : json_string(shape->disk_type),
            failed);
    put(params, "labels", labels_of(provider, machine, failed), failed);
    put(params, "sourceImage", image_url(provider, shape, !zone), failed);
    disk = json_pack("[{s:b, s:b, s:s, s:s}]", "autoDelete", 1, "boot", 1, "mode", "READ_WRITE",
                     "type", "PERSISTENT");
    put(json_array_get(disk, 0), "initializeParams", params, failed);
    return disk;
}

static void add_item(json_t *items, const char *key, json_t *value, bool *failed)
{
    json_t *item = json_pack("{s:s}", "key", key);

    put(item, "value", value, failed);
    if (json_array_append_new(items, item) != 0)
        *failed = true;
}

static json_t *metadata_of(const gpuc__provider *provider, const gpuc__machine_model *machine,
                           bool *failed)
{
    bool own_key = !provider->spec->project_ssh_key;
    json_t *items = json_array();

    add_item(items, "block-project-ssh-keys", json_string(own_key ? "TRUE" : "FALSE"), failed);
    add_item(items, "enable-guest-attributes", json_string("TRUE"), failed);
    add_item(items, "enable-oslogin", json_string("FALSE"), failed);
    if (own_key && provider->public_key)
        add_item(items, "ssh-keys", json_sprintf("%s:%s", machine->user, provider->public_key),
                 failed);
    return json_pack("{s:o}", "items", items);
}

static json_t *network_of(const gpuc__provider *provider, const char *region, bool *failed)
{
    const gpuc__spec_model *spec = provider->spec;
    json_t *nic = json_object();

    if (spec->external_ip)
        put(nic, "accessConfigs",
            json_pack("[{s:s, s:s}]", "name", "external-nat", "type", "ONE_TO_ONE_NAT"), failed);
    put(nic, "network", network_url(provider), failed);
    if (spec->subnetwork)
        put(nic, "subnetwork",
            strchr(spec->subnetwork, '/')
                ? json_string(spec->subnetwork)
                : place_url(provider, "regions", region, "subnetworks", spec->subnetwork),
            failed);
    return json_pack("[o]", nic);
}

static json_t *scheduling_of(const gpuc__provider *provider, const gpuc__gce_shape *shape,
                             bool *failed)
{
    int64_t ttl = provider->spec->ttl_s;
    json_t *scheduling = json_pack("{s:b}", "automaticRestart", !shape->spot);

    if (shape->gpu || shape->spot) /* cannot be moved while they run */
        put(scheduling, "onHostMaintenance", json_string("TERMINATE"), failed);
    if (shape->spot) {
        put(scheduling, "preemptible", json_true(), failed);
        put(scheduling, "provisioningModel", json_string("SPOT"), failed);
    }
    if (shape->spot || ttl > 0)
        put(scheduling, "instanceTerminationAction", json_string("DELETE"), failed);
    if (ttl > 0)
        put(scheduling, "maxRunDuration", json_pack("{s:o}", "seconds", long_text(ttl)), failed);
    return scheduling;
}

static json_t *accounts_of(const char *email)
{
    json_t *list = json_array();

    for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++)
        json_array_append_new(list, json_sprintf(SCOPE "%s", scopes[i]));
    return json_pack("[{s:s, s:o}]", "email", email, "scopes", list);
}

static json_t *tags_of(const gpuc__provider *provider, gpuc__role role)
{
    char *any = gpuc__gce_tag(provider, 0), *own = gpuc__gce_tag(provider, role);
    json_t *tags = any && own ? json_pack("{s:[s,s]}", "items", any, own) : NULL;

    gpuc__free(any);
    gpuc__free(own);
    return tags;
}

/* The region of a zone: "us-east1" of "us-east1-d". */
static char *region_of(const gpuc__provider *provider, const char *zone)
{
    const char *dash = zone ? strrchr(zone, '-') : NULL;

    return dash ? gpuc__strndup(zone, (size_t)(dash - zone)) : gpuc__strdup(provider->spec->region);
}

/* zone NULL: properties for bulkInsert, which wants bare names of types. */
static json_t *properties(const gpuc__provider *provider, const gpuc__machine_model *machine,
                          const gpuc__gce_shape *shape, const char *zone, const char *region,
                          const char *label, bool *failed)
{
    const char *email = provider->spec->service_account;
    json_t *body = json_object();

    put(body, "canIpForward", json_false(), failed);
    put(body, "disks", disk_of(provider, label, shape, zone, failed), failed);
    if (shape->accelerator)
        put(body, "guestAccelerators",
            json_pack("[{s:i, s:o}]", "acceleratorCount", shape->accelerator_count,
                      "acceleratorType",
                      zone ? place_url(provider, "zones", zone, "acceleratorTypes",
                                       shape->accelerator)
                           : json_string(shape->accelerator)),
            failed);
    put(body, "labels", labels_of(provider, label, failed), failed);
    put(body, "machineType",
        zone ? place_url(provider, "zones", zone, "machineTypes", shape->machine_type)
             : json_string(shape->machine_type),
        failed);
    put(body, "metadata", metadata_of(provider, machine, failed), failed);
    put(body, "networkInterfaces", network_of(provider, region, failed), failed);
    if (machine->reservation)
        put(body, "reservationAffinity",
            json_pack("{s:s, s:s, s:[s]}", "consumeReservationType", "SPECIFIC_RESERVATION", "key",
                      "compute.googleapis.com/reservation-name", "values", machine->reservation),
            failed);
    put(body, "scheduling", scheduling_of(provider, shape, failed), failed);
    if (!email || strcmp(email, "none") != 0)
        put(body, "serviceAccounts", accounts_of(email ? email : "default"), failed);
    if (machine->secure_boot)
        put(body, "shieldedInstanceConfig", json_pack("{s:b}", "enableSecureBoot", 1), failed);
    put(body, "tags", tags_of(provider, machine->role), failed);
    return body;
}

static json_t *checked(json_t *body, bool failed)
{
    if (failed) {
        json_decref(body);
        body = NULL;
    }
    return body;
}

json_t *gpuc__gce_body_instance(const gpuc__provider *provider, const gpuc__machine_model *machine,
                                const gpuc__gce_shape *shape, const char *zone)
{
    char *name = gpuc__gce_instance_name(provider->spec->name, machine->name);
    char *region = region_of(provider, zone);
    bool failed = !name || !region;
    json_t *body = failed ? NULL : properties(provider, machine, shape, zone, region,
                                                 machine->name, &failed);

    if (body) {
        put(body, "deletionProtection", json_false(), &failed);
        put(body, "name", json_string(name), &failed);
    }
    gpuc__free(name);
    gpuc__free(region);
    return checked(body, failed);
}

json_t *gpuc__gce_body_bulk(const gpuc__provider *provider, const gpuc__machine_model *machine,
                            const gpuc__gce_shape *shape, const char *const *names,
                            const char *zone, const char *const *denied_zones)
{
    json_t *body = json_object(), *each = json_object(), *denied = json_object();
    char *region = region_of(provider, zone);
    bool failed = !region;
    int64_t count = 0;

    for (; names[count]; count++)
        put(each, names[count], json_object(), &failed);
    for (; !zone && denied_zones && *denied_zones; denied_zones++) {
        char *key = gpuc__asprintf("zones/%s", *denied_zones);

        if (key)
            put(denied, key, json_pack("{s:s}", "preference", "DENY"), &failed);
        failed = failed || !key;
        gpuc__free(key);
    }
    put(body, "count", long_text(count), &failed);
    if (region)
        put(body, "instanceProperties",
            properties(provider, machine, shape, NULL, region, count == 1 ? machine->name : NULL,
                       &failed),
            &failed);
    if (!zone)
        put(body, "locationPolicy", json_pack("{s:s}", "targetShape", "ANY_SINGLE_ZONE"), &failed);
    if (json_object_size(denied))
        put(json_object_get(body, "locationPolicy"), "locations", json_incref(denied), &failed);
    put(body, "minCount", json_string("1"), &failed); /* what there is of it is kept */
    put(body, "perInstanceProperties", each, &failed);
    json_decref(denied);
    gpuc__free(region);
    return checked(body, failed);
}

json_t *gpuc__gce_body_firewall(const gpuc__provider *provider, const gpuc__expose_model *expose)
{
    char *name = gpuc__gce_rule_name(provider, expose);
    char *tag = gpuc__gce_tag(provider, GPUC__ROLE_CONTROL_PLANE);
    bool failed = !name || !tag;
    json_t *body = json_object(), *from = json_array();

    for (char **cidr = expose->from; cidr && *cidr; cidr++)
        failed |= json_array_append_new(from, json_string(*cidr)) != 0;
    if (!failed) {
        put(body, "allowed",
            json_pack("[{s:s, s:[o]}]", "IPProtocol", "tcp", "ports",
                      json_sprintf("%d", expose->port)),
            &failed);
        put(body, "description",
            json_sprintf(GPUC__GCE_LABEL "=%s port %d of cluster %s", provider->uuid, expose->port,
                         provider->spec->name),
            &failed);
        put(body, "direction", json_string("INGRESS"), &failed);
        put(body, "name", json_string(name), &failed);
        put(body, "network", network_url(provider), &failed);
        put(body, "sourceRanges", json_incref(from), &failed);
        put(body, "targetTags", json_pack("[s]", tag), &failed);
    }
    json_decref(from);
    gpuc__free(name);
    gpuc__free(tag);
    return checked(body, failed);
}

json_t *gpuc__gce_body_firewall_iap(const gpuc__provider *provider)
{
    char *name = gpuc__gce_rule_name(provider, NULL);
    char *tag = gpuc__gce_tag(provider, 0);
    bool failed = !name || !tag;
    json_t *body = json_object();

    if (!failed) {
        put(body, "allowed", json_pack("[{s:s, s:[s]}]", "IPProtocol", "tcp", "ports", "22"),
            &failed);
        put(body, "description",
            json_sprintf(GPUC__GCE_LABEL "=%s SSH to cluster %s through IAP", provider->uuid,
                         provider->spec->name),
            &failed);
        put(body, "direction", json_string("INGRESS"), &failed);
        put(body, "name", json_string(name), &failed);
        put(body, "network", network_url(provider), &failed);
        put(body, "sourceRanges", json_pack("[s]", IAP_RANGE), &failed);
        put(body, "targetTags", json_pack("[s]", tag), &failed);
    }
    gpuc__free(name);
    gpuc__free(tag);
    return checked(body, failed);
}
