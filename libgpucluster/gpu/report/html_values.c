/* SPDX-License-Identifier: Apache-2.0 */
/* The values that the page names. */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "gpu/report/view.h"
#include "util/data.h"
#include "util/rfc3339.h"

#define VALUE_NAMES 12   /* machines that are named beside a value */

static const char style_path[] = "gpu/report/report.css", script_path[] = "gpu/report/report.js";

static void put_status(gpuc__buf *out, int status)
{
    gpuc__buf_puts(out, gpuc__check_status_name(status));
}

/* --- the page as a whole */

static void style(const gpuc__view *v, gpuc__buf *out)
{
    (void)v;
    gpuc__buf_puts(out, gpuc__data_get(style_path)->text);
}

static void script(const gpuc__view *v, gpuc__buf *out)
{
    (void)v;
    gpuc__buf_puts(out, gpuc__data_get(script_path)->text);
}

/* What the policy of the page allows to run is this text and no other. */
static void put_hash(gpuc__buf *out, const char *path)
{
    const gpuc__data *data = gpuc__data_get(path);
    unsigned char sum[EVP_MAX_MD_SIZE], text[2 * EVP_MAX_MD_SIZE];
    unsigned length = 0;

    if (EVP_Digest(data->text, data->length, sum, &length, EVP_sha256(), NULL) != 1) {
        out->failed = true;
        return;
    }
    EVP_EncodeBlock(text, sum, (int)length);
    gpuc__buf_puts(out, (const char *)text);
}

static void style_hash(const gpuc__view *v, gpuc__buf *out)
{
    (void)v;
    put_hash(out, style_path);
}

static void script_hash(const gpuc__view *v, gpuc__buf *out)
{
    (void)v;
    put_hash(out, script_path);
}

static void schema(const gpuc__view *v, gpuc__buf *out)
{
    (void)v;
    gpuc__buf_puts(out, GPUC__REPORT_SCHEMA);
}

static void verdict(const gpuc__view *v, gpuc__buf *out)
{
    put_status(out, gpuc_report_verdict(v->report));
}

static void verdict_word(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__buf_puts(out, gpuc__check_status_word(gpuc_report_verdict(v->report)));
}

static void verdict_sentence(const gpuc__view *v, gpuc__buf *out)
{
    static const char *const sentences[] = {
        [GPUC_CHECK_PASS] = "All checks that apply have passed.",
        [GPUC_CHECK_SKIP] = "Nothing failed, but not everything could be tried.",
        [GPUC_CHECK_WARN] = "Nothing failed; there are warnings.",
        [GPUC_CHECK_FAIL] = "At least one check failed. What to do is below, the worst first.",
    };

    if (v->report->count)
        gpuc__buf_puts(out, sentences[gpuc_report_verdict(v->report)]);
    else
        gpuc__buf_puts(out, "No machine of it has GPUs by its spec.");
}

static void machine_count(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__buf_printf(out, "%zu", v->report->count);
}

static void gpu_count(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__report_counts n;

    gpuc__report_count_all(&n, v->report);
    gpuc__buf_printf(out, "%zu", n.gpus);
}

static void idle_count(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__report_counts n;

    gpuc__report_count_all(&n, v->report);
    gpuc__buf_printf(out, "%zu", n.idle);
}

static void put_times(gpuc__buf *out, int64_t started, int64_t finished)
{
    char from[GPUC__RFC3339_SIZE], to[GPUC__RFC3339_SIZE];

    if (started && finished)
        gpuc__buf_printf(out, "Looked at from %s to %s.", gpuc__rfc3339(from, started),
                         gpuc__rfc3339(to, finished));
    else
        gpuc__buf_puts(out, "When it was looked at is not known.");
}

static void times(const gpuc__view *v, gpuc__buf *out)
{
    int64_t started, finished;

    gpuc__report_times(v->report, &started, &finished);
    put_times(out, started, finished);
}

/* --- problems */

static void status(const gpuc__view *v, gpuc__buf *out)
{
    put_status(out, v->check->status);
}

static void word(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__buf_puts(out, gpuc__check_status_word(v->check->status));
}

static void observed_head(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__buf_puts(out, v->check->status == GPUC_CHECK_SKIP ? "Why not" : "Observed");
}

