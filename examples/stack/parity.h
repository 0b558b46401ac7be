/* Can be taken alone, with layer, network, packet, sequence. */
/*
 * Error correction by parity: after each group of packets one more is sent, the exclusive or of all in the group, and any one
 * of them that is lost is made from the others. It costs one packet in each group however large the packets are; for small
 * ones see repeat.h.
 *
 * Packets go out at once and go up as they arrive; only what is lost waits for the parity. That is sent when the group is full
 * or `timeout` after its first packet, so that the last packets before a pause are protected too: even a group of one.
 *
 * Two packets lost of one group are lost. Where losses come in bursts, packets go to several groups in turn (`interleave`):
 * then as many in a row may be lost, and the parity comes later by as much.
 *
 * A packet goes up once. There is no checksum: what somebody else puts on the wire may go up, or into what is made from it.
 * KCP drops what is not of its conversation; with seal.h below this unit such packets do not get here.
 *
 *     group        4 bytes
 *     index        1 byte     in the group, from 0; a parity has 128 and how many are in the group
 *     sizes        2 bytes    of a parity only: the exclusive or of the sizes
 *     content                 of a parity as long as the longest in the group; the shorter count as filled up with zeros
 */
#ifndef PARITY_H
#define PARITY_H

#include "layer.h"
#include "sequence.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PARITY_MOST 32        /* packets in a group */
#define PARITY_INTERLEAVE 8   /* groups in turn */
#define PARITY_OVERHEAD 7
#define PARITY_WINDOW 256     /* a packet may be late by as many groups, */
#define PARITY_OPEN 16        /* and used for recovery by as many: each takes a packet of the pool until it is complete */

/* A group that is being sent. */
struct parity_sent {
    struct packet *sum; /* NULL without memory: the group goes without parity */
    uint32_t number, count;
    uint16_t sizes;
    int timed; /* `since` is known: the first update or check after the first packet */
    uint32_t since;
};

/* A group that is being received, as far as its packets were added up. */
struct parity_received {
    struct packet *sum; /* NULL: none, or done */
    uint32_t number;
    uint32_t added; /* a bit for each packet */
    uint32_t count; /* of its packets; 0 before the parity is in the sum */
    uint16_t sizes;
};

struct parity {
    struct layer layer;
    struct packet_pool *pool;
    uint32_t group, interleave, timeout;

    struct parity_sent sent[PARITY_INTERLEAVE];
    uint32_t turn;
    uint32_t next; /* number of the next group */

    struct sequence sequence;
    struct {
        uint32_t number;
        uint32_t handed; /* a bit for each packet that was handed up */
        int done;        /* nothing more to be made from it */
    } groups[PARITY_WINDOW]; /* group n is at n % PARITY_WINDOW */
    struct parity_received received[PARITY_OPEN];
    unsigned long recovered; /* packets made from the others */
    unsigned long again;     /* packets not handed up, since they had been before */
    unsigned long refused;   /* packets dropped: too short, impossible, a group that is far off, a sum that does not add up */
};

/*
 * `group`: packets for each parity, 1 to PARITY_MOST. `interleave`: groups that are filled in turn, 1 to PARITY_INTERLEAVE.
 * `timeout`: in milliseconds; 0: only full groups get a parity. The two ends need not have the same. 0, or -1 for what is
 * out of range.
 */
int parity_init(struct parity *parity, uint32_t group, uint32_t interleave, uint32_t timeout, struct packet_pool *pool);

/* Gives back the packets that it holds. */
void parity_destroy(struct parity *parity);

#ifdef __cplusplus
}
#endif

#endif
