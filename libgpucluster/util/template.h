/* SPDX-License-Identifier: Apache-2.0 */
/* Text with values put in, for XML and HTML. In the text
 *   {{name}}              is the value, escaped
 *   {{{name}}}            is the value as it is: for what the library itself wrote
 *   {{#name}}…{{/name}}   is there once for each item of the list
 *   {{^name}}…{{/name}}   is there when the list has no item
 * A tag of a list that stands alone on its line takes the line with it. Where values come from is
 * the source's affair, so that nothing need be built in memory first. */
#ifndef GPUC__TEMPLATE_H
#define GPUC__TEMPLATE_H
#include <gpucluster.h>
#include <stdbool.h>

#include "util/buf.h"

#define GPUC__TEMPLATE_SCOPE_MAX 256 /* bytes */

typedef struct gpuc__template_source {
    size_t scope_size; /* at most GPUC__TEMPLATE_SCOPE_MAX */
    /* Appends the value of that name; false: the source knows none of that name. */
    bool (*value)(const void *scope, const char *name, gpuc__buf *out);
    /* The scope of that item: inner comes as a copy of scope. false: the list ends before it. */
    bool (*item)(void *inner, const void *scope, const char *name, size_t index);
} gpuc__template_source;

/* Appends to out. GPUC_EINTERNAL: the text is wrong, or names what the source does not know;
 * GPUC_ENOMEM, also when out is full. */
int gpuc__template_render(gpuc__buf *out, const char *text, const gpuc__template_source *source,
                          const void *scope, gpuc_error **err);
/* Appends with & < > " ' escaped; whatever is not printable ASCII, a tab or a newline becomes '?'. */
void gpuc__escape_markup(gpuc__buf *out, const char *text);
#endif
