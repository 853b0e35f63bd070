/* SPDX-License-Identifier: Apache-2.0 */
/* The relay protocol of IAP TCP forwarding, version 4, as pure functions over memory: messages with
 * a tag (u16), all numbers big-endian. Both sides count the bytes they got and tell each other, so
 * that a new connection can go on where a lost one stopped. */
#ifndef GPUC__GCE_IAP_RELAY_H
#define GPUC__GCE_IAP_RELAY_H
#include <gpucluster.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/buf.h"

#define GPUC__IAP_DATA_MAX 16384
#define GPUC__IAP_MESSAGE_MAX (GPUC__IAP_DATA_MAX + 6)
#define GPUC__IAP_RECEIVE_MAX (64u * 1024) /* of a message of the relay */
#define GPUC__IAP_UP_MAX (1024u * 1024) /* sent or to be sent, and not confirmed */

typedef struct gpuc__iap_relay {
    char *sid;          /* of the session; NULL: there is none yet */
    bool open;          /* this connection carries data */
    uint64_t received;  /* bytes that came */
    uint64_t acked;     /* of them, told to the relay */
    uint64_t confirmed; /* of ours, told by the relay */
    gpuc__buf up;       /* ours behind those, from up_start on */
    size_t up_start;
    size_t sent;        /* of them, sent on this connection */
} gpuc__iap_relay;

void gpuc__iap_relay_init(gpuc__iap_relay *relay);
void gpuc__iap_relay_clear(gpuc__iap_relay *relay);

/* Room for this many bytes of ours. */
size_t gpuc__iap_relay_room(const gpuc__iap_relay *relay);
/* Takes bytes to be sent; false without room or memory. */
bool gpuc__iap_relay_add(gpuc__iap_relay *relay, const void *bytes, size_t length);
/* Bytes that were not sent on this connection. */
size_t gpuc__iap_relay_unsent(const gpuc__iap_relay *relay);
/* A message of the relay. *data (borrowed from it): what is to be passed on, length 0: nothing.
 * GPUC_EPROTO when it does not follow the protocol; unknown tags are ignored. */
int gpuc__iap_relay_take(gpuc__iap_relay *relay, const void *message, size_t length,
                         const unsigned char **data, size_t *data_length, gpuc_error **err);
/* The next message to send, and its length; 0: none. idle: also tells of the last few bytes. */
size_t gpuc__iap_relay_next(gpuc__iap_relay *relay, unsigned char out[GPUC__IAP_MESSAGE_MAX],
                            bool idle);
/* The connection is lost: what was sent on it counts as unsent. */
void gpuc__iap_relay_lost(gpuc__iap_relay *relay);
/* The path and query to connect, or to go on with the session: new string. */
char *gpuc__iap_relay_path(const gpuc__iap_relay *relay, const char *project, const char *zone,
                           const char *instance, int port);
#endif
