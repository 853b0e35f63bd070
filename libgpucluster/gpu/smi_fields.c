/* SPDX-License-Identifier: Apache-2.0 */
/* What the texts of nvidia-smi's values mean: numbers with units, sentinels, bus ids. */
#include "gpu/smi_fields.h"
#include "util/number.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define DESC(id, name, kind) [id] = {name, GPUC__SMI_KIND_##kind},
const gpuc__smi_field_desc gpuc__smi_log_fields[GPUC__SMI_LOG_FIELDS] = {GPUC__SMI_LOG_LIST(DESC)};
const gpuc__smi_field_desc gpuc__smi_gpu_fields[GPUC__SMI_GPU_FIELDS] = {GPUC__SMI_GPU_LIST(DESC)};
const gpuc__smi_field_desc gpuc__smi_mig_fields[GPUC__SMI_MIG_FIELDS] = {GPUC__SMI_MIG_LIST(DESC)};

/* Texts that stand where a value should; brackets around them are ignored. */
static const struct {
    const char *text;
    gpuc__smi_state state;
} sentinels[] = {
    {"N/A", GPUC__SMI_NOT_APPLICABLE},
    {"Not Applicable", GPUC__SMI_NOT_APPLICABLE},
    {"Not Available", GPUC__SMI_NOT_APPLICABLE},
    {"Not Found", GPUC__SMI_NOT_APPLICABLE},
    {"Not Supported", GPUC__SMI_NOT_SUPPORTED},
    {"Unsupported", GPUC__SMI_NOT_SUPPORTED},
    {"Requested functionality has been deprecated", GPUC__SMI_NOT_SUPPORTED},
    {"Unknown", GPUC__SMI_UNKNOWN},
    {"Insufficient Permissions", GPUC__SMI_NO_PERMISSION},
    {"No Permission", GPUC__SMI_NO_PERMISSION},
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
    {GPUC__SMI_KIND_CELSIUS, "C", 1},   {GPUC__SMI_KIND_CELSIUS, "", 1},
    {GPUC__SMI_KIND_PERCENT, "%", 1},   {GPUC__SMI_KIND_PERCENT, "", 1},
    {GPUC__SMI_KIND_WATT, "W", 1},      {GPUC__SMI_KIND_WATT, "", 1},
    {GPUC__SMI_KIND_MHZ, "MHz", 1},     {GPUC__SMI_KIND_MHZ, "", 1},
    {GPUC__SMI_KIND_LANES, "x", 1},     {GPUC__SMI_KIND_LANES, "", 1},
    {GPUC__SMI_KIND_BANKS, "bank(s)", 1}, {GPUC__SMI_KIND_BANKS, "", 1},
    {GPUC__SMI_KIND_BANKS, "group(s)", 1},
};

gpuc__smi_state gpuc__smi_classify(const char *text)
{
    size_t length;

    if (!gpuc__smi_may_be_word(text))
        return GPUC__SMI_KNOWN;
    length = strlen(text);
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

bool gpuc__smi_may_be_word(const char *text)
{
    static const char initials[] = "[NRIGEUDnrigeud"; /* of the sentinels, and of None */

    text += strspn(text, " \t\r\n");
    return *text && strchr(initials, *text);
}

/* Copies without the white space around, and without the note that 610 appends to old fields. */
static void copy_trimmed(char *out, size_t size, const char *text)
{
    static const char note[] = " [Deprecated";
    const char *end;
    size_t length;

    while (isspace((unsigned char)*text))
        text++;
    end = strchr(text, '[') ? strstr(text, note) : NULL;
    length = end ? (size_t)(end - text) : strlen(text);
    while (length && isspace((unsigned char)text[length - 1]))
        length--;
    if (length >= size)
        length = size - 1;
    memcpy(out, text, length);
    out[length] = '\0';
}

/* "0x0000000000000001": bits beyond what a double holds are no reasons that there are. */
static bool read_mask(double *out, const char *text)
{
    size_t digits = strspn(text + 2 * (text[0] == '0'), "0123456789abcdefABCDEF");

    if (text[0] != '0' || (text[1] | 0x20) != 'x' || !digits || digits > 16 || text[2 + digits])
        return false;
    *out = (double)(strtoull(text + 2, NULL, 16) & ((1ull << 52) - 1));
    return true;
}

static bool read_number(double *out, gpuc__smi_kind kind, const char *text)
{
    const char *unit = text + strspn(text, "-.0123456789");
    char *end;
    double number;

    if (kind == GPUC__SMI_KIND_HEX)
        return read_mask(out, text);
    if (unit == text)
        return false;
    errno = 0;
    number = gpuc__strtod(text, &end); /* alone it would take "inf", "0x10" and "1e400" as well */
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

void gpuc__smi_value_take(gpuc__smi_value *value, gpuc__smi_kind kind, const char *text)
{
    gpuc__smi_value other;

    if (value->state == GPUC__SMI_KNOWN || gpuc__smi_state_sick(value->state))
        return;
    gpuc__smi_value_read(&other, kind, text);
    if (other.state != GPUC__SMI_UNKNOWN || !value->text[0])
        *value = other;
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
