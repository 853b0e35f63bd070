/* SPDX-License-Identifier: Apache-2.0 */
/* The recipe's script steps as nodes of the step graph. The first probe on a machine asks for all of
 * its steps in one go; once something was changed there, each is probed by itself. */
#include <stdlib.h>
#include <string.h>

#include "core/context.h"
#include "recipe/classes.h"
#include "recipe/remote_internal.h"
#include "util/alloc.h"
#include "util/error.h"
#include "util/quote.h"

enum { PROBE_TIMEOUT_MS = 120000 };

static void idle(gpuc__step_node *n)
{
    n->phase = GPUC__PHASE_IDLE;
    n->node = NULL;
    n->op = NULL;
    n->cancelled = false;
}

void gpuc__step_acted(gpuc__step_node *n, gpuc_error *error)
{
    gpuc__node *node = n->node;
    if (n->timer)
        uv_timer_stop(n->timer);
    gpuc__step_act_free(n);
    if (n->remote->cache != GPUC__CACHE_RUNNING)
        n->remote->cache = GPUC__CACHE_OFF;
    idle(n);
    gpuc__node_acted(node, error);
}

static void answer(gpuc__step_node *n, gpuc__verdict verdict, const char *detail,
                   gpuc_error *error)
{
    gpuc__node *node = n->node;
    if (n->cancelled && !error)
        gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_NONE, "cancelled");
    gpuc__error_at(&error, n->remote->machine, n->step->id);
    idle(n);
    gpuc__node_probed(node, verdict, detail, error);
}

/* rc and text of a probe: 0 present, 1 needed, 2 unknown, others an error. */
static void answer_probe(gpuc__step_node *n, int rc, const char *text)
{
    gpuc_error *error = NULL;
    gpuc__verdict verdict = rc == 0   ? GPUC__VERDICT_PRESENT
                            : rc == 1 ? GPUC__VERDICT_NEEDED
                                      : GPUC__VERDICT_UNKNOWN;
    if (rc < 0 || rc > 2)
        gpuc__classes_error(&error, n->remote->machine, n->step, rc, NULL, text, strlen(text));
    answer(n, verdict, text, error);
}

/* --- one probe --- */

static char *last_line(const char *out, size_t length)
{
    while (length > 0 && (out[length - 1] == '\n' || out[length - 1] == ' '))
        length--;
    size_t start = length;
    while (start > 0 && out[start - 1] != '\n')
        start--;
    return gpuc__strndup(out + start, length - start > 500 ? 500 : length - start);
}

static void on_probe(void *data, int status, const char *out, size_t out_length, const char *errout,
                     size_t errout_length, gpuc_error *error)
{
    gpuc__step_node *n = data;
    n->op = NULL;
    if (error) {
        answer(n, GPUC__VERDICT_UNKNOWN, NULL, error);
        return;
    }
    if (status < 0 || status > 2) {
        bool quiet = errout_length == 0;
        gpuc__classes_error(&error, n->remote->machine, n->step, status, NULL,
                            quiet ? out : errout, quiet ? out_length : errout_length);
        answer(n, GPUC__VERDICT_UNKNOWN, NULL, error);
        return;
    }
    char *detail = last_line(out, out_length);
    answer_probe(n, status, detail ? detail : "");
    gpuc__free(detail);
}

/* Whether there is something to take back: the machine notes the steps that acted. What another
 * cluster did there is its own. */
static char *undo_probe_script(const gpuc__step_node *n)
{
    const char *cluster =
        json_string_value(json_object_get(n->remote->variables, "GPUC_CLUSTER_ID"));
    char *id = gpuc__quote_shell_dup(n->step->id);
    char *owner = gpuc__quote_shell_dup(cluster ? cluster : "");
    char *script = NULL;

    if (id && owner)
        script = gpuc__asprintf("cd /var/lib/gpucluster 2>/dev/null || exit 0\n"
                                "i=%s c=%s o=$(cat owner 2>/dev/null)\n"
                                "case $o in '' | \"$c \"*) ;;"
                                " *) echo \"left alone: it is of the cluster ${o#* }\"; exit 0 ;; esac\n"
                                "[ ! -e \"acted/$i\" ] && [ ! -e \"ledger/$i\" ]"
                                " || { echo 'to be taken back'; exit 1; }\n",
                                id, owner);
    gpuc__free(id);
    gpuc__free(owner);
    return script;
}

