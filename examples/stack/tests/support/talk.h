/*
 * Two programs that send each other messages through whole stacks, over a bad network with an attacker: KCP, a layer of the
 * test's in the middle or none, encryption or none, UDP.
 *
 *     static struct talk talk;
 *     repeat_init(&a, 2, &talk.pair.client.pool);
 *     repeat_init(&b, 2, &talk.pair.server.pool);
 *     if (talk_open(&talk, seed, sealed, &a.layer, &b.layer) == 0) talk_check(&talk, 400, &a.refused, &b.refused);
 *     ... what the units counted ...
 *     talk_close(&talk);
 *     ... give back what the layers in the middle hold ...
 *     talk_end(&talk);
 */
#ifndef TALK_H
#define TALK_H

#include "check.h"
#include "pair.h"
#include "reliable.h"
#include "seal.h"

#define TALK_LARGEST 1000 /* bytes of a message */
#define TALK_LINK_MTU 1400
#define TALK_TIME 120000

struct talk_side {
    struct reliable reliable;
    struct seal seal;
    uint32_t heard; /* messages that were whole, and in order */
    uint32_t wrong; /* all others */
};

struct talk {
    struct pair pair;
    struct talk_side client, server;
    int sealed;
    int forges, attacks; /* see talk_run: if sealed, and 2 */
    uint32_t sent, time; /* messages each way; milliseconds that talk_run takes at most, TALK_TIME */
};

/*
 * 0 or -1. The network loses a fifth of the packets, doubles some and lets them overtake each other; change that in
 * talk->pair.relay. Call reliable_mtu again for a unit that wants another. `forges` and what follows may be changed after this, too.
 */
int talk_open(struct talk *talk, uint64_t seed, int sealed, struct layer *client_middle, struct layer *server_middle);

/*
 * Goes on to so many messages in each direction, one every 10 ms. Whenever something happens the attacker sends `attacks` packets: all
 * that he can where he `forges`, which without seal KCP would believe; else garbage and a replay. Ends when all arrived, or after `time`.
 */
void talk_run(struct talk *talk, uint32_t messages);

/*
 * talk_run, and what it has to come to. `refused` is how many packets were none of theirs to the units in the middle, or to KCP where
 * there are none: many of the attacker's, and none at all if the talk is sealed.
 */
static inline void talk_check(struct talk *talk, uint32_t messages, const unsigned long *client_refused,
                              const unsigned long *server_refused)
{
    talk_run(talk, messages);
    CHECK(talk->client.heard == messages && talk->server.heard == messages);
    CHECK(talk->client.wrong == 0 && talk->server.wrong == 0);
    if (talk->sealed) {
        CHECK(talk->server.seal.forged > 50 && talk->client.seal.forged > 50 && talk->server.seal.replayed > 50);
        CHECK(*client_refused + *server_refused == 0);
        CHECK(talk->server.reliable.refused + talk->client.reliable.refused == 0);
    } else {
        CHECK(*client_refused > 50 && *server_refused > 50);
    }
    printf("%s: %u ms, %lu packets of the attacker\n", talk->sealed ? "sealed" : "plain", pair_time(&talk->pair),
           talk->pair.relay.to_server.injected + talk->pair.relay.to_client.injected);
}

/* Takes the stacks down, but for the layers in the middle. */
void talk_close(struct talk *talk);

/* Ends the sockets. 1 if all packets came back to their pools. */
int talk_end(struct talk *talk);

#endif
