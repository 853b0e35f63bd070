/* SPDX-License-Identifier: Apache-2.0 */
/* The SSH agent protocol (draft-miller-ssh-agent), the three messages a client needs. */
#include "transport/ssh_agent.h"

#include <string.h>
#include <uv.h>

#include "core/context.h"
#include "util/alloc.h"
#include "util/error.h"

#define MESSAGE_MAX (256 * 1024)
enum { LIST = 11, LIST_ANSWER = 12, SIGN = 13, SIGN_ANSWER = 14 };

struct gpuc__agent {
    uv_pipe_t pipe;
    uv_connect_t connect;
    uv_write_t write;
    char *path;
    bool connected, writing, dropped;
    gpuc__buf out, in;
    char block[4096];
    gpuc__agent_reply_fn reply; /* NULL: nothing under way */
    void *data;
};

gpuc__agent *gpuc__agent_new(gpuc_context *context, const char *path)
{
    gpuc__agent *agent = gpuc__calloc(1, sizeof(*agent));

    if (!agent)
        return NULL;
    agent->path = gpuc__strdup(path);
    if (!agent->path || uv_pipe_init(gpuc__context_loop(context), &agent->pipe, 0)) {
        gpuc__free(agent->path);
        gpuc__free(agent);
        return NULL;
    }
    agent->pipe.data = agent;
    agent->connect.data = agent;
    agent->write.data = agent;
    gpuc__buf_init(&agent->out, MESSAGE_MAX);
    gpuc__buf_init(&agent->in, MESSAGE_MAX);
    return agent;
}

static void agent_closed(uv_handle_t *handle)
{
    gpuc__agent *agent = handle->data;

    gpuc__buf_clear(&agent->out);
    gpuc__buf_clear(&agent->in);
    gpuc__free(agent->path);
    gpuc__free(agent);
}

void gpuc__agent_free(gpuc__agent *agent)
{
    if (!agent)
        return;
    agent->dropped = true;
    agent->reply = NULL;
    uv_close((uv_handle_t *)&agent->pipe, agent_closed);
}

static void answer(gpuc__agent *agent, gpuc__span payload, gpuc_error *error)
{
    gpuc__agent_reply_fn reply = agent->reply;

    agent->reply = NULL;
    if (reply)
        reply(agent->data, payload, error);
    else
        gpuc_error_unref(error);
}

static void answer_failed(gpuc__agent *agent, int code, const char *what)
{
    gpuc_error *error = NULL;

    gpuc__error_set(&error, code, GPUC_DOMAIN_SSH, "the SSH agent at %s: %s", agent->path, what);
    gpuc__error_remedy(&error, "check that ssh-agent runs and that SSH_AUTH_SOCK names its socket "
                               "(ssh-add -l)");
    answer(agent, (gpuc__span){NULL, 0}, error);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    gpuc__agent *agent = handle->data;

    *buf = uv_buf_init(agent->block, sizeof(agent->block));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    gpuc__agent *agent = stream->data;
    gpuc__wire wire;
    gpuc__span message;

    if (n == 0)
        return;
    if (n < 0 || !gpuc__buf_add(&agent->in, buf->base, (size_t)n)) {
        uv_read_stop(stream);
        answer_failed(agent, n < 0 ? GPUC_ENETWORK : GPUC_EPROTO,
                      n < 0 ? uv_strerror((int)n) : "its answer is too long");
        return;
    }
    wire = gpuc__wire_of(agent->in.data, agent->in.length);
    message = gpuc__wire_string(&wire);
    if (!wire.bad && message.length)
        answer(agent, message, NULL);
    else if (agent->in.length >= 4 && (wire = gpuc__wire_of(agent->in.data, 4),
                                       gpuc__wire_u32(&wire) > MESSAGE_MAX - 4))
        answer_failed(agent, GPUC_EPROTO, "its answer is too long");
}

static void on_written(uv_write_t *req, int status)
{
    gpuc__agent *agent = req->data;

    agent->writing = false;
    if (status < 0 && !agent->dropped)
        answer_failed(agent, GPUC_ENETWORK, uv_strerror(status));
}

