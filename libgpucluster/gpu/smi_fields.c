/* SPDX-License-Identifier: Apache-2.0 */
/* nvidia-smi's elements as data. A renamed element gets another row; the first row that is there in
 * the document wins. Seen from driver 270 to 610. */
#include "gpu/smi_fields.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const gpuc__smi_field_desc gpuc__smi_log_fields[GPUC__SMI_LOG_FIELDS] = {
    [GPUC__SMI_DRIVER_VERSION] = {"driver_version", GPUC__SMI_KIND_TEXT},
    [GPUC__SMI_CUDA_VERSION] = {"cuda_version", GPUC__SMI_KIND_TEXT},
    [GPUC__SMI_ATTACHED_GPUS] = {"attached_gpus", GPUC__SMI_KIND_COUNT},
};

const gpuc__smi_field_desc gpuc__smi_gpu_fields[GPUC__SMI_GPU_FIELDS] = {
    [GPUC__SMI_UUID] = {"uuid", GPUC__SMI_KIND_TEXT},
    [GPUC__SMI_PRODUCT] = {"product", GPUC__SMI_KIND_TEXT},
    [GPUC__SMI_ARCHITECTURE] = {"architecture", GPUC__SMI_KIND_TEXT},
    [GPUC__SMI_SERIAL] = {"serial", GPUC__SMI_KIND_TEXT},
    [GPUC__SMI_MINOR] = {"minor", GPUC__SMI_KIND_COUNT},
    [GPUC__SMI_VBIOS] = {"vbios", GPUC__SMI_KIND_TEXT},
    [GPUC__SMI_PCI_BUS_ID] = {"pci_bus_id", GPUC__SMI_KIND_TEXT},
    [GPUC__SMI_PCI_DEVICE_ID] = {"pci_device_id", GPUC__SMI_KIND_TEXT},
    [GPUC__SMI_MEMORY_TOTAL] = {"memory_total_mib", GPUC__SMI_KIND_MIB},
    [GPUC__SMI_MEMORY_USED] = {"memory_used_mib", GPUC__SMI_KIND_MIB},
    [GPUC__SMI_TEMPERATURE] = {"temperature_c", GPUC__SMI_KIND_CELSIUS},
    [GPUC__SMI_PSTATE] = {"pstate", GPUC__SMI_KIND_TEXT},
    [GPUC__SMI_COMPUTE_MODE] = {"compute_mode", GPUC__SMI_KIND_TEXT},
    [GPUC__SMI_PERSISTENCE] = {"persistence_mode", GPUC__SMI_KIND_TEXT},
    [GPUC__SMI_MIG] = {"mig_mode", GPUC__SMI_KIND_TEXT},
    [GPUC__SMI_RECOVERY_ACTION] = {"recovery_action", GPUC__SMI_KIND_TEXT},
    [GPUC__SMI_RESET_REQUIRED] = {"reset_required", GPUC__SMI_KIND_TEXT},
    [GPUC__SMI_RESET_RECOMMENDED] = {"reset_recommended", GPUC__SMI_KIND_TEXT},
    [GPUC__SMI_ECC_MODE] = {"ecc_mode", GPUC__SMI_KIND_TEXT},
    [GPUC__SMI_ECC_DOUBLE_BIT] = {"ecc_volatile_double_bit", GPUC__SMI_KIND_COUNT},
    [GPUC__SMI_ECC_SRAM] = {"ecc_volatile_sram_unc", GPUC__SMI_KIND_COUNT},
    [GPUC__SMI_ECC_SRAM_PARITY] = {"ecc_volatile_sram_unc_parity", GPUC__SMI_KIND_COUNT},
    [GPUC__SMI_ECC_SRAM_SECDED] = {"ecc_volatile_sram_unc_secded", GPUC__SMI_KIND_COUNT},
    [GPUC__SMI_ECC_DRAM] = {"ecc_volatile_dram_unc", GPUC__SMI_KIND_COUNT},
};

static const gpuc__smi_path log_paths[] = {
    {"driver_version", GPUC__SMI_DRIVER_VERSION},
    {"kmd_version", GPUC__SMI_DRIVER_VERSION}, /* as 610 names it in its other formats */
    {"cuda_version", GPUC__SMI_CUDA_VERSION},
    {"cuda_umd_version", GPUC__SMI_CUDA_VERSION},
    {"attached_gpus", GPUC__SMI_ATTACHED_GPUS},
};

