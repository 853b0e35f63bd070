/* SPDX-License-Identifier: Apache-2.0 */
/* The compute check of each GPU, and the evaluation as a whole. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gpu/checks.h"
#include "gpu/smi_fields.h"
#include "util/alloc.h"
#include "util/error.h"

#define ID "cuda.compute"
/* Memory in use with no process to be seen; less is what drivers reserve for themselves. */
#define IDLE_MIB 512
#define DETAILS_MAX (4u << 20)
#define MIGS_MAX_BYTES (GPUC__SMI_MIGS_MAX * (GPUC__SMI_TEXT_MAX + 2))

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

bool gpuc__mig_busy(const gpuc__smi_gpu *gpu, const gpuc__smi_mig *mig, char *out, size_t size)
{
    const gpuc__smi_value *instance = &mig->field[GPUC__SMI_MIG_GI];
    const gpuc__smi_value *used = &mig->field[GPUC__SMI_MIG_MEMORY_USED];

    for (size_t i = 0; i < gpu->process_count; i++) {
        const gpuc__smi_process *p = &gpu->processes[i];

        if (p->gpu_instance >= 0 && instance->has_number && instance->number != (double)p->gpu_instance)
            continue;
        snprintf(out, size, "left alone: process %ld %s runs on it", p->pid, p->name);
        return true;
    }
    if ((!gpu->processes_known || gpu->process_total > gpu->process_count) && used->has_number &&
        used->number > IDLE_MIB) {
        snprintf(out, size,
                 "left alone: its processes cannot be listed and %.0f MiB are in use",
                 used->number);
        return true;
    }
    return false;
}

static bool mig_enabled(const gpuc__smi_gpu *gpu)
{
    return strcasecmp(gpu->field[GPUC__SMI_MIG].text, "Enabled") == 0;
}

/* Its number on its GPU; -1: not given. */
static int mig_index(const gpuc__smi_mig *mig)
{
    const gpuc__smi_value *index = &mig->field[GPUC__SMI_MIG_INDEX];

    return index->has_number && index->number >= 0 && index->number < 1000 ? (int)index->number : -1;
}

bool gpuc__proof_any_busy(const gpuc__collect *collect)
{
    char why[400];
    bool busy = false;

    for (size_t i = 0; collect->smi && i < collect->smi->gpu_count; i++) {
        const gpuc__smi_gpu *gpu = &collect->smi->gpus[i];

        if (!mig_enabled(gpu))
            busy = busy || gpuc__gpu_busy(gpu, why, sizeof(why));
        for (size_t k = 0; mig_enabled(gpu) && k < gpu->mig_count; k++)
            busy = busy || gpuc__mig_busy(gpu, &gpu->migs[k], why, sizeof(why));
    }
    return busy;
}

static void explain(gpuc__checkup *up, const char *key, int status, int code, const char *error,
                    const char *stage, const char *detail)
{
    gpuc__cuda_reason why;

    up->rc = gpuc__cuda_reason_get(&why, code, error, up->err);
    if (up->rc)
        return;
    if (status == GPUC_CHECK_SKIP)
        gpuc__checkup_result(up, ID, key, status, why.remedy, why.name, "%s: %s", why.reason, detail);
    else if (code)
        gpuc__checkup_result(up, ID, key, status, why.remedy, detail, "%s: %d %s: %s", stage, code,
                             why.name, why.reason);
    else
        gpuc__checkup_result(up, ID, key, status, why.remedy, detail, "%s: %s: %s", stage, why.name,
                             why.reason);
    gpuc__cuda_reason_clear(&why);
}

/* The probe has no line of this device. */
static void not_seen(gpuc__checkup *up, const char *key)
{
    const gpuc__probe *p = up->probe;
    bool no_runner = strcmp(p->error, GPUC__PROBE_NO_RUNNER) == 0;

    if (p->fatal)
        explain(up, key, no_runner ? GPUC_CHECK_SKIP : GPUC_CHECK_FAIL, p->code, p->error, p->stage,
                p->detail);
    else if (p->status == 124 || p->status == 137)
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_FAIL,
                             "read \"dmesg | grep Xid\"; power-cycle the machine if the GPU hangs",
                             p->detail, "the probe was cut before it came to this GPU");
    else if (p->count < 0)
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_FAIL,
                             "run the proof again; if it fails the same way, report it", p->detail,
                             "the probe ended with status %d before it began", p->status);
    else
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_FAIL,
                             "read \"dmesg | grep NVRM\": nvidia-smi gives no UUID for it", p->detail,
                             "CUDA could not be pointed at it (at %d others it was)", p->count);
}

