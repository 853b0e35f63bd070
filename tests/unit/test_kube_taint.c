/* SPDX-License-Identifier: Apache-2.0 */
/* Which taints keep a pod away, and how many of them are told. */
#include "unit/util_test.h"

#include <jansson.h>

#include "kube/taint.h"

/* ' stands for ". */
static json_t *read_json(const char *text)
{
    char copy[1024];
    json_t *json;

    snprintf(copy, sizeof(copy), "%s", text);
    for (char *p = copy; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    json = json_loads(copy, 0, NULL);
    assert_non_null(json);
    return json;
}

/* Of a node with the taint KEY=v:EFFECT and a pod with this toleration. */
static bool keeps_away(const char *effect, const char *toleration)
{
    gpuc__buf out = GPUC__BUF_INIT(4096);
    char text[512];
    json_t *node, *pod;
    bool away;

    snprintf(text, sizeof(text),
             "{'metadata':{'name':'n'},'spec':{'taints':[{'key':'k','value':'v','effect':'%s'}]}}", effect);
    node = read_json(text);
    snprintf(text, sizeof(text), "{'spec':{'tolerations':[{'key':'other','operator':'Exists'},%s]}}",
             toleration);
    pod = read_json(text);
    away = gpuc__taint_tell(&out, node, pod);
    assert_string_equal(gpuc__buf_text(&out), away ? "n is tainted with k" : "");
    gpuc__buf_clear(&out);
    json_decref(node);
    json_decref(pod);
    return away;
}

static void test_taint__tolerated_as_the_scheduler_has_it(void **state)
{
    assert_true(keeps_away("NoSchedule", "{'key':'k','value':'w'}"));
    assert_true(keeps_away("NoSchedule", "{'key':'k','operator':'Equal'}"));
    assert_true(keeps_away("NoExecute", "{'key':'k','operator':'Exists','effect':'NoSchedule'}"));
    assert_true(keeps_away("NoExecute", "{}"));
    assert_false(keeps_away("PreferNoSchedule", "{}"));
    assert_false(keeps_away("SomethingNew", "{}"));
    assert_false(keeps_away("NoSchedule", "{'operator':'Exists'}"));
    assert_false(keeps_away("NoSchedule", "{'key':'k','operator':'Exists'}"));
    assert_false(keeps_away("NoSchedule", "{'key':'k','value':'v'}"));
    assert_false(keeps_away("NoExecute", "{'key':'k','operator':'Equal','value':'v','effect':'NoExecute'}"));
    assert_false(keeps_away("NoSchedule", "{'key':'k','operator':'Gt','value':'1'}")); /* not sure */
}

static void tells(const char *nodes, const char *wanted)
{
    gpuc__buf out = GPUC__BUF_INIT(4096);
    json_t *list = read_json(nodes);

    assert_int_equal(gpuc__taints_tell(&out, list, NULL), *wanted != '\0');
    assert_string_equal(gpuc__buf_text(&out), wanted);
    gpuc__buf_clear(&out);
    json_decref(list);
}

#define T(key) "{'key':'" key "','effect':'NoSchedule'}"
#define N(name, taints) "{'metadata':{'name':'" name "'},'spec':{'taints':[" taints "]}}"

static void test_taint__a_few_are_told(void **state)
{
    tells("[" N("a", T("x")) "," N("b", "") "," N("c", T("x") "," T("y") "," T("z")) "]",
          "a is tainted with x; c is tainted with x, y, z");
    tells("[" N("a", T("v") "," T("w") "," T("x") "," T("y") "," T("z")) "]",
          "a is tainted with v, w, x and 2 more");
    tells("[" N("a", T("x")) "," N("b", T("x")) "," N("c", T("x")) "," N("d", T("x")) "," N("e", T("x"))
          "," N("f", T("x")) "]",
          "a is tainted with x; b is tainted with x; c is tainted with x; d is tainted with x; 2 more nodes "
          "are tainted");
}

static void test_taint__bears_any_shape(void **state)
{
    tells("[]", "");
    tells("{}", "");
    tells("[1, {}, {'spec':[]}, {'spec':{'taints':{}}}, {'spec':{'taints':[1, {}, " T("") "]}}]", "");
    tells("[{'spec':{'taints':[" T("x") "]}}]", "the node is tainted with x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taint__tolerated_as_the_scheduler_has_it),
        cmocka_unit_test(test_taint__a_few_are_told),
        cmocka_unit_test(test_taint__bears_any_shape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
