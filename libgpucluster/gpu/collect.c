/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of collect.sh's sections. */
#include "gpu/collect.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/collect_parts.h"
#include "gpu/section.h"
#include "gpu/smi_text.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/data.h"
#include "util/error.h"

int gpuc__collect_script(char **out, const char *nonce, gpuc_error **err)
{
    const gpuc__data *script = gpuc__data_get("gpu/sh/collect.sh");
    char *text;

    GPUC__CHECK_ARG(err, nonce && gpuc__section_nonce_ok(nonce));
    if (!script)
        return gpuc__error_set(err, GPUC_EINTERNAL, GPUC_DOMAIN_GPU,
                               "gpu/sh/collect.sh is not in this build");
    text = gpuc__asprintf("GPUC_NONCE=%s\n%s", nonce, script->text);
    if (!text)
        return gpuc__error_nomem(err);
    *out = text;
    return GPUC_OK;
}

static void read_facts(gpuc__collect *c, gpuc__section s)
{
    struct {
        const char *key;
        char *out;
        size_t size;
    } texts[] = {
        {"kernel=", c->kernel, sizeof(c->kernel)},
        {"boot_id=", c->boot_id, sizeof(c->boot_id)},
    };
    gpuc__slice line;
    char number[24];

    if (gpuc__slice_value(number, sizeof(number), s.body, "time="))
        c->time_s = strtoll(number, NULL, 10);
    if (gpuc__slice_value(number, sizeof(number), s.body, "proc_gpus=") && isdigit(number[0]))
        c->proc_gpus = (int)strtol(number, NULL, 10);
    while (gpuc__slice_line(&s.body, &line)) {
        if (gpuc__slice_starts(line, "simulated=1"))
            c->simulated = true;
        if (gpuc__slice_starts(line, "driver_shown=1"))
            c->driver_shown = true;
        if (gpuc__slice_starts(line, "not_root=1"))
            c->not_root = true;
        if (gpuc__slice_starts(line, "bandwidth_shown=1"))
            c->bandwidth_shown = true;
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
            size_t n = strlen(texts[i].key);

            if (gpuc__slice_starts(line, texts[i].key))
                gpuc__slice_copy(texts[i].out, texts[i].size, (gpuc__slice){line.at + n, line.length - n});
        }
    }
}

static int read_pci(gpuc__collect *c, gpuc__section s, gpuc_error **err)
{
    gpuc__slice line;

    c->pci_known = s.whole;
    while (gpuc__slice_line(&s.body, &line)) {
        gpuc__pci_device device, *list;
        char text[160], bus[64], driver[32], link[4][16] = {"", "", "", ""};

        gpuc__slice_copy(text, sizeof(text), line);
        memset(&device, 0, sizeof(device));
        if (sscanf(text, "%63s 0x%4x 0x%4x 0x%6x %31s %15s %15s %15s %15s", bus, &device.vendor,
                   &device.device, &device.pci_class, driver, link[0], link[1], link[2],
                   link[3]) < 5 ||
            !gpuc__bus_id_normalise(device.bus, bus))
            continue;
        if (strcmp(driver, "-") != 0)
            memcpy(device.driver, driver, sizeof(driver));
        device.width = gpuc__pci_width(link[0]);
        device.width_max = gpuc__pci_width(link[1]);
        device.speed = gpuc__pci_speed(link[2]);
        device.speed_max = gpuc__pci_speed(link[3]);
        c->nvswitches += device.vendor == 0x10de && device.pci_class >> 8 == 0x0680;
        if (c->pci_count == GPUC__COLLECT_PCI_MAX)
            return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_GPU,
                                   "more than %d NVIDIA PCI functions on one machine",
                                   GPUC__COLLECT_PCI_MAX);
        list = gpuc__realloc(c->pci, (c->pci_count + 1) * sizeof(*list));
        if (!list)
            return gpuc__error_nomem(err);
        c->pci = list;
        list[c->pci_count++] = device;
    }
    return GPUC_OK;
}

/* "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.261.03  Mon …": the first word after
 * "Kernel Module" that begins with a digit ("Open Kernel Module for x86_64  580.65.06"). */
