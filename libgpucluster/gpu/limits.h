/* SPDX-License-Identifier: Apache-2.0 */
/* The thresholds of checks.json, and what a user says instead of them. */
#ifndef GPUC__LIMITS_H
#define GPUC__LIMITS_H
#include <gpucluster.h>
#include <jansson.h>

/* Overrides are an object {"mem.remap": {"uncorrectable_fail": 256}, "thermal.temp": "off"}. They are
 * applied to a copy of the table (rules.h). GPUC_EINVAL names what is wrong; GPUC_ENOMEM. */
int gpuc__limits_apply(json_t *table, const json_t *overrides, gpuc_error **err);
/* Checks one override, and says what is near. name NULL: the check as a whole ("off"). */
int gpuc__limits_name_check(json_t *table, const char *id, const char *name, gpuc_error **err);
/* The same, and whether the limit may have that number. */
int gpuc__limits_value_check(json_t *table, const char *id, const char *name, double number,
                             gpuc_error **err);
/* Adds to overrides what a text says: "off" or a number for ID, "on" to undo it, with ID either a check
 * or CHECK.LIMIT: thermal.temp, mem.remap.uncorrectable_fail. GPUC_EINVAL, GPUC_ENOMEM. */
int gpuc__limits_set(json_t *overrides, const char *id, const char *value, gpuc_error **err);

/* The threshold of a row of the table as text, with the numbers in force, and whether the user gave any.
 * New string; NULL without memory. */
char *gpuc__limits_text(json_t *row);
#endif
