/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the daemon: its envelope around every answer, and operations in the background. */
#include <string.h>

#include "core/context.h"
#include "provider/local/local.h"
#include "util/alloc.h"
#include "util/error.h"

#define WAIT_S 20 /* one wait for an operation, by the daemon; less than a request may take */
#define ANSWER_MAX (32u * 1024 * 1024)

#define OPERATION_DONE 200    /* status codes of the API from 200 on are final */
#define STATUS_SUCCESS 200

/* A status of the daemon, and what it means here. */
static const struct {
    int status, code;
    bool retryable;
} classes[] = {
    {400, GPUC_EINVAL, false},  {401, GPUC_EPERM, false}, {403, GPUC_EPERM, false},
    {404, GPUC_ENOTFOUND, false}, {409, GPUC_EEXIST, false}, {412, GPUC_ESTATE, true},
    {423, GPUC_EBUSY, true},    {503, GPUC_EBUSY, true},
};

/* Adds the project; the path may have a query already. */
static char *with_project(gpuc__local_task *task, char *path)
{
    const char *project = task->provider->spec->provider_project;
    char *escaped, *whole;

    if (!path || !project || strcmp(project, "default") == 0)
        return path;
    escaped = gpuc__http_escape(project);
    whole = escaped ? gpuc__asprintf("%s%cproject=%s", path, strchr(path, '?') ? '&' : '?', escaped)
                    : NULL;
    gpuc__free(escaped);
    gpuc__free(path);
    return whole;
}

/* Hands on the answer, unless the task is cancelled or late. */
static void deliver(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error *error)
{
    bool stopped = error && gpuc_error_code(error) == GPUC_ECANCELLED;

    if (!error && task->cancelled) {
        gpuc__error_set(&error, GPUC_ECANCELLED, GPUC_DOMAIN_PROVIDER, "%s: cancelled",
                        task->doing);
        stopped = true;
    }
    if (stopped)
        gpuc__local_end(task, error);
    else
        task->on_answer(task, answer, error);
}

static void set_status_error(gpuc__local_task *task, int status, const char *said, gpuc_error **err)
{
    int code = GPUC_EHTTP;
    bool retryable = status >= 500;

    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (classes[i].status == status) {
            code = classes[i].code;
            retryable = classes[i].retryable;
        }
    }
    gpuc__error_set(err, code, GPUC_DOMAIN_PROVIDER, "%s: %s answered %d: %s", task->doing,
                    gpuc__local_daemon(task->provider), status, said);
    gpuc__error_native(err, status);
    gpuc__error_retryable(err, retryable);
    if (code == GPUC_EPERM)
        gpuc__error_remedy(err, "this user may not do that on the daemon: see its groups and the "
                                "restrictions of the project");
}

static void bad_answer(gpuc__local_task *task, const gpuc__local_answer *answer, gpuc_error **err)
{
    gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_PROVIDER,
                    "%s: the answer on %s is not one of an Incus or LXD daemon", task->doing,
                    task->provider->socket);
    gpuc__error_evidence(err, answer->body, answer->length);
    gpuc__error_remedy(err, "check provider.socket in the spec, and the daemon's log");
}

static void wait_operation(gpuc__local_task *task);

/* The state of the operation: again, done, or failed. */
static void take_operation(gpuc__local_task *task, gpuc__local_answer *answer)
{
    const json_t *code = json_object_get(answer->metadata, "status_code");
    const char *why = json_string_value(json_object_get(answer->metadata, "err"));
    gpuc_error *error = NULL;

    if (!json_is_integer(code)) {
        bad_answer(task, answer, &error);
    } else if (json_integer_value(code) < OPERATION_DONE) {
        wait_operation(task);
        return;
    } else if (json_integer_value(code) != STATUS_SUCCESS) {
        gpuc__error_set(&error, GPUC_EREMOTE, GPUC_DOMAIN_PROVIDER, "%s: %s could not: %s",
                        task->doing, gpuc__local_daemon(task->provider),
                        why && *why ? why : "it does not say why");
        gpuc__error_remedy(&error, "see `%s info %s --show-log` and the daemon's log",
                           gpuc__local_program(task->provider),
                           task->instance ? task->instance : "INSTANCE");
    }
    gpuc__free(task->operation);
    task->operation = NULL;
    deliver(task, answer, error);
}

