/* SPDX-License-Identifier: Apache-2.0 */
/* The relay protocol: what is sent, what came, and how much of it the other side knows of. */
#include "provider/gce/iap_relay.h"

#include <inttypes.h>
#include <string.h>

#include "transport/http.h"
#include "util/alloc.h"
#include "util/error.h"

enum tag { CONNECT_SUCCESS = 0x0001, RECONNECT_SUCCESS = 0x0002, DATA = 0x0004, ACK = 0x0007 };

#define SID_MAX 4096
#define ACK_AFTER (2 * GPUC__IAP_DATA_MAX)
#define COMPACT (256u * 1024) /* confirmed bytes kept in front of the others at most */

void gpuc__iap_relay_init(gpuc__iap_relay *relay)
{
    memset(relay, 0, sizeof(*relay));
    gpuc__buf_init(&relay->up, GPUC__IAP_UP_MAX + COMPACT);
}

void gpuc__iap_relay_clear(gpuc__iap_relay *relay)
{
    gpuc__free_secret(relay->sid);
    gpuc__buf_clear(&relay->up);
    gpuc__iap_relay_init(relay);
}

static size_t held(const gpuc__iap_relay *relay)
{
    return relay->up.length - relay->up_start;
}

size_t gpuc__iap_relay_room(const gpuc__iap_relay *relay)
{
    return GPUC__IAP_UP_MAX - held(relay);
}

bool gpuc__iap_relay_add(gpuc__iap_relay *relay, const void *bytes, size_t length)
{
    if (relay->up_start >= COMPACT || relay->up_start == relay->up.length) {
        gpuc__buf_consume(&relay->up, relay->up_start);
        relay->up_start = 0;
    }
    return length <= gpuc__iap_relay_room(relay) && gpuc__buf_add(&relay->up, bytes, length);
}

size_t gpuc__iap_relay_unsent(const gpuc__iap_relay *relay)
{
    return held(relay) - relay->sent;
}

static uint64_t number(const unsigned char *bytes, size_t size)
{
    uint64_t value = 0;

    while (size--)
        value = value << 8 | *bytes++;
    return value;
}

static void put_number(unsigned char *bytes, size_t size, uint64_t value)
{
    while (size--)
        bytes[size] = (unsigned char)value, value >>= 8;
}

static int broken(gpuc_error **err, const char *what)
{
    gpuc__error_set(err, GPUC_EPROTO, GPUC_DOMAIN_PROVIDER, "the IAP relay sent %s", what);
    gpuc__error_remedy(err, "check that the relay's address is right and that no proxy changes what "
                            "passes; then try again");
    return GPUC_EPROTO;
}

/* The relay has so many of our bytes in all. */
static int confirm(gpuc__iap_relay *relay, uint64_t total, gpuc_error **err)
{
    uint64_t more = total - relay->confirmed;

    if (total < relay->confirmed || more > held(relay) || (relay->open && more > relay->sent))
        return broken(err, "a count of bytes that does not fit what it was sent");
    relay->confirmed = total;
    relay->up_start += (size_t)more;
    relay->sent = relay->open ? relay->sent - (size_t)more : 0;
    return GPUC_OK;
}

/* The bytes behind a length that tells of them; NULL when they are fewer. */
static const unsigned char *counted(const unsigned char *bytes, size_t length, size_t *size)
{
    if (length < 4 || number(bytes, 4) > length - 4)
        return NULL;
    *size = (size_t)number(bytes, 4);
    return bytes + 4;
}

static int take_sid(gpuc__iap_relay *relay, const unsigned char *bytes, size_t length,
                    gpuc_error **err)
{
    size_t size = 0;
    const unsigned char *sid = counted(bytes, length, &size);

    if (relay->open || relay->sid)
        return broken(err, "a second beginning of the session");
    if (!sid || !size || size > SID_MAX || memchr(sid, '\0', size))
        return broken(err, "a session without a name");
    relay->sid = gpuc__strndup((const char *)sid, size);
    if (!relay->sid)
        return gpuc__error_nomem(err);
    relay->open = true;
    return GPUC_OK;
}

static int take_resumed(gpuc__iap_relay *relay, const unsigned char *bytes, size_t length,
                        gpuc_error **err)
{
    int code;

    if (relay->open || !relay->sid)
        return broken(err, "a continuation that was not asked for");
    if (length < 8)
        return broken(err, "half a message");
    code = confirm(relay, number(bytes, 8), err);
    if (code == GPUC_OK) {
        relay->open = true;
        relay->acked = relay->received; /* the request to go on has told it */
    }
    return code;
}

int gpuc__iap_relay_take(gpuc__iap_relay *relay, const void *message, size_t length,
                         const unsigned char **data, size_t *data_length, gpuc_error **err)
{
    const unsigned char *bytes = message, *payload;
    size_t size = 0;

    *data_length = 0;
    if (length < 2)
        return broken(err, "a message without a tag");
    bytes += 2;
    length -= 2;
    switch (number(message, 2)) {
    case CONNECT_SUCCESS:
        return take_sid(relay, bytes, length, err);
    case RECONNECT_SUCCESS:
        return take_resumed(relay, bytes, length, err);
    case DATA:
        payload = counted(bytes, length, &size);
        if (!relay->open || !payload)
            return broken(err, relay->open ? "half a message" : "data before it was connected");
        relay->received += size;
        *data = payload;
        *data_length = size;
        return GPUC_OK;
    case ACK:
        if (!relay->open || length < 8)
            return broken(err, relay->open ? "half a message" : "a count before it was connected");
        return confirm(relay, number(bytes, 8), err);
    default:
        return GPUC_OK;
    }
}

size_t gpuc__iap_relay_next(gpuc__iap_relay *relay, unsigned char out[GPUC__IAP_MESSAGE_MAX],
                            bool idle)
{
    uint64_t untold = relay->received - relay->acked;
    size_t n = held(relay) - relay->sent;

    if (!relay->open)
        return 0;
    if (untold > ACK_AFTER || (idle && untold)) {
        put_number(out, 2, ACK);
        put_number(out + 2, 8, relay->received);
        relay->acked = relay->received;
        return 10;
    }
    if (!n)
        return 0;
    if (n > GPUC__IAP_DATA_MAX)
        n = GPUC__IAP_DATA_MAX;
    put_number(out, 2, DATA);
    put_number(out + 2, 4, n);
    memcpy(out + 6, relay->up.data + relay->up_start + relay->sent, n);
    relay->sent += n;
    return 6 + n;
}

void gpuc__iap_relay_lost(gpuc__iap_relay *relay)
{
    relay->open = false;
    relay->sent = 0;
}

char *gpuc__iap_relay_path(const gpuc__iap_relay *relay, const char *project, const char *zone,
                           const char *instance, int port)
{
    char *p = gpuc__http_escape(project), *z = gpuc__http_escape(zone);
    char *i = gpuc__http_escape(instance), *sid = relay->sid ? gpuc__http_escape(relay->sid) : NULL;
    char *path = NULL;

    if (p && z && i && !relay->sid)
        path = gpuc__asprintf("/connect?project=%s&port=%d&newWebsocket=True&zone=%s&instance=%s"
                              "&interface=nic0",
                              p, port, z, i);
    else if (z && sid)
        path = gpuc__asprintf("/reconnect?sid=%s&ack=%" PRIu64 "&newWebsocket=True&zone=%s", sid,
                              relay->received, z);
    gpuc__free(p);
    gpuc__free(z);
    gpuc__free(i);
    gpuc__free(sid);
    return path;
}
