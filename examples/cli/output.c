/* SPDX-License-Identifier: Apache-2.0 */
/* What is printed: JSON, and text from elsewhere that must not drive the terminal. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

void print_clean(FILE *out, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        /* C0 and DEL; C1 comes as the bytes C2 80 to C2 9F. */
        if ((*p < 0x20 && *p != '\t' && *p != '\n') || *p == 0x7f ||
            (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0))
            fputc('?', out);
        else
            fputc(*p, out);
    }
}

void print_new(char *text)
{
    if (text)
        fputs(text, stdout);
    if (text && text[0] && text[strlen(text) - 1] != '\n')
        fputc('\n', stdout);
    gpuc_free(text);
}

void print_json(json_t *root)
{
    json_dumpf(root, stdout, JSON_COMPACT);
    fputc('\n', stdout);
    json_decref(root);
}

json_t *take_json(char *text)
{
    json_t *root = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

    gpuc_free(text);
    return root ? root : json_null();
}
