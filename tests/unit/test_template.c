/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: values, lists, escaping, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "util/error.h"
#include "util/template.h"

/* "list" has as many items as its place in the scope says; each has a number, and a list "inner" of
 * one item less. */
typedef struct scope {
    size_t items, number;
} scope;

static bool value(const void *data, const char *name, gpuc__buf *out)
{
    const scope *s = data;

    if (strcmp(name, "number") == 0)
        return gpuc__buf_printf(out, "%zu", s->number);
    if (strcmp(name, "hostile") == 0)
        return gpuc__buf_puts(out, "<b a=\"'\">&\x1b\xc3\xa9{{number}}");
    return false;
}

static bool item(void *inner, const void *data, const char *name, size_t index)
{
    const scope *s = data;
    scope *out = inner;

    if ((strcmp(name, "list") != 0 && strcmp(name, "inner") != 0) || index >= s->items)
        return false;
    out->number = index;
    out->items = s->items - 1;
    return true;
}

static const gpuc__template_source source = {sizeof(scope), value, item};

static void expect(const char *text, size_t items, const char *wanted)
{
    gpuc__buf out = GPUC__BUF_INIT(4096);
    scope s = {items, 7};

    assert_int_equal(gpuc__template_render(&out, text, &source, &s, NULL), GPUC_OK);
    assert_string_equal(gpuc__buf_text(&out), wanted);
    gpuc__buf_clear(&out);
}

static void test_template__values_and_lists(void **state)
{
    expect("", 1, "");
    expect("a {{number}}{", 1, "a 7{");
    expect("{{#list}}<{{number}}>{{/list}}", 3, "<0><1><2>");
    expect("{{#list}}<{{number}}>{{/list}}{{^list}}none{{/list}}", 0, "none");
    expect("{{^list}}none{{/list}}.", 1, ".");
    expect("{{#list}}{{#inner}}{{number}}{{/inner}};{{/list}}", 3, "01;01;01;");
    /* the same name within itself */
    expect("{{#list}}({{#list}}{{number}}{{/list}}){{/list}}", 2, "(0)(0)");
}

static void test_template__a_tag_alone_takes_its_line(void **state)
{
    expect("<ul>\n  {{#list}}\n  <li>{{number}}</li>\n  {{/list}}\n</ul>\n", 2,
           "<ul>\n  <li>0</li>\n  <li>1</li>\n</ul>\n");
    expect("{{#list}} \n{{/list}}", 1, " \n");
    expect("{{number}}\n", 1, "7\n");
}

static void test_template__escapes(void **state)
{
    expect("{{hostile}}", 0, "&lt;b a=&quot;&#39;&quot;&gt;&amp;???{{number}}");
    expect("{{{hostile}}}", 0, "<b a=\"'\">&\x1b\xc3\xa9{{number}}");
}

static void test_template__refuses(void **state)
{
    static const char *const broken[] = {
        "{{", "{{number", "{{{number}}", "{{}}", "{{#list}}", "{{/list}}", "{{#list}}{{/inner}}",
        "{{a_name_that_is_longer_than_any_should_be}}", "{{unknown}}", "{{#list}}{{unknown}}{{/list}}",
        "{{#list}}{{#list}}{{#list}}{{#list}}{{#list}}{{#list}}{{#list}}{{#list}}x{{/list}}{{/list}}"
        "{{/list}}{{/list}}{{/list}}{{/list}}{{/list}}{{/list}}"};
    scope s = {20, 0};

    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        gpuc__buf out = GPUC__BUF_INIT(1 << 20);
        gpuc_error *err = NULL;

        assert_int_equal(gpuc__template_render(&out, broken[i], &source, &s, &err), GPUC_EINTERNAL);
        assert_non_null(err);
        gpuc_error_unref(err);
        gpuc__buf_clear(&out);
    }
}

static void test_template__has_a_bound(void **state)
{
    gpuc__buf out = GPUC__BUF_INIT(64);
    scope s = {1000000000, 0};

    assert_int_equal(
        gpuc__template_render(&out, "{{#list}}more {{number}}{{/list}}", &source, &s, NULL),
        GPUC_ENOMEM);
    gpuc__buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_template__values_and_lists),
        cmocka_unit_test(test_template__a_tag_alone_takes_its_line),
        cmocka_unit_test(test_template__escapes),
        cmocka_unit_test(test_template__refuses),
        cmocka_unit_test(test_template__has_a_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
