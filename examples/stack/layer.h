/* Can be taken alone, with network, packet. */
/*
 * One shape for every unit of the stack: a layer is sent packets by the one above it and passes them on to the one below,
 * and the other way round for what arrives. Units that have this shape stack in any order that makes sense:
 *
 *     KCP                    reliable.h    messages, in order, none missing
 *     error correction       repeat.h, parity.h
 *     encryption             seal.h
 *     link                   of the program: a socket, a session of a server, a test
 *
 * A layer is a struct whose first member is `struct layer`. Packets are given away with each call; see packet.h. Time is in
 * milliseconds, of any clock that does not go back; it wraps.
 */
#ifndef LAYER_H
#define LAYER_H

#include <stddef.h>
#include <stdint.h>

#include "packet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What layer_check answers when nothing is due on the layer's own account. */
#define LAYER_IDLE 60000

struct layer;

struct layer_ops {
    /* A packet from above. The layer owns it now. NULL of what is always at the top. */
    void (*send)(struct layer *layer, struct packet *packet);
    /* A packet from below. The layer owns it now. NULL of what is always at the bottom. */
    void (*receive)(struct layer *layer, struct packet *packet);
    /* Time has passed. NULL: the layer does nothing by the clock. */
    void (*update)(struct layer *layer, uint32_t now);
    /* Milliseconds from `now` until update is needed, LAYER_IDLE at most. NULL with update. */
    uint32_t (*check)(struct layer *layer, uint32_t now);
    /* Bytes that the layer adds to a packet, at most. */
    size_t overhead;
};

struct layer {
    const struct layer_ops *ops;
    struct layer *above; /* NULL at the top, where what arrives is dropped */
    struct layer *below; /* NULL at the bottom */
};

/* Puts `above` on top of `below`. */
void layer_join(struct layer *above, struct layer *below);

/* Gives a packet to the layer below, or to the layer above: what layers call to pass it on. Without one it is dropped. */
void layer_down(struct layer *layer, struct packet *packet);
void layer_up(struct layer *layer, struct packet *packet);

/* Tells the layer and all below it that time has passed, the upper before the lower, since what one sends the next may batch. */
void layer_update(struct layer *top, uint32_t now);

/* Milliseconds until layer_update is needed: the least of the layer's and of all below it. */
uint32_t layer_check(struct layer *top, uint32_t now);

/* 1 if the time has come. */
static inline int layer_reached(uint32_t now, uint32_t due)
{
    return (int32_t)(now - due) >= 0;
}

/* The less of `wait` and the time from `now` to `due`: for a layer's own check, LAYER_IDLE at first. */
static inline uint32_t layer_sooner(uint32_t wait, uint32_t now, uint32_t due)
{
    uint32_t rest = layer_reached(now, due) ? 0 : due - now;
    return rest < wait ? rest : wait;
}

/* The largest packet that the layer may be sent so that what leaves the bottom is no larger than `link_mtu`. */
size_t layer_mtu(const struct layer *layer, size_t link_mtu);

#ifdef __cplusplus
}
#endif

#endif
