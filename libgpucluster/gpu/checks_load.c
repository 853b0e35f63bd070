/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of how a GPU stands just now: clocks, temperature, memory in use, persistence mode. */
#include <stdio.h>
#include <string.h>

#include "gpu/checks.h"

#define VALUE(gpu, name) (&(gpu)->field[GPUC__SMI_##name])

/* The same GPU in the second look; NULL: it is not there. */
static const gpuc__smi_gpu *after(const gpuc__checkup *up, const gpuc__smi_gpu *gpu)
{
    const gpuc__smi *smi = up->collect->after.smi;

    for (size_t i = 0; smi && i < smi->gpu_count; i++) {
        if (gpu->bus[0] && strcmp(smi->gpus[i].bus, gpu->bus) == 0)
            return &smi->gpus[i];
    }
    return NULL;
}

static void name_reasons(char *out, size_t size, unsigned long mask)
{
    static const struct {
        unsigned long bit;
        const char *name;
    } names[] = {{0x1, "idle"},         {0x2, "application clocks"},  {0x4, "power cap"},
                 {0x8, "hardware slowdown"}, {0x10, "sync boost"},    {0x20, "software thermal"},
                 {0x40, "hardware thermal"}, {0x80, "power brake"},   {0x100, "display clocks"}};
    size_t length = 0;

    out[0] = '\0';
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((mask & names[i].bit) && length < size)
            length += (size_t)snprintf(out + length, size - length, "%s%s", length ? " and " : "",
                                       names[i].name);
    }
    if (!out[0])
        snprintf(out, size, mask ? "reasons not named here" : "none");
}

static void throttle_at(const gpuc__checkup *up, gpuc__findings *f, const gpuc__smi_gpu *gpu,
                        const char *when)
{
    static const char id[] = "thermal.throttle";
    gpuc__smi_value mask = gpuc__smi_throttle_mask(gpu);
    unsigned long bits, bad, odd;
    char names[160];

    if (gpuc__found_sick(f, "the clocks' state is", &mask) || !mask.has_number)
        return;
    bits = (unsigned long)mask.number;
    bad = bits & (unsigned long)gpuc__checkup_limit(up, id, "fail_mask");
    odd = bits & (unsigned long)gpuc__checkup_limit(up, id, "warn_mask");
    name_reasons(names, sizeof(names), bad ? bad : odd ? odd : bits);
    gpuc__found(f, bad ? GPUC_CHECK_FAIL : odd ? GPUC_CHECK_WARN : GPUC_CHECK_PASS, NULL, "%s%s",
                names, when);
}

static void throttle(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *key)
{
    const gpuc__smi_gpu *later = after(up, gpu);
    gpuc__findings f = {0};

    throttle_at(up, &f, gpu, "");
    if (later)
        throttle_at(up, &f, later, " after the probe");
    gpuc__checkup_findings(up, "thermal.throttle", key, &f, NULL,
                           "this GPU or driver does not report why clocks are held back");
}

/* Drivers give the temperature at which clocks are cut, or how far the GPU is from it. Margins of 0
 * and less are not trusted: some drivers report them of healthy cards. */
static void temperature(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *key)
{
    static const char id[] = "thermal.temp";
    const gpuc__smi_value *now = VALUE(gpu, TEMPERATURE), *slow = VALUE(gpu, TEMPERATURE_SLOWDOWN);
    const gpuc__smi_value *margin = VALUE(gpu, TEMPERATURE_MARGIN);
    const gpuc__smi_value *memory = VALUE(gpu, TEMPERATURE_MEMORY);
    const gpuc__smi_value *memory_max = VALUE(gpu, TEMPERATURE_MEMORY_OPERATING);
    gpuc__findings f = {0};

    gpuc__found_sick(&f, "the temperature is", now);
    if (now->has_number && slow->has_number)
        gpuc__found(&f, now->number >= slow->number ? GPUC_CHECK_FAIL : GPUC_CHECK_PASS, NULL,
                    "%.0f C, slowdown at %.0f C", now->number, slow->number);
    if (margin->has_number && margin->number > 0)
        gpuc__found(&f,
                    margin->number <= gpuc__checkup_limit(up, id, "margin_warn") ? GPUC_CHECK_WARN
                                                                                 : GPUC_CHECK_PASS,
                    NULL, "%.0f C below the limit", margin->number);
    if (memory->has_number && memory->number > 0 && memory_max->has_number)
        gpuc__found(&f, memory->number > memory_max->number ? GPUC_CHECK_FAIL : GPUC_CHECK_PASS,
                    NULL, "memory %.0f C of %.0f C", memory->number, memory_max->number);
    gpuc__checkup_findings(up, id, key, &f, NULL, "no temperature to compare with a limit");
}

static void idle_memory(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *key)
{
    static const char id[] = "idle.mem";
    const gpuc__smi_value *used = VALUE(gpu, MEMORY_USED);
    gpuc__findings f = {0};

    if (gpu->process_total || gpu->mig_devices) {
        gpuc__checkup_not_applicable(up, id, key, "the GPU is in use, or is divided by MIG");
        return;
    }
    if (gpu->processes_known && used->has_number)
        gpuc__found(&f,
                    used->number > gpuc__checkup_limit(up, id, "used_warn_mib") ? GPUC_CHECK_WARN
                                                                                : GPUC_CHECK_PASS,
                    NULL, "%.0f MiB", used->number);
    gpuc__checkup_findings(up, id, key, &f, NULL, "processes or memory in use are not reported");
}

static void persistence(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *key)
{
    const gpuc__smi_value *mode = VALUE(gpu, PERSISTENCE);
    gpuc__findings f = {0};

    if (mode->state == GPUC__SMI_KNOWN)
        gpuc__found(&f, gpuc__smi_says(mode, "Enabled") ? GPUC_CHECK_PASS : GPUC_CHECK_WARN, NULL,
                    "%s", mode->text);
    gpuc__checkup_findings(up, "mode.persist", key, &f, NULL, "not reported");
}

void gpuc__check_bandwidth(gpuc__checkup *up, const char *key, const char *bus)
{
    static const char id[] = "perf.membw";
    const gpuc__probe_gpu *g = up->probe ? gpuc__probe_find(up->probe, bus, key) : NULL;
    double percent;
    int status;

    if (!g || g->status != GPUC_CHECK_PASS || g->gbs <= 0) {
        gpuc__checkup_not_applicable(up, id, key, "the probe did not measure it");
        return;
    }
    if (up->collect->simulated && !up->collect->bandwidth_shown) {
        gpuc__checkup_not_applicable(up, id, key, "SIMULATED GPU: it has no memory of its own");
        return;
    }
    if (g->theoretical_gbs <= 0) {
        gpuc__checkup_not_applicable(up, id, key, "what the card should give is not known");
        return;
    }
    percent = 100 * g->gbs / g->theoretical_gbs;
    status = percent < gpuc__checkup_limit(up, id, "fail_percent")   ? GPUC_CHECK_FAIL
             : percent < gpuc__checkup_limit(up, id, "warn_percent") ? GPUC_CHECK_WARN
                                                                     : GPUC_CHECK_PASS;
    gpuc__checkup_result(up, id, key, status, NULL, NULL, "%.1f of %.1f GB/s, %.0f %%", g->gbs,
                         g->theoretical_gbs, percent);
}

void gpuc__check_load(gpuc__checkup *up, const gpuc__smi_gpu *gpu, const char *key)
{
    throttle(up, gpu, key);
    temperature(up, gpu, key);
    idle_memory(up, gpu, key);
    persistence(up, gpu, key);
}