static void read_version(gpuc__collect *c, gpuc__section s)
{
    gpuc__slice line = {"", 0};
    const char *at;

    c->version_known = s.whole;
    if (!s.whole || s.status != 0 || !gpuc__slice_line(&s.body, &line))
        return;
    gpuc__slice_copy(c->driver_text, sizeof(c->driver_text), line);
    at = strstr(c->driver_text, "Kernel Module");
    for (at = at ? strchr(at, ' ') : NULL; at; at = strchr(at + 1, ' ')) {
        size_t n = strcspn(at + 1, " ");

        if (isdigit((unsigned char)at[1]) && memchr(at + 1, '.', n)) {
            gpuc__slice_copy(c->driver_version, sizeof(c->driver_version), (gpuc__slice){at + 1, n});
            return;
        }
    }
}

static void read_modules(gpuc__collect *c, gpuc__section s)
{
    gpuc__slice line;

    c->modules_known = s.whole && s.status == 0;
    while (gpuc__slice_line(&s.body, &line)) {
        c->module_nvidia = c->module_nvidia || gpuc__slice_starts(line, "nvidia ");
        c->module_uvm = c->module_uvm || gpuc__slice_starts(line, "nvidia_uvm ");
        c->module_nouveau = c->module_nouveau || gpuc__slice_starts(line, "nouveau ");
    }
}

/* mode: "666"; NULL: not known */
static void note_mode(gpuc__collect *c, const char *node, const char *mode)
{
    unsigned long bits = mode ? strtoul(mode, NULL, 8) : 0666;

    if ((bits & 6) != 6 && !c->node_closed[0] && !strstr(node, "caps"))
        snprintf(c->node_closed, sizeof(c->node_closed), "%.30s %.6s", node, mode);
}

static void read_nodes(gpuc__collect *c, gpuc__section s)
{
    gpuc__slice line;

    c->nodes_known = s.whole;
    while (gpuc__slice_line(&s.body, &line)) {
        char text[64], *mode;

        gpuc__slice_copy(text, sizeof(text), line);
        mode = strchr(text, ' ');
        if (mode)
            *mode++ = '\0';
        note_mode(c, text, mode);
        if (strcmp(text, "/dev/nvidiactl") == 0)
            c->node_ctl = true;
        else if (strcmp(text, "/dev/nvidia-uvm") == 0)
            c->node_uvm = true;
        else if (strncmp(text, "/dev/nvidia", 11) == 0 && isdigit((unsigned char)text[11]) &&
                 strspn(text + 11, "0123456789") == strlen(text + 11) &&
                 c->node_gpus < GPUC__COLLECT_NODES_MAX)
            c->node_gpus++;
    }
}

static void read_modinfo(gpuc__collect *c, gpuc__section s)
{
    gpuc__slice line;

    if (s.whole && gpuc__slice_line(&s.body, &line) && line.length && isdigit((unsigned char)*line.at))
        gpuc__slice_copy(c->modinfo_version, sizeof(c->modinfo_version), line);
}

static int read_smi(gpuc__collect *c, gpuc__section s, gpuc__section errors, gpuc_error **err)
{
    gpuc__slice rest = s.body, line;
    gpuc_error *why = NULL;
    int rc;

    c->smi_started = s.begun;
    c->smi_status = s.whole ? s.status : -1;
    gpuc__slice_copy(c->smi_stderr, sizeof(c->smi_stderr), errors.begun ? errors.body : (gpuc__slice){"", 0});
    while (!c->smi_line[0] && gpuc__slice_line(&rest, &line))
        gpuc__slice_copy(c->smi_line, sizeof(c->smi_line), line);
    if (!s.begun)
        return GPUC_OK;
    rc = gpuc__smi_parse(&c->smi, s.body.at, s.body.length, &why);
    if (rc == GPUC_ENOMEM) {
        gpuc_error_unref(why);
        return gpuc__error_nomem(err);
    }
    if (rc) {
        const char *message = gpuc_error_message(why);

        gpuc__slice_copy(c->smi_error, sizeof(c->smi_error), (gpuc__slice){message, strlen(message)});
    } else if (c->smi->simulated) {
        c->simulated = true;
    }
    gpuc_error_unref(why);
    return GPUC_OK;
}

/* What nvidia-smi says of the driver, where the chain begins. */
static void sum_up_smi(gpuc__collect *c)
{
    c->chain.smi_known = c->smi_started;
    c->chain.smi_status = c->smi_status;
    c->chain.smi_read = c->smi != NULL;
    c->chain.smi_gpus = c->smi ? c->smi->gpu_count : 0;
    for (size_t i = 0; i < c->chain.smi_gpus; i++) {
        size_t slices = c->smi->gpus[i].mig_devices;

        c->chain.mig = c->chain.mig || slices;
        c->chain.slices += slices ? slices : 1;
    }
    snprintf(c->chain.smi_line, sizeof(c->chain.smi_line), "%s",
             c->smi_status != 0 && c->smi_line[0] ? c->smi_line : c->smi_error);
}

