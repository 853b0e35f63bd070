/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a machine and of each GPU from what nvidia-smi and the kernel say. */
#include "gpu/checks.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gpu/tables.h"
#include "util/buf.h"
#include "util/error.h"

void gpuc__checkup_result(gpuc__checkup *up, const char *id, const char *gpu, int status,
                          const char *remedy, const char *evidence, const char *format, ...)
{
    char observed[600];
    va_list args;

    if (up->rc)
        return;
    va_start(args, format);
    vsnprintf(observed, sizeof(observed), format, args);
    va_end(args);
    up->rc = gpuc__proof_set(up->proof, id, gpu, status, observed, NULL, remedy, evidence,
                             up->err);
}

void gpuc__checkup_not_applicable(gpuc__checkup *up, const char *id, const char *gpu,
                                  const char *why)
{
    gpuc__checkup_result(up, id, gpu, GPUC_CHECK_SKIP, NULL, NULL, "%s", why);
    if (!up->rc)
        gpuc__proof_set_idle(up->proof, id, gpu);
}

void gpuc__found(gpuc__findings *f, int status, const char *remedy, const char *format, ...)
{
    va_list args;
    int n;

    if (status > f->status) {
        f->status = status;
        f->remedy = remedy;
    }
    if (f->length && f->length + 2 < sizeof(f->text))
        f->length += (size_t)snprintf(f->text + f->length, sizeof(f->text) - f->length, ", ");
    va_start(args, format);
    n = vsnprintf(f->text + f->length, sizeof(f->text) - f->length, format, args);
    va_end(args);
    f->length += n > 0 ? (size_t)n : 0;
    if (f->length >= sizeof(f->text))
        f->length = sizeof(f->text) - 1;
}

bool gpuc__found_sick(gpuc__findings *f, const char *what, const gpuc__smi_value *value)
{
    if (!gpuc__smi_state_sick(value->state))
        return false;
    gpuc__found(f, GPUC_CHECK_FAIL, NULL, "%s not readable: %s", what,
                gpuc__smi_state_name(value->state));
    return true;
}

void gpuc__checkup_findings(gpuc__checkup *up, const char *id, const char *gpu,
                            const gpuc__findings *f, const char *evidence, const char *nothing)
{
    if (f->length)
        gpuc__checkup_result(up, id, gpu, f->status, f->remedy, evidence, "%s", f->text);
    else
        gpuc__checkup_not_applicable(up, id, gpu, nothing);
}

double gpuc__checkup_limit(const gpuc__checkup *up, const char *id, const char *name)
{
    return gpuc__rules_limit(up->proof->rules, id, name);
}

bool gpuc__smi_says(const gpuc__smi_value *value, const char *text)
{
    return value->state == GPUC__SMI_KNOWN && strcasecmp(value->text, text) == 0;
}

const gpuc__pci_device *gpuc__checkup_pci(const gpuc__checkup *up, const char *bus)
{
    for (size_t i = 0; i < up->collect->pci_count; i++) {
        if (strcmp(up->collect->pci[i].bus, bus) == 0)
            return &up->collect->pci[i];
    }
    return NULL;
}

/* "0000:00:04.0 10de:1eb8 nvidia" a line. */
static void list_pci(gpuc__buf *out, const gpuc__collect *c)
{
    for (size_t i = 0; i < c->pci_count; i++) {
        const gpuc__pci_device *d = &c->pci[i];

        if (gpuc__pci_is_gpu(d))
            gpuc__buf_printf(out, "%s %04x:%04x %s\n", d->bus, d->vendor, d->device,
                             d->driver[0] ? d->driver : "-");
    }
}