static void probe_alone(gpuc__step_node *n)
{
    gpuc_error *error = NULL;
    char *script = NULL;
    n->phase = GPUC__PHASE_PROBE;
    if (n->undo) {
        script = undo_probe_script(n);
        if (!script)
            gpuc__error_nomem(&error);
    } else {
        gpuc__recipe_render(&script, n->step, GPUC__RECIPE_PROBE, n->remote->variables, &error);
    }
    if (script)
        n->op = gpuc__remote_run(n->remote, script, strlen(script), PROBE_TIMEOUT_MS, on_probe, n,
                                 &error);
    gpuc__free_secret(script);
    if (error)
        answer(n, GPUC__VERDICT_UNKNOWN, NULL, error);
}

/* --- all probes in one go --- */

/* The list may change while answers are given: they may make the graph free nodes or ask again. */
static gpuc__step_node *next_waiting(gpuc__remote *remote)
{
    gpuc__step_node *n = remote->nodes;
    while (n && n->phase != GPUC__PHASE_WAIT_PROBE)
        n = n->next;
    return n;
}

static void take_line(gpuc__remote *remote, char *line)
{
    char *rc = strchr(line, '\t');
    char *detail = rc ? strchr(rc + 1, '\t') : NULL;
    if (!detail)
        return;
    *rc++ = 0;
    *detail++ = 0;
    for (gpuc__step_node *n = remote->nodes; n; n = n->next) {
        if (n->undo || strcmp(n->step->id, line) != 0)
            continue;
        char *end = NULL;
        long value = strtol(rc, &end, 10);
        gpuc__free(n->cached_detail);
        n->cached_detail = gpuc__strdup(detail);
        n->cached_rc = (int)value;
        n->cached = n->cached_detail && end != rc && !*end;
    }
}

static void take_lines(gpuc__remote *remote, const char *out, size_t length)
{
    char *text = gpuc__strndup(out, length), *rest = text, *line;
    while (text && (line = strsep(&rest, "\n")))
        take_line(remote, line);
    gpuc__free(text);
}

static void on_probes(void *data, int status, const char *out, size_t out_length,
                      const char *errout, size_t errout_length, gpuc_error *error)
{
    gpuc__remote *remote = data;
    gpuc__step_node *n;
    for (n = remote->nodes; n; n = n->next)
        n->cached = false;
    if (!error && status == 0)
        take_lines(remote, out, out_length);
    remote->cache = error || status != 0 ? GPUC__CACHE_OFF : GPUC__CACHE_DONE;
    while ((n = next_waiting(remote))) {
        n->op = NULL;
        if (error)
            answer(n, GPUC__VERDICT_UNKNOWN, NULL, gpuc__remote_copy_error(error));
        else if (n->cached)
            answer_probe(n, n->cached_rc, n->cached_detail);
        else
            probe_alone(n);
    }
    gpuc_error_unref(error);
    gpuc__remote_unref(remote);
}

static void probe_all(gpuc__step_node *first)
{
    gpuc__remote *remote = first->remote;
    const gpuc__recipe_step **steps;
    size_t count = 0;
    char *script = NULL;
    gpuc_error *error = NULL;
    gpuc__ssh_op *op = NULL;
    for (gpuc__step_node *n = remote->nodes; n; n = n->next)
        count += !n->undo && !n->skip;
    steps = gpuc__calloc(count + 1, sizeof(*steps));
    count = 0;
    for (gpuc__step_node *n = remote->nodes; steps && n; n = n->next) {
        if (!n->undo && !n->skip)
            steps[count++] = n->step;
    }
    if (!steps)
        gpuc__error_nomem(&error);
    else
        gpuc__recipe_render_probes(&script, steps, count, remote->variables, &error);
    if (script)
        op = gpuc__remote_run(remote, script, strlen(script), PROBE_TIMEOUT_MS, on_probes,
                              gpuc__remote_ref(remote), &error);
    if (script && !op)
        gpuc__remote_unref(remote);
    gpuc__free_secret(script);
    gpuc__free(steps);
    if (op) {
        remote->cache = GPUC__CACHE_RUNNING;
        first->phase = GPUC__PHASE_WAIT_PROBE;
    } else {
        answer(first, GPUC__VERDICT_UNKNOWN, NULL, error);
    }
}

/* --- the table --- */

static void step_probe(gpuc__node *node, void *data)
{
    gpuc__step_node *n = data;
    n->node = node;
    n->cancelled = false;
    if (!n->remote->ssh)
        answer(n, GPUC__VERDICT_UNKNOWN, "the machine is not there yet", NULL);
    else if (n->undo || n->remote->cache == GPUC__CACHE_OFF)
        probe_alone(n);
    else if (n->remote->cache == GPUC__CACHE_NONE)
        probe_all(n);
    else if (n->remote->cache == GPUC__CACHE_RUNNING)
        n->phase = GPUC__PHASE_WAIT_PROBE;
    else if (n->cached)
        answer_probe(n, n->cached_rc, n->cached_detail);
    else
        probe_alone(n);
}