static const gpuc__smi_path gpu_paths[] = {
    {"uuid", GPUC__SMI_UUID},
    {"gpu_uuid", GPUC__SMI_UUID},
    {"product_name", GPUC__SMI_PRODUCT},
    {"prod_name", GPUC__SMI_PRODUCT},
    {"product_architecture", GPUC__SMI_ARCHITECTURE},
    {"serial", GPUC__SMI_SERIAL},
    {"serial_number", GPUC__SMI_SERIAL},
    {"minor_number", GPUC__SMI_MINOR},
    {"vbios_version", GPUC__SMI_VBIOS},
    {"pci/pci_bus_id", GPUC__SMI_PCI_BUS_ID},
    {"pci/pci_device_id", GPUC__SMI_PCI_DEVICE_ID},
    {"fb_memory_usage/total", GPUC__SMI_MEMORY_TOTAL},
    {"memory_usage/total", GPUC__SMI_MEMORY_TOTAL}, /* before 319 */
    {"fb_memory_usage/used", GPUC__SMI_MEMORY_USED},
    {"memory_usage/used", GPUC__SMI_MEMORY_USED},
    {"temperature/gpu_temp", GPUC__SMI_TEMPERATURE},
    {"performance_state", GPUC__SMI_PSTATE},
    {"pstate", GPUC__SMI_PSTATE},
    {"compute_mode", GPUC__SMI_COMPUTE_MODE},
    {"persistence_mode", GPUC__SMI_PERSISTENCE},
    {"mig_mode/current_mig", GPUC__SMI_MIG},
    {"gpu_recovery_action", GPUC__SMI_RECOVERY_ACTION},             /* from 565 on */
    {"gpu_reset_status/reset_required", GPUC__SMI_RESET_REQUIRED}, /* 535 to 570 */
    {"gpu_reset_status/drain_and_reset_recommended", GPUC__SMI_RESET_RECOMMENDED},
    {"ecc_mode/current_ecc", GPUC__SMI_ECC_MODE},
    {"ecc_errors/volatile/double_bit/total", GPUC__SMI_ECC_DOUBLE_BIT}, /* Pascal and older */
    {"ecc_errors/volatile/sram_uncorrectable", GPUC__SMI_ECC_SRAM},
    {"ecc_errors/volatile/sram_uncorrectable_parity", GPUC__SMI_ECC_SRAM_PARITY}, /* from 570 on */
    {"ecc_errors/volatile/sram_uncorrectable_secded", GPUC__SMI_ECC_SRAM_SECDED},
    {"ecc_errors/volatile/dram_uncorrectable", GPUC__SMI_ECC_DRAM},
};

/* Texts that stand where a value should; brackets around them are ignored. */
static const struct {
    const char *text;
    gpuc__smi_state state;
} sentinels[] = {
    {"N/A", GPUC__SMI_NOT_APPLICABLE},
    {"Not Supported", GPUC__SMI_NOT_SUPPORTED},
    {"Requested functionality has been deprecated", GPUC__SMI_NOT_SUPPORTED},
    {"Insufficient Permissions", GPUC__SMI_NO_PERMISSION},
    {"GPU is lost", GPUC__SMI_LOST},
    {"GPU requires reset", GPUC__SMI_REQUIRES_RESET},
    {"ERR!", GPUC__SMI_ERR},
    {"Unknown Error", GPUC__SMI_UNKNOWN_ERROR},
};

/* A unit that follows a number, and what one of it is in the field's own. */
static const struct {
    gpuc__smi_kind kind;
    const char *unit;
    double factor;
} units[] = {
    {GPUC__SMI_KIND_COUNT, "", 1},      {GPUC__SMI_KIND_MIB, "MiB", 1},
    {GPUC__SMI_KIND_MIB, "MB", 1}, /* before 340: MB or Mb, meaning MiB */
    {GPUC__SMI_KIND_MIB, "GiB", 1024},  {GPUC__SMI_KIND_MIB, "KiB", 1.0 / 1024},
    {GPUC__SMI_KIND_CELSIUS, "C", 1},
};

static int field_of(const gpuc__smi_path *paths, size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(paths[i].path, path) == 0)
            return paths[i].field;
    }
    return -1;
}

int gpuc__smi_log_field_of(const char *path)
{
    return field_of(log_paths, COUNT(log_paths), path);
}

int gpuc__smi_gpu_field_of(const char *path)
{
    return field_of(gpu_paths, COUNT(gpu_paths), path);
}