static void pci_present(gpuc__checkup *up)
{
    const gpuc__collect *c = up->collect;
    size_t n = gpuc__collect_pci_gpus(c);
    gpuc__buf list = GPUC__BUF_INIT(1024);

    list_pci(&list, c);
    if (!c->pci_known)
        gpuc__checkup_result(up, "gpu.pci.present", NULL, GPUC_CHECK_FAIL,
                             "look at the machine again; its answer was cut", NULL,
                             "the PCI bus could not be read to the end");
    else if (up->expected == 0 && n)
        gpuc__checkup_result(up, "gpu.pci.present", NULL, GPUC_CHECK_WARN,
                             "declare the GPUs in the spec to use them", gpuc__buf_text(&list),
                             "%zu NVIDIA GPUs; the spec declares none", n);
    else if (n == 0 && up->expected != 0)
        gpuc__checkup_result(up, "gpu.pci.present", NULL, GPUC_CHECK_FAIL, NULL, NULL,
                             "no NVIDIA GPU on the PCI bus");
    else if (up->expected >= 0 && n != (size_t)up->expected)
        gpuc__checkup_result(up, "gpu.pci.present", NULL, GPUC_CHECK_FAIL, NULL,
                             gpuc__buf_text(&list), "%zu NVIDIA GPUs; the spec declares %d", n,
                             up->expected);
    else
        gpuc__checkup_result(up, "gpu.pci.present", NULL, GPUC_CHECK_PASS, NULL,
                             gpuc__buf_text(&list), "%zu", n);
    gpuc__buf_clear(&list);
}

static const char *nouveau_gpu(const gpuc__collect *c)
{
    for (size_t i = 0; i < c->pci_count; i++) {
        if (gpuc__pci_is_gpu(&c->pci[i]) && strcmp(c->pci[i].driver, "nouveau") == 0)
            return c->pci[i].bus;
    }
    return NULL;
}

static void driver_module(gpuc__checkup *up)
{
    static const char id[] = "drv.module";
    const gpuc__collect *c = up->collect;

    if (c->simulated && !c->driver_shown)
        gpuc__checkup_not_applicable(up, id, NULL,
                                     "SIMULATED GPU: there is no kernel driver behind it");
    else if (nouveau_gpu(c))
        gpuc__checkup_result(up, id, NULL, GPUC_CHECK_FAIL,
                             "blacklist nouveau, update the initramfs and reboot", NULL,
                             "nouveau drives the GPU at %s", nouveau_gpu(c));
    else if (!c->version_known)
        gpuc__checkup_result(up, id, NULL, GPUC_CHECK_FAIL, NULL, NULL,
                             "the machine's answer was cut before it named its driver");
    else if (!c->driver_version[0] && c->modinfo_version[0])
        gpuc__checkup_result(up, id, NULL, GPUC_CHECK_FAIL,
                             "modprobe nvidia; when that fails, read dmesg (Secure Boot refuses "
                             "unsigned modules), then reboot",
                             c->driver_text, "not loaded; version %s is installed",
                             c->modinfo_version);
    else if (!c->driver_version[0])
        gpuc__checkup_result(up, id, NULL, GPUC_CHECK_FAIL, NULL, c->driver_text,
                             "the nvidia kernel module is not loaded");
    else if (c->modules_known && !c->module_uvm)
        gpuc__checkup_result(up, id, NULL, GPUC_CHECK_WARN, "nvidia-modprobe -u -c=0",
                             c->driver_text, "driver %s; nvidia_uvm is not loaded",
                             c->driver_version);
    else
        gpuc__checkup_result(up, id, NULL, GPUC_CHECK_PASS, NULL, c->driver_text, "driver %s",
                             c->driver_version);
}

/* The row of the exit code table, or of its texts, that explains the run. */
static json_t *explain_exit(json_t *table, const gpuc__collect *c)
{
    size_t i;
    json_t *row;

    json_array_foreach(json_object_get(table, "texts"), i, row) {
        const char *text = gpuc__table_text(row, "text");

        if (*text && (strstr(c->smi_line, text) || strstr(c->smi_stderr, text)))
            return row;
    }
    row = gpuc__table_find_int(table, "codes", "code", c->smi_status);
    return row ? row : json_object_get(table, "default");
}

