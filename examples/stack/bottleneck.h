/* Can be taken alone, with layer, network, packet. */
/*
 * A slow and lossy link, as a layer: for trying out what a program does when the network takes less than it makes. Packets
 * leave one after the other at the link's rate and arrive after its delay; those that would have to wait too long for their
 * turn are dropped, as by a router whose buffer is full.
 *
 * Put it at the bottom of a stack: with a layer below, what has passed goes there (to a real socket); with bottleneck_cross the
 * other end is a stack of the same program, and the time may be any that the program gives it.
 */
#ifndef BOTTLENECK_H
#define BOTTLENECK_H

#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BOTTLENECK_HEADERS 28 /* bytes of IPv4 and UDP that a packet has on a link */

struct bottleneck {
    struct layer layer;
    struct bottleneck *other;  /* whose stack gets what passes; NULL: the layer below */
    /* To be changed at any time. */
    uint32_t bytes_per_second; /* 0: no limit */
    uint32_t delay;            /* milliseconds */
    uint32_t queue;            /* milliseconds that a packet may wait for its turn */
    uint32_t loss;             /* percent of the packets */

    uint32_t now;
    uint64_t busy;               /* microseconds from `now` until all that was taken has left */
    uint32_t random;
    struct packet_queue queued; /* under way, the next one due first */
    unsigned long passed, lost, overflowed; /* packets */
    uint64_t bytes;                         /* of all that were sent, with their headers */
};

/* The link in one direction, for what is sent by the stack above: as good as a wire, until its fields are set. */
void bottleneck_init(struct bottleneck *bottleneck, uint32_t seed, uint32_t now);

/* What leaves the one arrives at the other. */
void bottleneck_cross(struct bottleneck *one, struct bottleneck *other);

/* Drops what is under way. */
void bottleneck_destroy(struct bottleneck *bottleneck);

#ifdef __cplusplus
}
#endif

#endif
