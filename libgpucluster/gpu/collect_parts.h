/* SPDX-License-Identifier: Apache-2.0 */
/* Readers of single sections of a look at a machine. */
#ifndef GPUC__COLLECT_PARTS_H
#define GPUC__COLLECT_PARTS_H
#include "gpu/collect.h"
#include "gpu/section.h"

/* Libraries, Secure Boot, Fabric Manager, kernel log, NVLinks. */
int gpuc__collect_parts(gpuc__collect *collect, gpuc__slice all, const char *nonce,
                        gpuc__rules *rules, gpuc_error **err);
/* sysfs: "16", and "8.0" of "8.0 GT/s PCIe"; 0: not known, or none. */
int gpuc__pci_width(const char *text);
double gpuc__pci_speed(const char *text);
#endif
