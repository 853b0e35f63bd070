/* SPDX-License-Identifier: Apache-2.0 */
/* Any JSON as what the API server knows of a node's GPUs, and any text (behind a line "--") as what its
 * machine says: the diagnosis ends with a sentence, and with a remedy where something is missing. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *mark = memmem(text, size, "\n--\n", 4);
    size_t length = mark ? (size_t)(mark - text) : size;
    json_t *facts = json_loadb(text, length, JSON_DECODE_ANY, NULL);
    gpuc__collect_chain machine = {0};

    if (mark)
        gpuc__collect_read_chain(&machine, mark + 4, size - length - 4, size % 2);
    for (long wanted = -1; wanted < 3; wanted++) {
        gpuc__chain chain = {0};

        if (gpuc__chain_diagnose(&chain, wanted, facts, mark ? &machine : NULL, NULL) != GPUC_OK ||
            !chain.observed || !chain.link != !chain.remedy || (chain.link && !*chain.remedy))
            abort();
        gpuc__chain_clear(&chain);
    }
    gpuc__chain_is_plugin(facts, facts);
    gpuc__chain_pod_of(facts, "n");
    json_decref(facts);
    return 0;
}
