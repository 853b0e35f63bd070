/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what nvidia-smi --help-query-gpu prints: nothing is asked for that it does not list. */
#include "fuzz_smi_text.h"

/* Every name that would be asked for is one of the list. */
static void check_columns(const json_t *listed)
{
    gpuc__buf columns = GPUC__BUF_INIT(1 << 20);
    char *rest, *name;

    gpuc__smi_columns_to_ask(&columns, listed);
    rest = columns.data;
    while (rest && (name = strsep(&rest, ","))) {
        size_t i, found = 0;
        json_t *value;

        json_array_foreach(listed, i, value)
            found += strcmp(json_string_value(value), name) == 0;
        if (!found)
            abort();
    }
    gpuc__buf_clear(&columns);
}

static void read_help(gpuc__smi *smi, gpuc__smi_text *text)
{
    json_t *listed = gpuc__smi_read_help(text);

    if (!listed || smi->gpu_count)
        abort();
    check_columns(listed);
    json_decref(listed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_reader(data, size, gpuc__smi_is_help, read_help);
}
