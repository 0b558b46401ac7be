/*
 * A layer that keeps what it is given: below a unit under test it is the wire, above it what was handed up.
 *
 *     tap_init(&wire);
 *     layer_join(&unit.layer, &wire.layer);
 *     layer_join(&above.layer, &unit.layer);
 *     layer_down(&above.layer, packet);        sends through the unit
 *     packet = tap_take(&wire);                what came out below; NULL when there is no more
 *     layer_up(&wire.layer, packet);           arrives at the unit
 */
#ifndef TAP_H
#define TAP_H

#include "layer.h"

struct tap {
    struct layer layer;
    struct packet *first, *last;
    size_t count;
};

static inline void tap_keep(struct layer *layer, struct packet *packet)
{
    struct tap *tap = (struct tap *)layer;
    packet->next = NULL;
    if (tap->first == NULL) {
        tap->first = packet;
    } else {
        tap->last->next = packet;
    }
    tap->last = packet;
    tap->count += 1;
}

static inline void tap_init(struct tap *tap)
{
    static const struct layer_ops ops = {tap_keep, tap_keep, NULL, NULL, 0};
    tap->layer.ops = &ops;
    tap->layer.above = tap->layer.below = NULL;
    tap->first = tap->last = NULL;
    tap->count = 0;
}

static inline struct packet *tap_take(struct tap *tap)
{
    struct packet *packet = tap->first;
    if (packet == NULL) return NULL;
    tap->first = packet->next;
    tap->count -= 1;
    packet->next = NULL;
    return packet;
}

static inline void tap_empty(struct tap *tap)
{
    struct packet *packet;
    while ((packet = tap_take(tap)) != NULL) packet_free(packet);
}

#endif
