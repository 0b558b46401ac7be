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

#include <string.h>

#include "layer.h"

struct tap {
    struct layer layer;
    struct packet_queue queue;
    size_t count;
};

static inline void tap_keep(struct layer *layer, struct packet *packet)
{
    struct tap *tap = (struct tap *)layer;
    packet_queue_add(&tap->queue, packet);
    tap->count += 1;
}

static inline void tap_init(struct tap *tap)
{
    static const struct layer_ops ops = {tap_keep, tap_keep, NULL, NULL, 0};
    memset(tap, 0, sizeof *tap);
    tap->layer.ops = &ops;
}

static inline struct packet *tap_take(struct tap *tap)
{
    tap->count -= tap->queue.first != NULL;
    return packet_queue_take(&tap->queue);
}

static inline void tap_empty(struct tap *tap)
{
    packet_queue_clear(&tap->queue);
    tap->count = 0;
}

#endif