/* Keeps the operation's path, if it is one. */
static bool keep_operation(gpuc__local_task *task, const json_t *root)
{
    const char *path = json_string_value(json_object_get(root, "operation"));

    if (!path || strncmp(path, "/1.0/operations/", 16) != 0 ||
        strspn(path + 16, "0123456789abcdef-") < 36)
        return false;
    gpuc__free(task->operation);
    task->operation = gpuc__strndup(path, 16 + 36);
    return task->operation != NULL;
}

static void on_json(void *data, int status, const char *body, size_t length, gpuc_error *error)
{
    gpuc__local_task *task = data;
    gpuc__local_answer answer = {.status = status, .body = body, .length = length};
    json_t *root = error ? NULL : json_loadb(body, length, JSON_REJECT_DUPLICATES, NULL);
    const char *type = json_string_value(json_object_get(root, "type"));
    const char *said = json_string_value(json_object_get(root, "error"));

    task->request = NULL;
    answer.metadata = json_object_get(root, "metadata");
    if (!error && status >= 400)
        set_status_error(task, status, said ? said : "(no reason given)", &error);
    else if (!error && (!type || !answer.metadata))
        bad_answer(task, &answer, &error);
    if (error) {
        gpuc__free(task->operation);
        task->operation = NULL;
        deliver(task, &answer, error);
    } else if (task->operation) {
        take_operation(task, &answer);
    } else if (strcmp(type, "async") != 0) {
        deliver(task, &answer, NULL);
    } else if (keep_operation(task, root)) {
        wait_operation(task);
    } else {
        bad_answer(task, &answer, &error);
        deliver(task, &answer, error);
    }
    json_decref(root);
}

static void on_raw(void *data, int status, const char *body, size_t length, gpuc_error *error)
{
    gpuc__local_task *task = data;
    gpuc__local_answer answer = {.status = status, .body = body, .length = length};
    json_t *root = NULL;
    const char *said = NULL;

    task->request = NULL;
    if (!error && status >= 400) {
        root = json_loadb(body, length, 0, NULL);
        said = json_string_value(json_object_get(root, "error"));
        set_status_error(task, status, said ? said : "(no reason given)", &error);
        json_decref(root);
    }
    deliver(task, &answer, error);
}

static void no_memory(gpuc__local_task *task)
{
    gpuc_error *error = NULL;

    gpuc__error_nomem(&error);
    task->on_answer(task, &(gpuc__local_answer){0}, error);
}

static void send_request(gpuc__local_task *task, gpuc__http_args *args, char *path)
{
    args->path = path;
    args->timeout_ms = task->provider->request_ms;
    args->response_max = ANSWER_MAX;
    args->data = task;
    task->request = path ? gpuc__http_send(task->provider->http, args) : NULL;
    if (!task->request)
        gpuc__local_later(task, 0, no_memory);
    gpuc__free(path);
}

static void ask_operation(gpuc__local_task *task)
{
    gpuc__http_args args = {.method = "GET", .done = on_json};

    send_request(task, &args,
                 with_project(task, gpuc__asprintf("%s/wait?timeout=%d", task->operation, WAIT_S)));
}

/* Through the timer, which sees the deadline. */
static void wait_operation(gpuc__local_task *task)
{
    gpuc__local_later(task, 0, ask_operation);
}

static int add_text(const char *text, size_t length, void *data)
{
    return gpuc__buf_add(data, text, length) ? 0 : -1;
}

void gpuc__local_call(gpuc__local_task *task, const char *method, char *path, json_t *body,
                      gpuc__local_next next)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    gpuc__http_args args = {.method = method, .done = on_json};
    gpuc__buf text = GPUC__BUF_INIT(1024 * 1024);

    task->on_answer = next;
    path = with_project(task, path);
    if (body && json_dump_callback(body, add_text, &text, JSON_COMPACT) != 0) {
        gpuc__free(path);
        path = NULL;
    }
    if (body) {
        args.headers = headers;
        args.body = gpuc__buf_text(&text);
        args.body_length = text.length;
    }
    send_request(task, &args, path);
    json_decref(body);
    gpuc__buf_clear(&text);
}

void gpuc__local_call_raw(gpuc__local_task *task, const char *method, char *path,
                          const char *const *headers, const char *body, size_t length,
                          gpuc__local_next next)
{
    gpuc__http_args args = {.method = method, .headers = headers, .body = body,
                            .body_length = length, .done = on_raw};

    task->on_answer = next;
    send_request(task, &args, with_project(task, path));
}
