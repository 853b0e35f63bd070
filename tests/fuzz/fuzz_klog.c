/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a kernel log: bounded events, each with a number or a known message. */
#include <stdint.h>
#include <stdlib.h>

#include "gpu/klog.h"
#include "gpu/tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static json_t *table;
    gpuc__klog *log = NULL;

    if (!table && gpuc__table_load(&table, "gpu/xid.json", NULL) != GPUC_OK)
        abort();
    if (gpuc__klog_parse(&log, table, (const char *)data, size, NULL) != GPUC_OK)
        return 0;
    if (log->count > GPUC__KLOG_EVENTS_MAX)
        abort();
    for (size_t i = 0; i < log->count; i++) {
        const gpuc__klog_event *e = &log->events[i];

        if (!e->count || (e->xid > 0) == (e->message[0] != '\0'))
            abort();
    }
    gpuc__klog_free(log);
    return 0;
}
