/*
 * KCP as a layer: messages of any size (up to 127 packets) go down as packets of KCP, and packets that arrive become messages
 * again, in order, none missing.
 *
 * It is the top of a stack of packets, so what is above it is not a layer but the program, with a callback for messages.
 */
#ifndef RELIABLE_H
#define RELIABLE_H

#include "ikcp.h"
#include "layer.h"

struct reliable;

/* A message of the other end. `user` is reliable_init's. */
typedef void (*reliable_message)(void *user, const void *bytes, size_t size);

struct reliable {
    struct layer layer;
    ikcpcb *kcp; /* for its settings and for ikcp_waitsnd */
    struct packet_pool *pool;
    reliable_message message;
    void *user;
    char *buffer; /* for a message on its way to the program */
    size_t room;
};

/*
 * 0, or -1 without memory. `conv` must be the same at both ends. The settings are those for low latency, with windows of
 * 256 packets; change them through `kcp`. Call reliable_mtu after the layers are joined.
 */
int reliable_init(struct reliable *reliable, uint32_t conv, struct packet_pool *pool, reliable_message message, void *user);

/* Sets KCP's mtu to what the layers below leave of the link's. 0, or -1 if that is too little. */
int reliable_mtu(struct reliable *reliable, size_t link_mtu);

/* 0, or less than 0 as ikcp_send. What it takes is sent at the next update, or at once with reliable_flush. */
int reliable_send(struct reliable *reliable, const void *bytes, size_t size);
void reliable_flush(struct reliable *reliable);

/* 1 when the other end has not answered for so long that KCP gave it up. */
int reliable_is_dead(const struct reliable *reliable);

void reliable_destroy(struct reliable *reliable);

#endif