static void step_act(gpuc__node *node, void *data, const char *attempt, bool resumed)
{
    gpuc__step_node *n = data;
    n->node = node;
    n->cancelled = false;
    /* Resumed or not, the runner does the right thing: an attempt that the machine knows is attached
     * to, one that never got there is begun. */
    if (resumed)
        gpuc__node_progress(node, "looking for what an earlier run began");
    gpuc__step_act(n, attempt);
}

static void step_cancel(gpuc__node *node, void *data)
{
    gpuc__step_node *n = data;
    n->cancelled = true;
    if (n->op) {
        gpuc__ssh_op_cancel(n->op);
    } else if (n->phase == GPUC__PHASE_WAIT_PROBE) {
        answer(n, GPUC__VERDICT_UNKNOWN, NULL, NULL);
    } else if (n->phase == GPUC__PHASE_PAUSE || n->phase == GPUC__PHASE_REBOOT) {
        gpuc_error *error = NULL;
        gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_NONE, "cancelled");
        gpuc__step_acted(n, error);
    }
}

static char *step_shell(const gpuc__node *node, void *data)
{
    gpuc__step_node *n = data;
    return gpuc__recipe_render_shell(n->step, n->remote->variables);
}

static void free_timer(uv_handle_t *handle)
{
    gpuc_context *context = handle->data;
    gpuc__free(handle);
    gpuc_context_unref(context);
}

static void step_free(void *data)
{
    gpuc__step_node *n = data;
    if (n->prev)
        n->prev->next = n->next;
    else if (n->remote->nodes == n)
        n->remote->nodes = n->next;
    if (n->next)
        n->next->prev = n->prev;
    gpuc__step_act_free(n);
    if (n->timer) {
        n->timer->data = gpuc_context_ref(n->remote->context);
        uv_close((uv_handle_t *)n->timer, free_timer);
    }
    gpuc__free(n->cached_detail);
    gpuc__recipe_unref(n->recipe);
    gpuc__remote_unref(n->remote);
    gpuc__free(n);
}

const gpuc__step_ops gpuc__recipe_step_ops = {.probe = step_probe,
                                              .act = step_act,
                                              .cancel = step_cancel,
                                              .shell = step_shell,
                                              .free = step_free};
/* A step that only looks. */
static const gpuc__step_ops check_ops = {.probe = step_probe,
                                         .cancel = step_cancel,
                                         .shell = step_shell,
                                         .free = step_free};

static void link_node(gpuc__step_node *n)
{
    gpuc__step_node **at = &n->remote->nodes;
    while (*at) {
        n->prev = *at;
        at = &(*at)->next;
    }
    *at = n;
}

int gpuc__remote_add_step(gpuc__graph *graph, gpuc__remote *remote, gpuc__recipe *recipe,
                          const gpuc__recipe_step *step, bool undo, bool skip, gpuc__node **out,
                          gpuc_error **err)
{
    gpuc__step_node *n = gpuc__calloc(1, sizeof(*n));
    char *id = undo ? gpuc__asprintf("undo.%s", step->id) : gpuc__strdup(step->id);
    char *title = undo ? gpuc__asprintf("Take back: %s", step->title) : gpuc__strdup(step->title);
    int rc = GPUC_OK;
    if (!n || !id || !title) {
        gpuc__free(n);
        rc = gpuc__error_nomem(err);
        goto done;
    }
    n->remote = gpuc__remote_ref(remote);
    n->recipe = gpuc__recipe_ref(recipe);
    n->step = step;
    n->undo = undo;
    n->skip = skip;
    link_node(n);
    /* A node that came later was not in the last probes; it will be probed by itself. */
    const gpuc__step_desc desc = {.id = id,
                                  .machine = remote->machine,
                                  .title = title,
                                  .remedy = step->remedy,
                                  .timeout_s = step->timeout_s + (step->reboot ? 120 : 60),
                                  .retries = step->retries,
                                  .backoff_s = step->backoff_s,
                                  .check = step->check && !undo,
                                  .gate = step->gate && !undo,
                                  .alone = step->reboot && !undo,
                                  .skip = skip,
                                  .ops = step->check && !undo ? &check_ops : &gpuc__recipe_step_ops,
                                  .data = n};
    rc = gpuc__graph_add(graph, &desc, out, err); /* frees n when it fails */
done:
    gpuc__free(id);
    gpuc__free(title);
    return rc;
}