/* of: "" or " on MIG 1g.10gb of GPU-…" */
static void probed(gpuc__checkup *up, const char *key, const gpuc__probe_gpu *g, const char *of)
{
    if (g->status != GPUC_CHECK_PASS)
        explain(up, key, GPUC_CHECK_FAIL, g->code, g->error, g->stage, g->detail);
    else if (g->gbs > 0)
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_PASS, NULL, NULL,
                             "0 wrong words in 3 x %ld MiB%s, %.1f GB/s", g->mib, of, g->gbs);
    else
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_PASS, NULL, NULL,
                             "0 wrong words in 3 x %ld MiB%s", g->mib, of);
}

static void not_run(gpuc__checkup *up, const char *key)
{
    gpuc__checkup_result(up, ID, key, GPUC_CHECK_SKIP, NULL, NULL, "the probe was not run%s%s",
                         up->probe_reason ? ": " : "", up->probe_reason ? up->probe_reason : "");
}

static void check_mig(gpuc__checkup *up, const char *uuid, const gpuc__smi_gpu *gpu,
                      const gpuc__smi_mig *mig, const gpuc__probe_gpu *g)
{
    const char *profile = mig->field[GPUC__SMI_MIG_PROFILE].text;
    char why[400], of[320];

    snprintf(of, sizeof(of), " on MIG device %d%s%s of %s", mig_index(mig), *profile ? " " : "",
             profile, gpu->field[GPUC__SMI_UUID].text);
    if (gpuc__mig_busy(gpu, mig, why, sizeof(why)))
        gpuc__checkup_result(up, ID, uuid, GPUC_CHECK_SKIP, NULL, NULL, "MIG device %d: %s",
                             mig_index(mig), why);
    else if (!up->probe)
        not_run(up, uuid);
    else if (!g)
        not_seen(up, uuid);
    else
        probed(up, uuid, g, of);
}

/* Those whose UUID neither nvidia-smi nor the probe told, in one word on their GPU. */
static void check_nameless(gpuc__checkup *up, const char *key, const char *idle, const char *busy)
{
    const gpuc__probe *p = up->probe;
    bool unseen = !p || (p->fatal && strcmp(p->error, GPUC__PROBE_NO_RUNNER) == 0);

    if (!*idle || (*busy && unseen)) /* what is in use is to be left alone by others, too */
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_SKIP, NULL, NULL, "%s", busy);
    else if (!p)
        not_run(up, key);
    else if (p->fatal || p->count < 0 || !p->ends)
        not_seen(up, key);
    else
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_FAIL,
                             "compare \"nvidia-smi -L\" with \"nvidia-smi mig -lci\", and make the "
                             "instances again",
                             NULL, "CUDA could not be pointed at MIG device%s: nvidia-smi -L does not "
                                   "list it",
                             idle);
}

static void check_migs(gpuc__checkup *up, const char *key, const gpuc__smi_gpu *gpu)
{
    const char *parent = gpu->field[GPUC__SMI_UUID].text;
    char why[400], busy[400] = "", idle[200] = "";
    size_t nameless = 0;

    for (size_t i = 0; i < gpu->mig_count && !up->rc; i++) {
        const gpuc__smi_mig *mig = &gpu->migs[i];
        int index = mig_index(mig);
        const gpuc__probe_gpu *g = up->probe ? gpuc__probe_find_mig(up->probe, parent, index) : NULL;
        const char *uuid = g ? g->device : mig->field[GPUC__SMI_MIG_UUID].text;
        size_t used = strlen(idle);

        if (*uuid) {
            check_mig(up, uuid, gpu, mig, g);
            continue;
        }
        nameless++;
        if (gpuc__mig_busy(gpu, mig, why, sizeof(why)))
            memcpy(busy, why, sizeof(busy));
        else
            snprintf(idle + used, sizeof(idle) - used, " %d", index);
    }
    if (nameless && !up->rc)
        check_nameless(up, key, idle, busy);
    else if (!gpu->mig_count)
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_SKIP,
                             "make MIG instances (nvidia-smi mig -cgi PROFILE -C), or disable MIG",
                             NULL, "MIG is enabled and there is no MIG device to compute on");
}

