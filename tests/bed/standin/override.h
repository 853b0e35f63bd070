/* SPDX-License-Identifier: Apache-2.0 */
/* Elements of the SIMULATED nvidia-smi's document that the machine's config changes:
 *   xml.PATH=VALUE      the elements whose path ends so; one the template lacks is added
 * @CLOCK@ in a value is a number that grows by 100 each second. */
#ifndef GPUC_BED_OVERRIDE_H
#define GPUC_BED_OVERRIDE_H

void override_read(void);
/* Prints a line of the template of a GPU, changed where it is to be. */
void override_print(const char *line);
/* What no line had, at the end of a GPU; and the next GPU begins. */
void override_rest(void);
/* The value of "key=" in the config, "" when it is not there. */
const char *override_config(const char *key);
#endif
