/* SPDX-License-Identifier: Apache-2.0 */
/* The compute check of each GPU, and the evaluation as a whole. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gpu/checks.h"
#include "util/alloc.h"
#include "util/error.h"

#define ID "cuda.compute"
/* Memory in use with no process to be seen; less is what drivers reserve for themselves. */
#define IDLE_MIB 512

bool gpuc__gpu_busy(const gpuc__smi_gpu *gpu, char *out, size_t size)
{
    const gpuc__smi_value *used = &gpu->field[GPUC__SMI_MEMORY_USED];

    if (gpu->process_total) {
        const gpuc__smi_process *p = &gpu->processes[0];

        snprintf(out, size, "left alone: process %ld %s runs on it, and %zu more", p->pid, p->name,
                 gpu->process_total - 1);
        return true;
    }
    if (!gpu->processes_known && used->has_number && used->number > IDLE_MIB) {
        snprintf(out, size,
                 "left alone: its processes cannot be listed and %.0f MiB are in use",
                 used->number);
        return true;
    }
    return false;
}

static void explain(gpuc__checkup *up, const char *key, int code, const char *error,
                    const char *stage, const char *detail)
{
    gpuc__cuda_reason why;

    up->rc = gpuc__cuda_reason_get(&why, code, error, up->err);
    if (up->rc)
        return;
    if (code)
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_FAIL, why.remedy, detail, "%s: %d %s: %s",
                             stage, code, why.name, why.reason);
    else
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_FAIL, why.remedy, detail, "%s: %s: %s", stage,
                             why.name, why.reason);
    gpuc__cuda_reason_clear(&why);
}

static void not_seen(gpuc__checkup *up, const char *key)
{
    const gpuc__probe *p = up->probe;

    if (p->fatal)
        explain(up, key, p->code, p->error, p->stage, p->detail);
    else if (p->status == 124 || p->status == 137)
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_FAIL,
                             "read \"dmesg | grep Xid\"; power-cycle the machine if the GPU hangs",
                             p->detail, "the probe did not end within 120 s");
    else if (p->count < 0)
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_FAIL,
                             "run the proof again; if it fails the same way, report it", p->detail,
                             "the probe ended with status %d before it reached CUDA", p->status);
    else
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_FAIL,
                             "see whether CUDA_VISIBLE_DEVICES is set for root, and read \"dmesg | "
                             "grep NVRM\"",
                             p->detail, "CUDA does not see this GPU (it sees %d)", p->count);
}

static void probed(gpuc__checkup *up, const char *key, const gpuc__probe_gpu *g)
{
    if (g->status == GPUC_CHECK_SKIP)
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_SKIP, NULL, NULL, "left alone: %s", g->detail);
    else if (g->status == GPUC_CHECK_PASS && g->gbs > 0)
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_PASS, NULL, NULL,
                             "0 wrong words in 3 x %ld MiB, %.1f GB/s", g->mib, g->gbs);
    else if (g->status == GPUC_CHECK_PASS)
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_PASS, NULL, NULL,
                             "0 wrong words in 3 x %ld MiB", g->mib);
    else if (!g->error[0] && (up->probe->status == 124 || up->probe->status == 137))
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_FAIL,
                             "read \"dmesg | grep Xid\"; power-cycle the machine if the GPU hangs",
                             g->detail, "the GPU did not finish within 120 s");
    else
        explain(up, key, g->code, g->error, g->stage, g->detail);
}

void gpuc__check_cuda(gpuc__checkup *up, const char *key, const char *bus,
                      const gpuc__smi_gpu *gpu)
{
    const gpuc__collect *c = up->collect;
    const gpuc__probe *p = up->probe;
    const gpuc__probe_gpu *g = p ? gpuc__probe_find(p, bus, key) : NULL;
    char why[400];

    if (gpu && gpuc__gpu_busy(gpu, why, sizeof(why)))
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_SKIP, NULL, NULL, "%s", why);
    else if (gpu && strcasecmp(gpu->field[GPUC__SMI_MIG].text, "Enabled") == 0)
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_SKIP, NULL, NULL,
                             "MIG is enabled: its devices are not probed by this version");
    else if (!g && ((c->python3_known && !c->python3[0]) || (p && p->status == 127)))
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_FAIL,
                             "install python3-minimal on the machine; the probe needs nothing else",
                             NULL, "cannot be proved: there is no python3 on the machine");
    else if (!p)
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_SKIP, NULL, NULL, "the probe was not run%s%s",
                             up->probe_reason ? ": " : "",
                             up->probe_reason ? up->probe_reason : "");
    else if (!g)
        not_seen(up, key);
    else
        probed(up, key, g);
}

static char *dup_known(const char *text, int *rc)
{
    char *copy = text && *text ? gpuc__proof_text(text, 128) : NULL;

    if (text && *text && !copy)
        *rc = GPUC_ENOMEM;
    return copy;
}