int gpuc__collect_parse(gpuc__collect **out, const char *nonce, const char *bytes, size_t length,
                        gpuc__rules *rules, gpuc_error **err)
{
    enum { FACTS, PCI, VERSION, MODULES, MODINFO, NODES, SMI, SMI_ERRORS, CHAIN, TOPOLOGY,
           SECTIONS };
    static const char *const names[SECTIONS] = {
        [FACTS] = "facts",     [PCI] = "pci",     [VERSION] = "version", [MODULES] = "modules",
        [MODINFO] = "modinfo", [NODES] = "nodes", [SMI] = "smi", [SMI_ERRORS] = "smi_errors",
        [CHAIN] = "chain",     [TOPOLOGY] = "topology"};
    gpuc__section s[SECTIONS];
    gpuc__slice all = {bytes, length};
    gpuc__collect *c;
    char mark[128];
    bool any = false;
    int rc;

    GPUC__CHECK_ARG(err, nonce && gpuc__section_nonce_ok(nonce));
    if (length > GPUC__COLLECT_OUTPUT_MAX)
        return gpuc__error_set(err, GPUC_ELIMIT, GPUC_DOMAIN_GPU,
                               "the machine answered %zu bytes; at most %u are read", length,
                               GPUC__COLLECT_OUTPUT_MAX);
    for (size_t i = 0; i < SECTIONS; i++) {
        s[i] = gpuc__section_find(all, nonce, names[i]);
        any = any || s[i].begun;
    }
    if (!any) {
        rc = gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_GPU,
                             "the machine's answer has none of the sections asked for");
        gpuc__error_evidence(err, bytes, length < 512 ? length : 512);
        gpuc__error_remedy(err, "see whether \"sudo sh\" works on the machine and /bin/sh is a "
                                "POSIX shell");
        return rc;
    }
    c = gpuc__calloc(1, sizeof(*c));
    if (!c)
        return gpuc__error_nomem(err);
    snprintf(mark, sizeof(mark), "\n==%s done", nonce);
    c->complete = memmem(bytes, length, mark, strlen(mark)) != NULL;
    c->secure_boot = c->proc_gpus = -1;
    read_facts(c, s[FACTS]);
    read_version(c, s[VERSION]);
    read_modules(c, s[MODULES]);
    read_modinfo(c, s[MODINFO]);
    read_nodes(c, s[NODES]);
    gpuc__collect_read_chain(&c->chain, s[CHAIN].body.at, s[CHAIN].body.length, s[CHAIN].whole);
    rc = read_pci(c, s[PCI], err);
    if (rc == GPUC_OK)
        rc = read_smi(c, s[SMI], s[SMI_ERRORS], err);
    if (rc == GPUC_OK)
        rc = gpuc__collect_parts(c, all, nonce, rules, err);
    if (rc == GPUC_OK && s[TOPOLOGY].whole)
        rc = gpuc__smi_topology_parse(&c->topology, s[TOPOLOGY].body.at, s[TOPOLOGY].body.length,
                                      err);
    if (rc) {
        gpuc__collect_free(c);
        return rc;
    }
    sum_up_smi(c);
    *out = c;
    return GPUC_OK;
}

void gpuc__collect_free(gpuc__collect *collect)
{
    if (collect) {
        gpuc__smi_free(collect->smi);
        gpuc__smi_free(collect->links);
        gpuc__smi_free(collect->after.smi);
        gpuc__klog_free(collect->klog);
        json_decref(collect->link_errors);
        json_decref(collect->after.dcgm);
        json_decref(collect->topology);
        gpuc__free(collect->pci);
        gpuc__free(collect);
    }
}

bool gpuc__pci_is_gpu(const gpuc__pci_device *device)
{
    unsigned kind = device->pci_class >> 8;

    return device->vendor == 0x10de && (kind == 0x0300 || kind == 0x0302);
}

size_t gpuc__collect_pci_gpus(const gpuc__collect *collect)
{
    size_t n = 0;

    for (size_t i = 0; i < collect->pci_count; i++)
        n += gpuc__pci_is_gpu(&collect->pci[i]);
    return n;
}
