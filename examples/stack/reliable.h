/* Can be taken alone, with layer, network, packet; needs KCP. */
/*
 * KCP as a layer: messages of any size (up to 127 packets) go down as packets of KCP, and packets that arrive become messages
 * again, in order, none missing.
 *
 * A message of several packets is cut into as few as KCP would make of it, but all of one length, since packets of one length go through a
 * socket at once (udp.h).
 *
 * It is the top of a stack of packets, so what is above it is not a layer but the program, with a callback for messages.
 *
 * KCP makes its packets in memory of its own, so each is copied once, into a packet with headroom; from there on down nothing
 * is. On the way up KCP copies what it keeps.
 *
 * KCP measures the round trip with the time of the last update: call layer_update before packets are received, whether it is due
 * or not.
 */
#ifndef RELIABLE_H
#define RELIABLE_H

#include "ikcp.h"
#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RELIABLE_FRAGMENTS 127 /* packets of a message, at most */

/*
 * With more packets than these under way, or waiting to be, KCP's own timeout is too short: it takes each acknowledgement for a measurement, so those
 * that come together make it forget how much the round trip varies. A round trip of a few hundred milliseconds, as that of many who
 * send at once to one server, then makes it send everything twice. So the timeout is at least twice the longest round trip of late.
 */
#define RELIABLE_MANY 128

/*
 * An owner of many connections, whose packets come through one socket, may have less room there than their windows have in sum. What it
 * takes off `share` is not offered to the other end any more, but taken all the same. A few packets are always offered.
 */
#define RELIABLE_WHOLE 1024
#define RELIABLE_LEAST 4

struct reliable;

/*
 * Called with a message from the other end. `bytes` is valid during the call; `user` is reliable_init's. The callback may send,
 * but must not destroy the layer: it leaves that to the program.
 */
typedef void (*reliable_message)(void *user, const void *bytes, size_t size);

struct reliable {
    struct layer layer;
    ikcpcb *kcp; /* for its settings and for ikcp_waitsnd */
    struct packet_pool *pool;
    reliable_message message;
    void *user;
    char *buffer; /* for a message on its way to the program */
    size_t room;
    size_t largest;        /* message, either way */
    uint32_t mtu;          /* of reliable_mtu */
    size_t last_size;      /* of the packet that was sent last */
    int broken;            /* the other end has sent a larger one; nothing is handed up any more */
    uint32_t share;        /* of KCP's receive window, in RELIABLE_WHOLE parts, which the other end is told of */
    int32_t longest;       /* round trip while many packets are under way, forgotten by and by; 0: there are few */
    int32_t least_timeout; /* KCP's own, while that is so */
    uint32_t forgot;       /* when the longest was made a little less */
    unsigned long refused; /* packets that KCP did not understand, or of another conversation */
    unsigned long starved; /* packets not sent, since the pool had none */
};

/*
 * 0, or -1 without memory. `conv` must be the same at both ends. The settings are those for low latency, with windows of
 * 256 packets; change them through `kcp`. The struct stays where it is. Call reliable_mtu after the layers are joined.
 */
int reliable_init(struct reliable *reliable, uint32_t conv, struct packet_pool *pool, reliable_message message, void *user);

/* Sets KCP's mtu to what the layers below leave of the link's. 0, or -1 if that is too little or more than a packet holds. */
int reliable_mtu(struct reliable *reliable, size_t link_mtu);

/*
 * The link's is another one now, but no larger than that: packets are cut for it from now on, and messages may be as large as before.
 * What was cut already stays as it is, since KCP cannot cut it again; and a message that would be more than RELIABLE_FRAGMENTS packets
 * is cut into larger ones. What is below has to find a way for packets that are larger than its mtu.
 */
void reliable_resize(struct reliable *reliable, size_t link_mtu);

/*
 * 0, or less than 0 as ikcp_send. What it takes is sent at the next update, or at once with reliable_flush: which also sends
 * the acknowledgements of what arrived, and updates the layers below. To call it after each of both gives the lowest latency.
 */
int reliable_send(struct reliable *reliable, const void *bytes, size_t size);
void reliable_flush(struct reliable *reliable, uint32_t now);

/* The same without the layers below: for an owner that gives many stacks their turn and then the socket. */
void reliable_push(struct reliable *reliable, uint32_t now);

/* Tells KCP the time, for what arrives now, and nothing more: for an owner that does so before every packet, instead of layer_update. */
void reliable_tell(struct reliable *reliable, uint32_t now);

/*
 * 1 when the other end has not answered for so long that KCP gave it up: one packet was sent dead_link times, 20, which with
 * the settings here takes a quarter of an hour. Who wants to know sooner has a heartbeat.
 */
int reliable_is_dead(const struct reliable *reliable);

/* Does nothing if that was done before, or if all bytes are 0. */
void reliable_destroy(struct reliable *reliable);

#ifdef __cplusplus
}
#endif

#endif