static void smi_failed(gpuc__checkup *up)
{
    const gpuc__collect *c = up->collect;
    json_t *table = NULL, *row;

    up->rc = gpuc__table_load(&table, "gpu/smi-exit-codes.json", up->err);
    if (up->rc)
        return;
    row = explain_exit(table, c);
    gpuc__checkup_result(up, "smi.run", NULL, GPUC_CHECK_FAIL, gpuc__table_text(row, "remedy"),
                         c->smi_line[0] ? c->smi_line : c->smi_stderr, "exit status %d: %s",
                         c->smi_status, gpuc__table_text(row, "reason"));
    json_decref(table);
}

static void smi_run(gpuc__checkup *up)
{
    const gpuc__collect *c = up->collect;

    if (!c->smi_started)
        gpuc__checkup_result(up, "smi.run", NULL, GPUC_CHECK_FAIL, NULL, NULL,
                             "the machine's answer was cut before nvidia-smi ran");
    else if (c->smi_status < 0)
        gpuc__checkup_result(up, "smi.run", NULL, GPUC_CHECK_FAIL,
                             "power-cycle the machine when nvidia-smi hangs there by hand too",
                             c->smi_line, "no end of nvidia-smi's answer within the deadline");
    else if (c->smi_status > 0)
        smi_failed(up);
    else if (!c->smi)
        gpuc__checkup_result(up, "smi.run", NULL, GPUC_CHECK_FAIL, NULL, c->smi_line,
                             "exit status 0, but %s", c->smi_error);
    else
        gpuc__checkup_result(up, "smi.run", NULL, GPUC_CHECK_PASS, NULL, NULL,
                             "exit status 0, %zu GPUs", c->smi->gpu_count);
}

static bool listed(const gpuc__smi *smi, const char *bus)
{
    for (size_t i = 0; smi && i < smi->gpu_count; i++) {
        if (strcmp(smi->gpus[i].bus, bus) == 0)
            return true;
    }
    return false;
}

static void list_missing(gpuc__buf *out, const gpuc__collect *c)
{
    for (size_t i = 0; i < c->pci_count; i++) {
        if (gpuc__pci_is_gpu(&c->pci[i]) && !listed(c->smi, c->pci[i].bus))
            gpuc__buf_printf(out, "%s is on the PCI bus and not in nvidia-smi\n", c->pci[i].bus);
    }
}

/* What each source counts; sources that are not known say nothing. */
typedef struct count {
    const char *name;
    bool known;
    double value;
} count;

static void gpu_count(gpuc__checkup *up)
{
    const gpuc__collect *c = up->collect;
    const gpuc__smi_value *said = c->smi ? &c->smi->field[GPUC__SMI_ATTACHED_GPUS] : NULL;
    const count counts[] = {
        {"spec", up->expected >= 0, up->expected},
        {"PCI bus", c->pci_known, (double)gpuc__collect_pci_gpus(c)},
        {"nvidia-smi", c->smi, c->smi ? (double)c->smi->gpu_count : 0},
        {"attached_gpus", said && said->has_number && said->number != (double)c->smi->gpu_count,
         said ? said->number : 0},
        {"/proc", c->proc_gpus >= 0, c->proc_gpus},
        /* a stand-in need not have a /dev/nvidiaN of its own */
        {"/dev/nvidiaN", c->nodes_known && (!c->simulated || c->node_ctl), (double)c->node_gpus},
    };
    gpuc__buf all = GPUC__BUF_INIT(1024), missing = GPUC__BUF_INIT(1024);
    bool same = c->smi;

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        if (!counts[i].known)
            continue;
        gpuc__buf_printf(&all, "%s%s %.0f", all.length ? ", " : "", counts[i].name,
                         counts[i].value);
        same = same && counts[i].value == (double)c->smi->gpu_count;
    }
    if (!c->smi)
        gpuc__buf_printf(&all, "%snvidia-smi none readable", all.length ? ", " : "");
    list_missing(&missing, c);
    gpuc__checkup_result(up, "gpu.count", NULL, same ? GPUC_CHECK_PASS : GPUC_CHECK_FAIL, NULL,
                         gpuc__buf_text(&missing), "%s", gpuc__buf_text(&all));
    gpuc__buf_clear(&all);
    gpuc__buf_clear(&missing);
}