gpuc__smi_state gpuc__smi_classify(const char *text)
{
    size_t length = strlen(text);

    if (length > 2 && text[0] == '[' && text[length - 1] == ']') {
        text++;
        length -= 2;
    }
    for (size_t i = 0; i < COUNT(sentinels); i++) {
        if (strlen(sentinels[i].text) == length &&
            strncasecmp(sentinels[i].text, text, length) == 0)
            return sentinels[i].state;
    }
    return GPUC__SMI_KNOWN;
}

/* Copies without the white space around, and without the note that 610 appends to old fields. */
static void copy_trimmed(char *out, size_t size, const char *text)
{
    static const char note[] = " [Deprecated";
    const char *end;
    size_t length;

    while (isspace((unsigned char)*text))
        text++;
    end = strstr(text, note);
    length = end ? (size_t)(end - text) : strlen(text);
    while (length && isspace((unsigned char)text[length - 1]))
        length--;
    if (length >= size)
        length = size - 1;
    memcpy(out, text, length);
    out[length] = '\0';
}

static bool read_number(double *out, gpuc__smi_kind kind, const char *text)
{
    const char *unit = text + strspn(text, "-.0123456789");
    char *end;
    double number;

    if (unit == text)
        return false;
    errno = 0;
    number = strtod(text, &end); /* alone it would take "inf", "0x10" and "1e400" as well */
    if (end != unit || errno || number > 1e15 || number < -1e15)
        return false;
    while (*unit == ' ')
        unit++;
    for (size_t i = 0; i < COUNT(units); i++) {
        if (units[i].kind == kind && strcasecmp(units[i].unit, unit) == 0) {
            *out = number * units[i].factor;
            return true;
        }
    }
    return false;
}

void gpuc__smi_value_read(gpuc__smi_value *value, gpuc__smi_kind kind, const char *text)
{
    memset(value, 0, sizeof(*value));
    copy_trimmed(value->text, sizeof(value->text), text);
    if (!value->text[0])
        return; /* an empty element says nothing */
    value->state = gpuc__smi_classify(value->text);
    if (value->state != GPUC__SMI_KNOWN || kind == GPUC__SMI_KIND_TEXT)
        return;
    value->has_number = read_number(&value->number, kind, value->text);
    if (!value->has_number)
        value->state = strcasecmp(value->text, "None") == 0 ? GPUC__SMI_NOT_APPLICABLE
                                                            : GPUC__SMI_UNKNOWN;
}

bool gpuc__smi_state_sick(gpuc__smi_state state)
{
    return state >= GPUC__SMI_LOST;
}

const char *gpuc__smi_state_name(gpuc__smi_state state)
{
    static const char *const names[] = {
        [GPUC__SMI_UNKNOWN] = "unknown",
        [GPUC__SMI_KNOWN] = "known",
        [GPUC__SMI_NOT_APPLICABLE] = "not applicable",
        [GPUC__SMI_NOT_SUPPORTED] = "not supported",
        [GPUC__SMI_NO_PERMISSION] = "insufficient permissions",
        [GPUC__SMI_LOST] = "GPU is lost",
        [GPUC__SMI_REQUIRES_RESET] = "GPU requires reset",
        [GPUC__SMI_ERR] = "ERR!",
        [GPUC__SMI_UNKNOWN_ERROR] = "unknown error",
    };

    return names[state];
}

/* One to eight hexadecimal digits and what follows them. */
static bool read_hex(unsigned long *out, const char **text)
{
    char *end;

    if (!isxdigit((unsigned char)**text))
        return false;
    *out = strtoul(*text, &end, 16);
    if (end - *text > 8 || (*text)[1] == 'x' || (*text)[1] == 'X')
        return false;
    *text = end;
    return true;
}

bool gpuc__bus_id_normalise(char out[GPUC__BUS_ID_SIZE], const char *text)
{
    unsigned long part[4] = {0, 0, 0, 0};
    bool ok;

    out[0] = '\0';
    while (isspace((unsigned char)*text))
        text++;
    ok = read_hex(&part[0], &text) && *text++ == ':' && read_hex(&part[1], &text) &&
         *text++ == ':' && read_hex(&part[2], &text);
    if (ok && *text == '.') {
        text++;
        ok = read_hex(&part[3], &text);
    }
    while (ok && isspace((unsigned char)*text))
        text++;
    if (!ok || *text || part[1] > 0xff || part[2] > 0x1f || part[3] > 7)
        return false;
    snprintf(out, GPUC__BUS_ID_SIZE, "%04lx:%02lx:%02lx.%lx", part[0] & 0xffffffffu,
             part[1] & 0xff, part[2] & 0x1f, part[3] & 7);
    return true;
}