static void group_rows(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__buf_printf(out, "%zu", v->group_end - v->group);
}

static void group_where(const gpuc__view *v, gpuc__buf *out)
{
    size_t machines = 0, gpus = 0;

    for (size_t i = v->group; i < v->group_end; i++) {
        const gpuc__problem *p = &v->page->problems[i];

        machines += i == v->group || p->machine != v->page->problems[i - 1].machine;
        gpus += gpuc__page_gpu_count(gpuc__page_machine(v->report, p), p->check);
    }
    if (v->machine_at == GPUC__FLEET)
        gpuc__buf_puts(out, "across the fleet");
    else if (gpus)
        gpuc__buf_printf(out, "on %zu GPU%s of %zu machine%s", gpus, gpus == 1 ? "" : "s", machines,
                         machines == 1 ? "" : "s");
    else
        gpuc__buf_printf(out, "on %zu machine%s", machines, machines == 1 ? "" : "s");
}

/* --- machines and their GPUs */

static void machine(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__buf_puts(out, v->machine->name);
}

static void machine_at(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__buf_printf(out, "%zu", v->machine_at);
}

static void machine_verdict(const gpuc__view *v, gpuc__buf *out)
{
    put_status(out, gpuc__proof_verdict(v->machine));
}

static void machine_word(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__buf_puts(out, gpuc__check_status_word(gpuc__proof_verdict(v->machine)));
}

static void machine_times(const gpuc__view *v, gpuc__buf *out)
{
    put_times(out, v->machine->started_ms, v->machine->finished_ms);
}

static void put_fact(gpuc__buf *out, const char *name, const char *text)
{
    if (text)
        gpuc__buf_printf(out, ", %s %s", name, text);
}

static void machine_brief(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__view_put(gpuc__view_values, v, "gpu_list", out);
    put_fact(out, "driver", v->machine->driver);
    put_fact(out, "CUDA", v->machine->cuda);
    put_fact(out, "kernel", v->machine->kernel);
}

/* "8 GPUs, 1 fail" */
static void gpu_summary(const gpuc__view *v, gpuc__buf *out)
{
    size_t counts[4] = {0};

    for (size_t i = 0; i < v->machine->gpu_count; i++)
        counts[gpuc__view_gpu_status(v->machine, &v->machine->gpus[i])]++;
    gpuc__buf_printf(out, "%zu GPU%s", v->machine->gpu_count,
                     v->machine->gpu_count == 1 ? "" : "s");
    for (int s = GPUC_CHECK_FAIL; s > GPUC_CHECK_PASS; s--) {
        if (counts[s])
            gpuc__buf_printf(out, ", %zu %s", counts[s], gpuc__check_status_name(s));
    }
}

static void gpu_status(const gpuc__view *v, gpuc__buf *out)
{
    put_status(out, gpuc__view_gpu_status(v->machine, v->gpu));
}

static void gpu_index(const gpuc__view *v, gpuc__buf *out)
{
    if (v->gpu->index >= 0)
        gpuc__buf_printf(out, "GPU %d", v->gpu->index);
    else
        gpuc__buf_puts(out, "GPU");
}

static void gpu_title(const gpuc__view *v, gpuc__buf *out)
{
    gpu_index(v, out);
    gpuc__buf_puts(out, ": ");
    gpu_status(v, out);
}

static void product(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__buf_puts(out, v->gpu->product ? v->gpu->product : "not known");
}

static void uuid(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__buf_puts(out, v->gpu->uuid ? v->gpu->uuid : "");
}

static void bus(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__buf_puts(out, v->gpu->bus ? v->gpu->bus : "");
}

static void memory(const gpuc__view *v, gpuc__buf *out)
{
    if (v->gpu->memory_mib >= 0)
        gpuc__buf_printf(out, "%.0f MiB", v->gpu->memory_mib);
}

static void bandwidth(const gpuc__view *v, gpuc__buf *out)
{
    if (v->gpu->gbs > 0)
        gpuc__buf_printf(out, "%.0f GB/s", v->gpu->gbs);
}

static void row_gpus(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__page_gpus(out, v->machine, v->check);
}

