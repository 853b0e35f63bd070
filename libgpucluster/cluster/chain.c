/* SPDX-License-Identifier: Apache-2.0 */
/* The links in the order of chain.json; the first that a fact contradicts is the one that is missing.
 * While the device plugin's pod runs, what it was started with was there: then only what comes after
 * it is asked about. */
#include "cluster/chain.h"

#include <string.h>

#include "kube/reason.h"
#include "kube/status.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/data.h"
#include "util/error.h"

#define TEXT_MAX_BYTES 512
#define EVIDENCE_MAX_BYTES 1024

typedef struct diagnosis {
    const json_t *table, *facts, *node, *plugin, *pod; /* plugin: the DaemonSet */
    const gpuc__collect_chain *machine;
    const char *class_; /* the RuntimeClass that the plugin needs; NULL: none */
    gpuc__reason reason; /* where the pod stands */
    long wanted, allocatable, capacity;
    bool runs;
    char why[TEXT_MAX_BYTES]; /* with it the first link is found */
    const char *link;
    const char *evidence; /* borrowed */
} diagnosis;

static void found(diagnosis *d, const char *link, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void found(diagnosis *d, const char *link, const char *format, ...)
{
    va_list args;

    if (d->link)
        return;
    d->link = link;
    va_start(args, format);
    vsnprintf(d->why, sizeof(d->why), format, args);
    va_end(args);
}

static const char *refused(const diagnosis *d, const char *fact)
{
    return gpuc__json_text(d->facts, "refused", fact, NULL);
}

/* The last line that says something. */
static const char *last_line(const char *log, size_t *length)
{
    const char *end = log + strlen(log), *begin;

    while (end > log && strchr(" \t\r\n", end[-1]))
        end--;
    for (begin = end; begin > log && begin[-1] != '\n';)
        begin--;
    *length = (size_t)(end - begin);
    return begin;
}

static const char *log_of(const diagnosis *d)
{
    /* The kubelet's own words, in place of a log that has been removed meanwhile. */
    static const char gone[] = "unable to retrieve container logs";
    const char *log = gpuc__json_text(d->facts, "log", NULL);

    return log && strncmp(log, gone, sizeof(gone) - 1) != 0 ? log : "";
}

/* ---- the machine ---- */

static void look_at_driver(diagnosis *d)
{
    const gpuc__collect_chain *m = d->machine;

    if (!m || !m->smi_known)
        return;
    if (m->smi_status != 0 || !m->smi_read)
        found(d, "driver", "nvidia-smi does not answer (exit status %d): %.250s", m->smi_status,
              m->smi_line);
    else if ((long)m->smi_gpus < d->wanted && !m->mig)
        found(d, "driver", "nvidia-smi lists %zu GPUs", m->smi_gpus);
}

static void look_at_node(diagnosis *d)
{
    const json_t *c;
    size_t i;

    json_array_foreach(gpuc__json_at(d->node, "status", "conditions", NULL), i, c)
    {
        const char *type = gpuc__json_text(c, "type", NULL), *status = gpuc__json_text(c, "status", NULL);
        const char *message = gpuc__json_text(c, "message", NULL);

        if (type && status && strcmp(type, "Ready") == 0 && strcmp(status, "True") != 0)
            found(d, "kubelet", "the node is not Ready: %.300s", message ? message : "no message");
    }
    if (d->machine && d->machine->known && d->machine->kubelet[0] &&
        strcmp(d->machine->kubelet, "active") != 0)
        found(d, "kubelet", "the kubelet is %s", d->machine->kubelet);
}

static void look_at_toolkit(diagnosis *d)
{
    const gpuc__collect_chain *c = d->machine;

    if (!c || !c->known || !d->class_ || c->binary_is_there)
        return;
    if (c->binary[0])
        found(d, "toolkit", "containerd's runtime nvidia runs %s, which is not there", c->binary);
    else if (!c->runtime[0])
        found(d, "toolkit", "there is no nvidia-container-runtime on the machine");
}

static void look_at_containerd(diagnosis *d)
{
    const gpuc__collect_chain *c = d->machine;

    if (!c || !c->known || !d->class_)
        return;
    if (c->containerd[0] && strcmp(c->containerd, "active") != 0)
        found(d, "containerd", "containerd is %s", c->containerd);
    if (c->config_known && !c->handler)
        found(d, "containerd", "containerd's configuration has no runtime nvidia");
    if (c->unread[0])
        found(d, "containerd", "containerd has not read %s since it was written", c->unread);
}

/* ---- the API ---- */

static void look_at_class(diagnosis *d)
{
    const json_t *classes = json_object_get(d->facts, "runtimeClasses"), *class_;
    size_t i;

    if (!d->class_ || !json_is_array(classes))
        return;
    json_array_foreach(classes, i, class_)
    {
        const char *name = gpuc__json_text(class_, "metadata", "name", NULL);

        if (name && strcmp(name, d->class_) == 0)
            return;
    }
    found(d, "runtime-class", "there is no RuntimeClass %s", d->class_);
}

static void look_at_plugin(diagnosis *d)
{
    if (refused(d, "daemonSets"))
        found(d, "unknown", "the DaemonSets could not be read: %.300s", refused(d, "daemonSets"));
    else if (json_is_array(json_object_get(d->facts, "daemonSets")) && !d->plugin)
        found(d, "plugin.absent", "no DaemonSet of NVIDIA's device plugin");
}

static bool tolerates(const json_t *toleration, const json_t *taint)
{
    const char *key = gpuc__json_text(toleration, "key", NULL);
    const char *value = gpuc__json_text(toleration, "value", NULL);
    const char *effect = gpuc__json_text(toleration, "effect", NULL);
    const char *op = gpuc__json_text(toleration, "operator", NULL);
    const char *t_key = gpuc__json_text(taint, "key", NULL);
    const char *t_value = gpuc__json_text(taint, "value", NULL);
    const char *t_effect = gpuc__json_text(taint, "effect", NULL);

    if (effect && *effect && t_effect && strcmp(effect, t_effect) != 0)
        return false;
    if (op && strcmp(op, "Exists") == 0)
        return !key || !*key || (t_key && strcmp(key, t_key) == 0);
    return key && t_key && strcmp(key, t_key) == 0 &&
           strcmp(value ? value : "", t_value ? t_value : "") == 0;
}

/* What keeps the DaemonSet from the node: a label that it selects, or a taint. */
static void look_at_placing(diagnosis *d)
{
    const json_t *spec = gpuc__json_at(d->plugin, "spec", "template", "spec", NULL), *taint, *toleration;
    json_t *selector = json_object_get(spec, "nodeSelector"), *value;
    const char *key;
    size_t i, j;

    json_object_foreach(selector, key, value)
    {
        const char *wanted = json_string_value(value);
        const char *has = gpuc__json_text(d->node, "metadata", "labels", key, NULL);

        if (wanted && (!has || strcmp(has, wanted) != 0))
            found(d, "plugin.unscheduled", "the DaemonSet selects nodes with %.100s=%.100s, on this "
                  "node it is %.100s", key, wanted, has ? has : "not set");
    }
    json_array_foreach(gpuc__json_at(d->node, "spec", "taints", NULL), i, taint)
    {
        const char *effect = gpuc__json_text(taint, "effect", NULL);
        bool borne = !effect || strcmp(effect, "PreferNoSchedule") == 0;

        key = gpuc__json_text(taint, "key", NULL);
        /* The controller adds these tolerations itself. */
        borne = borne || (key && strncmp(key, "node.kubernetes.io/", 19) == 0);
        json_array_foreach(json_object_get(spec, "tolerations"), j, toleration)
            borne = borne || tolerates(toleration, taint);
        if (!borne)
            found(d, "plugin.unscheduled", "the DaemonSet does not tolerate the node's taint %.200s",
                  key ? key : "?");
    }
    found(d, "plugin.unscheduled", "the DaemonSet has no pod for the node");
}

static const char *unplaced(const json_t *pod)
{
    const json_t *c;
    size_t i;

    json_array_foreach(gpuc__json_at(pod, "status", "conditions", NULL), i, c)
    {
        const char *type = gpuc__json_text(c, "type", NULL), *status = gpuc__json_text(c, "status", NULL);
        const char *message = gpuc__json_text(c, "message", NULL);

        if (type && status && strcmp(type, "PodScheduled") == 0 && strcmp(status, "False") == 0)
            return message ? message : "no message";
    }
    return NULL;
}

static bool is_one_of(const char *word, const char *const *list)
{
    for (; word && *list; list++) {
        if (strcmp(word, *list) == 0)
            return true;
    }
    return false;
}

static bool has_crashed(const json_t *status)
{
    return gpuc__json_at(status, "state", "terminated", NULL) ||
           gpuc__json_at(status, "lastState", "terminated", NULL);
}

static void look_at_crash(diagnosis *d, const json_t *status)
{
    const json_t *state = gpuc__json_at(status, "state", "terminated", NULL);
    const char *message, *line = log_of(d);
    size_t length = 0;

    if (!state)
        state = gpuc__json_at(status, "lastState", "terminated", NULL);
    message = gpuc__json_text(state, "message", NULL);
    if (*line)
        line = last_line(line, &length);
    d->evidence = *log_of(d) ? log_of(d) : message;
    if (!length && message)
        line = last_line(message, &length);
    found(d, "plugin.crash", "the device plugin ends with status %d%s%.*s",
          (int)json_integer_value(json_object_get(state, "exitCode")), length ? ": " : "",
          (int)(length < 300 ? length : 300), line);
}

/* The pod is there and does not run. */
static void look_at_pod(diagnosis *d)
{
    static const char *const image[] = {"InvalidImageName", "ErrImageNeverPull", "ErrImagePull",
                                        "ImagePullBackOff", "RegistryUnavailable", NULL};
    static const char *const start[] = {"CreateContainerError", "CreateContainerConfigError",
                                        "RunContainerError", "StartError", "ContainerCannotRun", NULL};
    const json_t *status = json_array_get(gpuc__json_at(d->pod, "status", "containerStatuses", NULL), 0);
    const json_t *event = gpuc__reason_newest_event(json_object_get(d->facts, "events"),
                                                    "FailedCreatePodSandBox");
    const char *message = gpuc__json_text(event, "message", NULL);
    const char *text = d->reason.text ? d->reason.text : "no reason is told";

    if (unplaced(d->pod))
        found(d, "plugin.unscheduled", "the pod is not scheduled: %.300s", unplaced(d->pod));
    else if (is_one_of(d->reason.reason, image))
        found(d, "plugin.image", "%.400s", text);
    else if (is_one_of(d->reason.reason, start))
        found(d, "plugin.crash", "the device plugin cannot be started: %.400s", text);
    else if (has_crashed(status))
        look_at_crash(d, status);
    else if (message && strstr(message, "no runtime for"))
        found(d, "containerd", "containerd knows no runtime of the RuntimeClass: %.300s", message);
    else if (message)
        found(d, "plugin.sandbox", "%.400s", message);
    else
        found(d, "plugin.starting", "the device plugin's pod is %s: %.300s", d->reason.phase, text);
    if (!d->evidence)
        d->evidence = message;
}

/* What the plugin's log has of the table's words. */
static const char *said(const diagnosis *d, const char *list)
{
    const json_t *word;
    size_t i;

    json_array_foreach(json_object_get(d->table, list), i, word)
    {
        if (strstr(log_of(d), json_string_value(word)))
            return json_string_value(word);
    }
    return NULL;
}

/* The pod runs: what did it register, and what became of it? */
static void look_at_devices(diagnosis *d)
{
    const gpuc__collect_chain *c = d->machine;
    bool sockets = c && c->known && c->sockets_known;

    d->evidence = *log_of(d) ? log_of(d) : NULL;
    if (d->capacity >= d->wanted)
        found(d, "plugin.unhealthy", "the device plugin holds %ld of %ld GPUs for unhealthy",
              d->capacity - d->allocatable, d->capacity);
    else if (d->capacity > 0)
        found(d, "plugin.devices", "the device plugin found %ld of %ld GPUs when it started",
              d->capacity, d->wanted);
    else if (said(d, "idle"))
        found(d, "plugin.devices", "the device plugin runs and serves no GPU: %s", said(d, "idle"));
    else if (said(d, "unregistered"))
        found(d, "kubelet", "the kubelet does not take it: %s", said(d, "unregistered"));
    else if (sockets && !c->plugin_socket)
        found(d, "plugin.devices", "the device plugin runs and has no socket for the kubelet");
    else
        found(d, "kubelet", "the device plugin runs, and the kubelet does not count its GPUs");
}

/* ---- together ---- */

static bool is_running(const json_t *pod)
{
    const json_t *status = json_array_get(gpuc__json_at(pod, "status", "containerStatuses", NULL), 0);

    return gpuc__json_at(status, "state", "running", NULL) != NULL;
}

/* The DaemonSet that the pod belongs to, or the first. */
static const json_t *plugin_of(const json_t *facts)
{
    const json_t *list = json_object_get(facts, "daemonSets"), *set;
    const char *owner = gpuc__json_text(
        json_array_get(gpuc__json_at(facts, "pod", "metadata", "ownerReferences", NULL), 0), "name", NULL);
    size_t i;

    json_array_foreach(list, i, set)
    {
        const char *name = gpuc__json_text(set, "metadata", "name", NULL);

        if (owner && name && strcmp(owner, name) == 0)
            return set;
    }
    return json_array_get(list, 0);
}

static void look(diagnosis *d)
{
    look_at_driver(d);
    look_at_node(d);
    if (d->runs) {
        look_at_devices(d);
        return;
    }
    look_at_toolkit(d);
    look_at_containerd(d);
    look_at_class(d);
    look_at_plugin(d);
    if (refused(d, "pod"))
        found(d, "unknown", "the device plugin's pod could not be read: %.300s", refused(d, "pod"));
    if (d->pod)
        look_at_pod(d);
    else if (d->plugin)
        look_at_placing(d);
    found(d, "unknown", "nothing that was looked at says why");
}

/* The remedy with the names in it; NULL without memory. */
static char *remedy(const diagnosis *d, const char *text)
{
    const struct {
        const char *word, *value;
    } names[] = {
        {"NAMESPACE", gpuc__json_text(d->pod, "metadata", "namespace", NULL)},
        {"POD", gpuc__json_text(d->pod, "metadata", "name", NULL)},
        {"NODE", gpuc__json_text(d->node, "metadata", "name", NULL)},
    };
    gpuc__buf out = GPUC__BUF_INIT(4096);

    while (text && *text) {
        size_t i = 0, n = sizeof(names) / sizeof(names[0]);

        while (i < n && (!names[i].value || strncmp(text, names[i].word, strlen(names[i].word)) != 0))
            i++;
        if (i < n)
            gpuc__buf_puts(&out, names[i].value);
        else
            gpuc__buf_putc(&out, *text);
        text += i < n ? strlen(names[i].word) : 1;
    }
    return gpuc__buf_take(&out);
}

static const char *remedy_text(const json_t *table, const char *link)
{
    const json_t *row;
    size_t i;

    json_array_foreach(json_object_get(table, "links"), i, row)
    {
        if (strcmp(gpuc__json_text(row, "id", NULL), link) == 0)
            return gpuc__json_text(row, "remedy", NULL);
    }
    return NULL;
}

static bool copy(char **out, const char *text)
{
    *out = text ? gpuc__strdup(text) : NULL;
    return *out || !text;
}

static int write_out(gpuc__chain *out, const diagnosis *d, gpuc_error **err)
{
    size_t length = d->evidence ? strlen(d->evidence) : 0;
    size_t skip = length > EVIDENCE_MAX_BYTES ? length - EVIDENCE_MAX_BYTES : 0;
    gpuc__chain c = {.observed = gpuc__asprintf("nvidia.com/gpu: %ld of %ld%s%s", d->allocatable,
                                                d->wanted, d->link ? "; " : "", d->why)};
    bool ok = c.observed && copy(&c.link, d->link) &&
              copy(&c.evidence, length ? d->evidence + skip : NULL) &&
              copy(&c.namespace_, gpuc__json_text(d->pod, "metadata", "namespace", NULL)) &&
              copy(&c.pod, gpuc__json_text(d->pod, "metadata", "name", NULL));

    if (ok && d->link) {
        c.remedy = remedy(d, remedy_text(d->table, d->link));
        ok = c.remedy != NULL;
    }
    if (!ok) {
        gpuc__chain_clear(&c);
        return gpuc__error_nomem(err);
    }
    *out = c;
    return GPUC_OK;
}

long gpuc__chain_wanted(long gpus, const json_t *node, const gpuc__collect_chain *machine)
{
    bool sliced = machine && machine->mig && gpuc__chain_gpus(node, true) > gpus;

    return sliced ? (long)machine->slices : gpus;
}

int gpuc__chain_diagnose(gpuc__chain *out, long wanted, const json_t *facts,
                         const gpuc__collect_chain *machine, gpuc_error **err)
{
    const gpuc__data *data = gpuc__data_get("cluster/chain.json");
    json_t *table = data ? json_loadb(data->text, data->length, 0, NULL) : NULL;
    diagnosis d = {.table = table, .facts = facts, .machine = machine, .wanted = wanted};
    int rc = GPUC_OK;

    if (!table)
        return gpuc__error_nomem(err);
    d.node = json_object_get(facts, "node");
    d.pod = json_object_get(facts, "pod");
    d.plugin = plugin_of(facts);
    d.class_ = d.plugin ? gpuc__json_text(d.plugin, "spec", "template", "spec", "runtimeClassName", NULL)
                        : "nvidia";
    d.allocatable = gpuc__chain_gpus(d.node, false);
    d.capacity = gpuc__chain_gpus(d.node, true);
    if (wanted < 0)
        d.wanted = d.capacity > 0 ? d.capacity : 1;
    if (d.allocatable < d.wanted) {
        rc = gpuc__reason_reduce(
            &d.reason,
            &(gpuc__reason_input){.pod = d.pod, .events = json_object_get(facts, "events")}, err);
        d.runs = rc == GPUC_OK && d.pod && is_running(d.pod);
        if (rc == GPUC_OK)
            look(&d);
    }
    if (rc == GPUC_OK)
        rc = write_out(out, &d, err);
    gpuc__reason_clear(&d.reason);
    json_decref(table);
    return rc;
}

void gpuc__chain_clear(gpuc__chain *chain)
{
    gpuc__free(chain->link);
    gpuc__free(chain->observed);
    gpuc__free(chain->remedy);
    gpuc__free(chain->evidence);
    gpuc__free(chain->namespace_);
    gpuc__free(chain->pod);
    memset(chain, 0, sizeof(*chain));
}