void gpuc__check_cuda(gpuc__checkup *up, const char *key, const char *bus,
                      const gpuc__smi_gpu *gpu)
{
    const gpuc__probe *p = up->probe;
    const gpuc__probe_gpu *g = p ? gpuc__probe_find(p, bus, key) : NULL;
    char why[400];

    if (gpu && mig_enabled(gpu))
        check_migs(up, key, gpu);
    else if (gpu && gpuc__gpu_busy(gpu, why, sizeof(why)))
        gpuc__checkup_result(up, ID, key, GPUC_CHECK_SKIP, NULL, NULL, "%s", why);
    else if (!p)
        not_run(up, key);
    else if (!g)
        not_seen(up, key);
    else
        probed(up, key, g, "");
}

static char *dup_known(const char *text, int *rc)
{
    char *copy = text && *text ? gpuc__proof_text(text, 128) : NULL;

    if (text && *text && !copy)
        *rc = GPUC_ENOMEM;
    return copy;
}

/* nvidia-smi -q -x names MIG devices by number only; the probe knows their UUIDs. The devices with
 * both; NULL without memory, or where there is none. */
static gpuc__smi_mig *named_migs(const gpuc__smi_gpu *gpu, const gpuc__probe *probe)
{
    gpuc__smi_mig *migs = gpu->mig_count ? gpuc__calloc(gpu->mig_count, sizeof(*migs)) : NULL;

    for (size_t i = 0; migs && i < gpu->mig_count; i++) {
        const gpuc__probe_gpu *g = NULL;
        gpuc__smi_value *uuid = &migs[i].field[GPUC__SMI_MIG_UUID];

        migs[i] = gpu->migs[i];
        if (probe && mig_index(&migs[i]) >= 0)
            g = gpuc__probe_find_mig(probe, gpu->field[GPUC__SMI_UUID].text, mig_index(&migs[i]));
        if (g && uuid->state != GPUC__SMI_KNOWN)
            gpuc__smi_value_read(uuid, GPUC__SMI_KIND_TEXT, g->device);
    }
    return migs;
}

static const char *known(const gpuc__smi_value *value)
{
    return value->state == GPUC__SMI_KNOWN ? value->text : NULL;
}

