/* Can be taken alone, with layer, network, packet. */
/*
 * UDP unit: a non-blocking socket that takes and gives many packets per system call.
 *
 * In a server: one socket for all peers. udp_receive gives packets with the address they came from; udp_send sends each to
 * the address in it.
 *
 * In a client: connected to one peer, at the bottom of a stack of layers. udp_poll hands what arrived to the layer above.
 *
 * Packets to be sent gather until there are UDP_BATCH of them or until udp_flush, which layer_update does at its end; layer_check
 * asks for it. What the socket does not take at once stays and is tried again a millisecond later; what comes when there is no room is dropped, as a
 * network does. Errors that a peer or a network can cause (an ICMP error, no route, a packet too large) cost the packet that
 * they are about and nothing else.
 *
 * Where the kernel has segmentation offload (UDP_SEGMENT, Linux 4.18), packets to one address that follow each other go through
 * it as one, a run: all as long as the first, but for the last, which may be shorter. A run that is refused, since its packets
 * are larger than a link or the device cannot do it, is sent packet by packet; the next one is tried as a run again. What other
 * senders' runs, or the device, hand over as one (UDP_GRO, Linux 5.0) is cut into packets again. So packets are received into
 * buffers of the unit, 64 KB of addresses each, of which a page takes memory when it is used first.
 *
 * Of a socket that is bound to all addresses of a machine, each packet says which of them it came to, and leaves from the one that
 * it says (IP_PKTINFO, IPV6_PKTINFO; Linux): the peer may know no other, and what it sends there only comes back so.
 *
 * A packet that is `whole` goes by itself, and the network may not cut it up; where the system cannot forbid that, it is not sent. All
 * others may be cut up.
 *
 * The socket's buffers are made as large as the system lets a program make them, up to what udp_room asks for.
 */
#ifndef UDP_H
#define UDP_H

#include "layer.h"

#ifdef __cplusplus
extern "C" {
#endif

#define UDP_BATCH 64

struct udp_buffer;

struct udp {
    struct layer layer;
    int family;
    int fd; /* for poll and epoll: readable when udp_receive has something */
    int connected;
    int is_everywhere; /* bound to all addresses */
    struct packet_pool *pool;
    struct packet *waiting[UDP_BATCH]; /* to be sent */
    int waits;
    int full;       /* the last update left some, */
    uint32_t tried; /* at this time */
    int segments;   /* runs may be sent */
    int singly;     /* so many of those that wait have been refused as a run */
    struct udp_buffer *buffers; /* received, and not yet cut up: */
    int at, filled;             /* those from `at` to `filled` */
    int dry;                    /* the last system call found fewer than it had room for */
    unsigned long sent, received;
    unsigned long dropped; /* not sent, since there was no room, or received larger than a packet */
    unsigned long failed;  /* not sent, since the system refused: the last reason is in `error` */
    int error;
};

/* A socket that receives at an address: of IPv6 from IPv4 as well. Port 0: the system chooses. 0, or -1 with errno. */
int udp_bind(struct udp *udp, const struct sockaddr *address, socklen_t size, struct packet_pool *pool);

/* A socket for one peer. 0, or -1 with errno. */
int udp_connect(struct udp *udp, const struct sockaddr *peer, socklen_t size, struct packet_pool *pool);

/* The socket's own address. 0, or -1 with errno. */
int udp_address(const struct udp *udp, struct sockaddr_storage *address, socklen_t *size);

/* Makes room in the socket for so many bytes each way, or for as many as the system allows. */
void udp_room(struct udp *udp, int bytes);

/* How full the socket is of what has not been received: 0 to UDP_FULL, and more; 0 where the system does not say (Linux 4.12 does). */
#define UDP_FULL 256
unsigned udp_filled(const struct udp *udp);

/*
 * Up to UDP_BATCH packets that have arrived, which are the caller's now. How many; 0 when there is none; -1 with errno when
 * the socket is unusable, or with ENOBUFS when the pool has no packet: then nothing is lost. After one system call there may be
 * more packets than that, of which the socket does not tell any more: call it until it returns 0, or ask udp_has_left.
 */
int udp_receive(struct udp *udp, struct packet *packets[UDP_BATCH]);

/* 1 if packets have been received that udp_receive has not returned yet. */
int udp_has_left(const struct udp *udp);

/*
 * Receives and hands to the layer above: up to `most` packets, and those that came in one piece with the last. How many, or -1 as
 * udp_receive. It stops when the socket seems to be empty, without asking it a second time.
 */
int udp_poll(struct udp *udp, int most);

/* Takes a packet to be sent, to the peer or, of a socket that is not connected, to the address in the packet. */
void udp_send(struct udp *udp, struct packet *packet);

/* Sends what has gathered. How many packets the socket did not take yet: try again later, or when it is writable. */
int udp_flush(struct udp *udp);

/* Drops what has not been sent and closes the socket. */
void udp_close(struct udp *udp);

#ifdef __cplusplus
}
#endif

#endif
