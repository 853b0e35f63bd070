/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of what connects a GPU: PCIe, NVLink, the NVSwitch fabric. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gpu/checks.h"

#define VALUE(gpu, name) (&(gpu)->field[GPUC__SMI_##name])

static const gpuc__smi_gpu *after(const gpuc__checkup *up, const char *bus)
{
    const gpuc__smi *smi = up->collect->after.smi;

    for (size_t i = 0; smi && i < smi->gpu_count; i++) {
        if (*bus && strcmp(smi->gpus[i].bus, bus) == 0)
            return &smi->gpus[i];
    }
    return NULL;
}

/* GT/s of a lane to the PCIe generation; 0: none. */
static int generation(double speed)
{
    static const double speeds[] = {2.5, 5, 8, 16, 32, 64};

    for (int i = 0; i < 6; i++) {
        if (speed == speeds[i])
            return i + 1;
    }
    return 0;
}

static int number_of(const gpuc__smi_value *value)
{
    return value->has_number ? (int)value->number : 0;
}

static void width(gpuc__checkup *up, gpuc__findings *f, int now, int most)
{
    if (!now || !most)
        return;
    if (now < most)
        gpuc__found(f,
                    now * 100 <= most * gpuc__checkup_limit(up, "pcie.link", "width_fail_percent")
                        ? GPUC_CHECK_FAIL
                        : GPUC_CHECK_WARN,
                    NULL, "x%d of x%d", now, most);
    else
        gpuc__found(f, GPUC_CHECK_PASS, NULL, "x%d", now);
}

/* A link at rest runs slowly, so the generation in use is judged only where the GPU has just worked. */
static void link_speed(gpuc__findings *f, const gpuc__smi_gpu *gpu, const gpuc__pci_device *pci,
                       const gpuc__smi_gpu *later)
{
    int most = number_of(VALUE(gpu, PCIE_GEN_MAX)), card = number_of(VALUE(gpu, PCIE_GEN_DEVICE_MAX));
    int seen = pci ? generation(pci->speed_after) : 0;
    int said = later ? number_of(VALUE(later, PCIE_GEN)) : 0;
    int now = seen > said ? seen : said;

    if (now && now < most)
        gpuc__found(f, GPUC_CHECK_WARN, NULL, "generation %d of %d right after the probe", now, most);
    else if (now && most)
        gpuc__found(f, GPUC_CHECK_PASS, NULL, "generation %d", now);
    if (most && card && most < card)
        gpuc__found(f, GPUC_CHECK_WARN, "put the card into a faster slot, or correct the BIOS setting",
                    "the slot allows generation %d, the card has %d", most, card);
}

/* What the kernel said of the slot when it found the card. */
static const char *limited(const gpuc__checkup *up, const char *bus)
{
    const gpuc__klog *log = up->collect->klog;

    for (size_t i = 0; log && i < log->count; i++) {
        if (strcmp(log->events[i].message, "link_limited") == 0 &&
            strcmp(log->events[i].bus, bus) == 0)
            return log->events[i].line;
    }
    return NULL;
}

static void pcie_link(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *key)
{
    const gpuc__pci_device *pci = gpuc__checkup_pci(up, gpu->bus);
    const gpuc__smi_gpu *later = after(up, gpu->bus);
    const char *said = limited(up, gpu->bus);
    gpuc__findings f = {0};
    int lanes = number_of(VALUE(gpu, PCIE_WIDTH)), most = number_of(VALUE(gpu, PCIE_WIDTH_MAX));

    if (pci && (!lanes || !most)) {
        lanes = pci->width;
        most = pci->width_max;
    }
    gpuc__found_sick(&f, "the link is", VALUE(gpu, PCIE_WIDTH));
    width(up, &f, lanes, most);
    if (pci && pci->width_after && pci->width_after != lanes)
        width(up, &f, pci->width_after, most);
    link_speed(&f, gpu, pci, later);
    if (said)
        gpuc__found(&f, GPUC_CHECK_WARN, "put the card into a wider or faster slot",
                    "the kernel says that the slot limits it");
    gpuc__checkup_findings(up, "pcie.link", key, &f, said,
                           "this GPU does not report its PCIe link (a virtual or an integrated one)");
}

/* The minutes between both looks, at least one: rates are those of a minute. */
static double minutes(const gpuc__collect *c)
{
    double m = c->time_s && c->after.time_s > c->time_s
                   ? (double)(c->after.time_s - c->time_s) / 60
                   : 1;

    return m < 1 ? 1 : m;
}

static void pcie_replay(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *key)
{
    static const char id[] = "pcie.replay";
    const gpuc__smi_gpu *later = after(up, gpu->bus);
    const gpuc__smi_value *first = VALUE(gpu, PCIE_REPLAYS);
    int gen = number_of(VALUE(gpu, PCIE_GEN_MAX)), lanes = number_of(VALUE(gpu, PCIE_WIDTH_MAX));
    double delta, most;
    char name[8];

    if (!later || !first->has_number || !VALUE(later, PCIE_REPLAYS)->has_number || gen < 1 ||
        gen > 6 || !lanes) {
        gpuc__checkup_not_applicable(up, id, key, !first->has_number || gen < 1 || !lanes
                                                      ? "this GPU does not report them"
                                                      : "there was no second look at the GPU");
        return;
    }
    snprintf(name, sizeof(name), "gen%d", gen);
    delta = VALUE(later, PCIE_REPLAYS)->number - first->number;
    most = gpuc__checkup_limit(up, id, name) * lanes * minutes(up->collect);
    gpuc__checkup_result(up, id, key, delta > most ? GPUC_CHECK_WARN : GPUC_CHECK_PASS, NULL, NULL,
                         "%.0f replays, up to %.1f are allowed (%.0f in all)", delta < 0 ? 0 : delta,
                         most, VALUE(later, PCIE_REPLAYS)->number);
}

