/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the driver beyond its module: versions, support, device nodes, Secure Boot. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/checks.h"
#include "gpu/driver.h"

#define INSTALL_NODES "nvidia-modprobe -u -c=0"

static void add_version(gpuc__findings *f, const char *what, const char *version, const char *loaded,
                        const char *remedy)
{
    if (!version[0])
        return;
    gpuc__found(f, strcmp(version, loaded) == 0 ? GPUC_CHECK_PASS : GPUC_CHECK_FAIL, remedy, "%s %s",
                what, version);
}

static void versions_match(gpuc__checkup *up)
{
    const gpuc__collect *c = up->collect;
    gpuc__findings f = {0};

    if (!c->driver_version[0] ||
        (!c->modinfo_version[0] && !c->nvml_version[0] && !c->cuda_version[0])) {
        gpuc__checkup_not_applicable(up, "drv.match", NULL,
                                     c->driver_version[0] ? "there is nothing to compare with"
                                                          : "no driver is loaded");
        return;
    }
    gpuc__found(&f, GPUC_CHECK_PASS, NULL, "loaded %s", c->driver_version);
    add_version(&f, "module on disk", c->modinfo_version, c->driver_version, NULL);
    add_version(&f, "libnvidia-ml", c->nvml_version, c->driver_version,
                "reboot the machine; when they still differ, install the libraries of the driver's "
                "version");
    add_version(&f, "libcuda", c->cuda_version, c->driver_version,
                "reboot the machine; when they still differ, install the libraries of the driver's "
                "version");
    gpuc__checkup_findings(up, "drv.match", NULL, &f, NULL, "");
}

static void device_nodes(gpuc__checkup *up)
{
    const gpuc__collect *c = up->collect;
    size_t gpus = c->smi ? c->smi->gpu_count : 0;
    gpuc__findings f = {0};

    if (!c->nodes_known || (c->simulated && !c->node_ctl && !c->node_uvm && !c->node_gpus)) {
        gpuc__checkup_not_applicable(up, "dev.nodes", NULL,
                                     c->nodes_known ? "SIMULATED GPU: this machine has no nodes"
                                                    : "they could not be listed");
        return;
    }
    if (!c->node_ctl)
        gpuc__found(&f, GPUC_CHECK_FAIL, INSTALL_NODES, "/dev/nvidiactl is missing");
    if (!c->node_uvm)
        gpuc__found(&f, GPUC_CHECK_FAIL, INSTALL_NODES, "/dev/nvidia-uvm is missing");
    if (c->node_gpus < gpus)
        gpuc__found(&f, GPUC_CHECK_FAIL, INSTALL_NODES, "%zu of %zu /dev/nvidiaN", c->node_gpus, gpus);
    if (c->node_closed[0])
        gpuc__found(&f, GPUC_CHECK_WARN, "chmod 0666, and NVreg_DeviceFileMode=0666 for the module",
                    "not open to all users: %s", c->node_closed);
    if (!f.length)
        gpuc__found(&f, GPUC_CHECK_PASS, NULL, "%zu for GPUs, nvidiactl, nvidia-uvm", c->node_gpus);
    gpuc__checkup_findings(up, "dev.nodes", NULL, &f, NULL, "");
}

static const gpuc__klog_event *refused_module(const gpuc__klog *log)
{
    for (size_t i = 0; log && i < log->count; i++) {
        if (strcmp(log->events[i].message, "unsigned") == 0)
            return &log->events[i];
    }
    return NULL;
}

/* Secure Boot does no harm while the module is loaded. */
static void secure_boot(gpuc__checkup *up)
{
    const gpuc__collect *c = up->collect;
    const gpuc__klog_event *refused = refused_module(c->klog);
    const char *state = c->secure_boot > 0    ? "on"
                        : c->secure_boot == 0 ? "off"
                        : c->no_efi           ? "off (no EFI)"
                                              : NULL;

    if (refused && (!c->smi || !c->smi->gpu_count))
        gpuc__checkup_result(up, "boot.secure", NULL, GPUC_CHECK_FAIL, NULL, refused->line,
                             "Secure Boot is %s, and the kernel refused an unsigned module",
                             state ? state : "in an unknown state");
    else if (state)
        gpuc__checkup_result(up, "boot.secure", NULL, GPUC_CHECK_PASS, NULL, NULL, "%s", state);
    else
        gpuc__checkup_not_applicable(up, "boot.secure", NULL, "its state cannot be read");
}

void gpuc__check_driver(gpuc__checkup *up)
{
    versions_match(up);
    device_nodes(up);
    secure_boot(up);
}

void gpuc__check_driver_fit(gpuc__checkup *up, const char *key, const char *bus)
{
    const gpuc__collect *c = up->collect;
    const gpuc__pci_device *pci = gpuc__checkup_pci(up, bus);
    const gpuc__smi_value *said = c->smi ? &c->smi->field[GPUC__SMI_DRIVER_VERSION] : NULL;
    const char *version = c->driver_version[0]                           ? c->driver_version
                          : said && said->state == GPUC__SMI_KNOWN ? said->text
                                                                   : "";
    gpuc__driver_fit fit = {0};

    if (!pci || !version[0]) {
        gpuc__checkup_not_applicable(up, "drv.support", key,
                                     pci ? "no driver is loaded" : "it is not on the PCI bus's list");
        return;
    }
    fit.branch = (int)strtol(version, NULL, 10);
    fit.open = !c->driver_text[0] ? -1 : strstr(c->driver_text, "Open Kernel Module") != NULL;
    fit.device = pci->device;
    fit.time_s = c->time_s;
    gpuc__driver_judge(&fit, up->proof->rules->branches);
    if (fit.known)
        gpuc__checkup_result(up, "drv.support", key, fit.status, fit.remedy, NULL, "%s", fit.observed);
    else
        gpuc__checkup_not_applicable(up, "drv.support", key, fit.observed);
}
