/* Can be taken alone, with layer, network, packet, sequence. */
/*
 * Error correction by repetition: each packet carries, behind itself, copies of those before it, F(n) = (P(n), P(n-1), P(n-2)).
 * What is lost arrives with the next packet, as soon as that is sent. For small packets that are sent all the time (a game's);
 * for large ones see parity.h.
 *
 * What has no room in a packet is left out, the newest goes first. With repeat_mtu KCP makes packets so small that all find
 * room: then every packet is repeated, but a large message becomes more packets.
 *
 * A packet goes up as soon as it arrives, in itself or as a copy, and once. There is no checksum: what somebody else puts on
 * the wire may go up. KCP drops what is not of its conversation; with seal.h below this unit such packets do not get here.
 *
 *     number       4 bytes    of P(n)
 *     copies       1 byte     how many; 128 more: P(n) itself is not here
 *     sizes        2 bytes for each copy, P(n-1) first; 0: left out
 *     P(n), P(n-1), ...
 */
#ifndef REPEAT_H
#define REPEAT_H

#include "layer.h"
#include "sequence.h"

#ifdef __cplusplus
extern "C" {
#endif

#define REPEAT_DEPTH 3
#define REPEAT_SLOTS 4 /* a power of two, so that numbers may wrap */
#define REPEAT_OVERHEAD (5 + 2 * REPEAT_DEPTH)
#define REPEAT_WINDOW 1024 /* a packet may be late by as many */

struct repeat {
    struct layer layer;
    struct packet_pool *pool;
    size_t mtu; /* of packets that go down, see repeat_mtu */
    uint32_t depth;

    /*
     * Set by the program: after so many milliseconds without a packet what was sent last is repeated by itself. 0, as at
     * first: never; then the last packet before a pause is without protection. It should be longer than the usual time between
     * two packets.
     */
    uint32_t tail;
    uint32_t owed;   /* how many packets would still repeat the last one */
    uint32_t since;  /* time from which `tail` counts; not known before the next update or check if not `timed` */
    int timed;

    uint32_t next;                    /* number of the next packet to be sent */
    size_t sizes[REPEAT_SLOTS];       /* of the last ones, number n at n % REPEAT_SLOTS; 0 for none or too large */
    unsigned char copies[REPEAT_SLOTS][PACKET_LARGEST];

    struct sequence sequence;
    uint32_t handed[REPEAT_WINDOW]; /* number n is at n % REPEAT_WINDOW once it was handed up */
    unsigned long recovered; /* packets handed up from a copy */
    unsigned long again;     /* packets and copies not handed up, since they had been before */
    unsigned long refused;   /* packets dropped: too short, sizes that do not add up, a number that is far off */
};

/*
 * `depth`: how many copies a packet carries, 0 to REPEAT_DEPTH; with 0 packets are numbered and no more. The two ends need
 * not have the same. 0, or -1 for a depth out of range.
 */
int repeat_init(struct repeat *repeat, uint32_t depth, struct packet_pool *pool);

/*
 * Sets how large packets may become, to what the layers below leave of the link's; call it after they are joined. Until then
 * it is 1200. Gives what to tell reliable_mtu so that every packet finds room together with its copies:
 *
 *     reliable_mtu(&reliable, repeat_mtu(&repeat, link_mtu));
 */
size_t repeat_mtu(struct repeat *repeat, size_t link_mtu);

#ifdef __cplusplus
}
#endif

#endif
