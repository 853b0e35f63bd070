/* SPDX-License-Identifier: Apache-2.0 */
/* How many requests are under way at once: a thousand machines must not become a thousand
 * connections. Waits for operations, which a server may hold for minutes, have their own share. */
#include "core/context.h"
#include "provider/gce/call.h"

static const unsigned most[] = {[GPUC__GCE_SLOT_REQUEST] = 64, [GPUC__GCE_SLOT_WAIT] = 256};

static gpuc__gce_slots *slots_of(gpuc__gce_call *call)
{
    return &call->client->slots[call->try_s ? GPUC__GCE_SLOT_WAIT : GPUC__GCE_SLOT_REQUEST];
}

static void unqueue(gpuc__gce_slots *slots, gpuc__gce_call *call)
{
    if (call->before)
        call->before->behind = call->behind;
    else
        slots->first = call->behind;
    if (call->behind)
        call->behind->before = call->before;
    else
        slots->last = call->before;
    call->before = call->behind = NULL;
    call->queued = false;
}

bool gpuc__gce_slot_take(gpuc__gce_call *call)
{
    gpuc__gce_slots *slots = slots_of(call);

    if (!call->slot && slots->taken < most[slots - call->client->slots]) {
        slots->taken++;
        call->slot = slots;
    }
    if (call->slot)
        return true;
    call->queued = true;
    call->before = slots->last;
    if (slots->last)
        slots->last->behind = call;
    else
        slots->first = call;
    slots->last = call;
    return false;
}

void gpuc__gce_slot_release(gpuc__gce_call *call)
{
    gpuc__gce_slots *slots = call->slot;
    gpuc__gce_call *next;

    if (call->queued)
        unqueue(slots_of(call), call);
    if (!slots)
        return;
    call->slot = NULL;
    slots->taken--;
    next = slots->first;
    if (!next)
        return;
    unqueue(slots, next);
    slots->taken++;
    next->slot = slots;
    gpuc__gce_call_after(next, 0, next->on_slot);
}
