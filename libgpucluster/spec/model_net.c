/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster's networks: well formed, apart from each other, and large enough. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "spec/build.h"
#include "util/error.h"

typedef struct network {
    uint32_t address, mask;
    int prefix;
} network;

static uint32_t mask_of(int prefix)
{
    return prefix ? ~(uint32_t)0 << (32 - prefix) : 0;
}

static int read_network(const gpuc__build *b, const char *key, const char *text, int least,
                        int most, network *out)
{
    const gpuc__spec_node *node = gpuc__spec_at(b->spec, key);
    const char *slash = strchr(text, '/'); /* the schema's pattern has one */
    char address[INET_ADDRSTRLEN] = "";
    struct in_addr in;
    long prefix = strtol(slash + 1, NULL, 10);

    if ((size_t)(slash - text) < sizeof(address))
        memcpy(address, text, (size_t)(slash - text));
    if (inet_pton(AF_INET, address, &in) != 1 || strlen(slash + 1) > 2 || prefix > 32)
        return gpuc__build_fail(b, node, key, "Correct the network.",
                                "\"%s\"; expected an IPv4 network such as 10.244.0.0/16", text);
    if (prefix < least || prefix > most)
        return gpuc__build_fail(b, node, key, "Choose a network of another size.",
                                "\"%s\"; expected a prefix from /%d to /%d", text, least, most);
    out->prefix = (int)prefix;
    out->mask = mask_of(out->prefix);
    out->address = ntohl(in.s_addr);
    if (out->address & ~out->mask) {
        struct in_addr base = {htonl(out->address & out->mask)};
        char shown[INET_ADDRSTRLEN] = "";

        inet_ntop(AF_INET, &base, shown, sizeof(shown));
        return gpuc__build_fail(b, node, key, "Write the network's own address.",
                                "\"%s\" is an address inside a network; expected %s/%ld", text,
                                shown, prefix);
    }
    return GPUC_OK;
}

/* Of the smallest network with a /24 for each. */
static int prefix_for(size_t machines)
{
    int prefix = 24;

    while (prefix > 0 && ((size_t)1 << (24 - prefix)) < machines)
        prefix--;
    return prefix;
}

int gpuc__build_networks(const gpuc__build *b)
{
    gpuc__spec_model *m = b->model;
    const gpuc__spec_node *pods = gpuc__spec_at(b->spec, "kubernetes.pod_subnet");
    const gpuc__spec_node *services = gpuc__spec_at(b->spec, "kubernetes.service_subnet");
    network pod, service;
    uint32_t common;
    size_t room;
    int rc = gpuc__build_text(b, &m->pod_subnet, pods, "10.244.0.0/16");

    if (!rc)
        rc = gpuc__build_text(b, &m->service_subnet, services, "10.96.0.0/12");
    if (!rc)
        rc = read_network(b, "kubernetes.pod_subnet", m->pod_subnet, 8, 24, &pod);
    if (!rc)
        rc = read_network(b, "kubernetes.service_subnet", m->service_subnet, 12, 28, &service);
    if (rc)
        return rc;
    common = pod.mask & service.mask;
    if ((pod.address & common) == (service.address & common))
        return gpuc__build_fail(b, pods ? pods : services,
                                pods ? "kubernetes.pod_subnet" : "kubernetes.service_subnet",
                                "Choose networks that share no address.",
                                "pods %s and services %s overlap; expected two networks apart",
                                m->pod_subnet, m->service_subnet);
    room = (size_t)1 << (24 - pod.prefix);
    if (m->machine_count > room)
        return gpuc__build_fail(b, pods, "kubernetes.pod_subnet",
                                "Choose a larger network that nothing else uses, within 10.0.0.0/8 "
                                "or 100.64.0.0/10.",
                                "%s has room for %zu machines (a /24 each) and the spec has %zu; "
                                "expected a /%d or larger", m->pod_subnet, room, m->machine_count,
                                prefix_for(m->machine_count));
    return GPUC_OK;
}