void gpuc__check_machine(gpuc__checkup *up)
{
    pci_present(up);
    if (up->expected == 0)
        return;
    driver_module(up);
    gpuc__check_driver(up);
    smi_run(up);
    gpu_count(up);
    gpuc__check_fabric_manager(up);
}

static void lost(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *key)
{
    if (gpu->sick_count)
        gpuc__checkup_result(up, "gpu.lost", key, GPUC_CHECK_FAIL, NULL, NULL,
                             "\"%s\" in %zu elements, first %s",
                             gpuc__smi_state_name(gpu->sick), gpu->sick_count, gpu->sick_element);
    else
        gpuc__checkup_result(up, "gpu.lost", key, GPUC_CHECK_PASS, NULL, NULL, "none");
}

static void recovery(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *key)
{
    static const char id[] = "gpu.recovery";
    const gpuc__smi_value *action = &gpu->field[GPUC__SMI_RECOVERY_ACTION];
    const gpuc__smi_value *reset = &gpu->field[GPUC__SMI_RESET_REQUIRED];
    const gpuc__smi_value *advised = &gpu->field[GPUC__SMI_RESET_RECOMMENDED];

    if (gpuc__smi_state_sick(action->state) ||
        (action->state == GPUC__SMI_KNOWN && !gpuc__smi_says(action, "None")))
        gpuc__checkup_result(up, id, key, GPUC_CHECK_FAIL, NULL, NULL, "%s", action->text);
    else if (gpuc__smi_says(action, "None"))
        gpuc__checkup_result(up, id, key, GPUC_CHECK_PASS, NULL, NULL, "None");
    else if (gpuc__smi_state_sick(reset->state) || gpuc__smi_says(reset, "Yes") || gpuc__smi_says(advised, "Yes"))
        gpuc__checkup_result(up, id, key, GPUC_CHECK_FAIL, NULL, NULL,
                             "reset required: %s, drain and reset recommended: %s",
                             reset->text[0] ? reset->text : "?",
                             advised->text[0] ? advised->text : "?");
    else if (gpuc__smi_says(reset, "No"))
        gpuc__checkup_result(up, id, key, GPUC_CHECK_PASS, NULL, NULL, "no reset required");
    else
        gpuc__checkup_not_applicable(up, id, key, "this GPU or driver does not report it");
}

static void compute_mode(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *key)
{
    const gpuc__smi_value *mode = &gpu->field[GPUC__SMI_COMPUTE_MODE];

    if (gpuc__smi_says(mode, "Prohibited"))
        gpuc__checkup_result(up, "mode.compute", key, GPUC_CHECK_FAIL, NULL, NULL, "%s",
                             mode->text);
    else if (gpuc__smi_says(&gpu->field[GPUC__SMI_MIG], "Enabled"))
        gpuc__checkup_result(up, "mode.compute", key, GPUC_CHECK_WARN,
                             "nvidia-smi -mig 0 on an idle GPU, unless its slices are wanted", NULL,
                             "MIG is enabled, %zu devices", gpu->mig_devices);
    else if (gpuc__smi_says(mode, "Default"))
        gpuc__checkup_result(up, "mode.compute", key, GPUC_CHECK_PASS, NULL, NULL, "Default");
    else if (mode->state == GPUC__SMI_KNOWN)
        gpuc__checkup_result(up, "mode.compute", key, GPUC_CHECK_WARN, NULL, NULL, "%s",
                             mode->text);
    else
        gpuc__checkup_not_applicable(up, "mode.compute", key, "not reported");
}

void gpuc__check_gpu(gpuc__checkup *up, const gpuc__smi_gpu *gpu)
{
    const char *key = gpuc__smi_gpu_key(gpu);

    lost(up, gpu, key);
    recovery(up, gpu, key);
    compute_mode(up, gpu, key);
    gpuc__check_memory(up, gpu, key);
    gpuc__check_load(up, gpu, key);
    gpuc__check_links(up, gpu, key);
}