static const gpuc__smi_nvlink *links_of(const gpuc__checkup *up, const char *key)
{
    const gpuc__smi *smi = up->collect->links;

    for (size_t i = 0; smi && i < smi->gpu_count; i++) {
        if (strcmp(gpuc__smi_gpu_key(&smi->gpus[i]), key) == 0)
            return &smi->gpus[i].nvlink;
    }
    return NULL;
}

static void nvlink(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *key)
{
    const gpuc__smi_nvlink *n = links_of(up, key);
    const json_t *errors = json_object_get(up->collect->link_errors, key);
    gpuc__findings f = {0};
    size_t active = 0;
    int first = -1;

    for (size_t i = 0; n && i < n->count; i++) {
        active += n->active[i];
        if (!n->active[i] && first < 0)
            first = (int)i;
    }
    if (!active || gpuc__smi_says(VALUE(gpu, MIG), "Enabled")) {
        gpuc__checkup_not_applicable(up, "nvlink", key,
                                     n && n->note[0] ? n->note
                                     : n             ? "it has no active NVLink"
                                                     : "nvidia-smi nvlink -s was not answered");
        return;
    }
    if (active < n->count)
        gpuc__found(&f, GPUC_CHECK_FAIL, NULL, "%zu of %zu links are inactive, the first is link %d",
                    n->count - active, n->count, first);
    else
        gpuc__found(&f, GPUC_CHECK_PASS, NULL, "%zu links are active", active);
    if (errors)
        gpuc__found(&f,
                    json_number_value(errors) >= gpuc__checkup_limit(up, "nvlink", "errors_warn")
                        ? GPUC_CHECK_WARN
                        : GPUC_CHECK_PASS,
                    NULL, "at most %.0f errors on one", json_number_value(errors));
    gpuc__checkup_findings(up, "nvlink", key, &f, NULL, "");
}

static void fabric(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *key)
{
    const gpuc__smi_value *state = VALUE(gpu, FABRIC_STATE), *status = VALUE(gpu, FABRIC_STATUS);
    const gpuc__smi_value *health = VALUE(gpu, FABRIC_HEALTH);
    gpuc__findings f = {0};

    gpuc__found_sick(&f, "the fabric's state is", state);
    if (state->state == GPUC__SMI_KNOWN)
        gpuc__found(&f, gpuc__smi_says(state, "Completed") ? GPUC_CHECK_PASS : GPUC_CHECK_FAIL, NULL,
                    "state %s", state->text);
    if (status->state == GPUC__SMI_KNOWN)
        gpuc__found(&f, gpuc__smi_says(status, "Success") ? GPUC_CHECK_PASS : GPUC_CHECK_FAIL, NULL,
                    "status %s", status->text);
    if (health->state == GPUC__SMI_KNOWN)
        gpuc__found(&f,
                    gpuc__smi_says(health, "Healthy") || gpuc__smi_says(health, "Not Supported")
                        ? GPUC_CHECK_PASS
                    : strcasestr(health->text, "unhealthy") ? GPUC_CHECK_FAIL
                                                            : GPUC_CHECK_WARN,
                    "reset the GPUs of the fabric; look at the switches' and links' state",
                    "health %s", health->text);
    gpuc__checkup_findings(up, "fabric", key, &f, NULL, "this GPU is part of no NVSwitch fabric");
}

/* Where NVSwitches are, their manager must run, of the very version of the driver. */
void gpuc__check_fabric_manager(gpuc__checkup *up)
{
    const gpuc__collect *c = up->collect;
    gpuc__findings f = {0};

    if (!c->nvswitches) {
        gpuc__checkup_not_applicable(up, "fabric", NULL, "there is no NVSwitch on the PCI bus");
        return;
    }
    if (!c->fm_state[0])
        gpuc__found(&f, GPUC_CHECK_FAIL, "install nvidia-fabricmanager of the driver's version",
                    "%zu NVSwitches, and Fabric Manager is not installed", c->nvswitches);
    else
        gpuc__found(&f, strcmp(c->fm_state, "active") == 0 ? GPUC_CHECK_PASS : GPUC_CHECK_FAIL, NULL,
                    "%zu NVSwitches, Fabric Manager is %s", c->nvswitches, c->fm_state);
    if (c->fm_version[0] && c->driver_version[0])
        gpuc__found(&f,
                    strcmp(c->fm_version, c->driver_version) == 0 ? GPUC_CHECK_PASS
                                                                  : GPUC_CHECK_FAIL,
                    "install nvidia-fabricmanager of the driver's version, and restart it",
                    "version %s, driver %s", c->fm_version, c->driver_version);
    gpuc__checkup_findings(up, "fabric", NULL, &f, NULL, "");
}

void gpuc__check_links(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *key)
{
    pcie_link(up, gpu, key);
    pcie_replay(up, gpu, key);
    nvlink(up, gpu, key);
    fabric(up, gpu, key);
}