static void row_names_text(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__view_put(gpuc__view_values, v, "gpu_names", out);
}

static void row_class(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__buf_puts(out, v->check->idle ? "idle" : gpuc__check_status_name(v->check->status));
}

static void row_word(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__buf_puts(out, v->check->idle ? "does not apply" : gpuc__check_status_name(v->check->status));
}

/* --- links */

static void link_head(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__buf_printf(out, "GPU %zu", v->link_row);
}

static const char *link_of(const gpuc__view *v)
{
    const char *text = v->page->links[v->link_row][v->link_column];

    return v->link_row == v->link_column ? "-" : text ? text : "?";
}

static void link_text(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__buf_puts(out, link_of(v));
}

static void link_class(const gpuc__view *v, gpuc__buf *out)
{
    const char *text = link_of(v);

    gpuc__buf_puts(out, v->link_row == v->link_column    ? "self"
                        : strncmp(text, "NV", 2) == 0    ? "nv"
                        : strncmp(text, "PI", 2) == 0 || strncmp(text, "PX", 2) == 0 ? "near"
                                                                                      : "far");
}

static void link_numa(const gpuc__view *v, gpuc__buf *out)
{
    char name[16];
    json_t *row;
    size_t i;

    snprintf(name, sizeof(name), "GPU%zu", v->link_row);
    json_array_foreach(json_object_get(v->machine->topology, "affinity"), i, row) {
        const char *device = json_string_value(json_object_get(row, "device"));
        const char *numa = json_string_value(json_object_get(row, "numa"));

        if (device && numa && strcmp(device, name) == 0)
            gpuc__buf_puts(out, numa);
    }
}

/* --- facts of the fleet */

static void fact(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__buf_printf(out, "%s%s%s", v->fact->name, v->fact->of ? " of " : "",
                     v->fact->of ? v->fact->of : "");
}

static void fact_value(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__buf_puts(out, v->fact->values[v->value].text);
}

static void value_class(const gpuc__view *v, gpuc__buf *out)
{
    gpuc__buf_puts(out, v->value ? "odd" : "most");
}

/* What all or most have is counted, what is odd is named. */
static void value_machines(const gpuc__view *v, gpuc__buf *out)
{
    const gpuc__fleet_value *value = &v->fact->values[v->value];

    gpuc__buf_printf(out, "%zu", value->count);
    for (size_t i = 0; v->value && i < value->count && i < VALUE_NAMES; i++)
        gpuc__buf_printf(out, "%s%s", i ? ", " : ": ", v->report->machines[value->machines[i]]->name);
    if (v->value && value->count > VALUE_NAMES)
        gpuc__buf_puts(out, " and more");
}

const gpuc__view_value gpuc__page_values[] = {
    {"style", style},
    {"script", script},
    {"style_hash", style_hash},
    {"script_hash", script_hash},
    {"schema", schema},
    {"verdict", verdict},
    {"verdict_word", verdict_word},
    {"verdict_sentence", verdict_sentence},
    {"machine_count", machine_count},
    {"gpu_count", gpu_count},
    {"idle_count", idle_count},
    {"times", times},
    {"status", status},
    {"word", word},
    {"observed_head", observed_head},
    {"group_rows", group_rows},
    {"group_where", group_where},
    {"machine", machine},
    {"machine_at", machine_at},
    {"machine_verdict", machine_verdict},
    {"machine_word", machine_word},
    {"machine_times", machine_times},
    {"machine_brief", machine_brief},
    {"gpu_summary", gpu_summary},
    {"gpu_status", gpu_status},
    {"gpu_index", gpu_index},
    {"gpu_title", gpu_title},
    {"product", product},
    {"uuid", uuid},
    {"bus", bus},
    {"memory", memory},
    {"bandwidth", bandwidth},
    {"row_gpus", row_gpus},
    {"row_names_text", row_names_text},
    {"row_class", row_class},
    {"row_word", row_word},
    {"link_head", link_head},
    {"link", link_text},
    {"link_class", link_class},
    {"link_numa", link_numa},
    {"fact", fact},
    {"fact_value", fact_value},
    {"value_class", value_class},
    {"value_machines", value_machines},
    {NULL, NULL},
};
