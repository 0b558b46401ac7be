/*
 * A unit's two ends on a bench: what is sent through the one is on the wire, until the test hands it to the other or loses it.
 *
 *     bench_open(&bench, &sender.layer, &receiver.layer);
 *     bench_send(&bench, number, largest);
 *     packet = tap_take(&bench.wire);
 *     layer_up(&bench.from.layer, packet);         arrives; bench_pass: all do
 *     bench_collect(&bench, handed, count, largest);
 *
 * The content of a packet follows from its number, so that it can be told whether what goes up is what was sent.
 */
#ifndef BENCH_H
#define BENCH_H

#include <string.h>

#include "pool.h"
#include "tap.h"

struct bench {
    struct packet_pool pool;
    struct tap source, wire; /* above and below the sender */
    struct tap sink, from;   /* above and below the receiver */
};

static inline void bench_open(struct bench *bench, struct layer *sender, struct layer *receiver)
{
    packet_pool_init(&bench->pool, 0);
    tap_init(&bench->source);
    tap_init(&bench->wire);
    tap_init(&bench->from);
    tap_init(&bench->sink);
    layer_join(&bench->source.layer, sender);
    layer_join(sender, &bench->wire.layer);
    layer_join(&bench->sink.layer, receiver);
    layer_join(receiver, &bench->from.layer);
}

/* The units have given back their packets before. */
static inline void bench_close(struct bench *bench)
{
    tap_empty(&bench->wire);
    tap_empty(&bench->sink);
    pool_close(&bench->pool);
}

/* 4 to `largest` bytes. */
static inline size_t bench_content(unsigned char *bytes, uint32_t number, size_t largest)
{
    size_t size = 4 + (uint32_t)(number * 2654435761u) % (largest - 3);
    put_u32(bytes, number);
    for (size_t i = 4; i < size; ++i) bytes[i] = (unsigned char)(number + i);
    return size;
}

/* Whether these bytes are the content that belongs to the number in them. */
static inline int bench_is_content(const void *bytes, size_t size, size_t largest)
{
    unsigned char expected[PACKET_ROOM];
    return size >= 4 && size <= largest && bench_content(expected, get_u32(bytes), largest) == size &&
           memcmp(bytes, expected, size) == 0;
}

static inline void bench_send(struct bench *bench, uint32_t number, size_t largest)
{
    unsigned char bytes[PACKET_ROOM];
    size_t size = bench_content(bytes, number, largest);
    layer_down(&bench->source.layer, packet_from(&bench->pool, bytes, size));
}

/* All that is on the wire arrives. */
static inline void bench_pass(struct bench *bench)
{
    struct packet *packet;
    while ((packet = tap_take(&bench->wire)) != NULL) layer_up(&bench->from.layer, packet);
}

/* What comes out of a tap next has these bytes. */
static inline void bench_expect(struct tap *tap, const void *bytes, size_t size)
{
    struct packet *packet = tap_take(tap);
    CHECK(packet != NULL && packet->size == size && memcmp(packet->data, bytes, size) == 0);
    packet_free(packet);
}

/* Counts what was handed up, by its number. */
static inline void bench_collect(struct bench *bench, unsigned char *handed, uint32_t count, size_t largest)
{
    struct packet *packet;
    while ((packet = tap_take(&bench->sink)) != NULL) {
        int known = bench_is_content(packet->data, packet->size, largest) && get_u32(packet->data) < count;
        CHECK(known);
        if (known) handed[get_u32(packet->data)] += 1;
        packet_free(packet);
    }
}

#endif
