/*
 * Two stacks with a bad network between them: sockets on loopback, a relay that loses packets and attacks, and time that is the
 * test's, so that a minute takes no longer than its packets do.
 *
 *     struct pair pair;
 *     CHECK(pair_open(&pair, seed) == 0);
 *     ... join the layers of two stacks on pair.client.udp.layer and pair.server.udp.layer; their tops: ...
 *     pair.client.top = &a.layer;
 *     pair.server.top = &b.layer;
 *     pair.relay.to_server.loss = 10;
 *     while (... not done ... && pair_time(&pair) < 60000) pair_step(&pair);
 *     ... destroy the stacks ...
 *     pair_close(&pair);
 *
 * Each end hears only the relay: finding out who sent a packet is not what these tests are about.
 */
#ifndef PAIR_H
#define PAIR_H

#include "relay.h"
#include "udp.h"

struct pair_end {
    struct udp udp;
    struct packet_pool pool;
    struct layer *top;
    unsigned long updates; /* calls of layer_update */
};

struct pair {
    struct pair_end client, server;
    struct relay relay;
    uint32_t now, began; /* close to where the clock wraps */
};

/* 0 or -1. */
int pair_open(struct pair *pair, uint64_t seed);

/* Goes on to the next point in time at which something may happen: at least a millisecond, at most 1000. */
void pair_step(struct pair *pair);

/* Milliseconds since pair_open. */
uint32_t pair_time(const struct pair *pair);

void pair_close(struct pair *pair);

#endif
