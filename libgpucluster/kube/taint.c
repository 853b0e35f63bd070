/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/taint.h"

#include <string.h>

#include "kube/status.h"

#define NODES_TOLD 4
#define KEYS_TOLD 3

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = gpuc__json_text(object, key, NULL);

    return text ? text : "";
}

/* Equal, or the toleration leaves it open. */
static bool fits(const json_t *toleration, const json_t *taint, const char *key)
{
    const char *wanted = text_of(toleration, key);

    return !*wanted || strcmp(wanted, text_of(taint, key)) == 0;
}

/* By an operator of a later version it may: only what is sure is told. */
static bool tolerates(const json_t *toleration, const json_t *taint)
{
    const char *operator_ = text_of(toleration, "operator");
    bool equal = !*operator_ || strcmp(operator_, "Equal") == 0;

    return fits(toleration, taint, "effect") && fits(toleration, taint, "key") &&
           (!equal || strcmp(text_of(toleration, "value"), text_of(taint, "value")) == 0);
}

static bool keeps_away(const json_t *taint, const json_t *pod)
{
    const char *effect = text_of(taint, "effect");
    const json_t *toleration;
    size_t i;

    if (strcmp(effect, "NoSchedule") != 0 && strcmp(effect, "NoExecute") != 0)
        return false;
    json_array_foreach(gpuc__json_at(pod, "spec", "tolerations", NULL), i, toleration)
    {
        if (tolerates(toleration, taint))
            return false;
    }
    return *text_of(taint, "key");
}

bool gpuc__taint_tell(gpuc__buf *out, const json_t *node, const json_t *pod)
{
    const char *name = gpuc__json_text(node, "metadata", "name", NULL);
    const json_t *taint;
    size_t i, told = 0;

    json_array_foreach(gpuc__json_at(node, "spec", "taints", NULL), i, taint)
    {
        if (!keeps_away(taint, pod))
            continue;
        if (!told)
            gpuc__buf_printf(out, "%.253s is tainted with %.317s", name ? name : "the node",
                             text_of(taint, "key"));
        else if (told < KEYS_TOLD)
            gpuc__buf_printf(out, ", %.317s", text_of(taint, "key"));
        told++;
    }
    if (told > KEYS_TOLD)
        gpuc__buf_printf(out, " and %zu more", told - KEYS_TOLD);
    return told > 0;
}

bool gpuc__taints_tell(gpuc__buf *out, const json_t *nodes, const json_t *pod)
{
    gpuc__buf one = GPUC__BUF_INIT(4096);
    const json_t *node;
    size_t i, told = 0;

    json_array_foreach(nodes, i, node)
    {
        gpuc__buf_reset(&one);
        if (gpuc__taint_tell(&one, node, pod) && told++ < NODES_TOLD)
            gpuc__buf_printf(out, "%s%s", told > 1 ? "; " : "", gpuc__buf_text(&one));
    }
    if (told > NODES_TOLD)
        gpuc__buf_printf(out, "; %zu more %s tainted", told - NODES_TOLD,
                         told - NODES_TOLD == 1 ? "node is" : "nodes are");
    gpuc__buf_clear(&one);
    return told > 0;
}
