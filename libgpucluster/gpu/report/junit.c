/* SPDX-License-Identifier: Apache-2.0 */
/* The report as JUnit XML, of the elements that Jenkins and GitLab read: a machine is a test suite, a
 * check is a test case, a warning is a test that passed and printed something. */
#include "gpu/report/view.h"
#include "util/data.h"
#include "util/template.h"

static bool value(const void *scope, const char *name, gpuc__buf *out)
{
    return gpuc__view_put(gpuc__view_values, scope, name, out);
}

static bool item(void *inner, const void *scope, const char *name, size_t index)
{
    bool there = false;

    (void)scope;
    gpuc__view_item(gpuc__view_lists, &there, inner, name, index);
    return there;
}

char *gpuc_report_to_junit(const gpuc_report *report)
{
    static const gpuc__template_source source = {sizeof(gpuc__view), value, item};
    gpuc__buf out = GPUC__BUF_INIT(GPUC__REPORT_TEXT_MAX);
    gpuc__view view = {.report = report};
    int rc = gpuc__template_render(&out, gpuc__data_get("gpu/report/junit.xml.tmpl")->text, &source,
                                   &view, NULL);

    return gpuc__report_text(&out, rc);
}
