/* SPDX-License-Identifier: Apache-2.0 */
/* A timer on the context's loop: its memory goes when libuv has let go of it. */
#include <uv.h>

#include "provider/gce/machines.h"
#include "util/alloc.h"

struct gpuc__gce_timer {
    uv_timer_t uv;
    void (*fn)(void *data);
    void *data;
};

static void on_timer(uv_timer_t *uv)
{
    gpuc__gce_timer *timer = uv->data;

    timer->fn(timer->data);
}

gpuc__gce_timer *gpuc__gce_timer_new(gpuc_context *context, void (*fn)(void *data), void *data)
{
    gpuc__gce_timer *timer = gpuc__calloc(1, sizeof(*timer));

    if (!timer)
        return NULL;
    uv_timer_init(gpuc__context_loop(context), &timer->uv);
    timer->uv.data = timer;
    timer->fn = fn;
    timer->data = data;
    return timer;
}

void gpuc__gce_timer_set(gpuc__gce_timer *timer, uint64_t ms)
{
    if (uv_is_active((uv_handle_t *)&timer->uv))
        return;
    uv_update_time(timer->uv.loop);
    uv_timer_start(&timer->uv, on_timer, ms, 0);
}

static void on_closed(uv_handle_t *handle)
{
    gpuc__free(handle->data);
}

void gpuc__gce_timer_free(gpuc__gce_timer *timer)
{
    if (timer)
        uv_close((uv_handle_t *)&timer->uv, on_closed);
}
