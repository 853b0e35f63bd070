/* SPDX-License-Identifier: Apache-2.0 */
/* The readers of `nvidia-smi -L`, `nvidia-smi nvlink -s` and `nvidia-smi --version`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gpu/smi_fields.h"
#include "gpu/smi_text.h"
#include "util/number.h"

/* "GPU 0: NVIDIA H200 (UUID: GPU-…)": where the name begins; NULL: no such line. */
static const char *gpu_line(const char *line, long *index)
{
    char digits[16];
    size_t length;

    if (!line || strncmp(line, "GPU ", 4) != 0)
        return NULL;
    length = strspn(line + 4, "0123456789");
    gpuc__smi_trim(digits, sizeof(digits), line + 4, length);
    *index = gpuc__smi_count(digits);
    if (*index < 0 || line[4 + length] != ':' || !strstr(line, "(UUID: "))
        return NULL;
    return line + 4 + length + 1;
}

bool gpuc__smi_is_list(const gpuc__smi_text *text)
{
    long index;

    return gpu_line(gpuc__smi_line(text), &index) != NULL;
}

/* What stands in "(UUID: …)" of the line. */
static void uuid_of(char *out, size_t size, const char *line)
{
    const char *at = strstr(line, "(UUID: ");

    out[0] = '\0';
    if (at)
        gpuc__smi_trim(out, size, at + 7, strcspn(at + 7, ")"));
}

/* "  MIG 3g.40gb     Device  0: (UUID: MIG-…)"; false: another line. */
static bool read_mig(gpuc__smi_text *text, gpuc__smi_gpu *gpu, const char *line)
{
    const char *at = line + strspn(line, " \t"), *device = strstr(at, " Device ");
    gpuc__smi_mig *mig = NULL;
    char word[96];

    if (at == line || strncmp(at, "MIG ", 4) != 0 || !device)
        return false;
    if (!gpuc__smi_add_mig(gpu, &mig))
        text->no_memory = true;
    if (!mig)
        return true;
    gpuc__smi_trim(word, sizeof(word), at + 4, (size_t)(device - at - 4));
    gpuc__smi_value_take(&mig->field[GPUC__SMI_MIG_PROFILE], GPUC__SMI_KIND_TEXT, word);
    gpuc__smi_trim(word, sizeof(word), device + 8, strcspn(device + 8, ":"));
    gpuc__smi_value_take(&mig->field[GPUC__SMI_MIG_INDEX], GPUC__SMI_KIND_COUNT, word);
    uuid_of(word, sizeof(word), line);
    gpuc__smi_value_take(&mig->field[GPUC__SMI_MIG_UUID], GPUC__SMI_KIND_TEXT, word);
    return true;
}

/* "	 Link 0: 26.562 GB/s" or "	 Link 0: <inactive>", or why there is none; false: another line. */
static bool read_link(gpuc__smi_text *text, gpuc__smi_nvlink *n, const char *line)
{
    const char *at = line + strspn(line, " \t"), *colon = strchr(at, ':');
    char digits[16], *end;
    double gbs;

    if (strncmp(at, "Link ", 5) != 0 || !colon) {
        if (!strcasestr(line, "nvlink"))
            return false;
        n->known = true;
        gpuc__smi_trim(n->note, sizeof(n->note), line, strlen(line));
        return true;
    }
    n->known = true;
    gpuc__smi_trim(digits, sizeof(digits), at + 5, (size_t)(colon - at - 5));
    if (gpuc__smi_count(digits) != (long)n->count || n->count == GPUC__SMI_LINKS_MAX) {
        gpuc__smi_warn(text, "line %zu: a link out of order", text->at + 1);
        return true;
    }
    gbs = gpuc__strtod(colon + 1, &end);
    n->active[n->count] = end != colon + 1 && strncmp(end, " GB/s", 5) == 0 && gbs > 0 && gbs < 1e6;
    if (n->active[n->count])
        n->gbs[n->count] = (float)gbs;
    else if (!strcasestr(colon, "inactive"))
        gpuc__smi_warn(text, "line %zu: a link whose state is not understood", text->at + 1);
    n->count++;
    return true;
}

void gpuc__smi_read_list(gpuc__smi *smi, gpuc__smi_text *text, bool *links)
{
    gpuc__smi_gpu *gpu = NULL;
    const char *line;

    *links = false;
    for (; (line = gpuc__smi_line(text)) && !text->no_memory; text->at++) {
        char word[128];
        long index;
        const char *name = gpu_line(line, &index);

        if (name && smi->gpu_count < GPUC__SMI_GPUS_MAX) {
            gpu = gpuc__smi_add_gpu(smi);
            if (!gpu) {
                text->no_memory = true;
                return;
            }
            gpu->index = index;
            gpuc__smi_trim(word, sizeof(word), name, (size_t)(strstr(name, "(UUID: ") - name));
            gpuc__smi_take(gpu, GPUC__SMI_PRODUCT, word);
            uuid_of(word, sizeof(word), name);
            gpuc__smi_take(gpu, GPUC__SMI_UUID, word);
        } else if (gpu && read_link(text, &gpu->nvlink, line)) {
            *links = true;
        } else if (!gpu || !read_mig(text, gpu, line)) {
            return;
        }
    }
}

bool gpuc__smi_is_version(const gpuc__smi_text *text)
{
    const char *line = gpuc__smi_line(text);

    return line && strncmp(line, "NVIDIA-SMI version", 18) == 0 && strchr(line, ':');
}

void gpuc__smi_read_version(gpuc__smi *smi, gpuc__smi_text *text)
{
    static const struct {
        const char *label;
        gpuc__smi_log_field field;
    } labels[] = {{"DRIVER version", GPUC__SMI_DRIVER_VERSION},
                  {"KMD version", GPUC__SMI_DRIVER_VERSION},
                  {"CUDA Version", GPUC__SMI_CUDA_VERSION},
                  {"CUDA UMD version", GPUC__SMI_CUDA_VERSION}};
    const char *line;

    for (text->at++; (line = gpuc__smi_line(text)) && strstr(line, "ersion"); text->at++) {
        const char *colon = strchr(line, ':');
        char word[64];

        if (!colon)
            return;
        gpuc__smi_trim(word, sizeof(word), colon + 1, strlen(colon + 1));
        for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
            if (strncasecmp(line, labels[i].label, strlen(labels[i].label)) == 0 &&
                strncmp(word, "Deprecated", 10) != 0)
                gpuc__smi_value_take(&smi->field[labels[i].field], GPUC__SMI_KIND_TEXT, word);
        }
    }
}