/* All that nvidia-smi said of it. false without memory. */
static bool add_details(gpuc__proof_gpu *g, const gpuc__smi_gpu *gpu, const gpuc__probe *probe)
{
    gpuc__smi_mig *migs = named_migs(gpu, probe);
    gpuc__buf text = GPUC__BUF_INIT(DETAILS_MAX), names = GPUC__BUF_INIT(MIGS_MAX_BYTES);

    if (gpu->mig_count && !migs)
        return false;
    gpuc__smi_gpu_put(&text, NULL, gpu, migs);
    for (size_t i = 0; i < gpu->mig_count; i++) {
        const char *uuid = known(&migs[i].field[GPUC__SMI_MIG_UUID]);

        if (uuid)
            gpuc__buf_printf(&names, "\n%s\n", uuid);
    }
    gpuc__free(migs);
    g->details = gpuc__buf_take(&text);
    g->migs = gpuc__buf_take(&names);
    return g->details && g->migs;
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
        const gpuc__smi_value *memory = &gpu->field[GPUC__SMI_MEMORY_TOTAL];

        g->uuid = dup_known(known(&gpu->field[GPUC__SMI_UUID]), &up->rc);
        g->product = dup_known(known(&gpu->field[GPUC__SMI_PRODUCT]), &up->rc);
        g->vbios = dup_known(known(&gpu->field[GPUC__SMI_VBIOS]), &up->rc);
        g->memory_mib = memory->has_number ? memory->number : -1;
        if (!add_details(g, gpu, up->probe))
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
        gpuc__check_driver_fit(up, gpuc__smi_gpu_key(gpu), gpu->bus);
        gpuc__check_gpu(up, gpu);
        gpuc__check_cuda(up, gpuc__smi_gpu_key(gpu), gpu->bus, gpu);
        gpuc__check_bandwidth(up, gpuc__smi_gpu_key(gpu), gpu->bus);
    }
    for (size_t i = 0; i < c->pci_count && !up->rc; i++) {
        const gpuc__pci_device *d = &c->pci[i];
        bool seen = false;

        for (size_t k = 0; c->smi && k < c->smi->gpu_count; k++)
            seen = seen || strcmp(c->smi->gpus[k].bus, d->bus) == 0;
        if (!seen && gpuc__pci_is_gpu(d)) {
            add_gpu(up, NULL, d->bus, -1);
            gpuc__check_driver_fit(up, d->bus, d->bus);
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
    up->proof->topology = json_incref(c->topology);
    up->proof->kernel = dup_known(c->kernel, &up->rc);
    up->proof->driver = dup_known(driver && driver->state == GPUC__SMI_KNOWN ? driver->text
                                                                             : c->driver_version,
                                  &up->rc);
    up->proof->cuda =
        dup_known(cuda && cuda->state == GPUC__SMI_KNOWN ? cuda->text : NULL, &up->rc);
}

int gpuc__proof_evaluate(gpuc__machine_proof **out, const char *machine, int expected_gpus,
                         const gpuc__collect *collect, const gpuc__probe *probe,
                         const char *probe_reason, gpuc__rules *rules, gpuc_error **err)
{
    static const gpuc__collect nothing = {.smi_status = -1, .proc_gpus = -1, .secure_boot = -1};
    gpuc__checkup up = {.expected = expected_gpus, .collect = collect ? collect : &nothing,
                        .probe = probe, .probe_reason = probe_reason, .err = err};

    GPUC__CHECK_ARG(err, machine && expected_gpus >= -1);
    up.proof = gpuc__proof_new(machine, rules, err);
    if (!up.proof)
        return err && *err ? gpuc_error_code(*err) : GPUC_ENOMEM;
    up.proof->chain = up.collect->chain;
    describe(&up);
    gpuc__check_machine(&up);
    if (expected_gpus != 0) {
        check_gpus(&up);
        gpuc__check_log(&up);
        gpuc__check_dcgm(&up);
        gpuc__checkup_result(&up, "k8s.alloc", NULL, GPUC_CHECK_SKIP, NULL, NULL, "not tried");
        gpuc__checkup_result(&up, "k8s.pod", NULL, GPUC_CHECK_SKIP, NULL, NULL, "not tried");
        gpuc__checkup_result(&up, "k8s.compute", NULL, GPUC_CHECK_SKIP, NULL, NULL, "not tried");
    }
    if (up.rc) {
        gpuc__proof_free(up.proof);
        return up.rc == GPUC_ENOMEM ? gpuc__error_nomem(err) : up.rc;
    }
    *out = up.proof;
    return GPUC_OK;
}

void gpuc__proof_targets_free(char **list)
{
    for (char **p = list; p && *p; p++)
        gpuc__free(*p);
    gpuc__free(list);
}

/* The MIG devices that nobody uses, by the number that nvidia-smi -L gives their UUID for. */
static bool add_migs(char **list, size_t *n, const gpuc__smi_gpu *gpu)
{
    char why[400];

    for (size_t i = 0; i < gpu->mig_count && *n < GPUC__PROBE_GPUS_MAX; i++) {
        int index = mig_index(&gpu->migs[i]);

        if (index < 0 || gpuc__mig_busy(gpu, &gpu->migs[i], why, sizeof(why)))
            continue;
        list[*n] = gpuc__asprintf("%s/%d", gpu->field[GPUC__SMI_UUID].text, index);
        if (!list[(*n)++])
            return false;
    }
    return true;
}

static bool add_target(char **list, size_t *n, const gpuc__smi_gpu *gpu)
{
    const gpuc__smi_value *uuid = &gpu->field[GPUC__SMI_UUID];
    char why[400];

    if (uuid->state != GPUC__SMI_KNOWN || strncmp(uuid->text, "GPU-", 4) != 0)
        return true;
    if (mig_enabled(gpu))
        return add_migs(list, n, gpu);
    if (gpuc__gpu_busy(gpu, why, sizeof(why)) || *n == GPUC__PROBE_GPUS_MAX)
        return true;
    list[*n] = gpuc__strdup(uuid->text);
    return list[(*n)++] != NULL;
}

int gpuc__proof_targets(char ***out, size_t *count, const gpuc__collect *collect, gpuc_error **err)
{
    size_t gpus = collect->smi ? collect->smi->gpu_count : 0, n = 0;
    char **list = gpuc__calloc(GPUC__PROBE_GPUS_MAX + 1, sizeof(*list));

    for (size_t i = 0; list && i < gpus; i++) {
        if (!add_target(list, &n, &collect->smi->gpus[i])) {
            gpuc__proof_targets_free(list);
            list = NULL;
        }
    }
    if (!list)
        return gpuc__error_nomem(err);
    *out = list;
    *count = n;
    return GPUC_OK;
}