/* GPUs as nvidia-smi lists them, and behind them those that only the PCI bus shows. */
static void add_gpu(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *bus, int index)
{
    gpuc__machine_proof *proof = up->proof;
    gpuc__proof_gpu *list = gpuc__realloc(proof->gpus, (proof->gpu_count + 1) * sizeof(*list));
    gpuc__proof_gpu *g;
    const gpuc__probe_gpu *measured;

    if (!list) {
        up->rc = GPUC_ENOMEM;
        return;
    }
    proof->gpus = list;
    g = &list[proof->gpu_count++];
    memset(g, 0, sizeof(*g));
    g->index = index;
    g->memory_mib = -1;
    g->bus = dup_known(bus, &up->rc);
    if (gpu) {
        const gpuc__smi_value *uuid = &gpu->field[GPUC__SMI_UUID];
        const gpuc__smi_value *product = &gpu->field[GPUC__SMI_PRODUCT];
        const gpuc__smi_value *memory = &gpu->field[GPUC__SMI_MEMORY_TOTAL];

        g->uuid = dup_known(uuid->state == GPUC__SMI_KNOWN ? uuid->text : NULL, &up->rc);
        g->product = dup_known(product->state == GPUC__SMI_KNOWN ? product->text : NULL, &up->rc);
        g->memory_mib = memory->has_number ? memory->number : -1;
        g->details = gpuc__smi_gpu_to_json(gpu);
        if (!g->details)
            up->rc = GPUC_ENOMEM;
    }
    measured = up->probe ? gpuc__probe_find(up->probe, bus, g->uuid ? g->uuid : "") : NULL;
    if (measured && measured->status == GPUC_CHECK_PASS)
        g->gbs = measured->gbs;
}

static void check_gpus(gpuc__checkup *up)
{
    const gpuc__collect *c = up->collect;

    for (size_t i = 0; c->smi && i < c->smi->gpu_count && !up->rc; i++) {
        const gpuc__smi_gpu *gpu = &c->smi->gpus[i];

        add_gpu(up, gpu, gpu->bus, (int)i);
        gpuc__check_gpu(up, gpu);
        gpuc__check_cuda(up, gpuc__smi_gpu_key(gpu), gpu->bus, gpu);
    }
    for (size_t i = 0; i < c->pci_count && !up->rc; i++) {
        const gpuc__pci_device *d = &c->pci[i];
        bool seen = false;

        for (size_t k = 0; c->smi && k < c->smi->gpu_count; k++)
            seen = seen || strcmp(c->smi->gpus[k].bus, d->bus) == 0;
        if (!seen && gpuc__pci_is_gpu(d)) {
            add_gpu(up, NULL, d->bus, -1);
            gpuc__check_cuda(up, d->bus, d->bus, NULL);
        }
    }
}

static void describe(gpuc__checkup *up)
{
    const gpuc__collect *c = up->collect;
    const gpuc__smi_value *driver = c->smi ? &c->smi->field[GPUC__SMI_DRIVER_VERSION] : NULL;
    const gpuc__smi_value *cuda = c->smi ? &c->smi->field[GPUC__SMI_CUDA_VERSION] : NULL;

    up->proof->simulated = c->simulated || (up->probe && up->probe->simulated);
    up->proof->kernel = dup_known(c->kernel, &up->rc);
    up->proof->driver = dup_known(driver && driver->state == GPUC__SMI_KNOWN ? driver->text
                                                                             : c->driver_version,
                                  &up->rc);
    up->proof->cuda =
        dup_known(cuda && cuda->state == GPUC__SMI_KNOWN ? cuda->text : NULL, &up->rc);
}

int gpuc__proof_evaluate(gpuc__machine_proof **out, const char *machine, int expected_gpus,
                         const gpuc__collect *collect, const gpuc__probe *probe,
                         const char *probe_reason, gpuc_error **err)
{
    static const gpuc__collect nothing = {.smi_status = -1};
    gpuc__checkup up = {.expected = expected_gpus, .collect = collect ? collect : &nothing,
                        .probe = probe, .probe_reason = probe_reason, .err = err};

    GPUC__CHECK_ARG(err, machine && expected_gpus >= -1);
    up.proof = gpuc__proof_new(machine, err);
    if (!up.proof)
        return err && *err ? gpuc_error_code(*err) : GPUC_ENOMEM;
    up.proof->chain = up.collect->chain;
    describe(&up);
    gpuc__check_machine(&up);
    if (expected_gpus != 0) {
        check_gpus(&up);
        gpuc__checkup_result(&up, "k8s.alloc", NULL, GPUC_CHECK_SKIP, NULL, NULL, "not tried");
        gpuc__checkup_result(&up, "k8s.pod", NULL, GPUC_CHECK_SKIP, NULL, NULL, "not tried");
    }
    if (up.rc) {
        gpuc__proof_free(up.proof);
        return up.rc == GPUC_ENOMEM ? gpuc__error_nomem(err) : up.rc;
    }
    *out = up.proof;
    return GPUC_OK;
}

void gpuc__proof_busy_free(char **list)
{
    for (char **p = list; p && *p; p++)
        gpuc__free(*p);
    gpuc__free(list);
}

int gpuc__proof_busy(char ***out, size_t *count, const gpuc__collect *collect, gpuc_error **err)
{
    size_t gpus = collect->smi ? collect->smi->gpu_count : 0, n = 0;
    char **list = gpuc__calloc(gpus + 1, sizeof(*list));
    char why[400];

    if (!list)
        return gpuc__error_nomem(err);
    for (size_t i = 0; i < gpus; i++) {
        const gpuc__smi_gpu *gpu = &collect->smi->gpus[i];

        if (!gpu->bus[0] || !gpuc__gpu_busy(gpu, why, sizeof(why)))
            continue;
        list[n] = gpuc__strdup(gpu->bus);
        if (!list[n++]) {
            gpuc__proof_busy_free(list);
            return gpuc__error_nomem(err);
        }
    }
    *out = list;
    *count = n;
    return GPUC_OK;
}
