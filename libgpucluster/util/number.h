/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPUC__NUMBER_H
#define GPUC__NUMBER_H

/* strtod, with a point whatever the locale of the program. */
double gpuc__strtod(const char *text, char **end);
#endif
