/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a task: begun and ended on the loop, with a timer of its own. */
#include <string.h>
#include <uv.h>

#include "core/context.h"
#include "provider/local/local.h"
#include "util/alloc.h"
#include "util/error.h"

struct wake {
    uv_timer_t timer;
    gpuc__local_task *task; /* NULL: it has ended */
};

void gpuc__local_unref(gpuc__provider *provider)
{
    if (--provider->refs > 0)
        return;
    gpuc__http_unref(provider->http);
    gpuc__free(provider->socket);
    gpuc__free(provider->uuid);
    gpuc__free(provider->public_key);
    gpuc_context_unref(provider->context);
    gpuc__free(provider);
}

static void on_wake_closed(uv_handle_t *handle)
{
    gpuc__free(handle->data);
}

static void task_free(gpuc__local_task *task)
{
    gpuc__provider *provider = task->provider;

    *task->link = task->next;
    if (task->next)
        task->next->link = task->link;
    for (size_t i = 0; task->nics && task->nics[i]; i++)
        gpuc__free(task->nics[i]);
    gpuc__free(task->nics);
    gpuc__machine_info_clear(&task->info);
    gpuc__free(task->machine);
    gpuc__free(task->instance);
    gpuc__free(task->attempt);
    gpuc__free(task->operation);
    gpuc__free(task->home);
    gpuc__free_secret(task->private_key);
    gpuc__free(task->public_key);
    gpuc_error_unref(task->failure);
    json_decref(task->left);
    if (task->wake) {
        task->wake->task = NULL;
        uv_close((uv_handle_t *)&task->wake->timer, on_wake_closed);
    }
    gpuc__free(task);
    gpuc__local_unref(provider);
}

static void report(gpuc__local_task *task, const char *const *names, gpuc_error *error)
{
    if (error)
        gpuc__error_at(&error, task->machine, NULL);
    if (task->machine_done)
        task->machine_done(task->data, !error && task->info.provider_id ? &task->info : NULL,
                           error);
    else if (task->names_done)
        task->names_done(task->data, names, error);
    else if (task->left_done)
        task->left_done(task->data, error ? NULL : task->left, error);
    else
        task->provider_done(task->data, error);
    task_free(task);
}

void gpuc__local_end(gpuc__local_task *task, gpuc_error *error)
{
    report(task, NULL, error);
}

void gpuc__local_end_names(gpuc__local_task *task, const char *const *names)
{
    report(task, names, NULL);
}

static void on_timer(uv_timer_t *timer)
{
    struct wake *wake = timer->data;
    gpuc__local_task *task = wake->task;
    gpuc_error *error = NULL;

    if (!task)
        return;
    if (task->cancelled) {
        gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_PROVIDER, "%s: cancelled",
                        task->doing);
        gpuc__local_end(task, error);
    } else if (gpuc__clock_ms() > task->deadline) {
        gpuc__error_set(&error, GPUC_ETIMEDOUT, GPUC_DOMAIN_PROVIDER,
                        "%s did not come to an end in time", task->doing);
        gpuc__error_remedy(&error, "see `%s info %s --show-log` for what holds it up",
                           gpuc__local_program(task->provider),
                           task->instance ? task->instance : "INSTANCE");
        gpuc__local_end(task, error);
    } else {
        task->on_wake(task);
    }
}

void gpuc__local_later(gpuc__local_task *task, int ms, void (*fn)(gpuc__local_task *task))
{
    task->on_wake = fn;
    uv_update_time(gpuc__context_loop(task->provider->context));
    uv_timer_start(&task->wake->timer, on_timer, (uint64_t)ms, 0);
}

static bool fill(gpuc__local_task *task, const char *machine)
{
    gpuc__provider *provider = task->provider;
    struct wake *wake = gpuc__calloc(1, sizeof(*wake));

    task->wake = wake;
    if (wake) {
        uv_timer_init(gpuc__context_loop(provider->context), &wake->timer);
        wake->timer.data = wake;
        wake->task = task;
    }
    if (machine) {
        task->machine = gpuc__strdup(machine);
        task->instance = gpuc__local_instance_name(provider->spec->name, machine);
    }
    return wake && (!machine || (task->machine && task->instance));
}

gpuc__local_task *gpuc__local_begin(gpuc__provider *provider, const gpuc__local_task *as,
                                    const char *machine, int limit_ms,
                                    void (*first)(gpuc__local_task *task))
{
    gpuc__local_task *task = gpuc__malloc(sizeof(*task)), none;
    gpuc_error *error = NULL;

    if (!task) { /* without memory there is no later */
        gpuc__error_nomem(&error);
        none = *as;
        if (none.machine_done)
            none.machine_done(none.data, NULL, error);
        else if (none.names_done)
            none.names_done(none.data, NULL, error);
        else if (none.left_done)
            none.left_done(none.data, NULL, error);
        else
            none.provider_done(none.data, error);
        return NULL;
    }
    *task = *as;
    task->provider = provider;
    provider->refs++;
    task->next = provider->tasks;
    task->link = &provider->tasks;
    if (task->next)
        task->next->link = &task->next;
    provider->tasks = task;
    task->deadline = gpuc__clock_ms() + (uint64_t)limit_ms;
    task->doing = "asking the daemon";
    task->attempt = gpuc__strdup(as->attempt);
    if (!fill(task, machine) || (as->attempt && !task->attempt)) {
        gpuc__error_nomem(&error);
        gpuc__local_end(task, error);
        return NULL;
    }
    task->then = first;
    gpuc__local_later(task, 0, gpuc__local_open);
    return task;
}

void gpuc__local_cancel(gpuc__provider *provider, const void *data)
{
    for (gpuc__local_task *task = provider->tasks; task; task = task->next) {
        if (data && task->data != data)
            continue;
        task->cancelled = true;
        if (task->request)
            gpuc__http_cancel(task->request);
        else
            gpuc__local_later(task, 0, task->on_wake);
    }
}
