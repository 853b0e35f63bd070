/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the JSON of a report: reading ends with a report that has all its forms, of which JSON
 * reads back to itself, or with an error that says why. */
#include <gpucluster.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* None of a machine's text is markup: the page has one script, and the suites are closed. */
static void look_at_forms(const gpuc_report *report)
{
    char *html = gpuc_report_to_html(report), *junit = gpuc_report_to_junit(report);
    char *ctrf = gpuc_report_to_ctrf(report), *table = gpuc_report_to_table(report, 80, 1);
    const char *script = html ? strstr(html, "<script") : NULL;

    if (!html || !junit || !ctrf || !table || !script || strstr(script + 1, "<script") ||
        !strstr(junit, "</testsuites>"))
        abort();
    gpuc_free(html);
    gpuc_free(junit);
    gpuc_free(ctrf);
    gpuc_free(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gpuc_report *report = NULL, *again = NULL;
    gpuc_error *err = NULL;
    char *first, *second;

    if (gpuc_report_from_json(&report, (const char *)data, size, &err) != GPUC_OK) {
        if (!err || report)
            abort();
        gpuc_error_unref(err);
        return 0;
    }
    first = gpuc_report_to_json(report);
    if (err || !first || gpuc_report_from_json(&again, first, strlen(first), NULL) != GPUC_OK)
        abort();
    second = gpuc_report_to_json(again);
    if (!second || strcmp(first, second) != 0)
        abort();
    look_at_forms(report);
    gpuc_free(first);
    gpuc_free(second);
    gpuc_report_unref(report);
    gpuc_report_unref(again);
    return 0;
}
