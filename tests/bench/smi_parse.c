/* SPDX-License-Identifier: Apache-2.0 */
/* How fast nvidia-smi's XML is read: by the library, by libxml2's SAX parser with handlers that do
 * nothing, and by the library with the report's JSON made of it. Prints "NAME MB/s" lines.
 * Usage: smi_parse FILE [ROUNDS] */
#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gpu/smi_xml.h"

#define BYTES_PER_ROUND (32u * 1024 * 1024)

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_start(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int namespaces, const xmlChar **ns, int count, int defaulted,
                     const xmlChar **attributes)
{
    ++*(size_t *)data;
}

static void on_end(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
}

static void on_text(void *data, const xmlChar *text, int length)
{
    *(size_t *)data += (size_t)length;
}

static void parse_bare(const char *text, size_t length)
{
    xmlSAXHandler sax = {.initialized = XML_SAX2_MAGIC,
                         .startElementNs = on_start,
                         .endElementNs = on_end,
                         .characters = on_text};
    size_t seen = 0;
    xmlParserCtxt *parser = xmlCreatePushParserCtxt(&sax, &seen, NULL, 0, NULL);

    if (!parser || xmlParseChunk(parser, text, (int)length, 1) || !seen)
        exit(1);
    xmlFreeDoc(parser->myDoc);
    xmlFreeParserCtxt(parser);
}

static void parse_library(const char *text, size_t length)
{
    gpuc__smi *smi = NULL;

    if (gpuc__smi_parse(&smi, text, length, NULL) != GPUC_OK || !smi->gpu_count)
        exit(1);
    gpuc__smi_free(smi);
}

static void parse_to_json(const char *text, size_t length)
{
    gpuc__buf json = GPUC__BUF_INIT(16u << 20);
    gpuc__smi *smi = NULL;

    if (gpuc__smi_parse(&smi, text, length, NULL) != GPUC_OK)
        exit(1);
    for (size_t i = 0; i < smi->gpu_count; i++)
        gpuc__smi_gpu_put(&json, NULL, &smi->gpus[i], smi->gpus[i].migs);
    if (json.failed)
        exit(1);
    gpuc__buf_clear(&json);
    gpuc__smi_free(smi);
}

static void measure(const char *name, void (*parse)(const char *text, size_t length),
                    const char *text, size_t length)
{
    size_t times = BYTES_PER_ROUND / length + 1;
    double start = now();

    for (size_t i = 0; i < times; i++)
        parse(text, length);
    printf("%s %.1f\n", name, (double)(times * length) / (now() - start) / 1e6);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static char text[4 * 1024 * 1024];
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    long rounds = argc > 2 ? strtol(argv[2], NULL, 10) : 1;
    size_t length = file ? fread(text, 1, sizeof(text), file) : 0;

    if (!length) {
        fprintf(stderr, "usage: smi_parse FILE [ROUNDS]\n");
        return 2;
    }
    fclose(file);
    for (long i = 0; i < rounds; i++) {
        measure("libxml2-sax", parse_bare, text, length);
        measure("library", parse_library, text, length);
        measure("library-json", parse_to_json, text, length);
    }
    return 0;
}