static void send_out(gpuc__agent *agent)
{
    uv_buf_t buf = uv_buf_init(agent->out.data, (unsigned)agent->out.length);
    int rc;

    agent->writing = true;
    rc = uv_write(&agent->write, (uv_stream_t *)&agent->pipe, &buf, 1, on_written);
    if (rc < 0) {
        agent->writing = false;
        answer_failed(agent, GPUC_ENETWORK, uv_strerror(rc));
    }
}

static void on_connected(uv_connect_t *req, int status)
{
    gpuc__agent *agent = req->data;

    if (agent->dropped)
        return;
    if (status < 0) {
        answer_failed(agent, GPUC_ENETWORK, uv_strerror(status));
        return;
    }
    agent->connected = true;
    uv_read_start((uv_stream_t *)&agent->pipe, on_alloc, on_read);
    send_out(agent);
}

static void start(gpuc__agent *agent, gpuc__agent_reply_fn reply, void *data)
{
    agent->reply = reply;
    agent->data = data;
    gpuc__buf_reset(&agent->in);
    if (agent->connected)
        send_out(agent);
    else
        uv_pipe_connect(&agent->connect, &agent->pipe, agent->path, on_connected);
}

void gpuc__agent_list(gpuc__agent *agent, gpuc__agent_reply_fn reply, void *data)
{
    gpuc__buf_reset(&agent->out);
    gpuc__wire_put_u32(&agent->out, 1);
    gpuc__buf_putc(&agent->out, LIST);
    start(agent, reply, data);
}

void gpuc__agent_sign(gpuc__agent *agent, gpuc__span blob, gpuc__span to_sign, unsigned flags,
                      gpuc__agent_reply_fn reply, void *data)
{
    gpuc__buf_reset(&agent->out);
    gpuc__wire_put_u32(&agent->out, (uint32_t)(1 + 4 + blob.length + 4 + to_sign.length + 4));
    gpuc__buf_putc(&agent->out, SIGN);
    gpuc__wire_put_string(&agent->out, blob.data, blob.length);
    gpuc__wire_put_string(&agent->out, to_sign.data, to_sign.length);
    gpuc__wire_put_u32(&agent->out, flags);
    start(agent, reply, data);
}

void gpuc__agent_identities_free(gpuc__agent_identity *identities, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        gpuc__buf_clear(&identities[i].blob);
        gpuc__free(identities[i].comment);
    }
    gpuc__free(identities);
}

bool gpuc__agent_parse_list(gpuc__span payload, gpuc__agent_identity **out, size_t *count)
{
    gpuc__wire wire = gpuc__wire_of(payload.data, payload.length);
    gpuc__agent_identity *list;
    uint32_t n;

    if (gpuc__wire_u8(&wire) != LIST_ANSWER)
        return false;
    n = gpuc__wire_u32(&wire);
    if (n > GPUC__AGENT_IDENTITIES_MAX)
        n = GPUC__AGENT_IDENTITIES_MAX;
    list = gpuc__calloc(n ? n : 1, sizeof(*list));
    if (!list)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        gpuc__span blob = gpuc__wire_string(&wire), comment = gpuc__wire_string(&wire);

        gpuc__buf_init(&list[i].blob, MESSAGE_MAX);
        gpuc__buf_add(&list[i].blob, blob.data, blob.length);
        list[i].comment = gpuc__strndup((const char *)comment.data, comment.length);
        if (!list[i].comment || list[i].blob.failed)
            wire.bad = true;
    }
    if (wire.bad) {
        gpuc__agent_identities_free(list, n);
        return false;
    }
    *out = list;
    *count = n;
    return true;
}

bool gpuc__agent_parse_signature(gpuc__span payload, gpuc__span *algorithm, gpuc__span *signature)
{
    gpuc__wire wire = gpuc__wire_of(payload.data, payload.length);
    gpuc__span whole;

    if (gpuc__wire_u8(&wire) != SIGN_ANSWER)
        return false;
    whole = gpuc__wire_string(&wire);
    if (wire.bad)
        return false;
    wire = gpuc__wire_of(whole.data, whole.length);
    *algorithm = gpuc__wire_string(&wire);
    *signature = gpuc__wire_string(&wire);
    return !wire.bad && signature->length > 0;
}
